"""What the run recommends, the first few pieces of advice in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from emqa_core.report.page import Page
from emqa_core.report.view import Row, View, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

SHOWN = 6
SHOWN_OF_A_KIND = 2


def print_advice(page: Page, run: Run, view: View, *, show_all: bool) -> None:
    """Advice for all classes or the view's; nothing at another threshold than the chosen one."""
    if "recommendation" not in run.tables or view.iou_threshold != run.row()["iou_threshold"]:
        return
    rows = rows_where(run, "recommendation", scope=view.scope, class_id=view.class_id)
    page.heading("Recommendations", "found on half of the frames; all figures are of the other half")
    if not rows:
        page.paragraph("Nothing held on both halves of the frames.")
        return
    rows.sort(key=lambda row: row["rank"])
    shown = rows if show_all else _first_of_each(rows)
    for number, row in enumerate(shown, 1):
        page.paragraph(f"{number}. {row['text']}")
    if len(shown) < len(rows):
        page.paragraph(f"{len(rows) - len(shown)} more in the table recommendation", "dim")


def _first_of_each(rows: list[Row]) -> list[Row]:
    """The first of every kind and target, most worth first; nothing twice."""
    seen: Counter[tuple[str, str]] = Counter()
    shown = []
    for row in rows:
        if row.get("duplicate_of_rank") is not None:  # runs of earlier versions do not have it
            continue
        kind = row["kind"], row["target"]
        seen[kind] += 1
        if seen[kind] <= SHOWN_OF_A_KIND and row["kind"] != "confounded":
            shown.append(row)
    return shown[:SHOWN]
