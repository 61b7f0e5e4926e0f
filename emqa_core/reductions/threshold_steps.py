"""Bits by IoU threshold as steps, so that what counts at ten thresholds is added once, not ten times.

A prediction that is right at 0.50 to 0.75 and a label found at all thresholds are runs of set bits: almost
always one run that begins at the lowest threshold. Whatever adds up over rows is added where the run ends
and subtracted before it begins; a sum from the highest threshold down then gives every threshold's total.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I16, READ_I32, READ_U64
from emqa_core.objects import Array

NO_PREFIX = 255  # length of a word that is no run of set bits from the lowest one on

_ONE = np.uint64(1)


@njit(inline="always")
def _trailing_zeros(word):  # type: ignore[no-untyped-def]
    """Bits below the lowest set one; the word must have one."""
    n = 0
    while (word & np.uint64(0xFF)) == 0:
        word >>= np.uint64(8)
        n += 8
    while (word & _ONE) == 0:
        word >>= _ONE
        n += 1
    return n


@kernel(types.Tuple((types.int32[::1], types.uint8[::1], types.int32[::1]))(READ_U64))
def _steps_of(words):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(words.shape[0]):
        word = words[row]
        starts = word & ~(word << _ONE)  # lowest bit of each run
        n += np.int64(starts & _ONE)  # type: ignore[assignment]
        rest = starts >> _ONE
        while rest:
            n += 2
            rest &= rest - _ONE
    out_row = np.empty(n, np.int32)
    out_at = np.empty(n, np.uint8)
    out_amount = np.empty(n, np.int32)
    n = 0
    for row in range(words.shape[0]):
        word = words[row]
        base = 0
        while word:
            first = _trailing_zeros(word)
            word >>= np.uint64(first)
            base += first
            length = 64 if word == ~np.uint64(0) else _trailing_zeros(~word)
            if base > 0:
                out_row[n] = row
                out_at[n] = base - 1
                out_amount[n] = -1
                n += 1
            out_row[n] = row
            out_at[n] = base + length - 1
            out_amount[n] = 1
            n += 1
            word = np.uint64(0) if length == 64 else word >> np.uint64(length)
            base += length
    return out_row, out_at, out_amount


@kernel(types.uint8[::1](READ_U64))
def prefix_lengths(words):  # type: ignore[no-untyped-def]
    """How many bits are set from the lowest one on where no others are, else NO_PREFIX, (n,) uint8."""
    out = np.empty(words.shape[0], np.uint8)
    for row in range(words.shape[0]):
        word = words[row]
        if word & (word + _ONE):
            out[row] = NO_PREFIX
        elif word == ~np.uint64(0):
            out[row] = 64
        else:
            out[row] = _trailing_zeros(~word)
    return out


@kernel(types.int64[::1](READ_I32, READ_I32, types.int64))
def _order_by_cell(rows, cell, n_cells):  # type: ignore[no-untyped-def]
    start = np.zeros(n_cells + 1, np.int64)
    for i in range(rows.shape[0]):
        start[cell[rows[i]] + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    order = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        c = cell[rows[i]]
        order[start[c]] = i
        start[c] += 1
    return order


@kernel(types.int64[::1](READ_I32, READ_I32, READ_I16, types.int64))
def _places(rows, cell, bins, n_bins):  # type: ignore[no-untyped-def]
    out = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        row = rows[i]
        out[i] = np.int64(cell[row]) * n_bins + bins[row] if bins[row] >= 0 else -1
    return out


@dataclass(frozen=True)
class ThresholdSteps:
    """e steps of rows in ascending order: row (e,) int32, at (e,) uint8, amount (e,) int32, of bits 1 or -1.

    A value v of a row counts at exactly the thresholds t that its bits name once amount * v is added at
    `at` and every threshold takes the sum of its own and all higher places (`totals_of_steps`).
    """

    row: Array
    at: Array
    amount: Array

    @classmethod
    def of(cls, words: Array, rows: Array) -> ThresholdSteps:
        """From words (m,) uint64, whose bit t stands for T number t, of rows (m,)."""
        of_word, at, amount = _steps_of(words)
        return cls(rows[of_word].astype(np.int32), at, amount)

    def __len__(self) -> int:
        return len(self.row)

    def by_cell(self, cell: Array, n_cells: int) -> ThresholdSteps:
        """The same steps by cell (n,) int32 of their rows, in order within a cell.

        What is added cell by cell stays in the processor's cache.
        """
        order = _order_by_cell(self.row, cell, n_cells)
        return ThresholdSteps(self.row[order], self.at[order], self.amount[order])

    def places(self, cell: Array, bins: Array, n_bins: int) -> Array:
        """cell * n_bins + bin of each step, -1 where its row has no bin, (e,) int64.

        cell (n,) int32 and bins (n,) int16 of rows.
        """
        return np.asarray(_places(self.row, cell, bins, n_bins))


def totals_of_steps(steps: Array) -> Array:
    """The total of every threshold from what was added as steps (cells, T, ...), of the same shape."""
    totals = steps.copy()
    for t in range(steps.shape[1] - 2, -1, -1):
        totals[:, t] += totals[:, t + 1]
    return totals
