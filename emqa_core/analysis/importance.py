"""Metric importance: how much of the outcome's entropy a metric explains, 0 to 1.

    importance = clip((I(X;Y) - f·b) / H(Y), 0, 1),   b = max(0, (m_XY - m_X - m_Y + 1) / (2 n))

I and H are plug-in estimates in nats and b the bias of I under independence (Miller 1955, Madow 1948), m
being numbers of non-empty cells, bins and outcomes. f says how far the clustering of rows in frames
multiplies that bias; it comes from the delete-one-group jackknife (Quenouille 1956; interval: Efron and
Stein 1981), whose replicates keep the bins. The p-value is Pearson's chi-square with the first-order
correction for clustered rows of Rao and Scott 1984.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit, types

from emqa_core.analysis.intervals import design_effect, jackknife_half_width
from emqa_core.analysis.merged_bins import MergedBins
from emqa_core.objects import Array

_READ_I64_1D = types.Array(types.int64, 1, "C", readonly=True)
_READ_I64_3D = types.Array(types.int64, 3, "C", readonly=True)
_READ_I64_4D = types.Array(types.int64, 4, "C", readonly=True)
_READ_I16_2D = types.Array(types.int16, 2, "C", readonly=True)
_READ_F64 = types.Array(types.float64, 1, "C", readonly=True)

# Columns of the kernel's result, before one value of theta per group left out.
_N, _I, _H, _BIAS, _M_X, _M_Y, _THETAS = range(7)


@njit(types.float64(types.int64, _READ_F64), cache=True)
def _n_log_n(n, table):  # type: ignore[no-untyped-def]
    if n < table.shape[0]:
        return table[n]
    return n * np.log(float(n))


@njit(types.float64[:, ::1](_READ_I64_3D, _READ_I64_4D, _READ_I16_2D, _READ_I64_1D, _READ_F64), cache=True)
def _mutual_information(n, levels, bin_of, n_merged, table):  # type: ignore[no-untyped-def]
    """Per scope: n, I, H, b, m_X, m_Y, then theta without each group: +inf where the group has no rows, NaN
    where one outcome is left.
    """
    n_scopes, n_groups, n_bins = n.shape
    n_levels = levels.shape[0] + 1
    most = 1
    for scope in range(n_scopes):
        most = max(most, n_merged[scope])
    out = np.zeros((n_scopes, 6 + n_groups), np.float64)
    # By group, the last being all rows: cells, and their margins.
    cells = np.empty((n_groups + 1, n_levels, most), np.int64)
    of_bin = np.empty((n_groups + 1, most), np.int64)
    of_level = np.empty((n_groups + 1, n_levels), np.int64)
    for scope in range(n_scopes):
        cells[:] = 0
        of_bin[:] = 0
        of_level[:] = 0
        all_rows = 0
        for g in range(n_groups):
            for b in range(n_bins):
                rows = n[scope, g, b]
                if rows == 0:
                    continue
                k = bin_of[scope, b]
                all_rows += rows
                of_bin[g, k] += rows
                of_bin[n_groups, k] += rows
                for level in range(n_levels - 1, -1, -1):
                    count = rows
                    if level > 0:
                        count = levels[level - 1, scope, g, b]
                        rows -= count
                    cells[g, level, k] += count
                    cells[n_groups, level, k] += count
                    of_level[g, level] += count
                    of_level[n_groups, level] += count
        out[scope, 0] = all_rows
        if all_rows == 0:
            continue
        # Sums of n ln n over cells, bins and levels, and how many of each are not empty.
        sum_xy = 0.0
        sum_x = 0.0
        sum_y = 0.0
        m_xy = 0
        m_x = 0
        m_y = 0
        for level in range(n_levels):
            m_y += of_level[n_groups, level] > 0
            sum_y += _n_log_n(of_level[n_groups, level], table)
            for k in range(n_merged[scope]):
                m_xy += cells[n_groups, level, k] > 0
                sum_xy += _n_log_n(cells[n_groups, level, k], table)
        for k in range(n_merged[scope]):
            m_x += of_bin[n_groups, k] > 0
            sum_x += _n_log_n(of_bin[n_groups, k], table)
        whole = _n_log_n(all_rows, table)
        out[scope, 1] = max(0.0, (sum_xy - sum_x - sum_y + whole) / all_rows)
        out[scope, 2] = (whole - sum_y) / all_rows if m_y > 1 else 0.0
        out[scope, 3] = max(0.0, (m_xy - m_x - m_y + 1) / (2 * all_rows))
        out[scope, 4] = m_x
        out[scope, 5] = m_y
        if n_merged[scope] < 2:
            out[scope, 6:] = np.nan
            continue
        for g in range(n_groups):
            # Only the cells that the group has rows in change when it is left out.
            rows = all_rows
            xy = sum_xy
            x = sum_x
            y = sum_y
            n_xy = m_xy
            n_x = m_x
            n_y = m_y
            for level in range(n_levels):
                if of_level[g, level] == 0:
                    continue
                rows -= of_level[g, level]
                left = of_level[n_groups, level] - of_level[g, level]
                n_y -= left == 0
                y += _n_log_n(left, table) - _n_log_n(of_level[n_groups, level], table)
                for k in range(n_merged[scope]):
                    if cells[g, level, k] == 0:
                        continue
                    left = cells[n_groups, level, k] - cells[g, level, k]
                    n_xy -= left == 0
                    xy += _n_log_n(left, table) - _n_log_n(cells[n_groups, level, k], table)
            for k in range(n_merged[scope]):
                if of_bin[g, k] > 0:
                    left = of_bin[n_groups, k] - of_bin[g, k]
                    n_x -= left == 0
                    x += _n_log_n(left, table) - _n_log_n(of_bin[n_groups, k], table)
            if rows == all_rows:
                out[scope, 6 + g] = np.inf
            elif n_y < 2:
                out[scope, 6 + g] = np.nan
            else:
                whole = _n_log_n(rows, table)
                bias = max(0.0, (n_xy - n_x - n_y + 1) / (2 * rows))
                out[scope, 6 + g] = ((xy - x - y + whole) / rows - bias) / ((whole - y) / rows)
    return out


@cache
def _n_log_n_table() -> Array:
    n = np.arange(1 << 14, dtype=np.float64)
    table = n * np.log(np.maximum(n, 1))
    table.flags.writeable = False
    return table


@dataclass(frozen=True)
class Importance:
    """Importance of one metric for one target at T thresholds and K + 1 scopes, every array (T, K + 1).

    value, low, high, bias_factor, mutual_information, entropy: float64, NaN where null. n int64: rows with
    the metric. n_bins: non-empty merged bins. n_outcomes: levels that occur. reason, of value or else of the
    interval: object, None where there is nothing to explain.
    """

    value: Array
    low: Array
    high: Array
    bias_factor: Array
    mutual_information: Array
    entropy: Array
    n: Array
    n_bins: Array
    n_outcomes: Array
    reason: Array


def importance_of(
    counts: Sequence[tuple[Array, Array]],
    merged: MergedBins,
    is_constant: Array,
    unit_reason: Array,
    no_axis: str | None = None,
) -> Importance:
    """Importance from counts per threshold.

    counts, one of each T: n (K + 1, groups, bins) and by level above 0 (levels - 1, K + 1, groups, bins)
    int64. is_constant (K + 1,) bool: the metric has one distinct value. unit_reason (K + 1,) object: why
    resampling units do not support an interval, else None. no_axis: why the metric has no bins.
    """
    table = _n_log_n_table()
    raw = np.stack(
        [_mutual_information(n, levels, merged.bin_of, merged.n_merged, table) for n, levels in counts]
    )
    n, information, entropy, bias = (raw[..., column] for column in (_N, _I, _H, _BIAS))
    thetas = raw[..., _THETAS:]
    n_groups = (thetas != np.inf).sum(axis=-1)
    reason = np.full(n.shape, None, object)
    reason[(merged.n_merged < 2)[None, :] | (raw[..., _M_X] < 2)] = "insufficient_support"
    reason[:, is_constant] = "constant_metric"
    reason[entropy == 0] = "constant_outcome"
    reason[n == 0] = no_axis or "insufficient_support"
    null = reason != None  # noqa: E711 - elementwise
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = (information - bias) / entropy
        mean_theta = np.where(thetas != np.inf, thetas, 0.0).sum(axis=-1) / n_groups
        excess = (n_groups - 1) * (mean_theta - theta) * entropy / bias
        half = jackknife_half_width(thetas)
        is_defined = ~np.isnan(half)
        factor = np.where(is_defined & (bias > 0), np.maximum(1.0, 1.0 + excess), 1.0)
        value = (information - factor * bias) / entropy
    no_interval = np.broadcast_to(unit_reason, n.shape).copy()
    no_interval[(no_interval == None) & (n_groups < 2)] = "few_units"  # noqa: E711
    no_interval[(no_interval == None) & ~is_defined] = "insufficient_support"  # noqa: E711
    without = null | (no_interval != None)  # noqa: E711
    nan = np.nan
    return Importance(
        value=np.where(null, nan, np.clip(value, 0, 1)),
        low=np.where(without, nan, np.clip(value - half, 0, 1)),
        high=np.where(without, nan, np.clip(value + half, 0, 1)),
        bias_factor=np.where(null, nan, factor),
        mutual_information=np.where(null, nan, information),
        entropy=np.where(n > 0, entropy, nan),
        n=n.astype(np.int64),
        n_bins=raw[..., _M_X].astype(np.int64),
        n_outcomes=raw[..., _M_Y].astype(np.int64),
        reason=np.where(null, reason, no_interval),
    )


def independence_p_value(importance: Importance, sums: dict[str, Array] | None) -> Array:
    """Rao-Scott p-value of independence, (T, K + 1); NaN where importance is null.

    P(χ² with (K - 1)(m_Y - 1) > 2 n I / f_p), f_p = max(1, (Σ_k δ_k - δ) / (K - 1)), K occupied merged bins.
    sums: of merged bins (T, K + 1, bins), with the whole scope as `whole_...` (T, K + 1); None where rows
    are frames, each a cluster of its own (f_p = 1).
    """
    from scipy.special import chdtrc

    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.ones(importance.n.shape)
        if sums is not None:
            names = ("n", "n_right", "sum_nn", "sum_ny", "sum_yy", "n_frames")
            by_bin = design_effect(*(sums[name] for name in names))
            whole = design_effect(*(sums[f"whole_{name}"] for name in names))
            total = np.where(sums["n"] > 0, by_bin, 0.0).sum(axis=-1)
            factor = np.maximum(1.0, (total - whole) / (importance.n_bins - 1))
        statistic = 2 * importance.n * importance.mutual_information / factor
        freedom = (importance.n_bins - 1) * (importance.n_outcomes - 1)
        return np.where(np.isnan(importance.value), np.nan, chdtrc(np.maximum(freedom, 1), statistic))


def adjust_p_values(p_values: Array) -> Array:
    """Benjamini-Hochberg adjusted p-values over axis 0, NaN left out (Benjamini and Hochberg 1995).

    p_values (m, ...): a family along the first axis. Adjusted p of rank i: the smallest m p_(j) / j, j >= i.
    """
    order = np.argsort(np.where(np.isnan(p_values), np.inf, p_values), axis=0, kind="stable")
    ordered = np.take_along_axis(p_values, order, axis=0)
    count = (~np.isnan(p_values)).sum(axis=0)
    rank = np.arange(1, len(p_values) + 1).reshape(-1, *[1] * (p_values.ndim - 1))
    scaled = np.where(np.isnan(ordered), np.inf, ordered * count / rank)
    smallest = np.minimum(np.minimum.accumulate(scaled[::-1], axis=0)[::-1], 1.0)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, smallest, axis=0)
    return np.where(np.isnan(p_values), np.nan, adjusted)
