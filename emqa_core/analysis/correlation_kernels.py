"""Kernels of correlation: of all rows and without each jackknife group."""

from __future__ import annotations

import numpy as np
from numba import njit, types

_READ_F64_2D = types.Array(types.float64, 2, "C", readonly=True)
_READ_I64_1D = types.Array(types.int64, 1, "C", readonly=True)
_READ_I64_3D = types.Array(types.int64, 3, "C", readonly=True)
_READ_I64_4D = types.Array(types.int64, 4, "C", readonly=True)

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
def leave_groups_out(sums, n_bins, least_xx, least_yy, out):  # type: ignore[no-untyped-def]
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
        out[1 + g] = _ratio(left_xx, left_yy, left_xy, least_xx, least_yy) if in_group > 0 else np.inf


_CELLS = (_READ_I64_1D, _READ_F64_2D, _READ_I64_1D)  # keys, columns, where each scope begins


@njit(types.void(*_CELLS, types.int64, types.int64, types.float64[::1], types.float64[::1]), cache=True)
def _add_means(key, cells, bound, first, last, in_bin, centre):  # type: ignore[no-untyped-def]
    for i in range(bound[first], bound[last]):
        z = key[i] % in_bin.shape[0]
        in_bin[z] += cells[i, 0]
        centre[z] += cells[i, 0] * cells[i, 1]


@njit(types.void(*_CELLS, types.int64, types.int64, types.float64[::1], types.float64[:, :, ::1]), cache=True)
def _add_spread(key, cells, bound, first, last, centre, sums):  # type: ignore[no-untyped-def]
    for i in range(bound[first], bound[last]):
        z = key[i] % centre.shape[0]
        g = key[i] // centre.shape[0] % (sums.shape[0] - 1)
        d = cells[i, 1] - centre[z]
        sums[g, z, 0] += cells[i, 0]
        sums[g, z, 1] += cells[i, 0] * d
        sums[g, z, 2] += cells[i, 2] + cells[i, 0] * d * d


@njit(
    types.float64[:, :, ::1](*_CELLS, *_CELLS, *_CELLS, types.int64, types.int64, types.int64, types.boolean),
    cache=True,
)
def correlate(  # type: ignore[no-untyped-def]
    x_key, of_x, x_bound, partial_key, of_partial, partial_bound, y_key, of_y, y_bound,
    n_scopes, n_groups, n_control, has_control,
):  # fmt: skip
    """Occupied cells in ascending order, key (scope * groups + group) * control bins + control bin. of_x
    (m, 3): n, mean, Σ(x - mean)²; of_partial: the same of rows that count at this T alone. of_y (e, 2 or 6):
    of rows with y > 0 n, mean of x, unused, mean of y, Σ(y - mean)², Σ(x - mean)(y - mean); the first two
    where y is just 1. bounds (own scopes + 1,): where the cells of each scope begin; scope n_scopes - 1 is
    all of them where it has no cells of its own. Result (scopes, 2, 2 + groups): Pearson and partial
    correlation as `leave_groups_out` gives them, then the share of x's variance within control bins.
    """
    n_own = x_bound.shape[0] - 1
    out = np.full((n_scopes, 2, 2 + n_groups), np.nan)
    sized = of_y.shape[1] > 2
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
        if x_bound[first] == x_bound[last] and partial_bound[first] == partial_bound[last]:
            continue
        sums[:] = 0.0
        flat[:] = 0.0
        centre[:] = 0.0
        in_bin[:] = 0.0
        rows = 0.0
        middle = 0.0
        _add_means(x_key, of_x, x_bound, first, last, in_bin, centre)
        _add_means(partial_key, of_partial, partial_bound, first, last, in_bin, centre)
        for z in range(n_control):
            rows += in_bin[z]
            middle += centre[z]
            if in_bin[z] > 0:
                centre[z] /= in_bin[z]
        middle /= rows
        _add_spread(x_key, of_x, x_bound, first, last, centre, sums)
        _add_spread(partial_key, of_partial, partial_bound, first, last, centre, sums)
        for i in range(y_bound[first], y_bound[last]):
            z = y_key[i] % n_control
            g = y_key[i] // n_control % n_groups
            n = of_y[i, 0]
            d = of_y[i, 1] - centre[z]
            y = 1.0
            if sized:
                y = of_y[i, 3]
                sums[g, z, 4] += of_y[i, 4]
                sums[g, z, 5] += of_y[i, 5]
            sums[g, z, 3] += n * y
            sums[g, z, 4] += n * y * y
            sums[g, z, 5] += n * y * d
        whole_xx = 0.0
        within_xx = 0.0
        known = 0.0
        known_x = 0.0
        for z in range(n_control):
            d = centre[z] - middle
            if in_bin[z] == 0:
                continue
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
            if z < used:
                x = sums[n_groups, z, 1]
                within_xx += sums[n_groups, z, 2] - x * x / n
                known += n
                known_x += x + n * d
                whole_xx += sums[n_groups, z, 2] + 2 * d * x + n * d * d
        if known > 0:
            whole_xx -= known_x * known_x / known
        least_yy = _NOTHING_LEFT * flat[n_groups, 0, 4]
        least_xx = _NOTHING_LEFT * flat[n_groups, 0, 2]
        leave_groups_out(flat, 1, least_xx, least_yy, out[scope, 0, : 1 + n_groups])
        if has_control:
            least_xx = _NOTHING_LEFT * whole_xx
            leave_groups_out(sums, used, least_xx, least_yy, out[scope, 1, : 1 + n_groups])
            if whole_xx > 0:
                out[scope, 1, 1 + n_groups] = within_xx / whole_xx
    return out


