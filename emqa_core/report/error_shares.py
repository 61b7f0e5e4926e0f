"""Why predictions are false and labels missed, and what that costs, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emqa_core.report.numbers import measure, threshold_text
from emqa_core.report.page import INDENT, Page
from emqa_core.report.view import View

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_TOGETHER = ("false_positive", "false_negative")
_SOURCES = (("prediction", "false positives"), ("label", "missed labels"))
_COST = "costs in AP"
_LEAST_COST = 0.0005  # what is written as more than 0.000


def print_errors(page: Page, run: Run, view: View) -> None:
    """Shares and costs of error types, largest first; nothing at another threshold than the chosen one."""
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
    width = max(len(words) for words in (*dict(_SOURCES).values(), _COST))
    for source, words in _SOURCES:
        own = sorted(
            (row for row in rows if row["source"] == source and row["error_type"] not in _TOGETHER),
            key=lambda row: -row["share"],
        )
        shares = [f"{row['error_type'].replace('_', ' ')} {row['share']:.0%}" for row in own if row["n"]]
        _print_list(page, words, shares, width)
    # A run of an earlier version has no costs.
    costs = [(row.get("average_precision_cost") or 0.0, row["error_type"]) for row in rows]
    told = sorted((-cost, name) for cost, name in costs if cost >= _LEAST_COST and name not in _TOGETHER)
    _print_list(page, _COST, [f"{name.replace('_', ' ')} {measure(-cost)}" for cost, name in told], width)


def _print_list(page: Page, words: str, items: Sequence[str], width: int) -> None:
    if items:
        page.paragraph(f"{words:<{width}}  " + f" {page.glyphs.dot} ".join(items), indent=INDENT)
