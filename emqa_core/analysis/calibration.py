"""Calibration: how far scores are from the share of predictions that are right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.classes import ClassList
from emqa_core.objects import Array
from emqa_core.reductions.calibration_counts import N_CALIBRATION_BINS, SCORE_UNIT


def with_all_classes(counts: Array) -> Array:
    """(3, K, B) counts with all classes together before each of them, (3, K + 1, B)."""
    return np.concatenate([counts.sum(axis=1, keepdims=True), counts], axis=1)


def expected_calibration_error(counts: Array) -> Array:
    """ECE of each scope, (K,) float64: sum over bins of n_k / n |mean score - precision| (Guo et al. 2017).

    counts (3, K, B). NaN for a scope without predictions.
    """
    n, n_right, score_sum = counts[0], counts[1], counts[2] * SCORE_UNIT
    total = n.sum(axis=1)
    apart = np.abs(score_sum - n_right).sum(axis=1)
    return np.divide(apart, total, out=np.full(len(total), np.nan), where=total > 0)


def calibration_table(classes: ClassList, counts: Array) -> pa.Table:
    """Table `calibration` without the common columns: bins that hold predictions. counts (3, K, B)."""
    scopes = with_all_classes(counts)
    scope, place = np.nonzero(scopes[0])
    n, n_right = scopes[0, scope, place], scopes[1, scope, place]
    columns = {
        **scope_columns(classes, scope - 1),
        "bin": pa.array(place),
        "lower": pa.array(place / N_CALIBRATION_BINS),
        "upper": pa.array((place + 1) / N_CALIBRATION_BINS),
        "n_predictions": pa.array(n),
        "n_true_positive": pa.array(n_right),
        "mean_score": pa.array(scopes[2, scope, place] * SCORE_UNIT / n),
        "precision": pa.array(n_right / n),
        "expected_calibration_error": pa.array(expected_calibration_error(scopes)[scope]),
    }
    return pa.table(
        [columns[column.name] for column in schema.CALIBRATION.columns], schema=schema.CALIBRATION.own
    )
