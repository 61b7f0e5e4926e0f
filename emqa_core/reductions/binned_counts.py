"""Counts of one metric and one target by bin: the state behind performance and importance.

A cell is a scope and a bin; scopes are class codes 0 .. K - 1 and K for all. Bins come in two
resolutions: the coarse ones (50, or the categories) at every T, and the fine ones at the chosen T.
Frame sums (Σ over frames of n², n·y, y²) say how the rows of a bin cluster in frames. Whole numbers
throughout, so that sums are the same for any partitioning.
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
_READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
_READ_U8 = types.Array(types.uint8, 1, "C", readonly=True)
_READ_U64 = types.Array(types.uint64, 1, "C", readonly=True)

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


@njit(types.void(types.int64[:, ::1], types.int64, types.int64), cache=True, inline="always")
def _add_row(cells, cell, fresh):  # type: ignore[no-untyped-def]
    word = max(cells[cell, 0], fresh)
    n = word - fresh
    cells[cell, 0] = word + 1
    cells[cell, 1] += 1
    cells[cell, 2] += 2 * n + 1
    cells[cell, 3] += n == 0


@njit(
    types.Tuple((types.int64[:, ::1], types.int64[:, :, ::1]))(
        _READ_I64,
        _READ_I32,
        _READ_I16,
        _READ_U64,
        _READ_U64,
        types.int64,
        types.int64,
        types.int64,
        types.boolean,
    ),
    cache=True,
)
def _sum_frames(  # type: ignore[no-untyped-def]
    frame_start, class_code, bins, counted, right, n_classes, n_bins, n_thresholds, has_whole
):
    # n_bins includes the bin of all rows, the last one, where there is one.
    n_cells = (n_classes + 1) * n_bins
    mine = np.empty(4, np.int64)
    n_mine = 4 if has_whole else 2
    # A row of four words per cell, so that a wrong prediction touches one cache line for its class and one
    # for all: last frame seen and rows there, then n, sum_nn, n_frames.
    cells = np.zeros((n_cells, 4), np.int64)
    for cell in range(n_cells):
        cells[cell, 0] = -1
    at_threshold = np.zeros((n_cells, n_thresholds, 6), np.int64)
    last_listed = np.full(n_cells, -1, np.int32)
    n_right = np.zeros((n_cells, n_thresholds), np.int32)
    n_extra = np.zeros((n_cells, n_thresholds), np.int32)
    listed = np.empty(n_cells, np.int64)
    everywhere = ~np.uint64(0) >> np.uint64(64 - n_thresholds)
    one = np.uint64(1)
    for frame in range(frame_start.shape[0] - 1):
        n_listed = 0
        fresh = np.int64(frame) << 32
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if bins[row] < 0 or counted[row] == 0:
                continue
            always = counted[row] == everywhere
            first = np.int64(class_code[row]) * n_bins
            of_class = first + bins[row]
            of_all = n_classes * n_bins + bins[row]
            if always:
                _add_row(cells, of_class, fresh)
                _add_row(cells, of_all, fresh)
                if has_whole:
                    _add_row(cells, first + n_bins - 1, fresh)
                    _add_row(cells, n_cells - 1, fresh)
                if right[row] == 0:
                    continue
            mine[0] = of_class
            mine[1] = of_all
            mine[2] = first + n_bins - 1
            mine[3] = n_cells - 1
            for index in range(n_mine):
                cell = mine[index]
                if last_listed[cell] != frame:
                    last_listed[cell] = frame
                    listed[n_listed] = cell
                    n_listed += 1
                for t in range(n_thresholds):
                    n_right[cell, t] += (right[row] >> np.uint64(t)) & one
                    if not always:
                        n_extra[cell, t] += (counted[row] >> np.uint64(t)) & one
        for index in range(n_listed):
            cell = listed[index]
            n = max(cells[cell, 0] - fresh, 0)
            for t in range(n_thresholds):
                y = np.int64(n_right[cell, t])
                extra = np.int64(n_extra[cell, t])
                if extra > 0:
                    at_threshold[cell, t, 0] += extra
                    at_threshold[cell, t, 1] += extra * (2 * n + extra)
                    at_threshold[cell, t, 2] += n == 0
                    n_extra[cell, t] = 0
                if y > 0:
                    at_threshold[cell, t, 3] += y
                    at_threshold[cell, t, 4] += (n + extra) * y
                    at_threshold[cell, t, 5] += y * y
                    n_right[cell, t] = 0
    return cells, at_threshold


@dataclass(frozen=True)
class FrameSums:
    """Frame sums of the cells (scope * n_bins + bin) of one resolution, at `n_thresholds` thresholds.

    base: n, sum_nn, n_frames of each cell, over rows that count at every T. at_threshold, key cell *
    n_thresholds + t: what rows that count only at some T add to the three there, then n_right, sum_ny
    (Σ_f n·y), sum_yy (Σ_f y²), y the right rows of a frame. has_whole: one more bin, the last, holds the
    rows of all bins; `n_bins` does not count it.
    """

    n_classes: int
    n_bins: int
    n_thresholds: int
    has_whole: bool
    base: KeyedSums
    at_threshold: KeyedSums

    @classmethod
    def of(
        cls,
        rows: TargetRows,
        bins: Array,
        n_bins: int,
        *,
        chosen_only: bool = False,
        has_whole: bool = False,
    ) -> FrameSums:
        """Of the rows of objects whose bin (n,) int16 is not -1, at every T or only at the chosen one."""
        assert rows.frame_start is not None and rows.counted is not None and rows.right is not None
        counted, right, n_thresholds = rows.counted, rows.right, rows.n_thresholds
        if chosen_only:
            shift = np.uint64(rows.chosen)
            counted, right, n_thresholds = counted >> shift & np.uint64(1), right >> shift & np.uint64(1), 1
        cells, at_threshold = _sum_frames(
            rows.frame_start, rows.scope, bins, counted, right, rows.n_classes, n_bins + has_whole,
            n_thresholds, has_whole,
        )  # fmt: skip
        return cls(
            rows.n_classes,
            n_bins,
            n_thresholds,
            has_whole,
            KeyedSums.of_dense(cells[:, 1:]),
            KeyedSums.of_dense(at_threshold.reshape(-1, 6)),
        )

    def columns(self) -> dict[str, Array]:
        """n, n_right, sum_nn, sum_ny, sum_yy, n_frames, each (T, K + 1, n_bins) int64."""
        return {name: values[..., : self.n_bins] for name, values in self._all_columns().items()}

    def whole_columns(self) -> dict[str, Array]:
        """The same of all bins' rows together, each (T, K + 1) int64; only where `has_whole`."""
        return {name: values[..., self.n_bins] for name, values in self._all_columns().items()}

    def _all_columns(self) -> dict[str, Array]:
        shape = (self.n_classes + 1, self.n_bins + self.has_whole)
        n_cells = shape[0] * shape[1]
        base = self.base.dense(n_cells).T.reshape(3, 1, *shape)
        at_threshold = self.at_threshold.dense(n_cells * self.n_thresholds)
        at_threshold = at_threshold.reshape(*shape, self.n_thresholds, 6).transpose(3, 2, 0, 1)
        return {
            "n": base[0] + at_threshold[0],
            "sum_nn": base[1] + at_threshold[1],
            "n_frames": base[2] + at_threshold[2],
            "n_right": at_threshold[3],
            "sum_ny": at_threshold[4],
            "sum_yy": at_threshold[5],
        }

    def __add__(self, other: FrameSums) -> FrameSums:
        return replace(self, base=self.base + other.base, at_threshold=self.at_threshold + other.at_threshold)

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.shape": np.array([self.n_classes, self.n_bins, self.n_thresholds, self.has_whole]),
            **self.base.to_arrays(f"{prefix}.base"),
            **self.at_threshold.to_arrays(f"{prefix}.at_threshold"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> FrameSums:
        n_classes, n_bins, n_thresholds, has_whole = arrays[f"{prefix}.shape"].tolist()
        return cls(
            n_classes,
            n_bins,
            n_thresholds,
            bool(has_whole),
            KeyedSums.from_arrays(f"{prefix}.base", arrays),
            KeyedSums.from_arrays(f"{prefix}.at_threshold", arrays),
        )


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
