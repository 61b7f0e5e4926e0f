"""Rows of numbers for the cells that occur, found in one look.

Most cells of a table by class, group and bin stay empty on small data, and all of them fill on large data.
A cell gets the next free slot when it first occurs: the table holds no more than the rows that were added,
nor more than the cells that there are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64
from emqa_core.objects import Array
from emqa_core.reductions.narrow import narrowest

_GROWTH = 1.5  # of the room for slots, so that it is not made anew in every partition


@kernel(types.int64(types.int32[::1], READ_I64, types.int64))
def _take_slots(index, cells, n_slots):  # type: ignore[no-untyped-def]
    """Give cells without a slot the next ones; how many slots are taken then."""
    for i in range(cells.shape[0]):
        cell = cells[i]
        if cell >= 0 and index[cell] < 0:
            index[cell] = n_slots
            n_slots += 1
    return n_slots


class SlotTable:
    """index (cells,) int32: the slot of each cell, -1 for none. data (capacity, ...): the numbers of each
    slot, zero beyond the n_slots that are taken.
    """

    __slots__ = ("data", "index", "n_slots")

    def __init__(self, n_cells: int, shape: tuple[int, ...], dtype: type) -> None:
        self.index = np.full(n_cells, -1, np.int32)
        self.data: Array = np.zeros((0, *shape), dtype)
        self.n_slots = 0

    @property
    def n_cells(self) -> int:
        return len(self.index)

    def __len__(self) -> int:
        return self.n_slots

    def reserve(self, cells: Array) -> None:
        """Give each of the cells (m,) int64 a slot, zero at first; -1 stands for no cell."""
        self.n_slots = _take_slots(self.index, cells, self.n_slots)
        self.make_room(0)

    def make_room(self, n_more: int) -> None:
        """See that so many cells more may get a slot, or all that there are."""
        needed = min(self.n_slots + n_more, self.n_cells)
        if needed > len(self.data):
            capacity = min(int(needed * _GROWTH), self.n_cells)
            grown = np.empty((capacity, *self.data.shape[1:]), self.data.dtype)
            grown[: len(self.data)] = self.data[: len(self.data)]
            grown[len(self.data) :] = 0
            self.data = grown

    def add(self, cells: Array, values: Array) -> None:
        """Add values (m, ...) to cells (m,) int64 without repeats."""
        self.reserve(cells)
        self.data[self.index[cells]] += values

    def copy(self) -> SlotTable:
        table = SlotTable(0, self.data.shape[1:], self.data.dtype.type)
        table.index, table.data, table.n_slots = self.index.copy(), self.data.copy(), len(self)
        return table

    def cells(self) -> Array:
        """The cells that have a slot, ascending, (m,) int64."""
        return np.flatnonzero(self.index >= 0)

    def values(self, cells: Array) -> Array:
        """The numbers of cells that have a slot, (m, ...)."""
        return np.asarray(self.data[self.index[cells]])

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """The cells that have a slot, in order, and their numbers, whole ones in the narrowest types."""
        cells = self.cells()
        values = self.values(cells)
        return {
            f"{prefix}.n_cells": np.array([self.n_cells]),
            f"{prefix}.cells": narrowest(cells),
            f"{prefix}.values": narrowest(values) if values.dtype.kind == "i" else values,
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array], dtype: type) -> SlotTable:
        values: Array = arrays[f"{prefix}.values"].astype(dtype)
        table = cls(int(arrays[f"{prefix}.n_cells"][0]), values.shape[1:], dtype)
        table.add(arrays[f"{prefix}.cells"].astype(np.int64), values)
        return table
