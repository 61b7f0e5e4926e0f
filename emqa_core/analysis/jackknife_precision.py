"""Average precision with one group of frames left out, for its interval.

Delete-a-group jackknife (Efron 1982; Kott 2001 for groups). All replicates of a threshold are computed
in one walk over the matched rows in score order: per group the counts to be taken away are kept beside
the totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.analysis.average_precision import RECALL_POINTS
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.analysis.score_bucket import ScoreBucket
from emqa_core.kernel import kernel
from emqa_core.kernel_types import (
    READ_F64,
    READ_F64_3D,
    READ_I64,
    READ_I64_2D,
    READ_I64_3D,
    READ_U8,
    READ_U64,
    READ_U64_2D,
)
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import ScoreRuns
from emqa_core.reductions.stretch_counts import StretchCounts

U64 = np.uint64
N_GROUPS = 20
_EPSILON = np.spacing(1)
_UNIT = 1 << 56
_MATCHED, _INSIDE = 0x80, 0x40  # of a step; below them is the row's group


@kernel(types.void(READ_U64, types.int64[::1], types.uint8[::1]))
def _note_steps(words, end, steps):  # type: ignore[no-untyped-def]
    for row in range(words.shape[0]):
        word = words[row]
        code = np.int64(word >> U64(32))
        step = np.uint8((word >> U64(17)) & U64(0x3F))
        if word & U64(1):
            step |= np.uint8(_MATCHED)
        if not word & U64(2):
            step |= np.uint8(_INSIDE)
        steps[end[code]] = step
        end[code] += 1


@dataclass(frozen=True)
class GroupSteps:
    """One byte for each row of K classes, class after class, in score order: what the jackknife needs.

    class_start (K + 1,) int64; step (n,) uint8: the row's group, whether it lies inside area range `all`
    and whether it is matched. Filled by `take`, bucket after bucket.
    """

    class_start: Array
    step: Array
    _end: Array

    @classmethod
    def of(cls, parts: Sequence[ScoreRuns], n_classes: int) -> GroupSteps:
        """Nothing noted yet."""
        n_rows = sum(np.bincount(part.class_code(), minlength=n_classes) for part in parts)
        start = np.concatenate([[0], np.cumsum(n_rows)]).astype(np.int64)
        return cls(start, np.empty(start[-1], np.uint8), start[:-1].copy())

    def take(self, bucket: ScoreBucket) -> None:
        """The rows of the next bucket of `sorted_buckets`."""
        _note_steps(bucket.word, self._end, self.step)


@njit(inline="always")
def _needed(points, n_labels, needed):  # type: ignore[no-untyped-def]
    """How many true positives of n_labels reach each recall point (R,)."""
    reached = 0
    for point in range(points.shape[0]):
        # Too low at most.
        reached = max(reached, np.int64(points[point] * n_labels) - 2)  # type: ignore[assignment]
        while reached / n_labels < points[point]:
            reached += 1
        needed[point] = reached


@kernel(
    types.Tuple((types.int64[:, :, ::1], types.float64[:, :, ::1]))(
        READ_U8, READ_I64, READ_U64_2D, READ_U64_2D, READ_I64, types.int64, READ_I64_2D, READ_F64,
        READ_I64_2D, READ_I64_3D, READ_I64_3D, READ_F64_3D, types.boolean, types.boolean,
    ),
)  # fmt: skip
def _leave_one_out(  # type: ignore[no-untyped-def]
    steps, step_start, right_bits, not_false_bits, match_start, n_thresholds, positive_group, points,
    first_rows, first_right, first_not_false, peak_after, is_first, only_peak,
):  # fmt: skip
    n_classes, n_groups = positive_group.shape
    n_points = points.shape[0]
    total = np.zeros((n_classes, n_thresholds, n_groups), np.int64)
    peak = np.zeros((n_classes, n_thresholds, n_groups))
    most = 1
    for code in range(n_classes):
        most = max(most, match_start[code + 1] - match_start[code])
    # Counts are whole numbers in float64, exact below 2**53, so that groups are worked on side by side.
    before = np.empty((most, n_groups))
    all_before = np.empty(most)
    precision = np.empty((1 if only_peak else most, n_groups))
    group_of = np.empty(most, np.int64)
    group_of_true = np.empty(most, np.int64)
    inside = np.empty(n_groups)
    true_group = np.empty(n_groups)
    not_false = np.empty(n_groups)  # rows inside that are true positives or ignored
    needed = np.empty((n_groups, n_points), np.int64)
    left = np.empty(n_groups, np.int64)
    unread = np.empty(n_groups, np.int64)
    lowest = np.empty(n_groups, np.int64)  # true positives below which the next recall point is not reached
    for code in range(n_classes):
        positives = positive_group[code].sum() - positive_group[code]
        if not only_peak:
            for g in range(n_groups):
                if positives[g] > 0:
                    _needed(points, positives[g], needed[g])
        all_inside = 0.0
        for g in range(n_groups):
            inside[g] = first_rows[code, g]
            all_inside += inside[g]
        first = match_start[code]
        n_matches = 0
        for index in range(step_start[code], step_start[code + 1]):
            step = steps[index]
            if step & np.uint8(_MATCHED):
                before[n_matches] = inside
                all_before[n_matches] = all_inside
                group_of[n_matches] = step & np.uint8(0x3F)
                n_matches += 1
            if step & np.uint8(_INSIDE):
                inside[step & np.uint8(0x3F)] += 1.0
                all_inside += 1.0
        for t in range(n_thresholds):
            bit = U64(1) << U64(t)
            n_here = 0  # true positives in the stretch, all of those so far in n_true
            n_true = 0.0
            n_not_false = 0.0
            for g in range(n_groups):
                true_group[g] = first_right[code, t, g]
                not_false[g] = first_not_false[code, t, g]
                n_true += true_group[g]
                n_not_false += not_false[g]
            envelope = peak[code, t]
            envelope[:] = peak_after[code, t]
            for index in range(n_matches):
                own = group_of[index]
                if right_bits[first + index, 0] & bit:
                    true_group[own] += 1.0
                    n_true += 1.0
                    n_false = all_before[index] - n_not_false
                    row = before[index]
                    place = precision[0 if only_peak else n_here]
                    for g in range(n_groups):
                        right = n_true - true_group[g]
                        wrong = n_false - (row[g] - not_false[g])
                        place[g] = right / (wrong + right + _EPSILON)
                    if only_peak:
                        for g in range(n_groups):
                            envelope[g] = max(envelope[g], place[g])
                    group_of_true[n_here] = own
                    n_here += 1
                if not_false_bits[first + index, 0] & bit:
                    not_false[own] += 1.0
                    n_not_false += 1.0
            if only_peak:
                continue
            for g in range(n_groups):
                left[g] = np.int64(n_true - true_group[g])
                unread[g] = 0
                if positives[g] > 0:
                    while unread[g] < n_points and needed[g, unread[g]] <= left[g]:
                        unread[g] += 1
                lowest[g] = needed[g, unread[g] - 1] if unread[g] > 0 else -1
            for index in range(n_here - 1, -1, -1):
                own = group_of_true[index]
                for g in range(n_groups):
                    envelope[g] = max(envelope[g], precision[index, g])
                left[own] += 1
                for g in range(n_groups):
                    left[g] -= 1
                    if left[g] < lowest[g]:
                        while unread[g] > 0 and needed[g, unread[g] - 1] > left[g]:
                            total[code, t, g] += np.int64(envelope[g] * _UNIT)
                            unread[g] -= 1
                        lowest[g] = needed[g, unread[g] - 1] if unread[g] > 0 else -1
            if is_first:
                for g in range(n_groups):
                    total[code, t, g] += np.int64(envelope[g] * _UNIT) * unread[g]
    return total, peak


@dataclass(frozen=True)
class ReplicateStretch:
    """What a stretch of the score order gives to the replicates of K classes: T thresholds x G groups.

    total (K, T, G) int64: sum of the precision at the recall points reached in it, in units of 2**-56, so
    that no order of summation changes it. peak (K, T, G): highest precision in the stretch and after it.
    """

    total: Array
    peak: Array

    @classmethod
    def of(
        cls,
        steps: GroupSteps,
        ranked: RankedMatches,
        positive_group: Array,
        n_thresholds: int,
        before: StretchCounts | None = None,
        peak_after: Array | None = None,
        *,
        is_first: bool = True,
        only_peak: bool = False,
    ) -> ReplicateStretch:
        """The stretch that `steps` and `ranked` hold.

        positive_group (K, G) int64: labels that count, per group; G at most 64. before: counts of all rows
        before the stretch, peak_after: `peak` of the next one; None where there are none. only_peak: leave
        the totals 0.
        """
        positive_group = np.ascontiguousarray(positive_group, np.int64)
        n_classes, n_groups = positive_group.shape
        if before is None:
            before = StretchCounts.zero(n_classes, 0, n_thresholds, n_groups)
        if peak_after is None:
            peak_after = np.zeros((n_classes, n_thresholds, n_groups))
        return cls(
            *_leave_one_out(
                steps.step, steps.class_start, ranked.right, ranked.not_false, ranked.class_start,
                n_thresholds, positive_group, RECALL_POINTS, before.group_rows, before.group_right,
                before.group_not_false, peak_after, is_first, only_peak,
            )
        )  # fmt: skip


def replicates_of(stretches: Sequence[ReplicateStretch], positive_group: Array) -> Array:
    """AP in area range `all` of each replicate, (K, T, G) float64; NaN where no label is left."""
    total = sum(each.total for each in stretches)
    is_empty = positive_group.sum(axis=1, keepdims=True) == positive_group
    return np.where(is_empty[:, None, :], np.nan, total / _UNIT / len(RECALL_POINTS))


def leave_one_out(
    steps: GroupSteps, ranked: RankedMatches, positive_group: Array, n_thresholds: int
) -> Array:
    """The replicates of one stretch that holds all rows."""
    return replicates_of([ReplicateStretch.of(steps, ranked, positive_group, n_thresholds)], positive_group)
