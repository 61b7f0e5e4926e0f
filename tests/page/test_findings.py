"""What to do, and the worst regions, on a page: what the tables say, in their order, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.report.html.page import page_html
from emqa_core.storage.runs import Run
from tests.page.pages import OpenPage, open_page
from tests.page.small_run import small_run

SHOWN = 10


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("small"))


def written(run: Run, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(page_html(run), "utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser: Any, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenPage]:
    with open_page(browser, accept_downloads=True) as page:
        page.open(written(run, tmp_path_factory.mktemp("page")))
        yield page


@pytest.fixture
def page(opened: OpenPage) -> Iterator[OpenPage]:
    opened.look_at("")
    yield opened
    assert opened.errors == []


@pytest.fixture(scope="module")
def advice(run: Run) -> list[dict[str, Any]]:
    return run.table("recommendation").sort_by("rank").to_pylist()


def first_of_all(advice: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in advice if row["duplicate_of_rank"] is None][:SHOWN]


def test_advice_is_that_of_the_table_and_what_repeats_it_is_folded_away(
    page: OpenPage, advice: list[dict[str, Any]]
) -> None:
    items = page.page.locator("#recommendations > ol > li")
    first = first_of_all(advice)
    assert items.count() == len(first) and len(first) < len(advice)
    n_folded = 0
    for place, row in enumerate(first):
        item = items.nth(place)
        same = [each["text"] for each in advice if each["duplicate_of_rank"] == row["rank"]]
        assert item.inner_text().startswith(row["text"])
        repeated = item.locator("details li").all_text_contents()
        assert len(repeated) == len(same)
        assert all(text.startswith(expected) for text, expected in zip(repeated, same, strict=True))
        n_folded += len(same)
        if same:
            said = "and one that says the same" if len(same) == 1 else f"and {len(same)} that say the same"
            assert item.locator("summary").inner_text() == said
            assert not item.locator("details li").first.is_visible()
    assert n_folded > 0
    assert len(page.rows("recommendation")) == len(advice)


def test_a_click_opens_the_metric_with_its_advice(page: OpenPage, advice: list[dict[str, Any]]) -> None:
    for place, row in enumerate(first_of_all(advice)[:4]):
        page.page.locator("#recommendations > ol > li").nth(place).locator("> button").click()
        page.settle()
        assert page.page.locator("#metric").input_value() == row["metric"]
        own = [each for each in advice if each["metric"] == row["metric"]]
        own.sort(key=lambda each: each["duplicate_of_rank"] is not None)
        assert page.page.locator(".advice p").all_text_contents() == [each["text"] for each in own[:3]]


def test_worst_regions_are_the_significant_ones(page: OpenPage, run: Run) -> None:
    expected = [row for row in run.table("slice").to_pylist() if row["is_significant"]][:SHOWN]
    shown = page.page.locator("#slices tbody tr")
    assert shown.count() == len(expected) > 0
    for place, row in enumerate(expected):
        cells = shown.nth(place).locator("td, th").all_text_contents()
        assert cells == [
            row["text"], f"{row['n']:,}", f"{100 * row['rate']:.1f}%", f"{100 * row['rate_rest']:.1f}%",
        ]  # fmt: skip


def test_noise_gives_no_advice_and_the_page_says_so(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 600
    boxes = {"x_px": np.tile(np.arange(4) * 90.0, n // 4), "y_px": 0.0, "width_px": 50.0, "height_px": 50.0}
    labels = pd.DataFrame({"frame_id": np.arange(n) // 4, "class_id": 1, **boxes, "shade": rng.random(n)})
    predictions = labels.assign(y_px=np.where(rng.random(n) < 0.5, 0.0, 300.0), score=rng.random(n))
    run = evaluate(labels=labels, predictions=predictions, metrics=["shade"], iou_thresholds=[0.5])
    assert isinstance(run, Run) and run.table("recommendation").num_rows == 0
    with open_page(browser) as page:
        page.open(written(run, tmp_path))
        text = page.page.locator("#findings").inner_text()
        assert text.strip() == "Nothing held on both halves of the frames: no recommendation."
        assert page.errors == []
