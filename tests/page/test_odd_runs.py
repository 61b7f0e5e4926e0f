"""Pages of runs that lack much: no predictions, no labels, no metrics, one class, another protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.report.html.page import page_html
from emqa_core.storage.runs import Run
from tests.page.pages import open_page
from tests.page.small_run import small_run

BOX = {"x": 10.0, "y": 10.0, "width": 30.0, "height": 20.0}
FRAMES = pd.DataFrame({"frame_id": ["a", "b"], "width_px": 100, "height_px": 100})
LABELS = pd.DataFrame([{"frame_id": "a", "class_name": "cat", **BOX}])
PREDICTIONS = pd.DataFrame([{"frame_id": "a", "class_name": "cat", "score": 0.5, **BOX}])

RUNS: dict[str, dict[str, Any]] = {
    "no predictions": {"predictions": PREDICTIONS.iloc[:0]},
    "no labels": {"labels": LABELS.iloc[:0], "unlisted_classes": "evaluate"},
    "nothing right": {"predictions": PREDICTIONS.assign(x=70.0)},
    "no metrics": {"metrics": ["none"]},
    "one object": {},
    "scores beyond one": {"predictions": PREDICTIONS.assign(score=37.5)},
    "no error types, no intervals": {"error_types": False, "intervals": False},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_page_of_a_run_that_lacks_much(browser: Any, tmp_path: Path, name: str) -> None:
    given = {"labels": LABELS, "predictions": PREDICTIONS, "frames": FRAMES, **RUNS[name]}
    run = evaluate(dataset="odd", **given)
    assert isinstance(run, Run)
    check(browser, run, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"matching": "best_iou"},
        {"iou_thresholds": [0.3], "iou_threshold": 0.3},
        {"iou_threshold": 0.55, "score_threshold": 0.4},
        {"classes": ["car"]},
        {"absent_classes": "zero"},
    ],
    ids=", ".join,
)
def test_a_page_of_other_options(browser: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    check(browser, small_run(tmp_path / "eval", n_frames=60, report=False, **options), tmp_path)


def test_classes_without_a_number_come_last_either_way(browser: Any, tmp_path: Path) -> None:
    more = pd.concat([PREDICTIONS, PREDICTIONS.assign(class_name="dog")])
    labels = pd.concat([LABELS, LABELS.assign(class_name="owl", x=50.0)])
    run = evaluate(labels=labels, predictions=more, frames=FRAMES, dataset="odd", unlisted_classes="evaluate")
    assert isinstance(run, Run)
    file = tmp_path / "page.html"
    file.write_text(page_html(run), "utf-8")
    with open_page(browser, accept_downloads=True) as page:
        page.open(file)
        assert [row["class"] for row in page.rows("classes")] == ["cat", "owl", "dog"]
        page.page.locator("[data-sort='ap']").click()
        assert [row["class"] for row in page.rows("classes")] == ["owl", "cat", "dog"]


def test_a_class_whose_id_has_a_comma_is_shared(browser: Any, tmp_path: Path) -> None:
    labels = pd.concat([LABELS.assign(class_name="cat, black"), LABELS])
    run = evaluate(labels=labels, predictions=PREDICTIONS, frames=FRAMES, dataset="odd")
    assert isinstance(run, Run)
    file = tmp_path / "page.html"
    file.write_text(page_html(run), "utf-8")
    with open_page(browser, accept_downloads=True) as page:
        page.open(file)
        page.page.locator("#class-table").get_by_text("cat, black").click()
        page.settle()
        fragment = page.page.evaluate("window.location.hash")
        page.open(file, fragment)
        page.page.reload()
        page.settle()
        assert [row["class"] for row in page.rows("classes")] == ["cat, black"]


def check(browser: Any, run: Run, folder: Path) -> None:
    """It opens, says the run's figures, and no control of it breaks."""
    file = folder / "page.html"
    file.write_text(page_html(run), "utf-8")
    with open_page(browser, accept_downloads=True) as page:
        page.open(file)
        view = page.page
        assert view.locator("#failed").is_hidden()
        all_rows = run.to_pandas("class_performance").query("scope == 'all' and area_range == 'all'")
        chosen = float(run.row()["iou_threshold"])
        at_chosen = all_rows[(all_rows.iou_threshold - chosen).abs() < 1e-6].iloc[0]
        assert page.value("#counts-label b") == at_chosen.n_labels
        assert page.value("#counts-prediction b") == at_chosen.n_predictions
        assert page.value("#measure-average_precision .value") == pytest.approx(
            at_chosen.average_precision, nan_ok=True
        )
        view.locator("#iou").press("ArrowRight")
        view.locator("#score").press("End") if view.locator("#score").is_enabled() else None
        page.settle()
        for target in ("prediction", "label", "frame"):
            view.locator(f"[data-target='{target}']").click()
        if view.locator("#metric option").count():
            view.locator("#by-class").check()
        view.locator("#classes-summary").click()
        view.locator("#classes-none").click()
        page.settle()
        assert page.value("#counts-label b") == 0
        assert page.errors == [] and page.requests == []
