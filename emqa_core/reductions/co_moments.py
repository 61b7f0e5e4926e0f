"""Co-moments of one metric and one outcome: the state behind correlation.

Kept per scope, jackknife group and bin of the control (one bin where there is no control), so that
Pearson, its partial form and their jackknife intervals all come from it. Sums are taken about the first
value of each cell ("shifted data", Chan, Golub and LeVeque 1983): one pass, and a mean far larger than the
spread costs no digits. A state that takes partition after partition adds the rows in their order and so has
the same bits however they were cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import (
    READ_F32,
    READ_F64,
    READ_F64_2D,
    READ_I16,
    READ_I32,
    READ_I64,
    READ_U8,
    READ_U8_2D,
)
from emqa_core.objects import Array
from emqa_core.reductions.slot_table import SlotTable
from emqa_core.reductions.target_rows import COUNTS_NOWHERE, N_GROUPS, SOMETIMES_COUNTS, TargetRows
from emqa_core.reductions.threshold_steps import totals_of_steps

_NUMBERS = (READ_F32, READ_F64)


@kernel(
    [
        types.void(x, READ_I32, READ_U8, READ_I16, types.int64, types.float64[:, ::1])
        for x in _NUMBERS
    ],
)  # fmt: skip
def _add_rows(x, cell, kind, control, n_control, cells):  # type: ignore[no-untyped-def]
    """Columns of cells: n, the value that sums are taken about (NaN until there is one), Σd, Σd²."""
    for row in range(x.shape[0]):
        value = np.float64(x[row])
        if kind[row] == COUNTS_NOWHERE or not np.isfinite(value):
            continue
        place = np.int64(cell[row]) * n_control
        if n_control > 1:
            place += control[row]
        if np.isnan(cells[place, 1]):
            cells[place, 1] = value
        if kind[row] != SOMETIMES_COUNTS:
            d = value - cells[place, 1]
            cells[place, 0] += 1.0
            cells[place, 2] += d
            cells[place, 3] += d * d


@kernel(
    [
        types.int64[::1](x, READ_I32, READ_I32, READ_I16, types.int64)
        for x in _NUMBERS
    ],
)  # fmt: skip
def _places(x, rows, cell, control, n_control):  # type: ignore[no-untyped-def]
    """The cell of each row listed, -1 where x is missing."""
    out = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        row = rows[i]
        out[i] = -1
        if np.isfinite(x[row]):
            out[i] = np.int64(cell[row]) * n_control
            if n_control > 1:
                out[i] += control[row]
    return out


@kernel(
    [
        types.void(
            x, READ_I64, READ_I32, READ_U8, READ_I32, READ_F64_2D, READ_I32, types.float64[:, :, ::1]
        )
        for x in _NUMBERS
    ],
)  # fmt: skip
def _add_steps(x, places, rows, at, amount, cells, index, data):  # type: ignore[no-untyped-def]
    """Columns of data: n, Σd and, where there is a third, Σd²."""
    has_squares = data.shape[2] > 2
    for step in range(places.shape[0]):
        place = places[step]
        if place < 0:
            continue
        d = np.float64(x[rows[step]]) - cells[place, 1]
        n = np.float64(amount[step])
        slot = index[place]
        data[slot, at[step], 0] += n
        data[slot, at[step], 1] += n * d
        if has_squares:
            data[slot, at[step], 2] += n * d * d


@kernel(
    [
        types.void(
            x, READ_I64, READ_I32, READ_U8_2D, READ_F64_2D, READ_F64_2D, READ_I32, types.float64[:, :, ::1]
        )
        for x in _NUMBERS
    ],
)  # fmt: skip
def _add_sizes(x, places, rows, level, y, cells, index, data):  # type: ignore[no-untyped-def]
    """Columns of data: Σy, Σy², Σdy."""
    for i in range(places.shape[0]):
        place = places[i]
        if place < 0:
            continue
        d = np.float64(x[rows[i]]) - cells[place, 1]
        slot = index[place]
        # As steps: what changes from one threshold to the next lower one.
        above = 0.0
        for t in range(level.shape[1] - 1, -1, -1):
            size = y[i, t] if level[i, t] > 0 else 0.0
            if size != above:
                data[slot, t, 0] += size - above
                data[slot, t, 1] += size * size - above * above
                data[slot, t, 2] += d * (size - above)
            above = size


@dataclass
class CoMoments:
    """Sums per cell ((scope * N_GROUPS + group) * n_control + control bin).

    cells (cells, 4) float64: n, the value `a` that all sums of the cell are taken about (NaN without rows),
    Σ(x - a), Σ(x - a)², over rows that count at every T. sometimes, slots (T, 3): the same without `a` over
    rows that count at some T only, as steps. levels: over rows above level 0, as steps, slots (T, 2)
    with n and Σ(x - a) where y is just 1, else (T, 3) with Σy, Σy², Σ(x - a)y.
    """

    n_scopes: int
    n_control: int
    cells: Array
    sometimes: SlotTable
    levels: SlotTable

    @property
    def n_cells(self) -> int:
        return self.n_scopes * N_GROUPS * self.n_control

    @property
    def is_sized(self) -> bool:
        """Whether the outcome has a size of its own (F1, IoU); else it is just 1."""
        return self.levels.data.shape[2] > 2

    @classmethod
    def zero(cls, n_scopes: int, n_control: int, n_thresholds: int, *, sized: bool) -> CoMoments:
        n_cells = n_scopes * N_GROUPS * n_control
        cells = np.zeros((n_cells, 4))
        cells[:, 1] = np.nan
        return cls(
            n_scopes,
            n_control,
            cells,
            SlotTable(n_cells, (n_thresholds, 3), np.float64),
            SlotTable(n_cells, (n_thresholds, 3 if sized else 2), np.float64),
        )

    @classmethod
    def of(cls, rows: TargetRows, x: Array, control: Array, n_control: int) -> CoMoments:
        """Of rows with the metric's value x (n,) float32 or float64, missing where it is not finite.

        control (n,) int16: bin of the control in 0 .. n_control - 1, the last one for rows without it;
        (0,) with n_control = 1.
        """
        moments = cls.zero(rows.n_scopes, n_control, rows.n_thresholds, sized=rows.sized is not None)
        moments.take(rows, x, control)
        return moments

    def take(self, rows: TargetRows, x: Array, control: Array) -> None:
        """Add the rows of a further partition."""
        _add_rows(x, rows.cell, rows.kind, control, self.n_control, self.cells)
        steps = [(self.sometimes, rows.counted_steps)]
        if rows.sized is None:
            steps.append((self.levels, rows.right_steps))
        for table, step in steps:
            places = _places(x, step.row, rows.cell, control, self.n_control)
            table.reserve(places)
            _add_steps(x, places, step.row, step.at, step.amount, self.cells, table.index, table.data)
        if rows.sized is not None:
            sized, table = rows.sized, self.levels
            places = _places(x, sized.row, rows.cell, control, self.n_control)
            table.reserve(places)
            _add_sizes(x, places, sized.row, sized.level, sized.y, self.cells, table.index, table.data)

    def constant_scopes(self) -> tuple[Array, bool]:
        """Which scopes have at most one value of x among rows that count at any T, (scopes,) bool; and
        whether all rows together have.
        """
        shape = (self.n_scopes, N_GROUPS * self.n_control)
        value = self.cells[:, 1].reshape(shape)
        low, high = np.fmin.reduce(value, axis=1), np.fmax.reduce(value, axis=1)
        varies = self.cells[:, 3] > 0
        cells = self.sometimes.cells()
        squares = totals_of_steps(self.sometimes.values(cells))[..., 2]
        varies[cells] |= (squares > 0).any(axis=1)
        of_scope = varies.reshape(shape).any(axis=1)
        is_one = not (np.fmin.reduce(low, initial=np.inf) < np.fmax.reduce(high, initial=-np.inf))
        return ~of_scope & ~(low < high), bool(is_one and not of_scope.any())

    def __add__(self, other: CoMoments) -> CoMoments:
        total = CoMoments(
            self.n_scopes,
            self.n_control,
            self.cells.copy(),
            self.sometimes.copy(),
            self.levels.copy(),
        )
        # The other's sums are taken about other values: moved by δ they are Σd + nδ and Σd² + 2δΣd + nδ².
        unset = np.isnan(self.cells[:, 1])
        total.cells[unset, 1] = other.cells[unset, 1]
        delta = np.nan_to_num(other.cells[:, 1] - total.cells[:, 1])
        _add_moved(total.cells, np.arange(self.n_cells), other.cells, (0, 2, 3), delta)
        for table, more in ((total.sometimes, other.sometimes), (total.levels, other.levels)):
            cells = more.cells()
            table.reserve(cells)
            places, values, moved = table.index[cells], more.values(cells), delta[cells][:, None]
            if table is total.levels and self.is_sized:
                table.data[places] += values
                table.data[places, :, 2] += moved * values[..., 0]
            else:
                columns = (0, 1, 2) if table is total.sometimes else (0, 1)
                _add_moved(table.data, places, values, columns, moved)
        return total

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        occurs = np.flatnonzero(~np.isnan(self.cells[:, 1]))
        return {
            f"{prefix}.shape": np.array([self.n_scopes, self.n_control]),
            f"{prefix}.occurs": occurs,
            f"{prefix}.cells": self.cells[occurs],
            **self.sometimes.to_arrays(f"{prefix}.sometimes"),
            **self.levels.to_arrays(f"{prefix}.levels"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array]) -> CoMoments:
        n_scopes, n_control = arrays[f"{prefix}.shape"].tolist()
        sometimes, levels = (
            SlotTable.from_arrays(f"{prefix}.{name}", arrays, np.float64) for name in ("sometimes", "levels")
        )
        cells = np.zeros((n_scopes * N_GROUPS * n_control, 4))
        cells[:, 1] = np.nan
        cells[arrays[f"{prefix}.occurs"]] = arrays[f"{prefix}.cells"]
        return cls(n_scopes, n_control, cells, sometimes, levels)


def _add_moved(to: Array, places: Array, sums: Array, columns: tuple[int, ...], delta: Array) -> None:
    """Add n, Σd and, of three columns, Σd² at `columns` of the last axis, moved by delta."""
    n, d = sums[..., columns[0]], sums[..., columns[1]]
    to[places, ..., columns[0]] += n
    to[places, ..., columns[1]] += d + n * delta
    if len(columns) > 2:
        to[places, ..., columns[2]] += sums[..., columns[2]] + 2 * delta * d + n * delta * delta
