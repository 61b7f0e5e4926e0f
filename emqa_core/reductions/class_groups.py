"""Counts per class and jackknife group, and how a class's rows cluster in frames: the state behind the
intervals of precision, recall, F1 and average recall.

Whole numbers throughout, so that they are the same for any partitioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from emqa_core.objects import Array
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.target_rows import N_GROUPS, TargetRows

SUMS = ("n", "n_right", "sum_nn", "sum_ny", "sum_yy", "n_frames")


@dataclass(frozen=True)
class ClassGroups:
    """Of K classes at T thresholds and G groups, area range `all`.

    n_prediction, n_true_positive (K, T, G) int64: at the score threshold, predictions that count and true
    positives. n_found (K, T, G): true positives whatever the score, at the largest max_dets.
    prediction_sums, label_sums (6, T, K + 1) int64: `SUMS` of each class and of all classes together, at the
    score threshold; right are true positives and found labels.
    """

    n_prediction: Array
    n_true_positive: Array
    n_found: Array
    prediction_sums: Array
    label_sums: Array

    @classmethod
    def of(
        cls, rows: Mapping[str, TargetRows], together: Mapping[str, FrameSums], n_found: Array
    ) -> ClassGroups:
        """Of one partition: rows and `FrameSums.together` of its predictions and labels; n_found of
        `count_found`.
        """
        predictions = rows["prediction"]
        return cls(*_by_group(predictions), n_found, _sums(together["prediction"]), _sums(together["label"]))

    def __add__(self, other: ClassGroups) -> ClassGroups:
        return ClassGroups(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def count_found(
    frame_start: Array,
    frame_group: Array,
    class_code: Array,
    matched_row: Array,
    right: Array,
    n_classes: int,
    n_thresholds: int,
) -> Array:
    """True positives by class, threshold and group, (K, T, G) int64.

    frame_start (F + 1,) int64, frame_group (F,) uint8, class_code (n,) int32; right (m,) uint64: bit t of
    the rows matched_row (m,).
    """
    frame = np.searchsorted(frame_start, matched_row, "right") - 1
    cell = class_code[matched_row].astype(np.int64) * N_GROUPS + frame_group[frame]
    found = np.empty((n_thresholds, n_classes * N_GROUPS), np.int64)
    for t in range(n_thresholds):
        is_right = (right >> np.uint64(t)) & np.uint64(1) == 1
        found[t] = np.bincount(cell[is_right], minlength=n_classes * N_GROUPS)
    return _by_class(found, n_classes)


def _by_group(rows: TargetRows) -> tuple[Array, Array]:
    """Rows that count and right ones, (K, T, G) int64 each."""
    pairs, cell = rows.pairs, rows.cell_of_pair
    n_cells = rows.n_classes * N_GROUPS
    of_class = cell >= 0
    always = _total(cell[of_class], pairs.n[of_class], n_cells)
    listed = cell[pairs.listed]
    of_class = listed >= 0
    listed = listed[of_class]
    counted = np.empty((rows.n_thresholds, n_cells), np.int64)
    right = np.empty_like(counted)
    for t in range(rows.n_thresholds):
        counted[t] = always + _total(listed, pairs.sometimes[of_class, t], n_cells)
        right[t] = _total(listed, pairs.hits[of_class, t], n_cells)
    return _by_class(counted, rows.n_classes), _by_class(right, rows.n_classes)


def _total(cell: Array, amount: Array, n_cells: int) -> Array:
    # Sums of whole numbers in float64 are exact below 2**53.
    return np.bincount(cell, weights=amount, minlength=n_cells).astype(np.int64)


def _by_class(values: Array, n_classes: int) -> Array:
    """(T, K * G) as (K, T, G)."""
    return np.ascontiguousarray(values.reshape(len(values), n_classes, N_GROUPS).transpose(1, 0, 2))


def _sums(together: FrameSums) -> Array:
    columns = together.columns()
    return np.stack([columns[name][..., 0] for name in SUMS])
