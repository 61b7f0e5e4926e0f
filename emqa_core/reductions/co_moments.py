"""Centred co-moments of one metric and one outcome: the state behind correlation.

Kept per scope, jackknife group and bin of the control (one bin where there is no control), so that
Pearson, its partial form and their jackknife intervals all come from it. Second moments travel centred
and are merged pairwise: Chan, Golub and LeVeque 1983. Values are taken relative to a `centre` that
belongs to the metric's axis, which keeps a mean far larger than the spread from costing digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, types

from emqa_core.objects import Array
from emqa_core.reductions.keyed_sums import narrowest, union_of_keys
from emqa_core.reductions.target_rows import N_GROUPS, TargetRows

_READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
_READ_F64 = types.Array(types.float64, 1, "C", readonly=True)


@njit(
    types.Tuple((types.int64[::1], types.float64[:, ::1]))(
        _READ_F64,
        _READ_F64,
        _READ_I32,
        _READ_I32,
        types.int64,
        types.float64,
        types.boolean,
        types.boolean,
    ),
    cache=True,
)
def _moments(x, y, place_of_row, rows, n_places, centre, centred, sized):  # type: ignore[no-untyped-def]
    """Columns: mean x, Σ(x - mean)², mean y, Σ(y - mean)², Σ(x - mean)(y - mean); no y: the first two."""
    n = np.zeros(n_places, np.int64)
    moments = np.zeros((n_places, 5 if sized else 2), np.float64)
    for index in range(rows.shape[0]):
        place = place_of_row[rows[index]]
        if place >= 0:
            n[place] += 1
            moments[place, 0] += x[rows[index]] - centre
            if sized:
                moments[place, 2] += y[index]
    for place in range(n_places):
        if n[place]:
            moments[place, 0] /= n[place]
            if sized:
                moments[place, 2] /= n[place]
    if centred:
        for index in range(rows.shape[0]):
            place = place_of_row[rows[index]]
            if place >= 0:
                dx = x[rows[index]] - centre - moments[place, 0]
                moments[place, 1] += dx * dx
                if sized:
                    dy = y[index] - moments[place, 2]
                    moments[place, 3] += dy * dy
                    moments[place, 4] += dx * dy
    return n, moments


@njit(types.float64[:, ::1](_READ_F64, _READ_I32, _READ_I32, _READ_I32, types.int64), cache=True)
def _extremes(x, place_of_row, scope, rows, n_scopes):  # type: ignore[no-untyped-def]
    out = np.empty((2, n_scopes), np.float64)
    out[0] = np.inf
    out[1] = -np.inf
    for index in range(rows.shape[0]):
        row = rows[index]
        if place_of_row[row] >= 0:
            out[0, scope[row]] = min(out[0, scope[row]], x[row])
            out[1, scope[row]] = max(out[1, scope[row]], x[row])
    return out


@dataclass(frozen=True)
class KeyedMoments:
    """Moments of m cells: ascending keys (m,), n (m,) int64, moments (m, c) float64.

    Columns, the first c of: mean of x, Σ(x - mean)², mean of y, Σ(y - mean)², Σ(x - mean)(y - mean);
    c is 1, 2 or 5.
    """

    keys: Array
    n: Array
    moments: Array

    @classmethod
    def zero(cls, n_columns: int) -> KeyedMoments:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, n_columns)))

    @classmethod
    def of_dense(cls, n: Array, moments: Array) -> KeyedMoments:
        keys = np.flatnonzero(n)
        return cls(keys, n[keys], moments[keys])

    @classmethod
    def stack(cls, blocks: list[KeyedMoments], block_cells: int, n_columns: int) -> KeyedMoments:
        if not blocks:
            return cls.zero(n_columns)
        return cls(
            np.concatenate([block.keys + number * block_cells for number, block in enumerate(blocks)]),
            np.concatenate([block.n for block in blocks]),
            np.concatenate([block.moments for block in blocks]),
        )

    def block(self, number: int, block_cells: int) -> KeyedMoments:
        """The cells number * block_cells .., their keys counted from there."""
        first, last = np.searchsorted(self.keys, [number * block_cells, (number + 1) * block_cells])
        part = slice(int(first), int(last))
        return KeyedMoments(self.keys[part] - number * block_cells, self.n[part], self.moments[part])

    def __add__(self, other: KeyedMoments) -> KeyedMoments:
        if not len(other.keys):
            return self
        if not len(self.keys):
            return other
        keys, at_self, at_other = union_of_keys(self.keys, other.keys)
        n = np.zeros(len(keys), np.int64)
        moments = np.zeros((len(keys), self.moments.shape[1]))
        n[at_self], moments[at_self] = self.n, self.moments
        n_a, a, b = n[at_other], moments[at_other], other.moments
        n[at_other] += other.n
        share = other.n / n[at_other]
        merged = a + b
        dx = b[:, 0] - a[:, 0]
        merged[:, 0] = a[:, 0] + dx * share
        if merged.shape[1] > 1:
            merged[:, 1] += dx * dx * (n_a * share)
        if merged.shape[1] == 5:
            dy = b[:, 2] - a[:, 2]
            merged[:, 2] = a[:, 2] + dy * share
            merged[:, 3] += dy * dy * (n_a * share)
            merged[:, 4] += dx * dy * (n_a * share)
        moments[at_other] = np.where((n_a > 0)[:, None], merged, b)
        return KeyedMoments(keys, n, moments)

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.keys": narrowest(self.keys),
            f"{prefix}.n": narrowest(self.n),
            f"{prefix}.moments": self.moments,
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> KeyedMoments:
        keys, n = (arrays[f"{prefix}.{name}"].astype(np.int64) for name in ("keys", "n"))
        return cls(keys, n, arrays[f"{prefix}.moments"])


@dataclass(frozen=True)
class CoMoments:
    """Moments per cell ((scope * N_GROUPS + group) * n_control + control bin).

    always: of x over rows that count at every T. partial, key T * cells + cell: of x over rows that count
    only at some T. levels, likewise by T, over rows with y > 0: all five columns, or where y is just 1 the
    mean of x alone; rows with y = 0 need no more than the other two. low, high
    (scopes,): smallest and largest x of rows that count at any T; inf, -inf without.
    """

    n_scopes: int
    n_control: int
    centre: float
    always: KeyedMoments
    partial: KeyedMoments
    levels: KeyedMoments
    low: Array
    high: Array

    @property
    def n_cells(self) -> int:
        return self.n_scopes * N_GROUPS * self.n_control

    @classmethod
    def zero(cls, n_scopes: int, n_control: int, centre: float, *, sized: bool) -> CoMoments:
        """Of no rows; `sized`: the outcome has a size of its own (F1, IoU), it is not just 1."""
        return cls(
            n_scopes,
            n_control,
            centre,
            KeyedMoments.zero(2),
            KeyedMoments.zero(2),
            KeyedMoments.zero(5 if sized else 1),
            np.full(n_scopes, np.inf),
            np.full(n_scopes, -np.inf),
        )

    @classmethod
    def of(
        cls, rows: TargetRows, bins: Array, x: Array, centre: float, control: Array | None, n_control: int
    ) -> CoMoments:
        """Of rows with the metric's value x (n,) float64, missing where bins (n,) int16 is -1.

        control (n,) int16: bin of the control in 0 .. n_control - 1, the last one for rows without it;
        None with n_control = 1.
        """
        n_cells = rows.n_scopes * N_GROUPS * n_control
        place = rows.cell * np.int32(n_control)
        if control is not None:
            place += control
        place[bins < 0] = -1
        no_y = np.empty(0)
        sized = rows.y is not None

        def of_rows(listed: Array, y: Array, n_columns: int) -> KeyedMoments:
            n, moments = _moments(x, y, place, listed, n_cells, centre, n_columns > 1, n_columns > 2)
            return KeyedMoments.of_dense(n, moments[:, :n_columns])

        partial = []
        levels = []
        for t in range(rows.n_thresholds):
            if len(rows.partial.row):
                partial.append(of_rows(rows.partial.row[rows.partial.at(t)], no_y, 2))
            at = rows.levels.at(t)
            y = no_y if rows.y is None else rows.y[at]
            levels.append(of_rows(rows.levels.row[at], y, 5 if sized else 1))
        low, high = _extremes(
            x, place, rows.scope, np.concatenate([rows.always, rows.partial.row]), rows.n_scopes
        )
        return cls(
            rows.n_scopes,
            n_control,
            centre,
            of_rows(rows.always, no_y, 2),
            KeyedMoments.stack(partial, n_cells, 2),
            KeyedMoments.stack(levels, n_cells, 5 if sized else 1),
            low,
            high,
        )

    def __add__(self, other: CoMoments) -> CoMoments:
        return replace(
            self,
            always=self.always + other.always,
            partial=self.partial + other.partial,
            levels=self.levels + other.levels,
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
        )

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.shape": np.array([self.n_scopes, self.n_control]),
            f"{prefix}.centre": np.array([self.centre]),
            f"{prefix}.low": self.low,
            f"{prefix}.high": self.high,
            **self.always.to_arrays(f"{prefix}.always"),
            **self.partial.to_arrays(f"{prefix}.partial"),
            **self.levels.to_arrays(f"{prefix}.levels"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> CoMoments:
        n_scopes, n_control = arrays[f"{prefix}.shape"].tolist()
        return cls(
            n_scopes,
            n_control,
            float(arrays[f"{prefix}.centre"][0]),
            KeyedMoments.from_arrays(f"{prefix}.always", arrays),
            KeyedMoments.from_arrays(f"{prefix}.partial", arrays),
            KeyedMoments.from_arrays(f"{prefix}.levels", arrays),
            arrays[f"{prefix}.low"],
            arrays[f"{prefix}.high"],
        )
