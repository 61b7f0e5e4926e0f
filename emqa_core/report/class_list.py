"""The classes of a run by AP: the best, the worst, and those without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emqa_core.report.view import Row, View, rows_in_view, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

SHOWN_WHOLE = 12  # up to so many classes are all shown
SHOWN_AT_EACH_END = 5


@dataclass(frozen=True)
class ClassFigures:
    """One class at the view's threshold; `mean_ap` is its mean over all thresholds."""

    name: str
    n_labels: int
    n_predictions: int | None
    ap: float | None
    mean_ap: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    best_score_threshold: float | None


@dataclass(frozen=True)
class ClassRanking:
    """Classes with labels by AP, descending: `best`, then `n_between` left out, then `worst`."""

    best: tuple[ClassFigures, ...]
    n_between: int
    worst: tuple[ClassFigures, ...]
    n_without_labels: int


def rank_classes(run: Run, view: View, *, show_all: bool = False) -> ClassRanking:
    """All classes where they are few or `show_all`, else five from either end."""
    rows = rows_in_view(run, "class_performance", View(view.iou_threshold), scope="class", area_range="all")
    means = {
        row["class_id"]: row["average_precision"]
        for row in rows_where(run, "class_performance", scope="class", area_range="all", iou_threshold=None)
    }
    ranked = sorted(
        (_figures(row, means) for row in rows if row["n_labels"]), key=lambda c: (-(c.ap or 0.0), c.name)
    )
    n_without = len(rows) - len(ranked)
    if show_all or len(ranked) <= SHOWN_WHOLE:
        return ClassRanking(tuple(ranked), 0, (), n_without)
    best, worst = ranked[:SHOWN_AT_EACH_END], ranked[-SHOWN_AT_EACH_END:]
    return ClassRanking(tuple(best), len(ranked) - len(best) - len(worst), tuple(worst), n_without)


def _figures(row: Row, means: dict[str, float | None]) -> ClassFigures:
    return ClassFigures(
        name=row["class_name"],
        n_labels=row["n_labels"],
        n_predictions=row["n_predictions"],
        ap=row["average_precision"],
        mean_ap=means.get(row["class_id"]),
        precision=row["precision"],
        recall=row["recall"],
        f1=row["f1"],
        best_score_threshold=row["best_score_threshold"],
    )
