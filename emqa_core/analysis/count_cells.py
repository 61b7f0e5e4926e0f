"""Counts of one metric and target laid out for the measures: every scope with its cells, all classes too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_I32, READ_I32_2D, READ_I32_3D
from emqa_core.objects import Array
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.target_rows import N_GROUPS

# n, index and totals of `sometimes`, index and totals of `levels`
CELL_TYPES = (READ_I32_2D, READ_I32_2D, READ_I32_2D, READ_I32_2D, READ_I32_3D)


@njit(types.int32[:, :, ::1](READ_I32, READ_I32_3D, types.int64), cache=True)
def _sum_over_scopes(index, totals, n_inner):  # type: ignore[no-untyped-def]
    """Totals of slots added up by their cell within a scope, (n_inner, T, levels - 1)."""
    out = np.zeros((n_inner, totals.shape[1], totals.shape[2]), np.int32)
    for cell in range(index.shape[0]):
        slot = index[cell]
        if slot >= 0:
            for t in range(totals.shape[1]):
                for level in range(totals.shape[2]):
                    out[cell % n_inner, t, level] += totals[slot, t, level]
    return out


@dataclass(frozen=True)
class CountCells:
    """Rows by scope (S = K + 1, all last), jackknife group and coarse bin.

    n (S, groups * bins) int32: rows that count at every T. sometimes_at (S, groups * bins) int32: where in
    `sometimes` (m, T) int32 the rows stand that count at some T only, -1 for nowhere. level_at likewise,
    into levels (m, T, levels - 1) int32: rows above level 0.
    """

    n_bins: int
    n: Array
    sometimes_at: Array
    sometimes: Array
    level_at: Array
    levels: Array

    @classmethod
    def of(cls, counts: GroupCounts, target: str) -> CountCells:
        n_inner = N_GROUPS * counts.n_bins
        shape = (counts.n_scopes, n_inner)
        n = counts.n.reshape(shape)
        sometimes, levels = counts.sometimes_totals(), counts.level_totals()
        tables = [(counts.sometimes.index, sometimes[:, :, None]), (counts.levels.index, levels)]
        if target == "frame":
            indices = [index.reshape(shape) for index, _ in tables]
            return cls(counts.n_bins, n, indices[0], sometimes, indices[1], np.ascontiguousarray(levels))
        laid_out = []
        for index, totals in tables:
            of_all = _sum_over_scopes(index, np.ascontiguousarray(totals), n_inner)
            last = np.full(n_inner, -1, np.int32)
            if len(totals):
                last = len(totals) + np.arange(n_inner, dtype=np.int32)
                totals = np.concatenate([totals, of_all])
            laid_out.append((np.concatenate([index.reshape(shape), last[None]]), totals))
        (sometimes_at, sometimes), (level_at, levels) = laid_out
        return cls(
            counts.n_bins,
            np.concatenate([n, n.sum(axis=0, dtype=np.int32, keepdims=True)]),
            sometimes_at,
            np.ascontiguousarray(sometimes[:, :, 0]),
            level_at,
            np.ascontiguousarray(levels),
        )

    @property
    def kernel_arrays(self) -> tuple[Array, ...]:
        """What kernels take, of CELL_TYPES."""
        return self.n, self.sometimes_at, self.sometimes, self.level_at, self.levels

    @property
    def n_scopes(self) -> int:
        return len(self.n)

    @property
    def n_thresholds(self) -> int:
        return int(self.levels.shape[1])

    def at(self, threshold: int) -> tuple[Array, Array]:
        """n (S, groups, bins) and by level above 0 (levels - 1, S, groups, bins), int64."""
        n = self.n.astype(np.int64)
        held = self.sometimes_at >= 0
        n[held] += self.sometimes[self.sometimes_at[held], threshold]
        levels = np.zeros((self.levels.shape[2], *n.shape), np.int64)
        held = self.level_at >= 0
        levels[:, held] = self.levels[self.level_at[held], threshold].T
        shape = (self.n_scopes, N_GROUPS, self.n_bins)
        return n.reshape(shape), levels.reshape(len(levels), *shape)
