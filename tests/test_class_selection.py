"""Tables of all classes say of a selection what a run of that selection says."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from emqa_core import evaluate
from tests.oracles.class_selection import measures_of
from tests.oracles.synthetic import make_data_set


@cache
def _run(classes: tuple[str, ...] | None, *, crowds: bool) -> Any:
    data = make_data_set(90, crowds=crowds)
    return evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        iou_thresholds=[0.5, 0.75],
        score_threshold=0.25,
        classes=None if classes is None else list(classes),
        metrics=["none"],
    )


@pytest.mark.parametrize("classes", [("1", "10"), ("2", "10"), ("1", "2"), ("1",), ("10",), ("1", "2", "10")])
@pytest.mark.parametrize("crowds", [False, True])
def test_a_selection_is_a_run_of_its_own(classes: tuple[str, ...], crowds: bool) -> None:
    found = measures_of(_run(None, crowds=crowds), classes, 0.5)
    alone = _run(classes, crowds=crowds)
    summary = {row["measure"]: row for row in alone.table("summary").to_pylist()}
    for measure, (value, ends) in found.items():
        row = summary[measure]
        assert row["value"] == pytest.approx(value, rel=1e-12), measure
        if measure in ("precision", "recall"):
            # The reader's number of frames is a lower bound.
            width = row["high"] - row["low"]
            assert ends[0] <= row["low"] + 1e-12 and row["high"] - 1e-12 <= ends[1], measure
            assert ends[1] - ends[0] == pytest.approx(width, rel=0.02), measure
            if len(classes) == 1:
                assert ends == pytest.approx((row["low"], row["high"]), rel=1e-9), measure
        else:
            assert (row["low"], row["high"]) == pytest.approx(ends, rel=1e-9), measure


@pytest.mark.parametrize("source", ["prediction", "label"])
def test_pairs_of_classes_count_right_and_missed_rows(source: str) -> None:
    run = _run(None, crowds=True)
    wanted = "true_positive" if source == "prediction" else "missed"
    frames: dict[str, dict[str, list[bool]]] = {}
    for row in run.table(source, ["frame_id", "class_id", "outcome"]).to_pylist():
        if row["outcome"] != "ignored":
            held = frames.setdefault(row["frame_id"], {}).setdefault(row["class_id"], [])
            held.append(row["outcome"] == wanted)
    expected: dict[tuple[str, str], list[int]] = {}
    for held in frames.values():
        for one, rows in held.items():
            for other, others in held.items():
                sums = expected.setdefault((one, other), [0, 0, 0, 0])
                sums[0] += len(rows) * len(others)
                sums[1] += len(rows) * sum(others)
                sums[2] += sum(rows) * sum(others)
                sums[3] += 1
    columns = ("sum_product", "sum_product_ny", "sum_product_yy", "n_frames")
    table = [row for row in run.table("class_cooccurrence").to_pylist() if row["source"] == source]
    found = {(row["class_id"], row["other_class_id"]): [row[name] for name in columns] for row in table}
    assert found == expected


def test_groups_hold_all_rows_of_a_class() -> None:
    run = _run(None, crowds=False)
    groups = run.table("class_group").to_pylist()
    assert len(groups) == 3 * 2 * 20
    for row in run.table("class_performance").to_pylist():
        if row["scope"] == "class" and row["area_range"] == "all" and row["iou_threshold"] is not None:
            key = (row["class_id"], row["iou_threshold"])
            own = [each for each in groups if (each["class_id"], each["iou_threshold"]) == key]
            for name in ("n_predictions", "n_true_positive", "n_labels"):
                assert sum(each[name] for each in own) == row[name]


def test_without_intervals_there_are_no_groups() -> None:
    data = make_data_set(10)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        metrics=["none"],
        intervals=False,
    )
    assert run.table("class_group").num_rows == 0
