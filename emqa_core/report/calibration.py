"""Whether scores are probabilities, in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emqa_core.report.numbers import measure
from emqa_core.report.page import INDENT, Page
from emqa_core.report.view import View, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run


def print_calibration(page: Page, run: Run, view: View) -> None:
    """The expected calibration error of a view, and whether scores are too high or too low on the whole.

    Nothing at another threshold than the chosen one, nor where no score is a probability.
    """
    if "calibration" not in run.tables or view.iou_threshold != run.row()["iou_threshold"]:
        return
    rows = rows_where(run, "calibration", scope=view.scope, class_id=view.class_id)
    if not rows:
        return
    n = sum(row["n_predictions"] for row in rows)
    scores = sum(row["n_predictions"] * row["mean_score"] for row in rows)
    above = (scores - sum(row["n_true_positive"] for row in rows)) / n
    text = (
        f"expected calibration error {measure(rows[0]['expected_calibration_error'])}: "
        f"scores are {measure(abs(above))} {'above' if above >= 0 else 'below'} precision on average"
    )
    page.paragraph(text, indent=INDENT)
