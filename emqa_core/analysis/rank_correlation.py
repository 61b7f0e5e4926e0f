"""Kernel of rank correlation: of all rows and without each jackknife group."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.analysis.correlation_kernels import correlation_ratio
from emqa_core.analysis.count_cells import CELL_TYPES
from emqa_core.reductions.target_rows import N_GROUPS


@njit(types.float64[:, :, ::1](*CELL_TYPES, types.int64), cache=True)
def rank_correlate(n, sometimes_at, sometimes, level_at, levels, n_bins):  # type: ignore[no-untyped-def]
    """Spearman from mid-ranks of bins and levels, (T, S, 1 + groups): of all rows, then without each group;
    +inf for a group without rows.

    With ranks about their middle, Σ of x's ranks over all rows is 0, so that rows of level 0 drop out of the
    sum of products once every rank of y is taken relative to theirs.
    """
    n_scopes, n_inner = n.shape
    n_groups = N_GROUPS
    n_thresholds = levels.shape[1]
    n_above = levels.shape[2]
    out = np.full((n_thresholds, n_scopes, 1 + n_groups), np.inf)
    of_bin = np.empty((n_groups + 1, n_bins), np.int64)
    of_group = np.empty(n_groups + 1, np.int64)
    rank_x = np.empty((n_groups + 1, n_bins), np.float64)
    squares_x = np.empty(n_groups + 1, np.float64)
    above = np.zeros((n_groups + 1, n_above, n_bins), np.int64)
    of_level = np.empty((n_groups + 1, n_above), np.int64)
    rank_y = np.empty(n_above, np.float64)
    for scope in range(n_scopes):
        changes = False
        for i in range(n_inner):
            if sometimes_at[scope, i] >= 0:
                changes = True
                break
        for t in range(n_thresholds):
            if t == 0 or changes:
                of_group[:] = 0
                of_bin[n_groups, :] = 0
                for g in range(n_groups):
                    for b in range(n_bins):
                        i = g * n_bins + b
                        rows = np.int64(n[scope, i])
                        if changes and sometimes_at[scope, i] >= 0:
                            rows += sometimes[sometimes_at[scope, i], t]
                        of_bin[g, b] = rows
                        of_bin[n_groups, b] += rows
                        of_group[g] += rows
                    of_group[n_groups] += of_group[g]
                for g in range(n_groups + 1):
                    left = of_group[n_groups] - (of_group[g] if g < n_groups else 0)
                    before = 0
                    total = 0.0
                    for b in range(n_bins):
                        count = of_bin[n_groups, b] - (of_bin[g, b] if g < n_groups else 0)
                        rank_x[g, b] = before + (count + 1) / 2 - (left + 1) / 2
                        total += count * rank_x[g, b] * rank_x[g, b]
                        before += count
                    squares_x[g] = total
            above[:] = 0
            of_level[:] = 0
            for g in range(n_groups):
                for b in range(n_bins):
                    slot = level_at[scope, g * n_bins + b]
                    if slot >= 0:
                        for level in range(n_above):
                            count = np.int64(levels[slot, t, level])
                            above[g, level, b] = count
                            above[n_groups, level, b] += count
                            of_level[g, level] += count
                for level in range(n_above):
                    of_level[n_groups, level] += of_level[g, level]
            for g in range(n_groups + 1):
                taken = of_group[g] if g < n_groups else 0
                if g < n_groups and taken == 0:
                    continue
                left = of_group[n_groups] - taken
                middle = (left + 1) / 2
                wrong = left
                for level in range(n_above):
                    wrong -= of_level[n_groups, level] - (of_level[g, level] if g < n_groups else 0)
                lowest = (wrong + 1) / 2 - middle
                before = wrong
                yy = wrong * lowest * lowest
                xy = 0.0
                for level in range(n_above):
                    count = of_level[n_groups, level] - (of_level[g, level] if g < n_groups else 0)
                    if count == 0:
                        continue
                    rank_y[level] = before + (count + 1) / 2 - middle
                    yy += count * rank_y[level] * rank_y[level]
                    before += count
                    relative = rank_y[level] - lowest
                    product = 0.0
                    if g < n_groups:
                        for b in range(n_bins):
                            product += (above[n_groups, level, b] - above[g, level, b]) * rank_x[g, b]
                    else:
                        for b in range(n_bins):
                            product += above[n_groups, level, b] * rank_x[g, b]
                    xy += relative * product
                out[t, scope, 0 if g == n_groups else 1 + g] = correlation_ratio(
                    squares_x[g], yy, xy, 0.0, 0.0
                )
    return out
