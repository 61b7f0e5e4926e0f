"""The distinct values of a metric, exactly, while they are few; else only that there are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F32, READ_F64, READ_I32
from emqa_core.objects import Array

MAX_VALUES = 200
MAX_CATEGORIES = 10_000

_FOUND = types.Tuple((types.float64[::1], types.int64[::1], types.boolean))


@kernel([_FOUND(values, READ_I32, types.int64) for values in (READ_F32, READ_F64)])
def _distinct(values, n_rows, limit):  # type: ignore[no-untyped-def]
    found = np.empty(limit + 1, np.float64)
    counts = np.zeros(limit + 1, np.int64)
    n = 0
    last = 0
    for row in range(values.shape[0]):
        value = np.float64(values[row]) + 0.0  # -0.0 and 0.0 are one value
        if n_rows[row] == 0 or not np.isfinite(value):
            continue
        if n > 0 and found[last] == value:
            counts[last] += n_rows[row]
            continue
        low = 0
        high = n
        while low < high:
            middle = (low + high) // 2
            if found[middle] < value:
                low = middle + 1
            else:
                high = middle
        if low == n or found[low] != value:
            if n == limit:
                return found[:0].copy(), counts[:0].copy(), True
            for place in range(n, low, -1):
                found[place] = found[place - 1]
                counts[place] = counts[place - 1]
            found[low] = value
            counts[low] = 0
            n += 1
        counts[low] += n_rows[row]
        last = low
    return found[:n].copy(), counts[:n].copy(), False


@dataclass(frozen=True)
class DistinctValues:
    """Distinct values with the number of prediction and label rows that have each.

    values (m,) float64 ascending, or for a categorical metric a tuple of categories in code-point order;
    counts (m, 2) int64: predictions, labels. `overflow`: more than 200 values (10,000 categories); then
    both are empty, and stay so whatever is added. Missing values are not values; nor are infinite ones.
    """

    values: Array | tuple[str, ...]
    counts: Array
    overflow: bool = False

    @classmethod
    def zero(cls, *, categorical: bool) -> DistinctValues:
        return cls(() if categorical else np.empty(0), np.zeros((0, 2), np.int64))

    @classmethod
    def of(
        cls, predictions: Array | None, labels: Array | None, n_rows: tuple[Array, Array] | None = None
    ) -> DistinctValues:
        """Of values, (n,) numbers each; None where the metric has no such side.

        n_rows (n,) int32 each: how many rows that count stand behind each value; None: one.
        """
        total = cls.zero(categorical=False)
        for side, column in enumerate((predictions, labels)):
            if column is not None and not total.overflow:
                column = np.ascontiguousarray(column)
                if column.dtype != np.float32:
                    column = column.astype(np.float64, copy=False)
                weights = np.ones(len(column), np.int32) if n_rows is None else n_rows[side]
                values, n, overflow = _distinct(column, weights, MAX_VALUES)
                counts = np.zeros((len(values), 2), np.int64)
                counts[:, side] = n
                total += cls(values, counts, overflow)
        return total

    @classmethod
    def of_categories(cls, predictions: pa.Array | None, labels: pa.Array | None) -> DistinctValues:
        """Of text or boolean columns of rows that count; a boolean's categories are `false` and `true`."""
        total = cls.zero(categorical=True)
        for side, column in enumerate((predictions, labels)):
            if column is None:
                continue
            seen = category_column(column).value_counts()
            named = sorted(
                (name, n)
                for name, n in zip(seen.field(0).to_pylist(), seen.field(1).to_pylist(), strict=True)
                if name is not None
            )
            if len(named) > MAX_CATEGORIES:
                return cls((), np.zeros((0, 2), np.int64), True)
            counts = np.zeros((len(named), 2), np.int64)
            counts[:, side] = [n for _, n in named]
            total += cls(tuple(name for name, _ in named), counts)
        return total

    def __add__(self, other: DistinctValues) -> DistinctValues:
        if isinstance(self.values, tuple):
            assert isinstance(other.values, tuple)
            return self._with_categories(other.values, other.counts, other.overflow)
        assert not isinstance(other.values, tuple)
        values = np.union1d(self.values, other.values)
        if self.overflow or other.overflow or len(values) > MAX_VALUES:
            return DistinctValues(np.empty(0), np.zeros((0, 2), np.int64), True)
        counts = np.zeros((len(values), 2), np.int64)
        counts[np.searchsorted(values, self.values)] += self.counts
        counts[np.searchsorted(values, other.values)] += other.counts
        return DistinctValues(values, counts)

    def _with_categories(self, categories: Sequence[str], more: Array, overflow: bool) -> DistinctValues:
        names = sorted({*self.values, *categories})
        if self.overflow or overflow or len(names) > MAX_CATEGORIES:
            return DistinctValues((), np.zeros((0, 2), np.int64), True)
        place = {name: index for index, name in enumerate(names)}
        counts = np.zeros((len(names), 2), np.int64)
        for listed, added in ((self.values, self.counts), (categories, more)):
            if len(listed):
                counts[[place[name] for name in listed]] += added
        return DistinctValues(tuple(names), counts)


def category_column(column: pa.Array) -> pa.Array:
    """A text, dictionary or boolean column as strings."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())
