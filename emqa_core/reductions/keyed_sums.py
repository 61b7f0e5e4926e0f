"""Sparse tables of counts that add: sorted keys, and a row of whole numbers for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.objects import Array

_READ_I64 = types.Array(types.int64, 1, "C", readonly=True)


@njit(
    types.Tuple((types.int64[::1], types.int64[::1], types.int64[::1], types.int64))(_READ_I64, _READ_I64),
    cache=True,
)
def _union(left, right):  # type: ignore[no-untyped-def]
    keys = np.empty(left.shape[0] + right.shape[0], np.int64)
    at_left = np.empty(left.shape[0], np.int64)
    at_right = np.empty(right.shape[0], np.int64)
    i = 0
    j = 0
    n = 0
    while i < left.shape[0] or j < right.shape[0]:
        take_left = j >= right.shape[0] or (i < left.shape[0] and left[i] <= right[j])
        take_right = i >= left.shape[0] or (j < right.shape[0] and right[j] <= left[i])
        if take_left:
            keys[n] = left[i]
            at_left[i] = n
            i += 1
        if take_right:
            keys[n] = right[j]
            at_right[j] = n
            j += 1
        n += 1
    return keys, at_left, at_right, n


def union_of_keys(left: Array, right: Array) -> tuple[Array, Array, Array]:
    """All keys of two ascending key lists, and where each side's keys stand among them.

    left (a,), right (b,) int64, each without repeats. Returns keys (m,), positions (a,) and (b,).
    """
    keys, at_left, at_right, n = _union(left, right)
    return keys[:n], at_left, at_right


@dataclass(frozen=True)
class KeyedSums:
    """m ascending keys (m,) int64 and their sums (m, c) int64. Keys whose sums are all 0 are absent."""

    keys: Array
    sums: Array

    @classmethod
    def zero(cls, n_columns: int) -> KeyedSums:
        return cls(np.empty(0, np.int64), np.empty((0, n_columns), np.int64))

    @classmethod
    def of_dense(cls, dense: Array) -> KeyedSums:
        """From a full table (cells, c) or (cells,): the key is the row."""
        if dense.ndim == 1:
            keys = np.flatnonzero(dense)
            return cls(keys, dense[keys].astype(np.int64)[:, None])
        occupied = dense[:, 0] != 0
        for column in dense.T[1:]:  # quicker than any(axis=1) over a few columns
            occupied |= column != 0
        keys = np.flatnonzero(occupied)
        return cls(keys, dense[keys].astype(np.int64))

    @classmethod
    def of_keys(cls, keys: Array) -> KeyedSums:
        """How often each key (n,) int64 occurs; for few keys in many cells."""
        found, n = np.unique(keys, return_counts=True)
        return cls(found, n.astype(np.int64)[:, None])

    def dense(self, n_cells: int) -> Array:
        """The full table, (n_cells, c) int64."""
        out = np.zeros((n_cells, self.sums.shape[1]), np.int64)
        out[self.keys] = self.sums
        return out

    def dense_block(self, block: int, block_cells: int) -> Array:
        """The cells block * block_cells .. of the full table, (block_cells, c) int64."""
        first, last = np.searchsorted(self.keys, [block * block_cells, (block + 1) * block_cells])
        out = np.zeros((block_cells, self.sums.shape[1]), np.int64)
        out[self.keys[first:last] - block * block_cells] = self.sums[first:last]
        return out

    def __add__(self, other: KeyedSums) -> KeyedSums:
        if not len(other.keys):
            return self
        if not len(self.keys):
            return other
        keys, at_self, at_other = union_of_keys(self.keys, other.keys)
        sums = np.zeros((len(keys), self.sums.shape[1]), np.int64)
        sums[at_self] = self.sums
        sums[at_other] += other.sums
        return KeyedSums(keys, sums)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyedSums):
            return NotImplemented
        return np.array_equal(self.keys, other.keys) and np.array_equal(self.sums, other.sums)

    __hash__ = None  # type: ignore[assignment]

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """Two arrays in the narrowest whole-number types that hold them."""
        return {f"{prefix}.keys": narrowest(self.keys), f"{prefix}.sums": narrowest(self.sums)}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> KeyedSums:
        return cls(arrays[f"{prefix}.keys"].astype(np.int64), arrays[f"{prefix}.sums"].astype(np.int64))


def narrowest(values: Array) -> Array:
    """Whole numbers in the narrowest signed type that holds them."""
    bound = int(np.abs(values).max()) if values.size else 0
    return values.astype(next(t for t in (np.int8, np.int16, np.int32, np.int64) if bound <= np.iinfo(t).max))
