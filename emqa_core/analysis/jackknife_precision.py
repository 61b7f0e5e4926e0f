"""Average precision with one group of frames left out, for its interval.

Delete-a-group jackknife (Efron 1982; Kott 2001 for groups). All replicates of a threshold are computed
in one walk over the score order: per group the counts to be taken away are kept beside the totals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.analysis.average_precision import RECALL_POINTS, order_by_score
from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I64, READ_U8, READ_U16, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import ScoreRuns

U64 = np.uint64
N_GROUPS = 20
MIN_FRAMES = 10  # labels in fewer frames: no interval
_EPSILON = np.spacing(1)


@njit(
    types.float64[:, ::1](
        READ_U64, READ_U8, READ_U16, READ_BOOL, READ_U64_2D, READ_U64_2D, types.int64, READ_I64, READ_F64
    ),
    cache=True,
)
def _leave_one_out(  # type: ignore[no-untyped-def]
    order, group, outside, is_matched, true_positive, matched_ignored, n_thresholds, positive_group, points
):
    n_groups = positive_group.shape[0]
    n_rows = order.shape[0]
    n_points = points.shape[0]
    match_of_row = np.cumsum(is_matched.astype(np.int64)) - 1
    positives = positive_group.sum() - positive_group
    result = np.zeros((n_thresholds, n_groups))
    precision = np.empty((true_positive.shape[0], n_groups))
    group_of_true = np.empty(true_positive.shape[0], np.int64)
    for t in range(n_thresholds):
        bit = U64(1) << U64(t)
        n_true = 0
        n_false = 0
        true_group = np.zeros(n_groups, np.int64)
        false_group = np.zeros(n_groups, np.int64)
        for index in range(n_rows):
            row = order[index]
            if is_matched[row]:
                word = match_of_row[row]
                if true_positive[word, 0] & bit:
                    true_group[group[row]] += 1
                    group_of_true[n_true] = group[row]
                    for g in range(n_groups):
                        right = n_true + 1 - true_group[g]
                        precision[n_true, g] = right / ((n_false - false_group[g]) + right + _EPSILON)
                    n_true += 1
                    continue
                if matched_ignored[word, 0] & bit:
                    continue
            if not outside[row] & np.uint16(1):
                n_false += 1
                false_group[group[row]] += 1
        left = n_true - true_group
        envelope = np.zeros(n_groups)
        unread = np.zeros(n_groups, np.int64)
        for g in range(n_groups):
            if positives[g] > 0:
                while unread[g] < n_points and points[unread[g]] <= left[g] / positives[g]:
                    unread[g] += 1
        for index in range(n_true - 1, -1, -1):
            own = group_of_true[index]
            for g in range(n_groups):
                if precision[index, g] > envelope[g]:
                    envelope[g] = precision[index, g]
                if g == own or positives[g] == 0:
                    continue
                left[g] -= 1
                while unread[g] > 0 and points[unread[g] - 1] > left[g] / positives[g]:
                    result[t, g] += envelope[g]
                    unread[g] -= 1
        for g in range(n_groups):
            if unread[g] > 0:
                result[t, g] += envelope[g] * unread[g]
            result[t, g] /= n_points
    return result


def leave_one_out(run: ScoreRuns, positive_group: Array, n_thresholds: int) -> Array:
    """AP in area range `all` of each replicate, (T, G) float64; NaN where no label is left.

    positive_group (G,) int64: labels of the class that count, per group.
    """
    replicates = _leave_one_out(
        order_by_score(run.score), run.group, run.outside, run.is_matched, run.true_positive,
        run.matched_ignored, n_thresholds, np.asarray(positive_group, np.int64), RECALL_POINTS,
    )  # fmt: skip
    replicates[:, positive_group.sum() - positive_group == 0] = np.nan
    return np.asarray(replicates)


@dataclass(frozen=True)
class Interval:
    """A 95% interval, or the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None


def logit_interval(value: float, replicates: Array, n_frames: int) -> Interval:
    """expit(logit v ± t·se / (v (1 - v))), se² = (G - 1)/G Σ (v_g - mean v_g)², t with G - 1 degrees.

    replicates (G,): the value without each group that holds a label. Null with `insufficient_support`
    where labels lie in fewer than 10 frames, the value is 0 or 1, or the replicates do not vary.
    """
    import scipy.special

    n_groups = len(replicates)
    if n_frames < MIN_FRAMES or n_groups < 2 or not 0.0 < value < 1.0:
        return Interval(None, None, "insufficient_support")
    squares = float(np.sum((replicates - replicates.mean()) ** 2))
    error = np.sqrt((n_groups - 1) / n_groups * squares)
    if error == 0.0:
        return Interval(None, None, "insufficient_support")
    half = scipy.special.stdtrit(n_groups - 1, 0.975) * error / (value * (1.0 - value))
    centre = scipy.special.logit(value)
    return Interval(
        float(scipy.special.expit(centre - half)), float(scipy.special.expit(centre + half)), None
    )
