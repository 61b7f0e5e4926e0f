"""Kernel of linear correlation: of all rows and without each jackknife group.

What an IoU threshold changes nothing of, the metric's own sums, is worked out once per scope where no row
counts at some thresholds only; each threshold then costs a few products per group and bin.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64_3D, READ_I32_2D
from emqa_core.reductions.target_rows import N_GROUPS

_NOTHING_LEFT = 1e-12  # of a sum of squares that rounding alone may leave

# cells, index and totals of `sometimes`, index and totals of `levels`
MOMENT_TYPES = (READ_F64_3D, READ_I32_2D, READ_F64_3D, READ_I32_2D, READ_F64_3D)
_SUMS = types.float64[:, ::1]


@njit(
    types.float64(types.float64, types.float64, types.float64, types.float64, types.float64),
    cache=True, inline="always",
)  # fmt: skip
def correlation_ratio(xx, yy, xy, least_xx, least_yy):  # type: ignore[no-untyped-def]
    if xx <= least_xx or yy <= least_yy:
        return np.nan
    return xy / np.sqrt(xx * yy)


@njit(types.void(_SUMS, _SUMS, _SUMS, types.int64, _SUMS, _SUMS, types.float64[::1]), cache=True)
def _leave_x_out(n, x, xx, n_bins, inverse, mean, left_xx):  # type: ignore[no-untyped-def]
    """Without each group, the last being none: 1 / n and the mean of x by bin, Σ(x - mean)² over the bins.

    n, x, xx (groups + 1, bins): n, Σx, Σx², the last group being all rows.
    """
    n_groups = n.shape[0] - 1
    for g in range(n_groups + 1):
        total = 0.0
        for z in range(n_bins):
            rows = n[n_groups, z]
            own_x = x[n_groups, z]
            own_xx = xx[n_groups, z]
            if g < n_groups:
                rows -= n[g, z]
                own_x -= x[g, z]
                own_xx -= xx[g, z]
            inverse[g, z] = 0.0
            mean[g, z] = 0.0
            if rows > 0.5:  # numbers of rows are whole
                inverse[g, z] = 1.0 / rows
                mean[g, z] = own_x / rows
                total += own_xx - own_x * mean[g, z]
        left_xx[g] = total


@njit(
    types.void(
        _SUMS, _SUMS, _SUMS, types.int64, _SUMS, _SUMS, types.float64[::1], types.float64[::1], types.float64,
        types.float64, types.float64[::1],
    ),
    cache=True,
)  # fmt: skip
def _leave_groups_out(y, yy, xy, n_bins, inverse, mean, left_xx, in_group, least_xx, least_yy, out):  # type: ignore[no-untyped-def]
    """Correlation within bins, of all rows and then without each group; +inf: a group without rows."""
    n_groups = y.shape[0] - 1
    for g in range(n_groups + 1):
        # The last group, of all rows, is the replicate that leaves nothing out.
        at = 0 if g == n_groups else 1 + g
        if g < n_groups and in_group[g] == 0:
            out[at] = np.inf
            continue
        share = 1.0 if g < n_groups else 0.0
        left_yy = 0.0
        left_xy = 0.0
        for z in range(n_bins):
            own = y[n_groups, z] - share * y[g, z]
            left_yy += yy[n_groups, z] - share * yy[g, z] - own * own * inverse[g, z]
            left_xy += xy[n_groups, z] - share * xy[g, z] - own * mean[g, z]
        out[at] = correlation_ratio(left_xx[g], left_yy, left_xy, least_xx, least_yy)


@njit(types.float64[:, :, :, ::1](*MOMENT_TYPES, types.int64, types.boolean), cache=True)
def correlate(cells, sometimes_at, sometimes, level_at, levels, n_control, has_control):  # type: ignore[no-untyped-def]
    """cells (S, groups * control bins, 4) and the others as in `MomentCells`. Result (T, S, 2, 2 + groups):
    Pearson and partial correlation as `_leave_groups_out` gives them, then the share of x's variance within
    control bins.
    """
    n_scopes, n_inner = cells.shape[0], cells.shape[1]
    n_groups = N_GROUPS
    n_thresholds = levels.shape[1]
    sized = levels.shape[2] > 2
    out = np.full((n_thresholds, n_scopes, 2, 2 + n_groups), np.nan)
    used = n_control - 1 if has_control else n_control
    # About the centre of each control bin, then about the middle of all rows; the last group is all rows.
    shape = (n_groups + 1, n_control)
    sums = np.zeros((6, n_groups + 1, n_control))
    n, x, xx, y, yy, xy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    flat = (n_groups + 1, 1)
    flat_sums = np.zeros((6, n_groups + 1, 1))
    flat_n, flat_x, flat_xx = flat_sums[0], flat_sums[1], flat_sums[2]
    flat_y, flat_yy, flat_xy = flat_sums[3], flat_sums[4], flat_sums[5]
    inverse, mean, left_xx = np.zeros(shape), np.zeros(shape), np.zeros(n_groups + 1)
    flat_inverse, flat_mean, flat_left_xx = np.zeros(flat), np.zeros(flat), np.zeros(n_groups + 1)
    in_group, in_group_used = np.zeros(n_groups), np.zeros(n_groups)
    centre = np.zeros(n_control)
    shift = np.zeros(shape)
    for scope in range(n_scopes):
        changes = False
        for i in range(n_inner):
            if sometimes_at[scope, i] >= 0:
                changes = True
                break
        within_xx = 0.0
        whole_xx = 0.0
        rows = 0.0
        middle = 0.0
        for t in range(n_thresholds):
            if t == 0 or changes:
                n[:] = 0.0
                x[:] = 0.0
                xx[:] = 0.0
                rows = 0.0
                middle = 0.0
                # Sums of each cell stand about a value of its own: bring them to the centre of the bin.
                for z in range(n_control):
                    centre[z] = 0.0
                    for g in range(n_groups):
                        i = g * n_control + z
                        if np.isnan(cells[scope, i, 1]):
                            continue
                        n[g, z] = cells[scope, i, 0]
                        x[g, z] = cells[scope, i, 2]
                        xx[g, z] = cells[scope, i, 3]
                        if changes and sometimes_at[scope, i] >= 0:
                            slot = sometimes_at[scope, i]
                            n[g, z] += sometimes[slot, t, 0]
                            x[g, z] += sometimes[slot, t, 1]
                            xx[g, z] += sometimes[slot, t, 2]
                        n[n_groups, z] += n[g, z]
                        centre[z] += x[g, z] + n[g, z] * cells[scope, i, 1]
                    rows += n[n_groups, z]
                    middle += centre[z]
                    if n[n_groups, z] > 0.5:
                        centre[z] /= n[n_groups, z]
                    for g in range(n_groups):
                        i = g * n_control + z
                        if np.isnan(cells[scope, i, 1]):
                            continue
                        d = cells[scope, i, 1] - centre[z]
                        shift[g, z] = d
                        xx[g, z] += 2.0 * d * x[g, z] + n[g, z] * d * d
                        x[g, z] += n[g, z] * d
                        x[n_groups, z] += x[g, z]
                        xx[n_groups, z] += xx[g, z]
                if rows < 0.5:
                    continue
                middle /= rows
                flat_n[:] = 0.0
                flat_x[:] = 0.0
                flat_xx[:] = 0.0
                in_group[:] = 0.0
                in_group_used[:] = 0.0
                within_xx = 0.0
                whole_xx = 0.0
                known = 0.0
                known_x = 0.0
                for z in range(n_control):
                    if n[n_groups, z] < 0.5:
                        continue
                    d = centre[z] - middle
                    for g in range(n_groups + 1):
                        flat_n[g, 0] += n[g, z]
                        flat_x[g, 0] += x[g, z] + n[g, z] * d
                        flat_xx[g, 0] += xx[g, z] + 2.0 * d * x[g, z] + n[g, z] * d * d
                    if z < used:
                        own = x[n_groups, z]
                        all_of = n[n_groups, z]
                        within_xx += xx[n_groups, z] - own * own / all_of
                        known += all_of
                        known_x += own + all_of * d
                        whole_xx += xx[n_groups, z] + 2.0 * d * own + all_of * d * d
                        for g in range(n_groups):
                            in_group_used[g] += n[g, z]
                for g in range(n_groups):
                    in_group[g] = flat_n[g, 0]
                if known > 0.5:
                    whole_xx -= known_x * known_x / known
                _leave_x_out(flat_n, flat_x, flat_xx, 1, flat_inverse, flat_mean, flat_left_xx)
                if has_control:
                    _leave_x_out(n, x, xx, used, inverse, mean, left_xx)
            if rows < 0.5:
                continue
            y[:] = 0.0
            xy[:] = 0.0
            if sized:
                yy[:] = 0.0
            flat_y[:] = 0.0
            flat_yy[:] = 0.0
            flat_xy[:] = 0.0
            for g in range(n_groups):
                for z in range(n_control):
                    i = g * n_control + z
                    slot = level_at[scope, i]
                    if slot < 0:
                        continue
                    if sized:
                        y[g, z] = levels[slot, t, 2]
                        yy[g, z] = levels[slot, t, 3]
                        xy[g, z] = levels[slot, t, 4] + shift[g, z] * levels[slot, t, 2]
                        yy[n_groups, z] += yy[g, z]
                        flat_yy[g, 0] += yy[g, z]
                    else:
                        y[g, z] = levels[slot, t, 0]
                        xy[g, z] = levels[slot, t, 1] + shift[g, z] * levels[slot, t, 0]
                    y[n_groups, z] += y[g, z]
                    xy[n_groups, z] += xy[g, z]
                    flat_y[g, 0] += y[g, z]
                    flat_xy[g, 0] += xy[g, z] + (centre[z] - middle) * y[g, z]
                flat_y[n_groups, 0] += flat_y[g, 0]
                flat_xy[n_groups, 0] += flat_xy[g, 0]
                flat_yy[n_groups, 0] += flat_yy[g, 0]
            all_yy = flat_yy if sized else flat_y
            least_yy = _NOTHING_LEFT * all_yy[n_groups, 0]
            least_xx = _NOTHING_LEFT * flat_xx[n_groups, 0]
            _leave_groups_out(
                flat_y, all_yy, flat_xy, 1, flat_inverse, flat_mean, flat_left_xx, in_group, least_xx,
                least_yy, out[t, scope, 0, : 1 + n_groups],
            )  # fmt: skip
            if has_control:
                _leave_groups_out(
                    y, yy if sized else y, xy, used, inverse, mean, left_xx, in_group_used,
                    _NOTHING_LEFT * whole_xx, least_yy, out[t, scope, 1, : 1 + n_groups],
                )  # fmt: skip
                if whole_xx > 0:
                    out[t, scope, 1, 1 + n_groups] = within_xx / whole_xx
    return out
