"""Rows of one metric and one target by scope, jackknife group and bin: the state behind importance.

Bins are the coarse ones (50, or the categories), at every IoU threshold and by level of the outcome. Whole
numbers throughout, so that they are the same for any partitioning.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numba import njit, types

from emqa_core.objects import Array
from emqa_core.reductions.keyed_sums import KeyedSums
from emqa_core.reductions.target_rows import N_GROUPS, TargetRows

_READ_I16 = types.Array(types.int16, 1, "C", readonly=True)
_READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
_READ_U8 = types.Array(types.uint8, 1, "C", readonly=True)

_SPARSE = 20  # cells per row above which sorting the rows' keys is quicker than a table of all cells


@njit(
    types.int32[::1](_READ_I32, _READ_I16, _READ_I32, _READ_U8, types.int64, types.int64, types.int64),
    cache=True,
)
def _count_rows(cell, bins, rows, level, n_cells, n_bins, n_levels):  # type: ignore[no-untyped-def]
    counts = np.zeros(n_levels * n_cells * n_bins, np.int32)
    for index in range(rows.shape[0]):
        row = rows[index]
        if bins[row] >= 0:
            place = np.int64(cell[row]) * n_bins + bins[row]
            if n_levels > 1:
                place += np.int64(level[index] - 1) * n_cells * n_bins
            counts[place] += 1
    return counts


@dataclass(frozen=True)
class GroupCounts:
    """Rows per (scope, jackknife group, coarse bin), at every T and by level of the outcome.

    Scopes here are those with rows of their own (TargetRows.n_scopes). Keys: `always` (scope, group, bin);
    `partial` (T, scope, group, bin); `levels` (T, level - 1, scope, group, bin). missing (T, scopes) int64:
    rows that count without a value of the metric.
    """

    n_scopes: int
    n_bins: int
    n_levels: int
    missing: Array
    always: KeyedSums
    partial: KeyedSums
    levels: KeyedSums

    @classmethod
    def zero(cls, n_scopes: int, n_bins: int, n_levels: int, n_thresholds: int) -> GroupCounts:
        missing = np.zeros((n_thresholds, n_scopes), np.int64)
        return cls(n_scopes, n_bins, n_levels, missing, *(KeyedSums.zero(1) for _ in range(3)))

    @classmethod
    def of(cls, rows: TargetRows, bins: Array, n_bins: int) -> GroupCounts:
        """Of rows with their coarse bin (n,) int16, -1 where the metric is missing."""
        n_cells = rows.n_scopes * N_GROUPS
        cell = rows.cell
        no_level = np.empty(0, np.uint8)

        def count(listed: Array, level: Array, n_levels: int) -> KeyedSums:
            if _SPARSE * len(listed) < n_levels * n_cells * n_bins:
                known = bins[listed] >= 0
                place = cell[listed].astype(np.int64) * n_bins + bins[listed]
                if n_levels > 1:
                    place += (level.astype(np.int64) - 1) * (n_cells * n_bins)
                return KeyedSums.of_keys(place[known])
            return KeyedSums.of_dense(_count_rows(cell, bins, listed, level, n_cells, n_bins, n_levels))

        partial = [
            count(rows.partial.row[rows.partial.at(t)], no_level, 1)
            for t in range(rows.n_thresholds)
            if len(rows.partial.row)
        ]
        n_levels = rows.n_levels - 1
        levels = [
            count(rows.levels.row[rows.levels.at(t)], rows.level[rows.levels.at(t)], n_levels)
            for t in range(rows.n_thresholds)
        ]
        return cls(
            rows.n_scopes,
            n_bins,
            rows.n_levels,
            _count_missing(rows, bins),
            count(rows.always, no_level, 1),
            stack(partial, n_cells * n_bins),
            stack(levels, n_levels * n_cells * n_bins),
        )

    def at(self, threshold: int) -> tuple[Array, Array]:
        """n (scopes, groups, bins) and by level above 0 (levels - 1, scopes, groups, bins), int64."""
        shape = (self.n_scopes, N_GROUPS, self.n_bins)
        n_cells = self.n_scopes * N_GROUPS * self.n_bins
        n = self.always.dense(n_cells) + self.partial.dense_block(threshold, n_cells)
        levels = self.levels.dense_block(threshold, (self.n_levels - 1) * n_cells)
        return n.reshape(shape), levels.reshape(self.n_levels - 1, *shape)

    def __add__(self, other: GroupCounts) -> GroupCounts:
        return replace(
            self,
            missing=self.missing + other.missing,
            always=self.always + other.always,
            partial=self.partial + other.partial,
            levels=self.levels + other.levels,
        )

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.shape": np.array([self.n_scopes, self.n_bins, self.n_levels]),
            f"{prefix}.missing": self.missing,
            **self.always.to_arrays(f"{prefix}.always"),
            **self.partial.to_arrays(f"{prefix}.partial"),
            **self.levels.to_arrays(f"{prefix}.levels"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> GroupCounts:
        n_scopes, n_bins, n_levels = arrays[f"{prefix}.shape"].tolist()
        return cls(
            n_scopes,
            n_bins,
            n_levels,
            arrays[f"{prefix}.missing"],
            *(
                KeyedSums.from_arrays(f"{prefix}.{field.name}", arrays)
                for field in fields(cls)
                if field.name in ("always", "partial", "levels")
            ),
        )


def stack(blocks: list[KeyedSums], block_cells: int) -> KeyedSums:
    """One table of several, the block's number times `block_cells` added to its keys."""
    if not blocks:
        return KeyedSums.zero(1)
    return KeyedSums(
        np.concatenate([block.keys + number * block_cells for number, block in enumerate(blocks)]),
        np.concatenate([block.sums for block in blocks]),
    )


def _count_missing(rows: TargetRows, bins: Array) -> Array:
    missing = np.zeros((rows.n_thresholds, rows.n_scopes), np.int64)
    without = bins < 0
    if without.any():
        always = rows.always[without[rows.always]]
        missing += np.bincount(rows.scope[always], minlength=rows.n_scopes)
        for t in range(rows.n_thresholds):
            partial: Array = rows.partial.row[rows.partial.at(t)]
            missing[t] += np.bincount(rows.scope[partial[without[partial]]], minlength=rows.n_scopes)
    return missing
