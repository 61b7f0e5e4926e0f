"""What a page holds of each class: measures by IoU threshold, curves, groups, confusion, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from emqa_core.analysis.average_precision import RECALL_POINTS
from emqa_core.reductions.target_rows import N_GROUPS
from emqa_core.report.html.columns import Order, counts, numbers, rows_of, spread, text
from emqa_core.report.html.packed import Packing
from emqa_core.storage.runs import Run

_MEASURES = (
    "average_precision",
    "average_precision_low",
    "average_precision_high",
    "average_recall",
    "average_recall_low",
    "average_recall_high",
    "precision_low",
    "precision_high",
    "recall_low",
    "recall_high",
    "f1_low",
    "f1_high",
    "best_score_threshold",
)
_COUNTS = ("n_labels", "n_predictions", "n_true_positive", "n_frames_with_label")
_TOGETHER = ("sum_product", "sum_product_ny", "sum_product_yy", "n_frames")


def pack_classes(run: Run, order: Order, packing: Packing) -> None:
    """Measures and counts of area range `all`, (1 + K, T + 1) each: all first, the mean over T last."""
    table = rows_of(run.table("class_performance"), "area_range", "all")
    places = order.scope_of(table), order.threshold_of(table)
    shape = (1 + order.n_classes, order.n_thresholds + 1)
    for name in _MEASURES:
        if name in table.column_names:
            packing.add_numbers(f"class/{name}", spread(shape, places, numbers(table, name), np.nan))
    for name in _COUNTS:
        if name not in table.column_names:
            continue
        packing.add_counts(f"class/{name}", spread(shape, places, counts(table, name), 0))


def pack_groups(run: Run, order: Order, packing: Packing) -> bool:
    """Table class_group, (K, T, groups) each; False where the run has none."""
    if "class_group" not in run.tables:
        return False
    table = run.table("class_group")
    places = order.class_of(table, "class_id"), order.threshold_of(table), counts(table, "group")
    shape = (order.n_classes, order.n_thresholds, N_GROUPS)
    for name in ("average_precision_without", "average_recall_without"):
        packing.add_numbers(f"group/{name}", spread(shape, places, numbers(table, name), np.nan))
    for name in ("n_predictions", "n_true_positive", "n_labels"):
        packing.add_counts(f"group/{name}", spread(shape, places, counts(table, name), 0))
    return True


def pack_curves(run: Run, order: Order, packing: Packing) -> None:
    """Precision at 101 recall points, (K, T, 101); NaN for classes without labels."""
    table = run.table("precision_recall")
    point = np.rint(numbers(table, "recall") * (len(RECALL_POINTS) - 1)).astype(np.int64)
    places = order.class_of(table, "class_id"), order.threshold_of(table), point
    shape = (order.n_classes, order.n_thresholds, len(RECALL_POINTS))
    packing.add_fractions("curve/precision", spread(shape, places, numbers(table, "precision"), np.nan))


def pack_cooccurrence(run: Run, order: Order, packing: Packing) -> None:
    """Σ over frames of n·n', n·y' and y·y' of two classes and their frames, (K, K) each, of each source."""
    table = run.table("class_cooccurrence")
    for source in ("prediction", "label"):
        rows = rows_of(table, "source", source)
        places = order.class_of(rows, "class_id"), order.class_of(rows, "other_class_id")
        shape = (order.n_classes, order.n_classes)
        for name in _TOGETHER:
            if name in rows.column_names:
                packing.add_counts(f"together/{source}/{name}", spread(shape, places, counts(rows, name), 0))


def pack_scores(run: Run, order: Order, packing: Packing) -> dict[str, Any] | None:
    """Predictions and true positives at each score threshold, (K, T, levels); the levels; None without."""
    if "score_performance" not in run.tables:
        return None
    table = run.table("score_performance")
    levels = np.unique(numbers(table, "score_threshold"))
    rows = rows_of(table, "scope", "class")
    level = np.searchsorted(levels, numbers(rows, "score_threshold"))
    places = order.class_of(rows, "class_id"), order.threshold_of(rows), level
    shape = (order.n_classes, order.n_thresholds, len(levels))
    for name in ("n_predictions", "n_true_positive"):
        packing.add_counts(f"score/{name}", spread(shape, places, counts(rows, name), 0))
    return {"levels": levels.tolist()}


def pack_confusion(run: Run, order: Order, packing: Packing) -> dict[str, Any] | None:
    """Labels by predicted class, (K + 1, K + 1), background last; its thresholds; None without."""
    if "confusion" not in run.tables:
        return None
    table = run.table("confusion")
    if not table.num_rows:
        return None
    k = order.n_classes
    label, predicted = (order.class_of(table, name) for name in ("label_class_id", "predicted_class_id"))
    places = np.where(label < 0, k, label), np.where(predicted < 0, k, predicted)
    packing.add_counts("confusion", spread((k + 1, k + 1), places, counts(table, "n"), 0))
    # The score is null where no prediction is right: all of them are looked at then.
    return {name: table[name][0].as_py() for name in ("iou_threshold", "score_threshold")}


def pack_calibration(run: Run, order: Order, packing: Packing) -> bool:
    """Bins of the score, (K, 20) each; False where the run has none."""
    if "calibration" not in run.tables:
        return False
    table = rows_of(run.table("calibration"), "scope", "class")
    places = order.class_of(table, "class_id"), counts(table, "bin")
    n = counts(table, "n_predictions")
    shape = (order.n_classes, 20)
    packing.add_counts("calibration/n_predictions", spread(shape, places, n, 0))
    packing.add_counts(
        "calibration/n_true_positive", spread(shape, places, counts(table, "n_true_positive"), 0)
    )
    packing.add_numbers("calibration/sum_score", spread(shape, places, numbers(table, "mean_score") * n, 0.0))
    return True


def error_rows(run: Run, order: Order) -> list[dict[str, Any]]:
    """Rows of table error_type: scope, source, type, n, and the AP that it costs."""
    if "error_type" not in run.tables:
        return []
    table = run.table("error_type")
    has_cost = "average_precision_cost" in table.column_names
    cost = numbers(table, "average_precision_cost") if has_cost else np.full(table.num_rows, np.nan)
    return [
        {"scope": int(scope), "source": source, "type": kind, "n": int(n), "cost": None if np.isnan(c) else c}
        for scope, source, kind, n, c in zip(
            order.scope_of(table),
            text(table, "source").to_pylist(),
            text(table, "error_type").to_pylist(),
            counts(table, "n"),
            cost.tolist(),
            strict=True,
        )
    ]
