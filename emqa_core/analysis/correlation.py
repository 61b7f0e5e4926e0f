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

from emqa_core.analysis.intervals import jackknife_factor
from emqa_core.objects import Array
from emqa_core.reductions.co_moments import CoMoments, KeyedMoments
from emqa_core.reductions.target_rows import N_GROUPS

_READ_F64_4D = types.Array(types.float64, 4, "C", readonly=True)
_READ_I64_3D = types.Array(types.int64, 3, "C", readonly=True)
_READ_I64_4D = types.Array(types.int64, 4, "C", readonly=True)

MIN_RESIDUAL_SHARE = 0.01
_NOTHING_LEFT = 1e-12  # of a sum of squares that rounding alone may leave

# What each correlation's row of a kernel's result holds.
_VALUE, _MEAN, _SPREAD, _GROUPS, _DEFINED, _RESIDUAL = range(6)


@njit(types.float64(types.float64, types.float64, types.float64, types.float64, types.float64), cache=True)
def _ratio(xx, yy, xy, least_xx, least_yy):  # type: ignore[no-untyped-def]
    if xx <= least_xx or yy <= least_yy:
        return np.nan
    return xy / np.sqrt(xx * yy)


@njit(types.float64[:, ::1](_READ_F64_4D, _READ_F64_4D, types.int64, types.boolean), cache=True)
def _correlate(of_x, of_y, n_scopes, skip_last):  # type: ignore[no-untyped-def]
    """of_x (scopes, groups, control bins, 3): n, mean, Σ(x - mean)². of_y (.., 2 or 6): of rows with y > 0 n,
    mean of x, unused, mean of y, Σ(y - mean)², Σ(x - mean)(y - mean); the first two where y is just 1. Scope
    n_scopes - 1 is all of them where it has no cells of its own. Result: Pearson in columns 0-5, partial in
    6-11.
    """
    n_own, n_groups, n_control, _ = of_x.shape
    out = np.zeros((n_scopes, 12), np.float64)
    # Per group (the last: all groups) and control bin, about the bin's mean: n, Σx, Σx², Σy, Σy², Σxy.
    sums = np.empty((n_groups + 1, n_control, 6), np.float64)
    flat = np.empty((n_groups + 1, 6), np.float64)
    centre = np.empty(n_control, np.float64)
    values = np.empty((2, n_groups), np.float64)
    used = n_control - 1 if skip_last else n_control
    sized = of_y.shape[3] > 2
    in_bin = np.empty(n_control, np.float64)
    for scope in range(n_scopes):
        first, last = (scope, scope + 1) if scope < n_own else (0, n_own)
        sums[:] = 0.0
        flat[:] = 0.0
        centre[:] = 0.0
        in_bin[:] = 0.0
        for s in range(first, last):
            for g in range(n_groups):
                for z in range(n_control):
                    in_bin[z] += of_x[s, g, z, 0]
                    centre[z] += of_x[s, g, z, 0] * of_x[s, g, z, 1]
        rows = in_bin.sum()
        if rows == 0:
            continue
        middle = centre.sum() / rows
        for z in range(n_control):
            if in_bin[z] > 0:
                centre[z] /= in_bin[z]
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
                        y = of_y[s, g, z, 3] if sized else 1.0
                        sums[g, z, 3] += n_y * y
                        sums[g, z, 4] += n_y * y * y
                        sums[g, z, 5] += n_y * y * d
                        if sized:
                            sums[g, z, 4] += of_y[s, g, z, 4]
                            sums[g, z, 5] += of_y[s, g, z, 5]
        for g in range(n_groups):
            for z in range(n_control):
                if sums[g, z, 0] == 0:
                    continue
                d = centre[z] - middle
                flat[g, 0] += sums[g, z, 0]
                flat[g, 1] += sums[g, z, 1] + sums[g, z, 0] * d
                flat[g, 2] += sums[g, z, 2] + 2 * d * sums[g, z, 1] + sums[g, z, 0] * d * d
                flat[g, 3] += sums[g, z, 3]
                flat[g, 4] += sums[g, z, 4]
                flat[g, 5] += sums[g, z, 5] + d * sums[g, z, 3]
                for column in range(6):
                    sums[n_groups, z, column] += sums[g, z, column]
            for column in range(6):
                flat[n_groups, column] += flat[g, column]
        # Pearson.
        whole = flat[n_groups]
        xx = whole[2] - whole[1] * whole[1] / whole[0]
        yy = whole[4] - whole[3] * whole[3] / whole[0]
        least_xx = _NOTHING_LEFT * xx
        least_yy = _NOTHING_LEFT * whole[4]
        out[scope, _VALUE] = _ratio(xx, yy, whole[5] - whole[1] * whole[3] / whole[0], 0.0, least_yy)
        held = 0
        for g in range(n_groups):
            n = whole[0] - flat[g, 0]
            if flat[g, 0] == 0:
                continue
            x = whole[1] - flat[g, 1]
            y = whole[3] - flat[g, 3]
            values[0, held] = np.nan
            if n > 0:
                values[0, held] = _ratio(
                    whole[2] - flat[g, 2] - x * x / n,
                    whole[4] - flat[g, 4] - y * y / n,
                    whole[5] - flat[g, 5] - x * y / n,
                    least_xx,
                    least_yy,
                )
            held += 1
        out[scope, _GROUPS] = held
        # Partial: what is left within control bins. Leaving a group out changes only its own bins.
        within_xx = 0.0
        within_yy = 0.0
        within_xy = 0.0
        spread_x = 0.0
        n_used = 0.0
        x_used = 0.0
        for z in range(used):
            cell = sums[n_groups, z]
            if cell[0] > 0:
                within_xx += cell[2] - cell[1] * cell[1] / cell[0]
                within_yy += cell[4] - cell[3] * cell[3] / cell[0]
                within_xy += cell[5] - cell[1] * cell[3] / cell[0]
                d = centre[z] - middle
                n_used += cell[0]
                x_used += cell[1] + cell[0] * d
                spread_x += cell[2] + 2 * d * cell[1] + cell[0] * d * d
        if n_used > 0:
            spread_x -= x_used * x_used / n_used
        out[scope, 6 + _RESIDUAL] = within_xx / spread_x if spread_x > 0 else np.nan
        least_xx = _NOTHING_LEFT * spread_x
        out[scope, 6 + _VALUE] = _ratio(within_xx, within_yy, within_xy, least_xx, least_yy)
        held_partial = 0
        for g in range(n_groups):
            xx = within_xx
            yy = within_yy
            xy = within_xy
            in_group = 0.0
            for z in range(used):
                part = sums[g, z]
                if part[0] == 0:
                    continue
                in_group += part[0]
                cell = sums[n_groups, z]
                xx -= cell[2] - cell[1] * cell[1] / cell[0]
                yy -= cell[4] - cell[3] * cell[3] / cell[0]
                xy -= cell[5] - cell[1] * cell[3] / cell[0]
                n = cell[0] - part[0]
                if n > 0:
                    x = cell[1] - part[1]
                    y = cell[3] - part[3]
                    xx += cell[2] - part[2] - x * x / n
                    yy += cell[4] - part[4] - y * y / n
                    xy += cell[5] - part[5] - x * y / n
            if in_group > 0:
                values[1, held_partial] = _ratio(xx, yy, xy, least_xx, least_yy)
                held_partial += 1
        out[scope, 6 + _GROUPS] = held_partial
        for kind in range(2):
            m = held if kind == 0 else held_partial
            if m > 0:
                mean = values[kind, :m].mean()
                out[scope, 6 * kind + _MEAN] = mean
                out[scope, 6 * kind + _SPREAD] = ((values[kind, :m] - mean) ** 2).sum()
                out[scope, 6 * kind + _DEFINED] = not np.isnan(mean)
    return out


