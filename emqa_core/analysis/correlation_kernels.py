"""Kernel of linear correlation: of all rows and without each jackknife group.

What an IoU threshold changes nothing of, the metric's own sums, is worked out once per scope where no row
counts at some thresholds only. Replicates lie side by side, so that they are worked out together.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.analysis.moment_cells import MOMENT_TYPES
from emqa_core.kernel import kernel
from emqa_core.reductions.target_rows import N_GROUPS

_REPLICATES = N_GROUPS + 1  # one without each group; the last leaves nothing out
_NOTHING_LEFT = 1e-12  # of a sum of squares that rounding alone may leave

_BY_BIN = types.float64[:, ::1]
_VECTOR = types.float64[::1]


@njit(inline="always")
def correlation_ratio(xx, yy, xy, least_xx, least_yy):  # type: ignore[no-untyped-def]
    """xy / √(xx yy), NaN where a sum of squares is not above the least that means anything."""
    if xx <= least_xx or yy <= least_yy:
        return np.nan
    return xy / np.sqrt(xx * yy)


@kernel(types.void(_BY_BIN, _BY_BIN, _BY_BIN, types.int64, _BY_BIN, _BY_BIN, _VECTOR))
def _leave_x_out(n, x, xx, n_bins, inverse, mean, left_xx):  # type: ignore[no-untyped-def]
    """Of each replicate 1 / n and the mean of x by bin, and Σ(x - mean)² over the bins. n, x, xx (bins,
    replicates): n, Σx, Σx² of each group, none in the last column.
    """
    left_xx[:] = 0.0
    for z in range(n_bins):
        all_n = 0.0
        all_x = 0.0
        all_xx = 0.0
        for g in range(N_GROUPS):
            all_n += n[z, g]
            all_x += x[z, g]
            all_xx += xx[z, g]
        for g in range(_REPLICATES):
            rows = all_n - n[z, g]
            own_x = all_x - x[z, g]
            inverse[z, g] = 1.0 / rows if rows > 0.5 else 0.0  # numbers of rows are whole
            mean[z, g] = own_x * inverse[z, g]
            left_xx[g] += (all_xx - xx[z, g] - own_x * mean[z, g]) * np.float64(rows > 0.5)


@kernel(
    types.void(
        _BY_BIN, _BY_BIN, _BY_BIN, types.int64, _BY_BIN, _BY_BIN, _VECTOR, _VECTOR, types.float64,
        types.float64, types.float64[::1],
    ),
)  # fmt: skip
def _leave_groups_out(y, yy, xy, n_bins, inverse, mean, left_xx, in_group, least_xx, least_yy, out):  # type: ignore[no-untyped-def]
    """Correlation within bins, of all rows and then without each group; +inf: a group without rows."""
    left_yy = np.zeros(_REPLICATES)
    left_xy = np.zeros(_REPLICATES)
    for z in range(n_bins):
        all_y = 0.0
        all_yy = 0.0
        all_xy = 0.0
        for g in range(N_GROUPS):
            all_y += y[z, g]
            all_yy += yy[z, g]
            all_xy += xy[z, g]
        for g in range(_REPLICATES):
            own = all_y - y[z, g]
            left_yy[g] += all_yy - yy[z, g] - own * own * inverse[z, g]
            left_xy[g] += all_xy - xy[z, g] - own * mean[z, g]
    for g in range(_REPLICATES):
        at = 0 if g == N_GROUPS else 1 + g
        if g < N_GROUPS and in_group[g] == 0.0:
            out[at] = np.inf
        else:
            out[at] = correlation_ratio(left_xx[g], left_yy[g], left_xy[g], least_xx, least_yy)


@kernel(types.float64[:, :, :, ::1](*MOMENT_TYPES, types.int64, types.boolean))
def correlate(cells, sometimes_at, sometimes, level_at, levels, n_control, has_control):  # type: ignore[no-untyped-def]
    """cells (S, groups * control bins, 4) and the others as in `ScopeMoments`. Result (T, S, 2, 2 + groups):
    Pearson and partial correlation as `_leave_groups_out` gives them, then the share of x's variance within
    control bins.
    """
    n_scopes, n_inner = cells.shape[0], cells.shape[1]
    n_thresholds = levels.shape[1]
    sized = levels.shape[2] > 2
    out = np.full((n_thresholds, n_scopes, 2, 1 + _REPLICATES), np.nan)
    used = n_control - 1 if has_control else n_control
    # By bin and group, none in the last column: sums of each cell about its own value, then about the centre
    # of its bin, and in one bin about the middle of all rows.
    sums = np.zeros((9, n_control, _REPLICATES))
    n, own_x, own_xx, x, xx = sums[0], sums[1], sums[2], sums[3], sums[4]
    y, yy, own_xy, xy = sums[5], sums[6], sums[7], sums[8]
    flat_sums = np.zeros((6, 1, _REPLICATES))
    flat_n, flat_x, flat_xx = flat_sums[0], flat_sums[1], flat_sums[2]
    flat_y, flat_yy, flat_xy = flat_sums[3], flat_sums[4], flat_sums[5]
    of_bins = np.zeros((3, n_control, _REPLICATES))
    shift, inverse, mean = of_bins[0], of_bins[1], of_bins[2]
    flat_inverse, flat_mean = np.zeros((1, _REPLICATES)), np.zeros((1, _REPLICATES))
    left_xx, flat_left_xx, in_group = np.zeros(_REPLICATES), np.zeros(_REPLICATES), np.zeros(_REPLICATES)
    centre = np.zeros(n_control)
    listed = np.empty((n_inner, 3), np.int64)
    for scope in range(n_scopes):
        sums[:] = 0.0
        shift[:] = 0.0
        n_listed = 0
        changes = False
        for g in range(N_GROUPS):
            for z in range(n_control):
                i = g * n_control + z
                if np.isnan(cells[scope, i, 1]):
                    continue
                n[z, g] = cells[scope, i, 0]
                own_x[z, g] = cells[scope, i, 2]
                own_xx[z, g] = cells[scope, i, 3]
                changes = changes or sometimes_at[scope, i] >= 0
                if level_at[scope, i] >= 0:
                    listed[n_listed, 0] = g
                    listed[n_listed, 1] = z
                    listed[n_listed, 2] = level_at[scope, i]
                    n_listed += 1
        rows = 0.0
        middle = 0.0
        within_xx = 0.0
        whole_xx = 0.0
        # Steps add up from the highest threshold down.
        for t in range(n_thresholds - 1, -1, -1):
            if changes:
                for g in range(N_GROUPS):
                    for z in range(n_control):
                        slot = sometimes_at[scope, g * n_control + z]
                        if slot >= 0:
                            n[z, g] += sometimes[slot, t, 0]
                            own_x[z, g] += sometimes[slot, t, 1]
                            own_xx[z, g] += sometimes[slot, t, 2]
            if changes or t == n_thresholds - 1:
                rows = 0.0
                middle = 0.0
                for z in range(n_control):
                    in_bin = 0.0
                    total = 0.0
                    for g in range(N_GROUPS):
                        if n[z, g] > 0.5:
                            in_bin += n[z, g]
                            total += own_x[z, g] + n[z, g] * cells[scope, g * n_control + z, 1]
                    rows += in_bin
                    middle += total
                    centre[z] = total / in_bin if in_bin > 0.5 else 0.0
                if rows < 0.5:
                    continue
                middle /= rows
                flat_sums[:3] = 0.0
                in_group[:] = 0.0
                within_xx = 0.0
                whole_xx = 0.0
                known = 0.0
                known_x = 0.0
                for z in range(n_control):
                    in_bin = 0.0
                    total = 0.0
                    total_xx = 0.0
                    for g in range(N_GROUPS):
                        d = 0.0
                        if not np.isnan(cells[scope, g * n_control + z, 1]):
                            d = cells[scope, g * n_control + z, 1] - centre[z]
                        shift[z, g] = d
                        xx[z, g] = own_xx[z, g] + 2.0 * d * own_x[z, g] + n[z, g] * d * d
                        x[z, g] = own_x[z, g] + n[z, g] * d
                        in_bin += n[z, g]
                        total += x[z, g]
                        total_xx += xx[z, g]
                    if in_bin < 0.5:
                        continue
                    d = centre[z] - middle
                    for g in range(N_GROUPS):
                        flat_n[0, g] += n[z, g]
                        flat_x[0, g] += x[z, g] + n[z, g] * d
                        flat_xx[0, g] += xx[z, g] + 2.0 * d * x[z, g] + n[z, g] * d * d
                    if z < used:
                        within_xx += total_xx - total * total / in_bin
                        known += in_bin
                        known_x += total + in_bin * d
                        whole_xx += total_xx + 2.0 * d * total + in_bin * d * d
                        for g in range(N_GROUPS):
                            in_group[g] += n[z, g]
                if known > 0.5:
                    whole_xx -= known_x * known_x / known
                _leave_x_out(flat_n, flat_x, flat_xx, 1, flat_inverse, flat_mean, flat_left_xx)
                if has_control:
                    _leave_x_out(n, x, xx, used, inverse, mean, left_xx)
            if rows < 0.5:
                continue
            for i in range(n_listed):
                g, z, slot = listed[i, 0], listed[i, 1], listed[i, 2]
                if sized:
                    y[z, g] += levels[slot, t, 0]
                    yy[z, g] += levels[slot, t, 1]
                    own_xy[z, g] += levels[slot, t, 2]
                else:
                    y[z, g] += levels[slot, t, 0]
                    own_xy[z, g] += levels[slot, t, 1]
            all_yy = yy if sized else y
            flat_sums[3:] = 0.0
            for z in range(n_control):
                d = centre[z] - middle
                for g in range(N_GROUPS):
                    xy[z, g] = own_xy[z, g] + shift[z, g] * y[z, g]
                    flat_y[0, g] += y[z, g]
                    flat_yy[0, g] += all_yy[z, g]
                    flat_xy[0, g] += xy[z, g] + d * y[z, g]
            least_yy = _NOTHING_LEFT * flat_yy[0].sum()
            _leave_groups_out(
                flat_y, flat_yy, flat_xy, 1, flat_inverse, flat_mean, flat_left_xx, flat_n[0],
                _NOTHING_LEFT * flat_xx[0].sum(), least_yy, out[t, scope, 0, :_REPLICATES],
            )  # fmt: skip
            if has_control:
                _leave_groups_out(
                    y, all_yy, xy, used, inverse, mean, left_xx, in_group, _NOTHING_LEFT * whole_xx,
                    least_yy, out[t, scope, 1, :_REPLICATES],
                )  # fmt: skip
                if whole_xx > 0:
                    out[t, scope, 1, _REPLICATES] = within_xx / whole_xx
    return out
