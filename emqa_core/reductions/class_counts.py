"""Counts per class that add: labels, outcomes, and true positives among the first of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I32, READ_I64, READ_U16, READ_U64_2D
from emqa_core.objects import Array


@njit(
    types.Tuple((types.int64[:, :, :, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1]))(
        READ_I32, READ_I32, READ_U16, READ_F64, READ_I64, READ_U64_2D, READ_U64_2D, READ_I64,
        types.int64, types.int64, types.float64,
    ),
    cache=True,
)  # fmt: skip
def _count_predictions(  # type: ignore[no-untyped-def]
    class_code, rank, outside, score, matched_row, true_positive, matched_ignored, max_dets,
    n_classes, n_thresholds, score_threshold,
):  # fmt: skip
    n_ranges = true_positive.shape[1]
    n_max_dets = max_dets.shape[0]
    max_det = max_dets[n_max_dets - 1]
    by_rank = np.zeros((n_classes, n_ranges, n_thresholds, n_max_dets), np.int64)
    n_true = np.zeros((n_classes, n_ranges, n_thresholds), np.int64)
    unmatched = np.zeros((n_classes, n_ranges), np.int64)
    counted = np.zeros((n_classes, n_ranges, n_thresholds), np.int64)
    for row in range(class_code.shape[0]):
        if rank[row] < max_det and score[row] >= score_threshold:
            for a in range(n_ranges):
                if not (outside[row] >> np.uint16(a)) & np.uint16(1):
                    unmatched[class_code[row], a] += 1
    for code in range(n_classes):
        for a in range(n_ranges):
            counted[code, a, :] = unmatched[code, a]
    for index in range(matched_row.shape[0]):
        row = matched_row[index]
        code = class_code[row]
        kept = score[row] >= score_threshold
        for a in range(n_ranges):
            is_outside = (outside[row] >> np.uint16(a)) & np.uint16(1)
            for t in range(n_thresholds):
                bit = np.uint64(1) << np.uint64(t)
                if true_positive[index, a] & bit:
                    for m in range(n_max_dets):
                        if rank[row] < max_dets[m]:
                            by_rank[code, a, t, m] += 1
                    if kept:
                        n_true[code, a, t] += 1
                        if is_outside:
                            counted[code, a, t] += 1
                elif kept and not is_outside and matched_ignored[index, a] & bit:
                    counted[code, a, t] -= 1
    return by_rank, counted, n_true


@dataclass(frozen=True)
class ClassCounts:
    """Integer counts of K classes; A area ranges, T thresholds, M values of max_dets, G groups.

    n_positive (K, A): labels that count. n_positive_group (K, G): those of range `all` per jackknife
    group. n_true_by_rank (K, A, T, M): true positives among the first max_dets of their cells, whatever
    the score. n_prediction, n_true_positive (K, A, T): at the score threshold, predictions that
    count and true positives (as many labels are found). n_frames_with_label (K,): frames with a label
    that counts.
    cooccurrence_prediction, cooccurrence_label (K, K): Σ over frames of n_class · n_other, rows that
    count at the chosen threshold.
    """

    n_positive: Array
    n_positive_group: Array
    n_true_by_rank: Array
    n_prediction: Array
    n_true_positive: Array
    n_frames_with_label: Array
    cooccurrence_prediction: Array
    cooccurrence_label: Array

    def __add__(self, other: ClassCounts) -> ClassCounts:
        return ClassCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_arrays(self) -> dict[str, Array]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ClassCounts:
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@njit(types.int64[:, ::1](READ_I64, READ_I32, READ_BOOL, types.int64), cache=True)
def _cooccurrence(frame_start, class_code, counts, n_classes):  # type: ignore[no-untyped-def]
    total = np.zeros((n_classes, n_classes), np.int64)
    n_rows = np.zeros(n_classes, np.int64)
    present = np.empty(n_classes, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        n_present = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if counts[row]:
                code = class_code[row]
                if n_rows[code] == 0:
                    present[n_present] = code
                    n_present += 1
                n_rows[code] += 1
        for i in range(n_present):
            for j in range(n_present):
                total[present[i], present[j]] += n_rows[present[i]] * n_rows[present[j]]
        for i in range(n_present):
            n_rows[present[i]] = 0
    return total


def cooccurrence(frame_start: Array, class_code: Array, counts: Array, n_classes: int) -> Array:
    """Σ over frames of n_class · n_other of the rows that count, (K, K) int64.

    frame_start (F + 1,) int64, class_code (n,) int32, counts (n,) bool.
    """
    return np.asarray(_cooccurrence(frame_start, class_code, counts, n_classes))


def count_predictions(
    class_code: Array,
    rank: Array,
    outside: Array,
    score: Array,
    matched_row: Array,
    true_positive: Array,
    matched_ignored: Array,
    max_dets: Array,
    n_classes: int,
    n_thresholds: int,
    score_threshold: float,
) -> tuple[Array, Array, Array]:
    """n_true_by_rank, n_prediction and n_true_positive of one partition; shapes as in `ClassCounts`."""
    by_rank, counted, n_true = _count_predictions(
        class_code, rank, outside, score, matched_row, true_positive, matched_ignored,
        np.asarray(max_dets, np.int64), n_classes, n_thresholds, score_threshold,
    )  # fmt: skip
    return by_rank, counted, n_true


def count_labels(
    class_code: Array,
    label_ignored: Array,
    frame_of_row: Array,
    group_of_row: Array,
    n_classes: int,
    n_ranges: int,
    n_groups: int,
) -> tuple[Array, Array, Array]:
    """n_positive, n_positive_group and n_frames_with_label of one partition."""
    n_positive = np.zeros((n_classes, n_ranges), np.int64)
    for a in range(n_ranges):
        counts = (label_ignored >> np.uint16(a)) & np.uint16(1) == 0
        n_positive[:, a] = np.bincount(class_code[counts], minlength=n_classes)
    counts = label_ignored & np.uint16(1) == 0
    code = class_code[counts].astype(np.int64)
    by_group = np.bincount(code * n_groups + group_of_row[counts], minlength=n_classes * n_groups)
    cells = np.unique(frame_of_row[counts] * n_classes + code)
    frames = np.bincount(cells % n_classes, minlength=n_classes) if n_classes else np.zeros(0, np.int64)
    return n_positive, by_group.reshape(n_classes, n_groups), frames
