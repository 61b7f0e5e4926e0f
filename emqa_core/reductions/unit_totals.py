"""Rows per resampling unit: how many units stand behind a number, and whether one dominates it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emqa_core.objects import Array
from emqa_core.reductions.target_rows import TargetRows


@dataclass(frozen=True)
class UnitTotals:
    """Units per scope (class codes 0 .. K - 1, then K for all) of a target's rows that count at the chosen T.

    closed_n, closed_max (K + 1,) int64: units that no other partition shares, and the most rows of one.
    n_rows (K + 1,) int64: rows of all units. unit (m,) uint64, scope (m,) int64, rows (m,) int64: the units
    that other partitions may share, sorted by scope, then unit.
    """

    n_rows: Array
    closed_n: Array
    closed_max: Array
    unit: Array
    scope: Array
    rows: Array

    @classmethod
    def zero(cls, n_classes: int) -> UnitTotals:
        zeros, none = np.zeros(n_classes + 1, np.int64), np.empty(0, np.int64)
        return cls(zeros, zeros, zeros, np.empty(0, np.uint64), none, none)

    @classmethod
    def of(cls, rows: TargetRows, unit_hash: Array, *, whole_units: bool) -> UnitTotals:
        """Of one partition's rows. unit_hash (F,) uint64 per frame.

        whole_units: the unit is the frame, which lies in one partition; its rows need not be remembered.
        """
        scope, frame, n = _rows_by_frame(rows)
        zero = cls.zero(rows.n_classes)
        n_rows = np.bincount(scope, weights=n, minlength=rows.n_classes + 1).astype(np.int64)
        if whole_units:
            closed_max = zero.closed_max.copy()
            np.maximum.at(closed_max, scope, n)
            closed_n = np.bincount(scope, minlength=rows.n_classes + 1)
            return replace(zero, n_rows=n_rows, closed_n=closed_n, closed_max=closed_max)
        unit_of_scope, unit, n = _grouped(scope, unit_hash[frame], n)
        return replace(zero, n_rows=n_rows, unit=unit, scope=unit_of_scope, rows=n)

    def __add__(self, other: UnitTotals) -> UnitTotals:
        scope, unit, rows = _grouped(
            np.concatenate([self.scope, other.scope]),
            np.concatenate([self.unit, other.unit]),
            np.concatenate([self.rows, other.rows]),
        )
        return UnitTotals(
            self.n_rows + other.n_rows,
            self.closed_n + other.closed_n,
            np.maximum(self.closed_max, other.closed_max),
            unit,
            scope,
            rows,
        )

    @property
    def n_units(self) -> Array:
        """Units with a row in each scope, (K + 1,) int64."""
        return self.closed_n + np.bincount(self.scope, minlength=len(self.closed_n))

    @property
    def largest_share(self) -> Array:
        """Largest share of a scope's rows in one unit, (K + 1,) float64; 0 without rows."""
        largest = self.closed_max.copy()
        np.maximum.at(largest, self.scope, self.rows)
        return np.asarray(largest / np.maximum(self.n_rows, 1))

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {f"{prefix}.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> UnitTotals:
        return cls(*(arrays[f"{prefix}.{name}"] for name in cls.__dataclass_fields__))


def _rows_by_frame(rows: TargetRows) -> tuple[Array, Array, Array]:
    """Scope, frame and number of rows that count at the chosen T, int64, of each pair that has any."""
    if rows.frame_start is None:
        counted = np.flatnonzero(rows.counts_at_chosen())
        scope, frame = rows.scope[counted], rows.frame[counted]
        return scope.astype(np.int64), frame.astype(np.int64), np.ones(len(counted), np.int64)
    pairs = rows.pairs_at_chosen
    held = np.flatnonzero(pairs.n)
    scope, frame, n = (values[held].astype(np.int64) for values in (pairs.scope, pairs.frame, pairs.n))
    return scope, frame, n


def _grouped(scope: Array, unit: Array, rows: Array) -> tuple[Array, Array, Array]:
    if not len(scope):
        return scope, unit, rows
    order = np.lexsort((unit, scope))
    scope, unit, rows = scope[order], unit[order], rows[order]
    new = np.append(True, (scope[1:] != scope[:-1]) | (unit[1:] != unit[:-1]))
    first = np.flatnonzero(new)
    return scope[first], unit[first], np.add.reduceat(rows, first)
