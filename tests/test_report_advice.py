"""Recommendations on a terminal, and the mark of confounded metrics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report_tables import effect_row, run_of
from tests.test_report_terminal import line_with, printed


def advice_row(rank: int, text: str, kind: str = "filter_predictions", **changed: Any) -> dict[str, Any]:
    return {
        "rank": rank,
        "kind": kind,
        "metric": "object_area_px2",
        "level": "prediction",
        "target": "prediction",
        "scope": "all",
        "text": text,
        **changed,
    }


def test_the_first_of_each_kind_is_printed_in_order_of_rank() -> None:
    rows = [
        advice_row(4, "fourth", "weak_range", target="label"),
        advice_row(2, "second"),
        advice_row(3, "third"),
        advice_row(1, "first"),
        advice_row(5, "of one class", scope="class", class_id="3", class_name="car"),
        advice_row(6, "confounded", "confounded"),
    ]
    text = printed(run_of(recommendation=rows))
    assert "1. first\n  2. second\n  3. fourth\n" in text
    assert "2 more in the table recommendation" in text
    everything = printed(run_of(recommendation=rows), show_all=True)
    assert "3. third" in everything and "confounded" in everything and "of one class" not in everything
    assert "1. of one class" in printed(run_of(recommendation=rows), class_="car")


def test_what_says_the_same_is_left_to_the_table() -> None:
    rows = [advice_row(1, "first"), advice_row(2, "again", duplicate_of_rank=1), advice_row(3, "another")]
    text = printed(run_of(recommendation=rows))
    assert "1. first\n  2. another\n" in text and "again" not in text
    assert "1 more in the table recommendation" in text
    assert "2. again" in printed(run_of(recommendation=rows), show_all=True)


def test_nothing_is_recommended_at_another_threshold_or_by_an_earlier_version() -> None:
    rows = [advice_row(1, "first")]
    assert "Recommendations" not in printed(run_of(recommendation=rows), iou_threshold=0.75)
    assert "Recommendations" not in printed(run_of())
    assert "Nothing held on both halves" in printed(run_of(recommendation=[]))


@pytest.mark.parametrize("width", [60, 100])
def test_long_advice_stays_on_the_page(width: int) -> None:
    text = printed(run_of(recommendation=[advice_row(1, "a word " * 60)]), width)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_confounded_metric_is_marked() -> None:
    rows = [
        effect_row("object_width_px", "label", "label", 0.2, 0.3, is_confounded=True),
        effect_row("object_area_px2", "label", "label", 0.2, 0.3, is_confounded=False),
    ]
    text = printed(run_of(metric_importance=rows))
    assert "~" in line_with(text, "object_width_px (L)") and "*" not in line_with(text, "object_width_px (L)")
    assert "~" not in line_with(text, "object_area_px2 (L)") and "*" in line_with(text, "object_area_px2 (L)")
