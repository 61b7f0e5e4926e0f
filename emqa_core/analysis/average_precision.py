"""Average precision and its relatives from the score runs of classes.

Exact: integer counts at the matched rows in score order; the divisions are pycocotools' (cocoeval.py,
accumulate), so that the entries agree to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numba import njit, types

from emqa_core.analysis.best_f1 import scan_f1
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.kernel_types import READ_F64, READ_I64, READ_I64_2D, READ_U32_2D, READ_U64_2D
from emqa_core.objects import Array

U64 = np.uint64
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
VOC07_RECALL_POINTS = np.linspace(0.0, 1.0, 11)
_EPSILON = np.spacing(1)


@njit(types.int64[::1](READ_F64, types.int64), cache=True)
def _needed(recall_points, n_labels):  # type: ignore[no-untyped-def]
    """How many true positives less one reach each recall point, (R,): searchsorted from the left."""
    needed = np.empty(recall_points.shape[0], np.int64)
    reached = 0
    for point in range(recall_points.shape[0]):
        # A guess that is too low at most; the comparison that decides is pycocotools'.
        reached = max(reached, np.int64(recall_points[point] * n_labels) - 2)  # type: ignore[assignment]
        while (reached + 1) / n_labels < recall_points[point]:
            reached += 1
        needed[point] = reached
    return needed


@njit(
    types.Tuple(
        (
            types.float64[:, :, :, ::1], types.float64[:, :, :, ::1], types.int64[:, :, ::1],
            types.int64[:, :, ::1], types.float64[:, :, ::1], types.float64[:, :, ::1],
            types.float64[:, :, :, ::1],
        )
    )(
        READ_I64, READ_F64, READ_U64_2D, READ_U64_2D, READ_U32_2D, READ_U32_2D, READ_U32_2D,
        READ_F64, READ_I64_2D, types.int64, READ_F64, READ_F64,
    ),
    cache=True,
)  # fmt: skip
def _accumulate(  # type: ignore[no-untyped-def]
    class_start, match_score, right_bits, not_false_bits, before, through_tie, n_rows,
    highest_score, n_positive, n_thresholds, recall_points, voc_points,
):  # fmt: skip
    n_classes, n_ranges = n_positive.shape
    n_points = recall_points.shape[0]
    shape = (n_classes, n_thresholds, n_ranges)
    precision = np.full((*shape, n_points), -1.0)
    score_at = np.full((*shape, n_points), -1.0)
    n_true = np.zeros(shape, np.int64)
    n_false = np.zeros(shape, np.int64)
    voc07 = np.full(shape, np.nan)
    all_point = np.full(shape, np.nan)
    best = np.full((*shape, 4), np.nan)

    most = 1
    for code in range(n_classes):
        most = max(most, class_start[code + 1] - class_start[code] + 1)
    no_points = np.empty(0, np.int64)
    # The matches of a class that count in an area range: their bits, rows before them and to the tie's end.
    right = np.empty(most, np.uint64)
    not_false = np.empty(most, np.uint64)  # inside the range and right or ignored
    rows_before = np.empty(most, np.uint32)
    rows_through_tie = np.empty(most, np.uint32)
    place_of = np.empty(most, np.int64)
    state = np.empty((5, n_thresholds), np.int64)
    tps, left_outs, best_tp, best_kept, best_index = state
    # At each true positive of a threshold: the false positives so far, and its place.
    false_at = np.empty(most, np.int64)
    place_at = np.empty(most, np.int64)
    envelope = np.empty(most, np.float64)

    for code in range(n_classes):
        for a in range(n_ranges):
            n_labels = n_positive[code, a]
            positives = float(n_labels)
            needed = _needed(recall_points, n_labels) if n_labels > 0 else no_points
            voc_needed = _needed(voc_points, n_labels) if n_labels > 0 else no_points
            n_counted = 0
            for place in range(class_start[code], class_start[code + 1]):
                right[n_counted] = right_bits[place, a]
                not_false[n_counted] = not_false_bits[place, a]
                rows_before[n_counted] = before[place, a]
                rows_through_tie[n_counted] = through_tie[place, a]
                place_of[n_counted] = place
                if right[n_counted] | not_false[n_counted]:
                    n_counted += 1
            state[:] = 0
            scan_f1(right, not_false, rows_through_tie, n_counted, n_labels, state)
            for t in range(n_thresholds):
                tp = tps[t]
                n_true[code, t, a] = tp
                n_false[code, t, a] = np.int64(n_rows[code, a]) - left_outs[t]
                if n_labels == 0:
                    continue
                if best_tp[t] > 0:
                    best[code, t, a, 0] = match_score[place_of[best_index[t]]]
                    best[code, t, a, 1] = best_tp[t] / best_kept[t]
                    best[code, t, a, 2] = best_tp[t] / positives
                    best[code, t, a, 3] = 2.0 * best_tp[t] / (best_kept[t] + positives)
                shift = U64(t)
                found = 0
                left_out = 0  # rows inside the range that are no false positives
                for index in range(n_counted):
                    # Written whether right or not, and kept only if right: a branch would be guessed wrong.
                    false_at[found] = np.int64(rows_before[index]) - left_out
                    place_at[found] = place_of[index]
                    found += np.int64((right[index] >> shift) & U64(1))  # type: ignore[assignment]
                    left_out += np.int64((not_false[index] >> shift) & U64(1))  # type: ignore[assignment]
                for index in range(tp):
                    envelope[index] = (index + 1.0) / (false_at[index] + (index + 1.0) + _EPSILON)
                total = 0.0
                highest = 0.0
                for index in range(tp - 1, -1, -1):
                    highest = max(highest, envelope[index])
                    envelope[index] = highest
                    total += highest
                all_point[code, t, a] = total / positives
                for point in range(n_points):
                    reached = needed[point]
                    if recall_points[point] <= 0.0 and highest_score[code] == highest_score[code]:
                        # The first row has recall >= 0, whatever it is.
                        precision[code, t, a, point] = envelope[0] if tp > 0 else 0.0
                        score_at[code, t, a, point] = highest_score[code]
                    elif reached < tp:
                        precision[code, t, a, point] = envelope[reached]
                        score_at[code, t, a, point] = match_score[place_at[reached]]
                    else:
                        precision[code, t, a, point] = 0.0
                        score_at[code, t, a, point] = 0.0
                total = 0.0
                for point in range(voc_points.shape[0]):
                    reached = voc_needed[point]
                    total += envelope[reached] if reached < tp else 0.0
                voc07[code, t, a] = total / voc_points.shape[0]
    return precision, score_at, n_true, n_false, voc07, all_point, best


@dataclass(frozen=True)
class ClassCurves:
    """The precision-recall curves of K classes and what follows, T thresholds x A area ranges.

    precision, score (K, T, A, 101) at the recall points, -1 where no label counts. n_true_positive,
    n_false_positive (K, T, A). voc07, all_point (K, T, A): the VOC 2007 eleven-point and the all-point AP,
    NaN without labels. best (K, T, A, 4): score threshold, precision, recall and F1 of the highest F1, the
    higher threshold on ties, NaN where there is no true positive.
    """

    precision: Array
    score: Array
    n_true_positive: Array
    n_false_positive: Array
    voc07: Array
    all_point: Array
    best: Array

    @classmethod
    def of(cls, ranked: RankedMatches, n_positive: Array, n_thresholds: int) -> ClassCurves:
        """Curves of the classes; n_positive (K, A) int64: labels that count in each area range."""
        return cls(
            *_accumulate(
                ranked.class_start, ranked.score(), ranked.right, ranked.not_false,
                ranked.before, ranked.through_tie, ranked.n_rows, ranked.highest_score(),
                np.ascontiguousarray(n_positive, np.int64), n_thresholds, RECALL_POINTS,
                VOC07_RECALL_POINTS,
            )
        )  # fmt: skip

    @staticmethod
    def stack(parts: list[ClassCurves], order: Array) -> ClassCurves:
        """The classes of several curves; order (K,) int64: where in the parts each class stands."""
        if len(parts) == 1 and np.array_equal(order, np.arange(len(order))):
            return parts[0]
        return ClassCurves(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])[order]
                for field in fields(ClassCurves)
            )
        )
