"""Kernel of rank correlation: of all rows and without each jackknife group."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.analysis.correlation_kernels import correlation_ratio
from emqa_core.analysis.count_cells import CELL_TYPES
from emqa_core.kernel import kernel
from emqa_core.reductions.target_rows import N_GROUPS

_REPLICATES = N_GROUPS + 1  # one without each group; the last leaves nothing out


@kernel(types.float64[:, :, ::1](*CELL_TYPES, types.int64))
def rank_correlate(n, sometimes_at, sometimes, level_at, levels, n_bins):  # type: ignore[no-untyped-def]
    """Spearman from mid-ranks of bins and levels, (T, S, 1 + groups): of all rows, then without each group;
    +inf for a group without rows.

    With ranks about their middle, Σ of x's ranks over all rows is 0, so that rows of level 0 drop out of the
    sum of products once every rank of y is taken relative to theirs. Replicates lie side by side, so that
    they are worked out together.
    """
    n_scopes = n.shape[0]
    n_thresholds = levels.shape[1]
    n_above = levels.shape[2]
    out = np.full((n_thresholds, n_scopes, _REPLICATES), np.inf)
    # By group; what the last column holds is in no group.
    of_bin = np.zeros((n_bins, _REPLICATES))
    total_of_bin = np.zeros(n_bins)
    of_group = np.zeros(_REPLICATES)
    above = np.zeros((n_above, n_bins, _REPLICATES))
    total_above = np.zeros((n_above, n_bins))
    of_level = np.zeros((n_above, _REPLICATES))
    # Without each group.
    left = np.zeros(_REPLICATES)
    before = np.zeros(_REPLICATES)
    rank_x = np.zeros((n_bins, _REPLICATES))
    squares_x = np.zeros(_REPLICATES)
    lowest = np.zeros(_REPLICATES)
    yy = np.zeros(_REPLICATES)
    xy = np.zeros(_REPLICATES)
    product = np.zeros(_REPLICATES)
    listed = np.empty((n.shape[1], 3), np.int64)
    for scope in range(n_scopes):
        n_listed = 0
        changes = False
        of_bin[:] = 0.0
        above[:] = 0.0
        total_above[:] = 0.0
        of_level[:] = 0.0
        for g in range(N_GROUPS):
            for b in range(n_bins):
                i = g * n_bins + b
                of_bin[b, g] = n[scope, i]
                changes = changes or sometimes_at[scope, i] >= 0
                if level_at[scope, i] >= 0:
                    listed[n_listed, 0] = g
                    listed[n_listed, 1] = b
                    listed[n_listed, 2] = level_at[scope, i]
                    n_listed += 1
        # Steps add up from the highest threshold down.
        for t in range(n_thresholds - 1, -1, -1):
            if changes:
                for g in range(N_GROUPS):
                    for b in range(n_bins):
                        slot = sometimes_at[scope, g * n_bins + b]
                        if slot >= 0:
                            of_bin[b, g] += sometimes[slot, t, 0]
            if changes or t == n_thresholds - 1:
                of_group[:] = 0.0
                rows = 0.0
                for b in range(n_bins):
                    total_of_bin[b] = 0.0
                    for g in range(N_GROUPS):
                        of_group[g] += of_bin[b, g]
                        total_of_bin[b] += of_bin[b, g]
                    rows += total_of_bin[b]
                for g in range(_REPLICATES):
                    left[g] = rows - of_group[g]
                    before[g] = 0.0
                    squares_x[g] = 0.0
                for b in range(n_bins):
                    for g in range(_REPLICATES):
                        count = total_of_bin[b] - of_bin[b, g]
                        rank_x[b, g] = before[g] + (count + 1.0) / 2.0 - (left[g] + 1.0) / 2.0
                        squares_x[g] += count * rank_x[b, g] * rank_x[b, g]
                        before[g] += count
            for i in range(n_listed):
                g, b, slot = listed[i, 0], listed[i, 1], listed[i, 2]
                for level in range(n_above):
                    count = np.float64(levels[slot, t, level])
                    above[level, b, g] += count
                    total_above[level, b] += count
                    of_level[level, g] += count
            for g in range(_REPLICATES):
                before[g] = left[g]
            for level in range(n_above):
                held = 0.0
                for g in range(N_GROUPS):
                    held += of_level[level, g]
                for g in range(_REPLICATES):
                    before[g] -= held - of_level[level, g]
            for g in range(_REPLICATES):
                lowest[g] = (before[g] + 1.0) / 2.0 - (left[g] + 1.0) / 2.0
                yy[g] = before[g] * lowest[g] * lowest[g]
                xy[g] = 0.0
            for level in range(n_above):
                held = 0.0
                for g in range(N_GROUPS):
                    held += of_level[level, g]
                if held == 0.0:
                    continue
                product[:] = 0.0
                for b in range(n_bins):
                    for g in range(_REPLICATES):
                        product[g] += (total_above[level, b] - above[level, b, g]) * rank_x[b, g]
                for g in range(_REPLICATES):
                    count = held - of_level[level, g]
                    rank_y = before[g] + (count + 1.0) / 2.0 - (left[g] + 1.0) / 2.0
                    yy[g] += count * rank_y * rank_y
                    xy[g] += (rank_y - lowest[g]) * product[g]
                    before[g] += count
            for g in range(_REPLICATES):
                if g == N_GROUPS or of_group[g] > 0.0:
                    at = 0 if g == N_GROUPS else 1 + g
                    out[t, scope, at] = correlation_ratio(squares_x[g], yy[g], xy[g], 0.0, 0.0)
    return out
