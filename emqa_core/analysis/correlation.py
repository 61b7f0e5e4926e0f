"""Correlation of a metric with the outcome: Pearson, Spearman from mid-ranks of bins, and partial.

Pearson and partial correlation come from centred co-moments per jackknife group and control bin; Spearman
from counts per coarse bin (within 0.0002 of the exact one with 50 bins at n = 20,000). The partial one is
Pearson of what is left of metric and outcome after their means in each bin of the control are taken out.
Intervals: delete-one-group jackknife, clipped to [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.analysis.intervals import jackknife_half_width
from emqa_core.objects import Array
from emqa_core.reductions.co_moments import CoMoments, KeyedMoments
from emqa_core.reductions.target_rows import N_GROUPS

_READ_F64_4D = types.Array(types.float64, 4, "C", readonly=True)
_READ_I64_3D = types.Array(types.int64, 3, "C", readonly=True)
_READ_I64_4D = types.Array(types.int64, 4, "C", readonly=True)

MIN_RESIDUAL_SHARE = 0.01
_NOTHING_LEFT = 1e-12  # of a sum of squares that rounding alone may leave


@njit(types.float64(types.float64, types.float64, types.float64, types.float64, types.float64), cache=True)
def _ratio(xx, yy, xy, least_xx, least_yy):  # type: ignore[no-untyped-def]
    if xx <= least_xx or yy <= least_yy:
        return np.nan
    return xy / np.sqrt(xx * yy)


@njit(
    types.void(types.float64[:, :, ::1], types.int64, types.float64, types.float64, types.float64[::1]),
    cache=True,
)
def _leave_groups_out(sums, n_bins, least_xx, least_yy, out):  # type: ignore[no-untyped-def]
    """Correlation within bins, of all rows and without each group. sums (groups + 1, bins, 6): n, Σx, Σx²,
    Σy, Σy², Σxy, the last group being all rows. out (1 + groups,); +inf: a group without rows.
    """
    n_groups = sums.shape[0] - 1
    xx = 0.0
    yy = 0.0
    xy = 0.0
    for z in range(n_bins):
        n = sums[n_groups, z, 0]
        if n > 0:
            xx += sums[n_groups, z, 2] - sums[n_groups, z, 1] * sums[n_groups, z, 1] / n
            yy += sums[n_groups, z, 4] - sums[n_groups, z, 3] * sums[n_groups, z, 3] / n
            xy += sums[n_groups, z, 5] - sums[n_groups, z, 1] * sums[n_groups, z, 3] / n
    out[0] = _ratio(xx, yy, xy, least_xx, least_yy)
    for g in range(n_groups):
        # Leaving a group out changes only the bins that it has rows in.
        left_xx = xx
        left_yy = yy
        left_xy = xy
        in_group = 0.0
        for z in range(n_bins):
            if sums[g, z, 0] == 0:
                continue
            in_group += sums[g, z, 0]
            n = sums[n_groups, z, 0]
            x = sums[n_groups, z, 1]
            y = sums[n_groups, z, 3]
            left_xx -= sums[g, z, 2] - x * x / n
            left_yy -= sums[g, z, 4] - y * y / n
            left_xy -= sums[g, z, 5] - x * y / n
            n -= sums[g, z, 0]
            x -= sums[g, z, 1]
            y -= sums[g, z, 3]
            if n > 0:
                left_xx -= x * x / n
                left_yy -= y * y / n
                left_xy -= x * y / n
            else:
                left_xx -= sums[n_groups, z, 2] - sums[g, z, 2]
                left_yy -= sums[n_groups, z, 4] - sums[g, z, 4]
                left_xy -= sums[n_groups, z, 5] - sums[g, z, 5]
        out[1 + g] = _ratio(left_xx, left_yy, left_xy, least_xx, least_yy) if in_group > 0 else np.inf


@njit(types.float64[:, :, ::1](_READ_F64_4D, _READ_F64_4D, types.int64, types.boolean), cache=True)
def _correlate(of_x, of_y, n_scopes, has_control):  # type: ignore[no-untyped-def]
    """of_x (scopes, groups, control bins, 3): n, mean, Σ(x - mean)². of_y (.., 2 or 6): of rows with y > 0 n,
    mean of x, unused, mean of y, Σ(y - mean)², Σ(x - mean)(y - mean); the first two where y is just 1. Scope
    n_scopes - 1 is all of them where it has no cells of its own. Result (scopes, 2, 2 + groups): Pearson and
    partial correlation as `_leave_groups_out` gives them, then the share of x's variance within control bins.
    """
    n_own, n_groups, n_control, _ = of_x.shape
    out = np.full((n_scopes, 2, 2 + n_groups), np.nan)
    sized = of_y.shape[3] > 2
    # About the centre of each control bin and of all rows: n, Σx, Σx², Σy, Σy², Σxy; the last group is all.
    sums = np.empty((n_groups + 1, n_control, 6), np.float64)
    flat = np.empty((n_groups + 1, 1, 6), np.float64)
    centre = np.empty(n_control, np.float64)
    in_bin = np.empty(n_control, np.float64)
    used = n_control - 1 if has_control else n_control
    for scope in range(n_scopes):
        first = scope
        last = scope + 1
        if scope == n_own:
            first = 0
            last = n_own
        sums[:] = 0.0
        flat[:] = 0.0
        centre[:] = 0.0
        in_bin[:] = 0.0
        rows = 0.0
        middle = 0.0
        for s in range(first, last):
            for g in range(n_groups):
                for z in range(n_control):
                    in_bin[z] += of_x[s, g, z, 0]
                    centre[z] += of_x[s, g, z, 0] * of_x[s, g, z, 1]
        for z in range(n_control):
            rows += in_bin[z]
            middle += centre[z]
            if in_bin[z] > 0:
                centre[z] /= in_bin[z]
        if rows == 0:
            continue
        middle /= rows
        for s in range(first, last):
            for g in range(n_groups):
                for z in range(n_control):
                    n = of_x[s, g, z, 0]
                    if n == 0:
                        continue
                    d = of_x[s, g, z, 1] - centre[z]
                    sums[g, z, 0] += n
                    sums[g, z, 1] += n * d
                    sums[g, z, 2] += of_x[s, g, z, 2] + n * d * d
                    n_y = of_y[s, g, z, 0]
                    if n_y > 0:
                        d = of_y[s, g, z, 1] - centre[z]
                        y = 1.0
                        if sized:
                            y = of_y[s, g, z, 3]
                            sums[g, z, 4] += of_y[s, g, z, 4]
                            sums[g, z, 5] += of_y[s, g, z, 5]
                        sums[g, z, 3] += n_y * y
                        sums[g, z, 4] += n_y * y * y
                        sums[g, z, 5] += n_y * y * d
        whole_xx = 0.0
        within_xx = 0.0
        known = 0.0
        known_x = 0.0
        for z in range(n_control):
            d = centre[z] - middle
            for g in range(n_groups):
                for column in range(6):
                    sums[n_groups, z, column] += sums[g, z, column]
            for g in range(n_groups + 1):
                flat[g, 0, 0] += sums[g, z, 0]
                flat[g, 0, 1] += sums[g, z, 1] + sums[g, z, 0] * d
                flat[g, 0, 2] += sums[g, z, 2] + 2 * d * sums[g, z, 1] + sums[g, z, 0] * d * d
                flat[g, 0, 3] += sums[g, z, 3]
                flat[g, 0, 4] += sums[g, z, 4]
                flat[g, 0, 5] += sums[g, z, 5] + d * sums[g, z, 3]
            n = sums[n_groups, z, 0]
            if z < used and n > 0:
                x = sums[n_groups, z, 1]
                within_xx += sums[n_groups, z, 2] - x * x / n
                known += n
                known_x += x + n * d
                whole_xx += sums[n_groups, z, 2] + 2 * d * x + n * d * d
        if known > 0:
            whole_xx -= known_x * known_x / known
        least_yy = _NOTHING_LEFT * flat[n_groups, 0, 4]
        least_xx = _NOTHING_LEFT * flat[n_groups, 0, 2]
        _leave_groups_out(flat, 1, least_xx, least_yy, out[scope, 0, : 1 + n_groups])
        if has_control:
            least_xx = _NOTHING_LEFT * whole_xx
            _leave_groups_out(sums, used, least_xx, least_yy, out[scope, 1, : 1 + n_groups])
            if whole_xx > 0:
                out[scope, 1, 1 + n_groups] = within_xx / whole_xx
    return out


@njit(types.float64[:, ::1](_READ_I64_3D, _READ_I64_4D), cache=True)
def _rank_correlate(n, levels):  # type: ignore[no-untyped-def]
    """Spearman from mid-ranks of bins and levels, (scopes, 1 + groups), as `_leave_groups_out` gives it."""
    n_scopes, n_groups, n_bins = n.shape
    n_levels = levels.shape[0] + 1
    out = np.full((n_scopes, 1 + n_groups), np.inf)
    total = np.empty((n_levels, n_bins), np.int64)
    left = np.empty((n_levels, n_bins), np.int64)
    rank_y = np.empty(n_levels, np.float64)
    for scope in range(n_scopes):
        total[:] = 0
        for g in range(n_groups):
            for b in range(n_bins):
                total[0, b] += n[scope, g, b]
                for level in range(1, n_levels):
                    total[level, b] += levels[level - 1, scope, g, b]
                    total[0, b] -= levels[level - 1, scope, g, b]
        for replicate in range(n_groups + 1):
            rows = 0
            taken = 0
            for b in range(n_bins):
                for level in range(n_levels):
                    left[level, b] = total[level, b]
                if replicate > 0:
                    left[0, b] -= n[scope, replicate - 1, b]
                    taken += n[scope, replicate - 1, b]
                    for level in range(1, n_levels):
                        left[level, b] -= levels[level - 1, scope, replicate - 1, b]
                        left[0, b] += levels[level - 1, scope, replicate - 1, b]
                for level in range(n_levels):
                    rows += left[level, b]
            if replicate > 0 and taken == 0:
                continue
            middle = (rows + 1) / 2
            before = 0
            yy = 0.0
            for level in range(n_levels):
                count = 0
                for b in range(n_bins):
                    count += left[level, b]
                rank_y[level] = before + (count + 1) / 2 - middle
                yy += count * rank_y[level] * rank_y[level]
                before += count
            before = 0
            xx = 0.0
            xy = 0.0
            for b in range(n_bins):
                count = 0
                weighted = 0.0
                for level in range(n_levels):
                    count += left[level, b]
                    weighted += left[level, b] * rank_y[level]
                rank_x = before + (count + 1) / 2 - middle
                xx += count * rank_x * rank_x
                xy += rank_x * weighted
                before += count
            out[scope, replicate] = _ratio(xx, yy, xy, 0.0, 0.0)
    return out


@dataclass(frozen=True)
class Estimate:
    """A correlation with its 95% interval, each (T, K + 1) float64, NaN where null."""

    value: Array
    low: Array
    high: Array

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> Estimate:
        nan = np.full(shape, np.nan)
        return cls(nan, nan, nan)

    @classmethod
    def of_jackknife(cls, raw: Array, keep: Array, has_interval: Array) -> Estimate:
        """From values (T, K + 1, 1 + groups) of all rows and without each group, as the kernels give them."""
        half = jackknife_half_width(raw[..., 1:])
        value = np.where(keep, np.clip(raw[..., 0], -1, 1), np.nan)
        half = np.where(has_interval, half, np.nan)
        return cls(value, np.clip(value - half, -1, 1), np.clip(value + half, -1, 1))


@dataclass(frozen=True)
class Correlation:
    """Correlations of one metric with one target's outcome; reason (T, K + 1) object: why one is null."""

    pearson: Estimate
    spearman: Estimate
    partial: Estimate
    reason: Array

    @classmethod
    def nothing(cls, shape: tuple[int, ...], reason: str) -> Correlation:
        none = Estimate.nothing(shape)
        return cls(none, none, none, np.full(shape, reason, object))


