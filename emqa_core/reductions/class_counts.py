"""Counts per class that add: labels, outcomes, and true positives among the first of a cell."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import (
    READ_BOOL,
    READ_F64,
    READ_I32,
    READ_I64,
    READ_U8,
    READ_U16,
    READ_U64_3D,
)
from emqa_core.objects import Array
from emqa_core.reductions.class_pairs import ClassPairs

_RANGES_TOGETHER = 4


@kernel(
    types.Tuple((types.int64[:, :, :, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1]))(
        READ_I32, READ_BOOL, READ_U16, READ_F64, READ_I64, READ_I32, READ_U64_3D, READ_I64,
        types.int64, types.int64, types.float64,
    ),
)  # fmt: skip
def _count_predictions(  # type: ignore[no-untyped-def]
    class_code, is_evaluated, outside, score, matched_row, matched_rank, matched_bits,
    max_dets, n_classes, n_thresholds, score_threshold,
):  # fmt: skip
    n_ranges = matched_bits.shape[2]
    n_max_dets = max_dets.shape[0]
    by_rank = np.zeros((n_classes, n_ranges, n_thresholds, n_max_dets), np.int64)
    n_true = np.zeros((n_classes, n_ranges, n_thresholds), np.int64)
    counted = np.zeros((n_classes, n_ranges, n_thresholds), np.int64)
    # Rows by class and by the set of ranges they lie outside of: one count for each row, not one a range.
    n_sets = 1 << min(n_ranges, _RANGES_TOGETHER)
    for first in range(0, n_ranges, _RANGES_TOGETHER):
        by_set = np.zeros((n_classes, n_sets), np.int64)
        for row in range(class_code.shape[0]):
            kept = np.int64(is_evaluated[row]) & np.int64(score[row] >= score_threshold)
            by_set[class_code[row], (outside[row] >> np.uint16(first)) & np.uint16(n_sets - 1)] += kept
        for code in range(n_classes):
            for a in range(first, min(first + _RANGES_TOGETHER, n_ranges)):
                for each in range(n_sets):
                    if not (each >> (a - first)) & 1:
                        counted[code, a, :] += by_set[code, each]
    for index in range(matched_row.shape[0]):
        row = matched_row[index]
        code = class_code[row]
        kept = np.int64(score[row] >= score_threshold)
        first_max_det = 0
        while first_max_det < n_max_dets and matched_rank[index] >= max_dets[first_max_det]:
            first_max_det += 1
        for a in range(n_ranges):
            is_inside = kept & ~np.int64(outside[row] >> np.uint16(a))
            right = matched_bits[index, 0, a]
            t = 0
            while right:
                if right & np.uint64(1):
                    # Counted at the smallest max_dets that holds the rank; summed up below.
                    by_rank[code, a, t, first_max_det] += 1
                    n_true[code, a, t] += kept
                    counted[code, a, t] += kept - is_inside
                right >>= np.uint64(1)
                t += 1
            ignored = matched_bits[index, 1, a]
            t = 0
            while ignored:
                counted[code, a, t] -= is_inside & np.int64(ignored)
                ignored >>= np.uint64(1)
                t += 1
    for m in range(1, n_max_dets):
        by_rank[:, :, :, m] += by_rank[:, :, :, m - 1]
    return by_rank, counted, n_true


@dataclass(frozen=True)
class ClassCounts:
    """Integer counts of K classes; A area ranges, T thresholds, M values of max_dets, G groups.

    n_positive (K, A): labels that count. n_positive_group (K, G): those of range `all` per jackknife
    group. n_true_by_rank (K, A, T, M): true positives among the first max_dets of their cells, whatever
    the score. n_prediction, n_true_positive (K, A, T): at the score threshold, predictions that
    count and true positives (as many labels are found). n_frames_with_label (K,): frames with a label
    that counts.
    prediction_pairs, label_pairs: at the chosen threshold, y true positives and missed labels.
    n_prediction_error (K, 5), n_label_error (K, 3): false positives and missed
    labels at the chosen threshold by error type, (K, 0) where those were not asked for.
    calibration (3, K, 20): of `count_calibration`.
    """

    n_positive: Array
    n_positive_group: Array
    n_true_by_rank: Array
    n_prediction: Array
    n_true_positive: Array
    n_frames_with_label: Array
    prediction_pairs: ClassPairs
    label_pairs: ClassPairs
    n_prediction_error: Array
    n_label_error: Array
    calibration: Array

    def __add__(self, other: ClassCounts) -> ClassCounts:
        return ClassCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def count_predictions(
    class_code: Array,
    is_evaluated: Array,
    outside: Array,
    score: Array,
    matched_row: Array,
    matched_rank: Array,
    matched_bits: Array,
    max_dets: Array,
    n_classes: int,
    n_thresholds: int,
    score_threshold: float,
) -> tuple[Array, Array, Array]:
    """n_true_by_rank, n_prediction and n_true_positive of one partition; shapes as in `ClassCounts`."""
    by_rank, counted, n_true = _count_predictions(
        class_code, is_evaluated, outside, score, matched_row, matched_rank, matched_bits,
        np.asarray(max_dets, np.int64), n_classes, n_thresholds, score_threshold,
    )  # fmt: skip
    return by_rank, counted, n_true


@kernel(
    types.Tuple((types.int64[:, ::1], types.int64[:, ::1], types.int64[::1]))(
        READ_I64, READ_U8, READ_I32, READ_U16, types.int64, types.int64, types.int64
    ),
)
def _count_labels(  # type: ignore[no-untyped-def]
    frame_start, frame_group, class_code, label_ignored, n_classes, n_ranges, n_groups
):
    n_positive = np.zeros((n_classes, n_ranges), np.int64)
    by_group = np.zeros((n_classes, n_groups), np.int64)
    n_frames = np.zeros(n_classes, np.int64)
    last_frame = np.full(n_classes, -1, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            code = class_code[row]
            for a in range(n_ranges):
                n_positive[code, a] += 1 - np.int64((label_ignored[row] >> np.uint16(a)) & np.uint16(1))
            if label_ignored[row] & np.uint16(1):
                continue
            by_group[code, frame_group[frame]] += 1
            n_frames[code] += last_frame[code] != frame
            last_frame[code] = frame
    return n_positive, by_group, n_frames


def count_labels(
    frame_start: Array,
    frame_group: Array,
    class_code: Array,
    label_ignored: Array,
    n_classes: int,
    n_ranges: int,
    n_groups: int,
) -> tuple[Array, Array, Array]:
    """n_positive, n_positive_group and n_frames_with_label of one partition.

    frame_start (F + 1,) int64, frame_group (F,) uint8, class_code (n,) int32, label_ignored (n,) uint16.
    """
    n_positive, by_group, n_frames = _count_labels(
        frame_start, frame_group, class_code, label_ignored, n_classes, n_ranges, n_groups
    )
    return n_positive, by_group, n_frames
