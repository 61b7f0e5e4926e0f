"""Metric importance: how much of the outcome's entropy a metric explains, 0 to 1.

    importance = clip((I(X;Y) - f·b) / H(Y), 0, 1),   b = max(0, (m_XY - m_X - m_Y + 1) / (2 n))

I and H are plug-in estimates in nats and b the bias of I under independence (Miller 1955, Madow 1948), m
being numbers of non-empty cells, bins and outcomes. f says how far the clustering of rows in frames
multiplies that bias; it comes from the delete-one-group jackknife (Quenouille 1956; interval: Efron and
Stein 1981), whose replicates keep the bins. The p-value is Pearson's chi-square with the first-order
correction for clustered rows of Rao and Scott 1984.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit, types

from emqa_core.analysis.count_cells import CELL_TYPES, CountCells
from emqa_core.analysis.intervals import design_effect, jackknife_half_width
from emqa_core.analysis.merged_bins import MergedBins
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I16_2D, READ_I64
from emqa_core.objects import Array
from emqa_core.reductions.target_rows import N_GROUPS

# Columns of the kernel's result, before one value of theta per group left out.
_N, _I, _H, _BIAS, _M_X, _M_Y, _INVERSE_X, _INVERSE_Y, _THETAS = range(9)


@njit(inline="always")
def _n_log_n(n, table):  # type: ignore[no-untyped-def]
    if n < table.shape[0]:
        return table[n]
    return n * np.log(float(n))


@kernel(types.float64[:, :, ::1](*CELL_TYPES, types.int64, READ_I16_2D, READ_I64, READ_F64))
def _mutual_information(  # type: ignore[no-untyped-def]
    n, sometimes_at, sometimes, level_at, levels, n_bins, bin_of, n_merged, table
):
    """Per T and scope: n, I, H, b, m_X, m_Y, Σ 1/n of the bins and of the levels, then theta without each
    group: +inf where the group has no rows, NaN where one outcome is left.
    """
    n_scopes = n.shape[0]
    n_groups = N_GROUPS
    n_thresholds = levels.shape[1]
    n_levels = levels.shape[2] + 1
    most = 1
    for scope in range(n_scopes):
        most = max(most, n_merged[scope])
    out = np.zeros((n_thresholds, n_scopes, _THETAS + n_groups), np.float64)
    # By group, the last being all rows: cells, and their margins. What T changes nothing of is kept: rows by
    # bin, their n ln n over all rows and without each group, and the occupied bins.
    cells = np.empty((n_groups + 1, n_levels, most), np.int64)
    of_level = np.empty((n_groups + 1, n_levels), np.int64)
    of_bin = np.empty((n_groups + 1, most), np.int64)
    of_group = np.empty(n_groups + 1, np.int64)
    x_without = np.empty(n_groups, np.float64)
    n_x_without = np.empty(n_groups, np.int64)
    for scope in range(n_scopes):
        n_k = n_merged[scope]
        cells[:, :, :n_k] = 0
        of_level[:] = 0
        of_bin[:, :n_k] = 0
        of_group[:] = 0
        changes = False
        for g in range(n_groups):
            for b in range(n_bins):
                i = g * n_bins + b
                rows = np.int64(n[scope, i])
                of_bin[g, bin_of[scope, b]] += rows
                of_group[g] += rows
                changes = changes or sometimes_at[scope, i] >= 0
            of_group[n_groups] += of_group[g]
            of_level[g, 0] = of_group[g]
            cells[g, 0, :n_k] = of_bin[g, :n_k]
        for k in range(n_k):
            for g in range(n_groups):
                of_bin[n_groups, k] += of_bin[g, k]
        sum_x = 0.0
        m_x = 0
        # Steps add up from the highest threshold down.
        for t in range(n_thresholds - 1, -1, -1):
            if changes:
                for g in range(n_groups):
                    for b in range(n_bins):
                        slot = sometimes_at[scope, g * n_bins + b]
                        if slot >= 0:
                            k = bin_of[scope, b]
                            rows = np.int64(sometimes[slot, t, 0])
                            of_bin[g, k] += rows
                            of_bin[n_groups, k] += rows
                            of_group[g] += rows
                            of_group[n_groups] += rows
                            cells[g, 0, k] += rows
                            of_level[g, 0] += rows
            if t == n_thresholds - 1 or changes:
                sum_x = 0.0
                m_x = 0
                for k in range(n_k):
                    m_x += of_bin[n_groups, k] > 0
                    sum_x += _n_log_n(of_bin[n_groups, k], table)
                for g in range(n_groups):
                    x_without[g] = 0.0
                    n_x_without[g] = 0
                    for k in range(n_k):
                        left = of_bin[n_groups, k] - of_bin[g, k]
                        n_x_without[g] += left > 0
                        x_without[g] += _n_log_n(left, table)
            for g in range(n_groups):
                for b in range(n_bins):
                    slot = level_at[scope, g * n_bins + b]
                    if slot < 0:
                        continue
                    k = bin_of[scope, b]
                    for level in range(1, n_levels):
                        count = np.int64(levels[slot, t, level - 1])
                        cells[g, level, k] += count
                        cells[g, 0, k] -= count
                        of_level[g, level] += count
                        of_level[g, 0] -= count
            all_rows = of_group[n_groups]
            out[t, scope, 0] = all_rows
            if all_rows == 0:
                continue
            of_level[n_groups, :] = 0
            cells[n_groups, :, :n_k] = 0
            for g in range(n_groups):
                for level in range(n_levels):
                    of_level[n_groups, level] += of_level[g, level]
                    if of_level[g, level] > 0:
                        for k in range(n_k):
                            cells[n_groups, level, k] += cells[g, level, k]
            # Sums of n ln n over cells and levels, and how many of each are not empty.
            sum_xy = 0.0
            sum_y = 0.0
            m_xy = 0
            m_y = 0
            for level in range(n_levels):
                if of_level[n_groups, level] == 0:
                    continue
                m_y += 1
                sum_y += _n_log_n(of_level[n_groups, level], table)
                for k in range(n_k):
                    m_xy += cells[n_groups, level, k] > 0
                    sum_xy += _n_log_n(cells[n_groups, level, k], table)
            whole = _n_log_n(all_rows, table)
            out[t, scope, 1] = max(0.0, (sum_xy - sum_x - sum_y + whole) / all_rows)
            out[t, scope, 2] = (whole - sum_y) / all_rows if m_y > 1 else 0.0
            out[t, scope, 3] = max(0.0, (m_xy - m_x - m_y + 1) / (2 * all_rows))
            out[t, scope, 4] = m_x
            out[t, scope, 5] = m_y
            for k in range(n_k):
                if of_bin[n_groups, k] > 0:
                    out[t, scope, _INVERSE_X] += 1 / of_bin[n_groups, k]
            for level in range(n_levels):
                if of_level[n_groups, level] > 0:
                    out[t, scope, _INVERSE_Y] += 1 / of_level[n_groups, level]
            if n_k < 2:
                out[t, scope, _THETAS:] = np.nan
                continue
            for g in range(n_groups):
                rows = all_rows - of_group[g]
                if rows == all_rows:
                    out[t, scope, _THETAS + g] = np.inf
                    continue
                xy = 0.0
                y = 0.0
                n_xy = 0
                n_y = 0
                for level in range(n_levels):
                    left = of_level[n_groups, level] - of_level[g, level]
                    if left == 0:
                        continue
                    n_y += 1
                    y += _n_log_n(left, table)
                    for k in range(n_k):
                        left = cells[n_groups, level, k] - cells[g, level, k]
                        n_xy += left > 0
                        xy += _n_log_n(left, table)
                if n_y < 2:
                    out[t, scope, _THETAS + g] = np.nan
                else:
                    whole = _n_log_n(rows, table)
                    bias = max(0.0, (n_xy - n_x_without[g] - n_y + 1) / (2 * rows))
                    information = (xy - x_without[g] - y + whole) / rows - bias
                    out[t, scope, _THETAS + g] = information / ((whole - y) / rows)
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
    the metric. n_bins: non-empty merged bins. n_outcomes: levels that occur. inverse_bins, inverse_outcomes
    float64: Σ 1/n of those bins and levels. reason, of value or else of the
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
    inverse_bins: Array
    inverse_outcomes: Array
    reason: Array


def importance_of(
    counts: CountCells,
    merged: MergedBins,
    is_constant: Array,
    unit_reason: Array,
    no_axis: str | None = None,
) -> Importance:
    """Importance from the counts of a metric and target.

    is_constant (K + 1,) bool: the metric has one distinct value. unit_reason (K + 1,) object: why
    resampling units do not support an interval, else None. no_axis: why the metric has no bins.
    """
    table = _n_log_n_table()
    found = []
    first = 0
    for part in counts.parts:
        scopes = slice(first, first + len(part.n))
        bins = merged.bin_of[scopes], merged.n_merged[scopes]
        found.append(_mutual_information(*part.kernel_arrays, counts.n_bins, *bins, table))
        first = scopes.stop
    raw = np.concatenate(found, axis=1)
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
        inverse_bins=raw[..., _INVERSE_X],
        inverse_outcomes=raw[..., _INVERSE_Y],
        reason=np.where(null, reason, no_interval),
    )


def independence_p_value(importance: Importance, sums: dict[str, Array] | None) -> Array:
    """Rao-Scott p-value of independence, (T, K + 1); NaN where importance is null.

    P(χ² with (K - 1)(m_Y - 1) > 2 n I / (f_p q)), f_p = max(1, (Σ_k δ_k - δ) / (K - 1)), K occupied merged
    bins; q, of outcomes in more than two levels, whose cells are few rows each: `_williams`. sums: of merged
    bins (T, K + 1, bins), with the whole scope as `whole_...` (T, K + 1); None where rows are frames, each a
    cluster of its own (f_p = 1).
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
        statistic = 2 * importance.n * importance.mutual_information / (factor * _williams(importance))
        freedom = (importance.n_bins - 1) * (importance.n_outcomes - 1)
        return np.where(np.isnan(importance.value), np.nan, chdtrc(np.maximum(freedom, 1), statistic))


def _williams(importance: Importance) -> Array:
    """By how much 2 n I exceeds χ² where cells are small (Williams 1976); 1 for two outcomes, whose bins are
    merged until they are large.

    q = 1 + (n Σ_k 1/n_k - 1)(n Σ_y 1/n_y - 1) / (6 n (K - 1)(m_Y - 1)).
    """
    n = importance.n
    freedom = (importance.n_bins - 1) * (importance.n_outcomes - 1)
    excess = (n * importance.inverse_bins - 1) * (n * importance.inverse_outcomes - 1)
    return np.where(importance.n_outcomes > 2, 1 + excess / (6 * n * freedom), 1.0)


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
