"""The range of a metric in which predictions are most often wrong, or labels most often missed.

    z = (p_r - p_rest) / sqrt(p (1 - p) (1/n_r + 1/n_rest) · max(1, d)),   d = Σ_k n_k δ_k / Σ_k n_k

Found as the contiguous bins of the lowest z on one half of the frames, judged by z on the other. δ_k is the
design effect of a bin: without it rows of one frame would pass for independent ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.analysis.halves import FOUND_ON, JUDGED_ON, Gain, gain_of
from emqa_core.analysis.intervals import design_effect
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I64_2D
from emqa_core.objects import Array
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.group_counts import GroupCounts

MIN_ROWS = 25
MIN_Z = (
    3.0  # below 0 on the half of the search: of hundreds of ranges one of noise comes that far now and then
)


@kernel(types.int64[:, ::1](READ_I64_2D, READ_I64_2D, READ_F64, types.boolean))
def _search(n, right, effect, single):  # type: ignore[no-untyped-def]
    """First and last bin of the lowest z of each scope below -MIN_Z, (S, 2), -1 for none. single: one bin."""
    n_scopes, n_bins = n.shape
    out = np.full((n_scopes, 2), -1, np.int64)
    for scope in range(n_scopes):
        rows = n[scope].sum()
        hits = right[scope].sum()
        if hits == 0 or hits == rows:
            continue
        spread = hits / rows * (1 - hits / rows) * effect[scope]
        lowest = -MIN_Z
        for first in range(n_bins):
            inside = 0
            inside_hits = 0
            for last in range(first, first + 1 if single else n_bins):
                inside += n[scope, last]
                inside_hits += right[scope, last]
                if 2 * inside > rows:  # then the rest would be the range
                    break
                if (
                    inside < MIN_ROWS
                    or rows - inside < MIN_ROWS
                    or n[scope, first] == 0
                    or n[scope, last] == 0
                ):
                    continue
                apart = inside_hits / inside - (hits - inside_hits) / (rows - inside)
                z = apart / np.sqrt(spread * (1 / inside + 1 / (rows - inside)))
                if z < lowest:
                    lowest = z
                    out[scope, 0] = first
                    out[scope, 1] = last
    return out


@dataclass(frozen=True)
class WeakRange:
    """The weakest range of one scope (a class code, or K for all), judged on the other half.

    first, last: its bins. n, n_right: rows inside; rest_n, rest_right: outside. gain: of the rate of all
    rows, were the range as good as the rest.
    """

    scope: int
    first: int
    last: int
    n: int
    n_right: int
    rest_n: int
    rest_right: int
    p_value: float
    gain: Gain

    @property
    def rate(self) -> float:
        return self.n_right / self.n

    @property
    def rest_rate(self) -> float:
        return self.rest_right / self.rest_n

    @property
    def share_of_wrong(self) -> float:
        """Of all rows that are not right."""
        wrong = self.n - self.n_right
        return wrong / (wrong + self.rest_n - self.rest_right)


def find_weak_ranges(
    counts: GroupCounts, sums: FrameSums, threshold: int, skipped: Array, *, is_categorical: bool
) -> list[WeakRange]:
    """The weakest range of every scope that has one on both halves.

    counts, sums: of a target's rows by bin. threshold: number of the T. skipped (K + 1,) bool: scopes whose
    resampling units are too few.
    """
    n, levels = counts.at(threshold)
    right = levels.sum(axis=0)
    n, right = (np.concatenate([values, values.sum(axis=0, keepdims=True)]) for values in (n, right))
    effect = _design_effects(sums, threshold)
    found = _search(
        *(np.ascontiguousarray(values[:, FOUND_ON].sum(axis=1)) for values in (n, right)),
        effect,
        is_categorical,
    )
    judged = []
    for scope in np.flatnonzero((found[:, 0] >= 0) & ~skipped).tolist():
        first, last = found[scope].tolist()
        each = _judge(scope, first, last, n[scope, JUDGED_ON], right[scope, JUDGED_ON], float(effect[scope]))
        if each is not None:
            judged.append(each)
    return judged


def _design_effects(sums: FrameSums, threshold: int) -> Array:
    """max(1, d) of each scope, (K + 1,)."""
    columns = {name: values[threshold] for name, values in sums.columns().items()}
    names = ("n", "n_right", "sum_nn", "sum_ny", "sum_yy", "n_frames")
    effect = design_effect(*(columns[name] for name in names))
    rows = columns["n"]
    total = np.where(rows > 0, effect * rows, 0.0).sum(axis=1)
    return np.maximum(1.0, total / np.maximum(rows.sum(axis=1), 1))


def _judge(scope: int, first: int, last: int, n: Array, right: Array, effect: float) -> WeakRange | None:
    """n, right (g, B): of one scope."""
    from scipy.special import ndtr

    inside = slice(first, last + 1)
    by_group = np.stack(
        [n[:, inside].sum(axis=1), right[:, inside].sum(axis=1), n.sum(axis=1), right.sum(axis=1)]
    )
    n_in, right_in, rows, hits = by_group.sum(axis=1).tolist()
    n_rest, right_rest = rows - n_in, hits - right_in
    if n_in < MIN_ROWS or n_rest < MIN_ROWS or hits in (0, rows):
        return None
    p = hits / rows
    z = (right_in / n_in - right_rest / n_rest) / np.sqrt(p * (1 - p) * (1 / n_in + 1 / n_rest) * effect)
    without = _rate_gain(*(by_group.sum(axis=1, keepdims=True) - by_group))
    value = float(_rate_gain(*by_group.sum(axis=1)))
    gain = gain_of(without, value, by_group[2] > 0)
    return WeakRange(scope, first, last, n_in, right_in, n_rest, right_rest, float(ndtr(z)), gain)


def _rate_gain(n_in: Array, right_in: Array, n: Array, right: Array) -> Array:
    """What the rate of all rows gains were the range as good as the rest; NaN without rows in either."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((n_in * (right - right_in) / (n - n_in) - right_in) / n)