def correlation_of(
    moments: CoMoments,
    counts: Sequence[tuple[Array, Array]],
    unit_reason: Array,
    *,
    is_control: bool = False,
) -> Correlation:
    """Correlations from co-moments, and from counts of each T as `importance_of` takes them.

    unit_reason (K + 1,) object: why resampling units do not support an interval, else None. is_control: the
    metric is the one that the partial correlation takes out; nothing of it would be left.
    """
    n_scopes = counts[0][0].shape[0]
    has_control = moments.n_control > 1
    of_always = _dense(moments.always, moments)
    raw = np.empty((len(counts), n_scopes, 2, 2 + N_GROUPS))
    for t in range(len(counts)):
        at_threshold = moments.partial.block(t, moments.n_cells)
        of_x = _with_partial(of_always, at_threshold) if len(at_threshold.keys) else of_always
        of_y = _dense(moments.levels.block(t, moments.n_cells), moments)
        raw[t] = _correlate(of_x, of_y, n_scopes, has_control)
    ranks = np.stack([_rank_correlate(n, levels) for n, levels in counts])
    n, occurring = (np.stack(parts) for parts in zip(*(_outcomes(*each) for each in counts), strict=True))
    is_constant = constant_scopes(moments, n_scopes)
    pearson, partial, residual = raw[..., 0, :-1], raw[..., 1, :-1], raw[..., 1, -1]
    is_function = is_control | (residual < MIN_RESIDUAL_SHARE)
    reason = np.full(n.shape, None, object)
    reason[np.isnan(partial[..., 0])] = "no_control"
    reason[is_function] = "function_of_control"
    reason[np.isnan(ranks[..., 0])] = "single_bin"
    null = np.zeros(n.shape, bool)
    for name, where in (
        ("constant_outcome", occurring < 2),
        ("constant_metric", np.broadcast_to(is_constant, n.shape)),
        ("insufficient_support", n < 2),
    ):
        reason[where] = name
        null |= where
    has_interval = np.broadcast_to(unit_reason == None, n.shape)  # noqa: E711 - elementwise
    return Correlation(
        Estimate.of_jackknife(pearson, ~null, has_interval),
        Estimate.of_jackknife(ranks, ~null, has_interval),
        Estimate.of_jackknife(partial, ~null & ~is_function, has_interval),
        reason,
    )


