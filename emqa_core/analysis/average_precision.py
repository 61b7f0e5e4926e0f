"""Average precision and its relatives from the score runs of classes.

Exact: integer counts at the matched rows in score order; the divisions are pycocotools' (cocoeval.py,
accumulate), so that the entries agree to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import types

from emqa_core.analysis.best_f1 import is_higher_f1, scan_f1
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.kernel import kernel
from emqa_core.kernel_types import (
    READ_F64,
    READ_F64_3D,
    READ_I64,
    READ_I64_2D,
    READ_I64_3D,
    READ_U32_2D,
    READ_U64_2D,
)
from emqa_core.objects import Array
from emqa_core.reductions.stretch_counts import StretchCounts

U64 = np.uint64
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
VOC07_RECALL_POINTS = np.linspace(0.0, 1.0, 11)
_POINTS = np.concatenate([RECALL_POINTS, VOC07_RECALL_POINTS])
_N_POINTS, _N_VOC = len(RECALL_POINTS), len(VOC07_RECALL_POINTS)
_EPSILON = np.spacing(1)
# Precisions are summed as integers of two such units: no order of summation changes the sum.
_UNIT_BITS = 30
_UNIT = 1 << _UNIT_BITS


@kernel(types.int64[::1](READ_F64, types.int64))
def needed_for(recall_points, n_labels):  # type: ignore[no-untyped-def]
    """How many true positives less one reach each recall point, (R,): searchsorted from the left.

    recall_points: one or several ascending lists, one after the other.
    """
    needed = np.empty(recall_points.shape[0], np.int64)
    reached = 0
    for point in range(recall_points.shape[0]):
        if point and recall_points[point] < recall_points[point - 1]:
            reached = 0
        # A guess that is too low at most; the comparison that decides is pycocotools'.
        reached = max(reached, np.int64(recall_points[point] * n_labels) - 2)  # type: ignore[assignment]
        while (reached + 1) / n_labels < recall_points[point]:
            reached += 1
        needed[point] = reached
    return needed


@kernel(
    types.Tuple(
        (
            types.float64[:, :, :, ::1], types.float64[:, :, :, ::1], types.int64[:, :, ::1],
            types.int64[:, :, ::1], types.int64[:, :, :, ::1], types.int64[:, :, :, ::1],
            types.float64[:, :, ::1], types.float64[:, :, ::1],
        )
    )(
        READ_I64, READ_F64, READ_U64_2D, READ_U64_2D, READ_U32_2D, READ_U32_2D, READ_U32_2D,
        READ_I64_2D, READ_I64_2D, READ_I64_3D, READ_I64_3D, READ_F64_3D, types.int64, READ_F64,
    ),
)  # fmt: skip
def _accumulate(  # type: ignore[no-untyped-def]
    class_start, match_score, right_bits, not_false_bits, before, through_tie, n_rows,
    n_positive, first_rows, first_right, first_not_false, peak_after, n_thresholds, recall_points,
):  # fmt: skip
    n_classes, n_ranges = n_positive.shape
    n_points = recall_points.shape[0]
    shape = (n_classes, n_thresholds, n_ranges)
    precision = np.full((*shape, n_points), -1.0)
    score_at = np.full((*shape, n_points), -1.0)
    n_true = np.zeros(shape, np.int64)
    n_false = np.zeros(shape, np.int64)
    area = np.zeros((*shape, 2), np.int64)
    best = np.zeros((*shape, 2), np.int64)
    best_score = np.zeros(shape, np.float64)
    peak = np.zeros(shape, np.float64)

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
            needed = needed_for(recall_points, n_labels) if n_labels > 0 else no_points
            n_counted = 0
            for place in range(class_start[code], class_start[code + 1]):
                right[n_counted] = right_bits[place, a]
                not_false[n_counted] = not_false_bits[place, a]
                rows_before[n_counted] = before[place, a]
                rows_through_tie[n_counted] = through_tie[place, a]
                place_of[n_counted] = place
                if right[n_counted] | not_false[n_counted]:
                    n_counted += 1
            # Rows are counted within the stretch: those before it are left out with a negative sign.
            for t in range(n_thresholds):
                tps[t] = first_right[code, a, t]
                left_outs[t] = first_not_false[code, a, t] - first_rows[code, a]
            state[2:] = 0
            scan_f1(right, not_false, rows_through_tie, n_counted, n_labels, state)
            for t in range(n_thresholds):
                n_true[code, t, a] = tps[t]
                n_false[code, t, a] = np.int64(n_rows[code, a]) - left_outs[t]
                if n_labels == 0:
                    continue
                if best_tp[t] > 0:
                    best[code, t, a, 0] = best_tp[t]
                    best[code, t, a, 1] = best_kept[t]
                    best_score[code, t, a] = match_score[place_of[best_index[t]]]
                shift = U64(t)
                found = 0
                first = first_right[code, a, t]
                left_out = first_not_false[code, a, t] - first_rows[code, a]
                for index in range(n_counted):
                    # Written whether right or not, and kept only if right: a branch would be guessed wrong.
                    false_at[found] = np.int64(rows_before[index]) - left_out
                    place_at[found] = place_of[index]
                    found += np.int64((right[index] >> shift) & U64(1))  # type: ignore[assignment]
                    left_out += np.int64((not_false[index] >> shift) & U64(1))
                for index in range(found):
                    envelope[index] = (first + index + 1.0) / (
                        false_at[index] + (first + index + 1.0) + _EPSILON
                    )
                highest = peak_after[code, t, a]
                for index in range(found - 1, -1, -1):
                    highest = max(highest, envelope[index])
                    envelope[index] = highest
                peak[code, t, a] = highest
                high, low = np.int64(0), np.int64(0)
                for index in range(found):
                    scaled = envelope[index] * _UNIT
                    units = np.int32(scaled)
                    high += np.int64(units)
                    low += np.int64(np.int32((scaled - units) * _UNIT))
                area[code, t, a, 0] = high
                area[code, t, a, 1] = low
                for point in range(n_points):
                    reached = needed[point] - first
                    if 0 <= reached < found:
                        precision[code, t, a, point] = envelope[reached]
                        score_at[code, t, a, point] = match_score[place_at[reached]]
                    else:
                        precision[code, t, a, point] = 0.0
                        score_at[code, t, a, point] = 0.0
    return precision, score_at, n_true, n_false, area, best, best_score, peak


@dataclass(frozen=True)
class CurveStretch:
    """What a stretch of the score order gives to the curves of K classes; T thresholds x A area ranges.

    place (p,): where in (K, T, A, 112), raveled, the recall points of COCO and VOC are that were reached in
    the stretch; precision, score (p,) there. None for all places, with 0 where nothing was reached and -1
    where no label counts. n_true, n_false (K, T, A): up to the end of the stretch. area (K, T, A, 2): sum of
    the envelope at the true positives, in units of 2**-30 and 2**-60. best (K, T, A, 2): true positives and
    rows kept at the highest F1 in the stretch, best_score (K, T, A) its score. peak (K, T, A): highest
    precision in the stretch and after it. highest_score (K,): NaN for a class without rows.
    """

    place: Array | None
    precision: Array
    score: Array
    n_true: Array
    n_false: Array
    area: Array
    best: Array
    best_score: Array
    peak: Array
    highest_score: Array

    @classmethod
    def of(
        cls,
        ranked: RankedMatches,
        n_positive: Array,
        n_thresholds: int,
        before: StretchCounts | None = None,
        peak_after: Array | None = None,
    ) -> CurveStretch:
        """The stretch that `ranked` holds.

        n_positive (K, A) int64: labels that count. before: counts of all rows before the stretch, peak_after
        (K, T, A): `peak` of the next one; None where there are none.
        """
        n_classes, n_ranges = n_positive.shape
        if before is None:
            before = StretchCounts.zero(n_classes, n_ranges, n_thresholds, 0)
        if peak_after is None:
            peak_after = np.zeros((n_classes, n_thresholds, n_ranges))
        precision, score, n_true, n_false, area, best, best_score, peak = _accumulate(
            ranked.class_start, ranked.score(), ranked.right, ranked.not_false,
            ranked.before, ranked.through_tie, ranked.n_rows, np.ascontiguousarray(n_positive, np.int64),
            before.n_rows, before.right, before.not_false, peak_after, n_thresholds, _POINTS,
        )  # fmt: skip
        return cls(
            None, precision, score, n_true, n_false, area, best, best_score, peak, ranked.highest_score()
        )

    def reached(self) -> CurveStretch:
        """The same with only those recall points that were reached: small enough to be sent."""
        precision, score = self.precision.ravel(), self.score.ravel()
        place = np.flatnonzero(precision > 0.0)
        return replace(self, place=place, precision=precision[place], score=score[place])


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
        return cls.join([CurveStretch.of(ranked, n_positive, n_thresholds)], n_positive)

    @classmethod
    def join(cls, stretches: Sequence[CurveStretch], n_positive: Array) -> ClassCurves:
        """Curves from all stretches of the score order, highest scores first."""
        last = stretches[-1]
        positives = np.broadcast_to(n_positive[:, None, :], last.n_true.shape).astype(np.float64)
        has_labels = positives > 0
        precision, score = _at_points(stretches, has_labels)
        highest = _first_of([each.highest_score for each in stretches])
        # The first row has recall >= 0, whatever it is.
        has_rows = ~np.isnan(highest)
        first_score = np.where(has_rows[:, None, None], highest[:, None, None], score[..., 0])
        score[..., 0] = np.where(has_labels, first_score, -1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            voc07 = np.where(has_labels, _sum_in_order(precision[..., _N_POINTS:]) / _N_VOC, np.nan)
            area = np.sum([each.area for each in stretches], axis=0)
            # Integers, so that the order of summation does not matter.
            whole = area[..., 0] + (area[..., 1] >> _UNIT_BITS)
            rest = area[..., 1] & (_UNIT - 1)
            all_point = np.where(has_labels, (whole + rest / _UNIT) / _UNIT / positives, np.nan)
        return cls(
            precision[..., :_N_POINTS],
            score[..., :_N_POINTS],
            last.n_true,
            last.n_false,
            voc07,
            all_point,
            _best_of(stretches, positives),
        )


def _at_points(stretches: Sequence[CurveStretch], has_labels: Array) -> tuple[Array, Array]:
    """Precision and score at all recall points, each from the stretch that reaches it."""
    if stretches[0].place is None:
        (only,) = stretches
        return only.precision, only.score
    precision = np.repeat(np.where(has_labels, 0.0, -1.0)[..., None], len(_POINTS), axis=3)
    score = precision.copy()
    for each in stretches:
        precision.ravel()[each.place] = each.precision
        score.ravel()[each.place] = each.score
    return precision, score


def _first_of(highest: Sequence[Array]) -> Array:
    """The first that is not NaN, class by class."""
    result = highest[0]
    for later in highest[1:]:
        result = np.where(np.isnan(result), later, result)
    return result


def _sum_in_order(values: Array) -> Array:
    total = np.zeros(values.shape[:-1])
    for index in range(values.shape[-1]):
        total = total + values[..., index]
    return total


def _best_of(stretches: Sequence[CurveStretch], positives: Array) -> Array:
    """Score threshold, precision, recall and F1; an earlier stretch stays where a later one is as good."""
    labels = positives.astype(np.int64)
    n_true, kept = stretches[0].best[..., 0], stretches[0].best[..., 1]
    threshold = stretches[0].best_score
    for each in stretches[1:]:
        is_better = is_higher_f1(each.best[..., 0], each.best[..., 1], n_true, kept, labels)
        n_true = np.where(is_better, each.best[..., 0], n_true)
        kept = np.where(is_better, each.best[..., 1], kept)
        threshold = np.where(is_better, each.best_score, threshold)
    with np.errstate(invalid="ignore", divide="ignore"):
        best = np.stack(
            [threshold, n_true / kept, n_true / positives, 2.0 * n_true / (kept + positives)], axis=3
        )
    best[n_true == 0] = np.nan
    return best
