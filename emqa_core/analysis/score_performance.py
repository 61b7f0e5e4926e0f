"""Table `score_performance`: precision, recall and F1 at each of some score thresholds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.classes import ClassList
from emqa_core.objects import Array
from emqa_core.reductions.level_counts import LevelCounts
from emqa_core.reductions.score_levels import ScoreLevels, at_least


def score_performance_table(
    classes: ClassList, iou_thresholds: Array, n_labels: Array, levels: ScoreLevels, counts: LevelCounts
) -> pa.Table:
    """Rows without the common columns, by scope (all first), IoU threshold and score threshold.

    iou_thresholds (T,) float64; n_labels (K,) int64: labels that count.
    """
    n, n_true = (_of_scopes(values) for values in (counts.n_predictions, counts.n_true_positive))
    n_scopes, n_thresholds, n_levels = n.shape
    labels = np.broadcast_to(np.append(n_labels.sum(), n_labels)[:, None, None], n.shape)
    columns = {
        **scope_columns(classes, np.repeat(np.arange(n_scopes) - 1, n_thresholds * n_levels)),
        "iou_threshold": pa.array(np.tile(np.repeat(iou_thresholds, n_levels), n_scopes)),
        "score_threshold": pa.array(np.tile(levels.edges, n_scopes * n_thresholds)),
        "n_predictions": pa.array(n.ravel()),
        "n_true_positive": pa.array(n_true.ravel()),
        "n_labels": pa.array(labels.ravel()),
        "precision": _quotient(n_true, n),
        "recall": _quotient(n_true, labels),
        "f1": _quotient(2 * n_true, n + labels),
    }
    table = schema.SCORE_PERFORMANCE
    return pa.table([columns[column.name] for column in table.columns], schema=table.own)


def _of_scopes(counts: Array) -> Array:
    """Counts by level (K, T, L) to those at or above each level, all classes first, (K + 1, T, L)."""
    return at_least(np.concatenate([counts.sum(axis=0, keepdims=True), counts]))


def _quotient(numerator: Array, denominator: Array) -> pa.Array:
    """Null where nothing is divided by."""
    nothing = denominator.ravel() == 0
    values = numerator.ravel() / np.where(nothing, 1, denominator.ravel())
    return pa.array(values, mask=nothing)