def constant_scopes(moments: CoMoments, n_scopes: int) -> Array:
    """Scopes in which the metric has at most one distinct value, (n_scopes,) bool."""
    low, high = moments.low, moments.high
    if len(low) < n_scopes:
        low, high = np.append(low, low.min(initial=np.inf)), np.append(high, high.max(initial=-np.inf))
    return np.asarray(low >= high)


def _outcomes(n: Array, levels: Array) -> tuple[Array, Array]:
    """Rows of each scope, and how many levels of the outcome occur among them, (scopes,) int64 each."""
    rows, by_level = n.sum(axis=(1, 2)), levels.sum(axis=(2, 3))
    return rows, (by_level > 0).sum(axis=0) + (rows > by_level.sum(axis=0))


def _dense(part: KeyedMoments, moments: CoMoments) -> Array:
    """Full table (scopes, groups, control bins, 1 + c): n, then the moments."""
    out = np.zeros((moments.n_cells, 1 + part.moments.shape[1]))
    out[part.keys, 0] = part.n
    out[part.keys, 1:] = part.moments
    return out.reshape(moments.n_scopes, N_GROUPS, moments.n_control, out.shape[1])


def _with_partial(of_always: Array, partial: KeyedMoments) -> Array:
    """The full table with rows that count at one T alone merged in."""
    out = of_always.copy()
    cells = out.reshape(-1, out.shape[-1])
    held = KeyedMoments(partial.keys, cells[partial.keys, 0].astype(np.int64), cells[partial.keys, 1:])
    merged = held + partial
    cells[partial.keys, 0] = merged.n
    cells[partial.keys, 1:] = merged.moments
    return out
