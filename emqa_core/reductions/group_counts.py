"""Rows of one metric and one target by scope, jackknife group and bin: the state behind importance.

Bins are the coarse ones (50, or the categories), at every IoU threshold and by level of the outcome. Whole
numbers throughout, so that they are the same for any partitioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I16, READ_I32, READ_I64, READ_U8, READ_U8_2D, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.narrow import narrowest
from emqa_core.reductions.slot_table import SlotTable
from emqa_core.reductions.target_rows import ALWAYS_COUNTS, ALWAYS_WRONG, N_GROUPS, TargetRows
from emqa_core.reductions.threshold_steps import ThresholdSteps


@kernel(types.void(READ_I32, READ_U8, READ_I16, types.int64, types.int32[::1]))
def _count_rows(cell, kind, bins, n_bins, n):  # type: ignore[no-untyped-def]
    for row in range(cell.shape[0]):
        always = kind[row] == ALWAYS_WRONG or kind[row] == ALWAYS_COUNTS
        if always and bins[row] >= 0:
            n[np.int64(cell[row]) * n_bins + bins[row]] += np.int32(1)


@kernel(types.void(READ_I32, READ_I16, READ_I32, types.int64, types.int32[::1]))
def _count_pairs(cell, bins, n_objects, n_bins, n):  # type: ignore[no-untyped-def]
    for pair in range(cell.shape[0]):
        if cell[pair] >= 0 and bins[pair] >= 0:
            n[np.int64(cell[pair]) * n_bins + bins[pair]] += n_objects[pair]


@kernel(types.void(READ_I64, READ_U8, READ_I32, READ_I32, types.int32[:, :, ::1]))
def _add_steps(places, at, amount, index, data):  # type: ignore[no-untyped-def]
    for step in range(places.shape[0]):
        if places[step] >= 0:
            data[index[places[step]], at[step], 0] += amount[step]


@kernel(types.void(READ_I64, READ_U8_2D, READ_I32, types.int32[:, :, ::1]))
def _add_levels(places, level, index, data):  # type: ignore[no-untyped-def]
    for i in range(places.shape[0]):
        if places[i] >= 0:
            slot = index[places[i]]
            above = np.int64(0)
            for t in range(level.shape[1] - 1, -1, -1):
                own = np.int64(level[i, t])
                if own != above:
                    if own > 0:
                        data[slot, t, own - 1] += np.int32(1)
                    if above > 0:
                        data[slot, t, above - 1] -= np.int32(1)
                above = own


@kernel(types.void(READ_I32, READ_I16, READ_U64, types.int64[:, ::1]))
def _count_missing(scope, bins, counted, missing):  # type: ignore[no-untyped-def]
    for row in range(scope.shape[0]):
        if bins[row] < 0 and counted[row]:
            for t in range(missing.shape[0]):
                missing[t, scope[row]] += np.int64((counted[row] >> np.uint64(t)) & np.uint64(1))


@dataclass
class GroupCounts:
    """Rows per (scope, jackknife group, coarse bin), at every T and by level of the outcome.

    Scopes here are those with rows of their own (TargetRows.n_scopes); a cell is (scope, group, bin). n
    (cells,) int32: rows that count at every T. sometimes, slots (T, 1): rows that count at some T only, as
    steps. levels, slots (T, levels - 1): rows above level 0, as steps. missing (T, scopes)
    int64: rows that count without a value of the metric.
    """

    n_scopes: int
    n_bins: int
    n_levels: int
    n: Array
    sometimes: SlotTable
    levels: SlotTable
    missing: Array

    @classmethod
    def zero(cls, n_scopes: int, n_bins: int, n_levels: int, n_thresholds: int) -> GroupCounts:
        n_cells = n_scopes * N_GROUPS * n_bins
        return cls(
            n_scopes,
            n_bins,
            n_levels,
            np.zeros(n_cells, np.int32),
            SlotTable(n_cells, (n_thresholds, 1), np.int32),
            SlotTable(n_cells, (n_thresholds, n_levels - 1), np.int32),
            np.zeros((n_thresholds, n_scopes), np.int64),
        )

    @classmethod
    def of(cls, rows: TargetRows, bins: Array, n_bins: int) -> GroupCounts:
        """Of rows with their coarse bin (n,) int16, -1 where the metric is missing."""
        counts = cls.zero(rows.n_scopes, n_bins, rows.n_levels, rows.n_thresholds)
        counts.take(rows, bins)
        return counts

    def take(self, rows: TargetRows, bins: Array) -> None:
        """Add the rows of a further partition."""
        _count_rows(rows.cell, rows.kind, bins, self.n_bins, self.n)
        self._add_steps(self.sometimes, rows.counted_steps, rows.cell, bins)
        if rows.sized is None:
            self._add_steps(self.levels, rows.right_steps, rows.cell, bins)
        else:
            listed = rows.sized.row
            places = np.where(
                bins[listed] >= 0, rows.cell[listed].astype(np.int64) * self.n_bins + bins[listed], -1
            )
            self.levels.reserve(places)
            _add_levels(places, rows.sized.level, self.levels.index, self.levels.data)
        if len(bins) and bins.min() < 0:
            _count_missing(rows.scope, bins, rows.counted, self.missing)

    def take_frames(self, rows: TargetRows, bins: Array) -> None:
        """Add the objects of a further partition, those of a frame in its bin: bins (F,) int16."""
        if rows.sized is not None:
            self.take(rows, rows.spread(bins))
            return
        pairs, cell = rows.pairs, rows.cell_of_pair
        of_frame, bins = bins, bins[pairs.frame]
        _count_pairs(cell, bins, pairs.n, self.n_bins, self.n)
        self._add_steps(self.sometimes, pairs.sometimes_steps, cell, bins)
        self._add_steps(self.levels, pairs.hit_steps, cell, bins)
        if len(bins) and bins.min() < 0:
            _count_missing(rows.scope, rows.spread(of_frame), rows.counted, self.missing)

    def _add_steps(self, table: SlotTable, steps: ThresholdSteps, cell: Array, bins: Array) -> None:
        places = steps.places(cell, bins, self.n_bins)
        table.reserve(places)
        _add_steps(places, steps.at, steps.amount, table.index, table.data)

    def at(self, threshold: int) -> tuple[Array, Array]:
        """n (scopes, groups, bins) and by level above 0 (levels - 1, scopes, groups, bins), int64."""
        n = self.n.astype(np.int64)
        cells = self.sometimes.cells()
        n[cells] += self.sometimes.values(cells)[:, threshold:, 0].sum(axis=1)
        levels = np.zeros((self.n_levels - 1, len(n)), np.int64)
        cells = self.levels.cells()
        levels[:, cells] = self.levels.values(cells)[:, threshold:].sum(axis=1).T
        shape = (self.n_scopes, N_GROUPS, self.n_bins)
        return n.reshape(shape), levels.reshape(self.n_levels - 1, *shape)

    def __add__(self, other: GroupCounts) -> GroupCounts:
        total = GroupCounts(
            self.n_scopes, self.n_bins, self.n_levels, self.n + other.n, self.sometimes.copy(),
            self.levels.copy(), self.missing + other.missing,
        )  # fmt: skip
        for table, more in ((total.sometimes, other.sometimes), (total.levels, other.levels)):
            table.add(more.cells(), more.values(more.cells()))
        return total

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.shape": np.array([self.n_scopes, self.n_bins, self.n_levels]),
            f"{prefix}.n": narrowest(self.n),
            f"{prefix}.missing": self.missing,
            **self.sometimes.to_arrays(f"{prefix}.sometimes"),
            **self.levels.to_arrays(f"{prefix}.levels"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array]) -> GroupCounts:
        n_scopes, n_bins, n_levels = arrays[f"{prefix}.shape"].tolist()
        return cls(
            n_scopes,
            n_bins,
            n_levels,
            arrays[f"{prefix}.n"].astype(np.int32),
            SlotTable.from_arrays(f"{prefix}.sometimes", arrays, np.int32),
            SlotTable.from_arrays(f"{prefix}.levels", arrays, np.int32),
            arrays[f"{prefix}.missing"],
        )
