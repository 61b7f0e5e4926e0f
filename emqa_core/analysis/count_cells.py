"""Counts of one metric and target laid out for the measures: every scope with its cells, all classes too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I32_2D, READ_I32_3D
from emqa_core.objects import Array
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.target_rows import N_GROUPS

# n, index and steps of `sometimes`, index and steps of `levels`
CELL_TYPES = (READ_I32_2D, READ_I32_2D, READ_I32_3D, READ_I32_2D, READ_I32_3D)


@kernel(types.int32[:, :, ::1](READ_I32, READ_I32_3D, types.int64))
def _sum_over_scopes(index, steps, n_inner):  # type: ignore[no-untyped-def]
    """Steps of slots added up by their cell within a scope, (n_inner, T, levels - 1)."""
    out = np.zeros((n_inner, steps.shape[1], steps.shape[2]), np.int32)
    for first in range(0, index.shape[0], max(n_inner, 1)):
        for inner in range(n_inner):
            slot = index[first + inner]
            if slot >= 0:
                for t in range(steps.shape[1]):
                    for level in range(steps.shape[2]):
                        out[inner, t, level] += steps[slot, t, level]
    return out


@kernel(
    types.Tuple((types.int64[:, ::1], types.int64[:, :, ::1]))(*CELL_TYPES, types.int64, types.int64),
)
def _totals_at(n, sometimes_at, sometimes, level_at, levels, n_bins, threshold):  # type: ignore[no-untyped-def]
    n_scopes = n.shape[0]
    rows = np.zeros((n_scopes, n_bins), np.int64)
    above = np.zeros((levels.shape[2], n_scopes, n_bins), np.int64)
    for scope in range(n_scopes):
        for g in range(N_GROUPS):
            for b in range(n_bins):
                i = g * n_bins + b
                rows[scope, b] += n[scope, i]
                if sometimes_at[scope, i] >= 0:
                    for t in range(threshold, sometimes.shape[1]):
                        rows[scope, b] += sometimes[sometimes_at[scope, i], t, 0]
                if level_at[scope, i] >= 0:
                    for t in range(threshold, levels.shape[1]):
                        for level in range(levels.shape[2]):
                            above[level, scope, b] += levels[level_at[scope, i], t, level]
    return rows, above


@dataclass(frozen=True)
class ScopeCells:
    """Rows of s scopes by jackknife group and coarse bin.

    n (s, groups * bins) int32: rows that count at every T. sometimes_at (s, groups * bins) int32: where in
    `sometimes` (m, T, 1) int32 the steps of rows stand that count at some T only, -1 for nowhere. level_at
    likewise, into levels (m, T, levels - 1) int32: steps of rows above level 0.
    """

    n: Array
    sometimes_at: Array
    sometimes: Array
    level_at: Array
    levels: Array

    @property
    def kernel_arrays(self) -> tuple[Array, ...]:
        """What kernels take, of CELL_TYPES."""
        return self.n, self.sometimes_at, self.sometimes, self.level_at, self.levels


@dataclass(frozen=True)
class CountCells:
    """The scopes in one part, or those of classes and that of all, which is their sum, in two."""

    n_bins: int
    parts: tuple[ScopeCells, ...]

    @classmethod
    def of(cls, counts: GroupCounts, target: str) -> CountCells:
        n_inner = N_GROUPS * counts.n_bins
        shape = (counts.n_scopes, n_inner)
        sometimes, levels = counts.sometimes, counts.levels
        own = ScopeCells(
            counts.n.reshape(shape),
            sometimes.index.reshape(shape),
            sometimes.data,
            levels.index.reshape(shape),
            levels.data,
        )
        if target == "frame":
            return cls(counts.n_bins, (own,))
        every = np.arange(n_inner, dtype=np.int32)[None]
        of_all = ScopeCells(
            own.n.sum(axis=0, dtype=np.int32, keepdims=True),
            every if len(sometimes) else np.full_like(every, -1),
            _sum_over_scopes(sometimes.index, sometimes.data, n_inner),
            every,
            _sum_over_scopes(levels.index, levels.data, n_inner),
        )
        return cls(counts.n_bins, (own, of_all))

    @property
    def n_scopes(self) -> int:
        return sum(len(part.n) for part in self.parts)

    @property
    def n_thresholds(self) -> int:
        return int(self.parts[0].levels.shape[1])

    def totals_at(self, threshold: int) -> tuple[Array, Array]:
        """Rows (scopes, bins) and rows by level above 0 (levels - 1, scopes, bins) at a threshold, int64."""
        held = [_totals_at(*part.kernel_arrays, self.n_bins, threshold) for part in self.parts]
        return np.concatenate([n for n, _ in held]), np.concatenate([above for _, above in held], axis=1)