@njit(types.float64[:, ::1](_READ_I64_3D, _READ_I64_4D), cache=True)
def _rank_correlate(n, levels):  # type: ignore[no-untyped-def]
    n_scopes, n_groups, n_bins = n.shape
    n_levels = levels.shape[0] + 1
    out = np.zeros((n_scopes, 6), np.float64)
    cells = np.empty((n_groups + 1, n_levels, n_bins), np.int64)
    left = np.empty((n_levels, n_bins), np.int64)
    rank_y = np.empty(n_levels, np.float64)
    values = np.empty(n_groups, np.float64)
    for scope in range(n_scopes):
        cells[n_groups] = 0
        for g in range(n_groups):
            for b in range(n_bins):
                wrong = n[scope, g, b]
                for level in range(1, n_levels):
                    cells[g, level, b] = levels[level - 1, scope, g, b]
                    wrong -= cells[g, level, b]
                cells[g, 0, b] = wrong
            cells[n_groups] += cells[g]
        held = 0
        for g in range(n_groups, -1, -1):
            is_whole = g == n_groups
            if not is_whole and cells[g].sum() == 0:
                continue
            left[:] = cells[n_groups] if is_whole else cells[n_groups] - cells[g]
            rows = left.sum()
            middle = (rows + 1) / 2
            before = 0
            yy = 0.0
            for level in range(n_levels):
                count = left[level].sum()
                rank_y[level] = before + (count + 1) / 2 - middle
                yy += count * rank_y[level] * rank_y[level]
                before += count
            before = 0
            xx = 0.0
            xy = 0.0
            for b in range(n_bins):
                count = left[:, b].sum()
                if count == 0:
                    continue
                rank_x = before + (count + 1) / 2 - middle
                xx += count * rank_x * rank_x
                for level in range(n_levels):
                    xy += left[level, b] * rank_x * rank_y[level]
                before += count
            value = xy / np.sqrt(xx * yy) if xx > 0 and yy > 0 else np.nan
            if is_whole:
                out[scope, _VALUE] = value
            else:
                values[held] = value
                held += 1
        out[scope, _GROUPS] = held
        if held > 0:
            mean = values[:held].mean()
            out[scope, _MEAN] = mean
            out[scope, _SPREAD] = ((values[:held] - mean) ** 2).sum()
            out[scope, _DEFINED] = not np.isnan(mean)
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
        groups = raw[..., _GROUPS].astype(np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            half = jackknife_factor(groups) * np.sqrt((groups - 1) / groups * raw[..., _SPREAD])
        value = np.where(keep, np.clip(raw[..., _VALUE], -1, 1), np.nan)
        known = has_interval & (raw[..., _DEFINED] > 0) & (groups > 1)
        low = np.where(known, np.clip(value - half, -1, 1), np.nan)
        return cls(value, low, np.where(known, np.clip(value + half, -1, 1), np.nan))


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
    raw = np.empty((len(counts), n_scopes, 12))
    for t in range(len(counts)):
        partial = moments.partial.block(t, moments.n_cells)
        of_x = _with_partial(of_always, partial) if len(partial.keys) else of_always
        of_y = _dense(moments.levels.block(t, moments.n_cells), moments)
        raw[t] = _correlate(of_x, of_y, n_scopes, has_control)
    ranks = np.stack([_rank_correlate(n, levels) for n, levels in counts])
    n, occurring = (np.stack(parts) for parts in zip(*(_outcomes(*each) for each in counts), strict=True))
    is_constant = constant_scopes(moments, n_scopes)
    residual = raw[..., 6 + _RESIDUAL]
    has_partial = ~np.isnan(residual) & (raw[..., 6 + _GROUPS] > 0) & has_control
    is_function = is_control | (has_partial & (residual < MIN_RESIDUAL_SHARE))
    reason = np.full(n.shape, None, object)
    reason[~has_partial | np.isnan(raw[..., 6 + _VALUE])] = "no_control"
    reason[is_function] = "function_of_control"
    reason[np.isnan(ranks[..., _VALUE])] = "single_bin"
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
        Estimate.of_jackknife(raw[..., :6], ~null, has_interval),
        Estimate.of_jackknife(ranks, ~null, has_interval),
        Estimate.of_jackknife(raw[..., 6:], ~null & has_partial & ~is_function, has_interval),
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
    return out.reshape(moments.n_scopes, N_GROUPS, moments.n_control, -1)


def _with_partial(of_always: Array, partial: KeyedMoments) -> Array:
    """The full table with rows that count at one T alone merged in."""
    out = of_always.copy()
    cells = out.reshape(-1, out.shape[-1])
    held = KeyedMoments(partial.keys, cells[partial.keys, 0].astype(np.int64), cells[partial.keys, 1:])
    merged = held + partial
    cells[partial.keys, 0] = merged.n
    cells[partial.keys, 1:] = merged.moments
    return out
