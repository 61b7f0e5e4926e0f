"""Why predictions are false and labels missed, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emqa_core.report.numbers import threshold_text
from emqa_core.report.page import INDENT, Page
from emqa_core.report.view import View

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_TOGETHER = ("false_positive", "false_negative")
_SOURCES = (("prediction", "false positives"), ("label", "missed labels"))


def print_errors(page: Page, run: Run, view: View) -> None:
    """The shares of error types, the largest first; nothing at another threshold than the chosen one."""
    if "error_type" not in run.tables:
        return
    rows = [
        row
        for row in run.table("error_type").to_pylist()
        if row["class_id"] == view.class_id and row["share"] is not None
    ]
    if not rows or view.iou_threshold != run.row()["iou_threshold"]:
        return
    page.heading("Errors", f"at T = {threshold_text(view.iou_threshold)}")
    width = max(len(words) for _, words in _SOURCES)
    for source, words in _SOURCES:
        own = sorted(
            (row for row in rows if row["source"] == source and row["error_type"] not in _TOGETHER),
            key=lambda row: -row["share"],
        )
        shares = [f"{row['error_type'].replace('_', ' ')} {row['share']:.0%}" for row in own if row["n"]]
        if shares:
            text = f"{words:<{width}}  " + f" {page.glyphs.dot} ".join(shares)
            page.paragraph(text, indent=INDENT)