@njit(types.float64[:, ::1](_READ_I64_3D, _READ_I64_4D), cache=True)
def rank_correlate(n, levels):  # type: ignore[no-untyped-def]
    """Spearman from mid-ranks of bins and levels, (scopes, 1 + groups), as `leave_groups_out` gives it."""
    n_scopes, n_groups, n_bins = n.shape
    n_levels = levels.shape[0] + 1
    out = np.full((n_scopes, 1 + n_groups), np.inf)
    # By group, the last being all rows, over the bins that the scope has rows in.
    cells = np.empty((n_groups + 1, n_bins, n_levels), np.int64)
    of_bin = np.empty((n_groups + 1, n_bins), np.int64)
    of_level = np.empty((n_groups + 1, n_levels), np.int64)
    rank_y = np.empty(n_levels, np.float64)
    for scope in range(n_scopes):
        used = 0
        of_level[:] = 0
        for b in range(n_bins):
            rows = 0
            for g in range(n_groups):
                rows += n[scope, g, b]
            of_bin[n_groups, used] = rows
            if rows == 0:
                continue
            for level in range(n_levels):
                cells[n_groups, used, level] = 0
            for g in range(n_groups):
                of_bin[g, used] = n[scope, g, b]
                wrong = n[scope, g, b]
                for level in range(1, n_levels):
                    count = 0
                    if wrong > 0:
                        count = levels[level - 1, scope, g, b]
                    cells[g, used, level] = count
                    cells[n_groups, used, level] += count
                    of_level[g, level] += count
                    wrong -= count
                cells[g, used, 0] = wrong
                cells[n_groups, used, 0] += wrong
                of_level[g, 0] += wrong
            used += 1
        for g in range(n_groups):
            for level in range(n_levels):
                of_level[n_groups, level] += of_level[g, level]
        for replicate in range(n_groups + 1):
            # The first replicate leaves out nothing; replicate g + 1 leaves out group g.
            g = replicate - 1
            rows = 0
            taken = 0
            for level in range(n_levels):
                rows += of_level[n_groups, level]
                if g >= 0:
                    taken += of_level[g, level]
            if g >= 0 and taken == 0:
                continue
            middle = (rows - taken + 1) / 2
            before = 0
            yy = 0.0
            for level in range(n_levels):
                count = of_level[n_groups, level] - (of_level[g, level] if g >= 0 else 0)
                rank_y[level] = before + (count + 1) / 2 - middle
                yy += count * rank_y[level] * rank_y[level]
                before += count
            before = 0
            xx = 0.0
            xy = 0.0
            for b in range(used):
                count = of_bin[n_groups, b] - (of_bin[g, b] if g >= 0 else 0)
                rank_x = before + (count + 1) / 2 - middle
                xx += count * rank_x * rank_x
                before += count
                for level in range(n_levels):
                    count = cells[n_groups, b, level] - (cells[g, b, level] if g >= 0 else 0)
                    xy += rank_x * count * rank_y[level]
            out[scope, replicate] = _ratio(xx, yy, xy, 0.0, 0.0)
    return out
