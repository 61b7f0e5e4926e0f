"""Frame sums of one metric and one target by bin: the state behind rates and their intervals.

A cell is a scope and a bin; scopes are class codes 0 .. K - 1 and K for all. Sums over frames of n², n·y
and y² say how the rows of a bin cluster in frames. Whole numbers throughout, so that they are the same for
any partitioning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, types

from emqa_core.objects import Array
from emqa_core.reductions.keyed_sums import KeyedSums
from emqa_core.reductions.target_rows import TargetRows

_READ_I16 = types.Array(types.int16, 1, "C", readonly=True)
_READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
_READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
_READ_U64 = types.Array(types.uint64, 1, "C", readonly=True)


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
