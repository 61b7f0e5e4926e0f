"""The figures a run is known by: AP and AR, precision, recall, F1, counts, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emqa_core.report.numbers import threshold_text
from emqa_core.report.view import Row, View, rows_in_view, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

HEADLINE_TABLES = ("run", "summary", "class_performance")  # what a headline is read from
COCO_MEASURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class Figure:
    """A measure with its 95% interval, and the reason where either is missing."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Headline:
    """Figures and counts of a view; `coco` holds the twelve COCO numbers where the view is of all classes."""

    figures: tuple[Figure, ...]
    counts: dict[str, int | None]
    coco: dict[str, float | None]
    best_f1: float | None
    best_score_threshold: float | None
    n_classes: int
    n_classes_without_labels: int


def read_headline(run: Run, view: View) -> Headline:
    """The headline of a view: `class_performance`, and `summary` for COCO's numbers."""
    at_threshold = _single(rows_in_view(run, "class_performance", view, area_range="all"))
    over_thresholds = _single(_mean_rows(run, view))
    summary = {} if view.class_id is not None else {row["measure"]: row for row in rows_where(run, "summary")}
    ap, ar = ("mAP", "mAR") if view.class_id is None else ("AP", "AR")
    t = threshold_text(view.iou_threshold)
    figures = (
        _figure(f"{ap}, mean over T", over_thresholds, "average_precision"),
        _figure(f"{ap} at T = {t}", at_threshold, "average_precision"),
        _figure(f"{ar} at T = {t}", at_threshold, "average_recall"),
        _figure("precision", at_threshold, "precision"),
        _figure("recall", at_threshold, "recall"),
        _figure("F1", at_threshold, "f1"),
    )
    counted = ("n_labels", "n_predictions", "n_true_positive", "n_false_positive", "n_missed")
    all_classes = View(view.iou_threshold)
    classes = rows_in_view(run, "class_performance", all_classes, scope="class", area_range="all")
    return Headline(
        figures=figures,
        counts={name: at_threshold.get(name) for name in counted},
        # COCO writes -1 where no label counts.
        coco={
            name: None if summary[name]["reason"] == "no_labels" else summary[name]["value"]
            for name in COCO_MEASURES
            if name in summary
        },
        best_f1=at_threshold.get("best_f1"),
        best_score_threshold=at_threshold.get("best_score_threshold"),
        n_classes=len(classes),
        n_classes_without_labels=sum(1 for row in classes if not row["n_labels"]),
    )


def _mean_rows(run: Run, view: View) -> list[Row]:
    rows = rows_where(run, "class_performance", scope=view.scope, area_range="all", iou_threshold=None)
    return [row for row in rows if row["class_id"] == view.class_id]


def _single(rows: list[Row]) -> Row:
    return rows[0] if rows else {}


def _figure(name: str, row: Row, column: str) -> Figure:
    value, reason = row.get(column), row.get(f"{column}_reason")
    if value is None and reason is None:
        reason = "no labels count" if not row.get("n_labels") else "no predictions count"
    return Figure(name, value, row.get(f"{column}_low"), row.get(f"{column}_high"), reason)
