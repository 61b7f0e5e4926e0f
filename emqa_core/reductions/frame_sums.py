"""Frame sums of one metric and one target by bin: the state behind rates and their intervals.

A cell is a scope and a bin; scopes are class codes 0 .. K - 1 and K for all. Sums over frames of n², n·y
and y² say how the rows of a bin cluster in frames. Whole numbers throughout, so that they are the same for
any partitioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I16, READ_I32, READ_I32_2D, READ_I64, READ_U8, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.narrow import narrowest
from emqa_core.reductions.target_rows import ALWAYS_WRONG, COUNTS_NOWHERE, SOMETIMES_COUNTS, TargetRows
from emqa_core.reductions.threshold_steps import NO_PREFIX, totals_of_steps

_ONE = np.uint64(1)


@njit(inline="always")
def _add_row(cells, cell, fresh):  # type: ignore[no-untyped-def]
    """Columns: last frame seen and rows there; sum_nn; n, and n_frames from bit 32 on."""
    word = max(cells[cell, 0], fresh)
    n = word - fresh
    cells[cell, 0] = word + 1
    cells[cell, 1] += 2 * n + 1
    cells[cell, 2] += 1 + (np.int64(n == 0) << 32)


@kernel(types.void(types.int64[:, ::1], types.int64[:, ::1]))
def _add_cells(cells, base):  # type: ignore[no-untyped-def]
    for cell in range(cells.shape[0]):
        base[cell, 0] += cells[cell, 2] & 0xFFFFFFFF
        base[cell, 1] += cells[cell, 1]
        base[cell, 2] += cells[cell, 2] >> 32


@kernel(
    types.void(
        READ_I64, READ_I32, READ_I16, READ_U8, READ_U64, READ_U64, READ_U8, types.int64, types.int64,
        types.int64[:, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _sum_frames(  # type: ignore[no-untyped-def]
    frame_start, class_code, bins, kind, counted, right, right_length, n_classes, n_bins, base, steps, lanes
):
    n_thresholds = steps.shape[1]
    n_cells = base.shape[0]
    cells = np.zeros((n_cells, 3), np.int64)
    # Of the frame at hand: how many rows of a cell are right or count at some T only; and where those are
    # several, or not right from the lowest T on, how many are right, and count at some T only, at each T.
    seen = np.zeros(n_cells, np.int64)
    is_listed = np.zeros(n_cells, np.uint8)
    n_right = np.zeros((n_cells, n_thresholds), np.int32)
    n_extra = np.zeros((n_cells, n_thresholds), np.int32)
    listed = np.empty(n_cells, np.int64)
    longest = 0
    for frame in range(frame_start.shape[0] - 1):
        longest = max(longest, frame_start[frame + 1] - frame_start[frame])
    special = np.empty(longest, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        fresh = (np.int64(frame) + 1) << 32
        n_special = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if bins[row] < 0 or kind[row] == COUNTS_NOWHERE:
                continue
            if kind[row] != SOMETIMES_COUNTS:
                _add_row(cells, np.int64(class_code[row]) * n_bins + bins[row], fresh)
                _add_row(cells, n_classes * n_bins + bins[row], fresh)
                if kind[row] == ALWAYS_WRONG:
                    continue
            special[n_special] = row
            n_special += 1
            for side in range(2):
                scope = np.int64(class_code[row]) if side == 0 else n_classes
                cell = scope * n_bins + bins[row]
                seen[cell] = max(seen[cell], fresh) + 1
        n_listed = 0
        for i in range(n_special):
            row = special[i]
            always = kind[row] != SOMETIMES_COUNTS
            length = right_length[row]
            for side in range(2):
                scope = np.int64(class_code[row]) if side == 0 else n_classes
                cell = scope * n_bins + bins[row]
                if always and length != NO_PREFIX and seen[cell] == fresh + 1:
                    steps[cell, length - 1, 0] += 1
                    steps[cell, length - 1, 1] += cells[cell, 0] - fresh
                    steps[cell, length - 1, 2] += 1
                    continue
                if is_listed[cell] == 0:
                    is_listed[cell] = 1
                    listed[n_listed] = cell
                    n_listed += 1
                for t in range(n_thresholds):
                    n_right[cell, t] += np.int32((right[row] >> np.uint64(t)) & _ONE)
                    if not always:
                        n_extra[cell, t] += np.int32((counted[row] >> np.uint64(t)) & _ONE)
        for i in range(n_listed):
            cell = listed[i]
            is_listed[cell] = 0
            n = max(cells[cell, 0] - fresh, 0)
            for t in range(n_thresholds):
                y = np.int64(n_right[cell, t])
                extra = np.int64(n_extra[cell, t])
                if extra > 0:
                    lanes[cell, t, 0] += extra
                    lanes[cell, t, 1] += extra * (2 * n + extra)
                    lanes[cell, t, 2] += n == 0
                    n_extra[cell, t] = 0
                if y > 0:
                    lanes[cell, t, 3] += y
                    lanes[cell, t, 4] += (n + extra) * y
                    lanes[cell, t, 5] += y * y
                    n_right[cell, t] = 0
    _add_cells(cells, base)


@kernel(
    types.void(
        READ_I64, READ_I32, READ_I16, READ_U8, types.int64, types.int64, types.int64[:, ::1],
        types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _sum_frames_at(frame_start, class_code, bins, kind, n_classes, n_bins, base, lanes):  # type: ignore[no-untyped-def]
    """At one threshold: kind 0 does not count, 1 is wrong and 2 right."""
    n_cells = base.shape[0]
    cells = np.zeros((n_cells, 3), np.int64)
    n_right = np.zeros(n_cells, np.int32)
    listed = np.empty(n_cells, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        fresh = (np.int64(frame) + 1) << 32
        n_listed = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if bins[row] < 0 or kind[row] == 0:
                continue
            of_class = np.int64(class_code[row]) * n_bins + bins[row]
            of_all = n_classes * n_bins + bins[row]
            _add_row(cells, of_class, fresh)
            _add_row(cells, of_all, fresh)
            if kind[row] == 2:
                for cell in (of_class, of_all):
                    if n_right[cell] == 0:
                        listed[n_listed] = cell
                        n_listed += 1
                    n_right[cell] += np.int32(1)
        for i in range(n_listed):
            cell = listed[i]
            y = np.int64(n_right[cell])
            n_right[cell] = 0
            lanes[cell, 0, 3] += y
            lanes[cell, 0, 4] += (cells[cell, 0] - fresh) * y
            lanes[cell, 0, 5] += y * y
    _add_cells(cells, base)


@kernel(
    types.void(
        READ_I32, READ_I32, READ_I32, READ_I32_2D, READ_I32_2D, READ_I32, READ_I16, types.int64,
        types.int64[:, ::1], types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _sum_pairs(frame, scope, n_objects, sometimes, hits, listed, bins, n_bins, base, lanes):  # type: ignore[no-untyped-def]
    for pair in range(frame.shape[0]):
        n = np.int64(n_objects[pair])
        if n > 0 and bins[frame[pair]] >= 0:
            cell = np.int64(scope[pair]) * n_bins + bins[frame[pair]]
            base[cell, 0] += n
            base[cell, 1] += n * n
            base[cell, 2] += 1
    for i in range(listed.shape[0]):
        pair = listed[i]
        if bins[frame[pair]] < 0:
            continue
        n = np.int64(n_objects[pair])
        cell = np.int64(scope[pair]) * n_bins + bins[frame[pair]]
        for t in range(lanes.shape[1]):
            y = np.int64(hits[i, t])
            extra = np.int64(sometimes[i, t])
            lanes[cell, t, 0] += extra
            lanes[cell, t, 1] += extra * (2 * n + extra)
            lanes[cell, t, 2] += extra > 0 and n == 0
            lanes[cell, t, 3] += y
            lanes[cell, t, 4] += (n + extra) * y
            lanes[cell, t, 5] += y * y


@dataclass
class FrameSums:
    """Frame sums of the cells (scope * n_bins + bin) of one resolution, at T thresholds.

    base (cells, 3) int64: n, sum_nn, n_frames over rows that count at every T.
    steps (cells, T, 3): n_right, sum_ny (Σ_f n·y), sum_yy (Σ_f y²), y the right rows of a frame, as steps.
    lanes (cells, T, 6): what rows that count only at some T add to the three of `base` there, then further
    n_right, sum_ny, sum_yy.
    """

    n_classes: int
    n_bins: int
    base: Array
    steps: Array
    lanes: Array

    @classmethod
    def zero(cls, n_classes: int, n_bins: int, n_thresholds: int) -> FrameSums:
        n_cells = (n_classes + 1) * n_bins
        return cls(
            n_classes,
            n_bins,
            np.zeros((n_cells, 3), np.int64),
            np.zeros((n_cells, n_thresholds, 3), np.int64),
            np.zeros((n_cells, n_thresholds, 6), np.int64),
        )

    @classmethod
    def of(cls, rows: TargetRows, bins: Array, n_bins: int, *, chosen_only: bool = False) -> FrameSums:
        """Of the rows of objects whose bin (n,) int16 is not -1, at every T or only at the chosen one."""
        sums = cls.zero(rows.n_classes, n_bins, 1 if chosen_only else rows.n_thresholds)
        sums.take(rows, bins, chosen_only=chosen_only)
        return sums

    @classmethod
    def together(cls, rows: TargetRows) -> FrameSums:
        """Of all rows of objects in one bin, which is what a metric finds that has a value everywhere."""
        sums = cls.zero(rows.n_classes, 1, rows.n_thresholds)
        assert rows.frame_start is not None
        sums.take_frames(rows, np.zeros(len(rows.frame_start) - 1, np.int16))
        return sums

    def take(self, rows: TargetRows, bins: Array, *, chosen_only: bool = False) -> None:
        """Add the rows of a further partition."""
        assert rows.frame_start is not None
        if chosen_only or rows.n_thresholds == 1:
            _sum_frames_at(
                rows.frame_start, rows.scope, bins, rows.kind_at_chosen, self.n_classes, self.n_bins,
                self.base, self.lanes,
            )  # fmt: skip
            return
        _sum_frames(
            rows.frame_start, rows.scope, bins, rows.kind, rows.counted, rows.right, rows.right_length,
            self.n_classes, self.n_bins, self.base, self.steps, self.lanes,
        )  # fmt: skip

    def take_frames(self, rows: TargetRows, bins: Array, *, chosen_only: bool = False) -> None:
        """Add the objects of a further partition, those of a frame in its bin: bins (F,) int16."""
        pairs = rows.pairs_at_chosen if chosen_only else rows.pairs
        _sum_pairs(
            pairs.frame, pairs.scope, pairs.n, pairs.sometimes, pairs.hits, pairs.listed, bins, self.n_bins,
            self.base, self.lanes,
        )  # fmt: skip

    @property
    def n_thresholds(self) -> int:
        return int(self.steps.shape[1])

    def sum_nn_at(self, threshold: int) -> Array:
        """sum_nn at a threshold, (K + 1, n_bins) int64."""
        return (self.base[:, 1] + self.lanes[:, threshold, 1]).reshape(self.n_classes + 1, self.n_bins)

    def columns(self) -> dict[str, Array]:
        """n, n_right, sum_nn, sum_ny, sum_yy, n_frames, each (T, K + 1, n_bins) int64."""
        shape = (self.n_classes + 1, self.n_bins)
        base = self.base.T.reshape(3, 1, *shape)
        lanes = self.lanes.reshape(*shape, self.n_thresholds, 6).transpose(3, 2, 0, 1)
        right = totals_of_steps(self.steps).reshape(*shape, self.n_thresholds, 3).transpose(3, 2, 0, 1)
        return {
            "n": base[0] + lanes[0],
            "sum_nn": base[1] + lanes[1],
            "n_frames": base[2] + lanes[2],
            "n_right": right[0] + lanes[3],
            "sum_ny": right[1] + lanes[4],
            "sum_yy": right[2] + lanes[5],
        }

    def add(self, other: FrameSums) -> None:
        """Add a state in place."""
        self.base += other.base
        self.steps += other.steps
        self.lanes += other.lanes

    def __add__(self, other: FrameSums) -> FrameSums:
        return FrameSums(
            self.n_classes, self.n_bins, self.base + other.base, self.steps + other.steps,
            self.lanes + other.lanes,
        )  # fmt: skip

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        lanes = self.lanes.copy()
        lanes[..., 3:] += totals_of_steps(self.steps)
        return {
            f"{prefix}.shape": np.array([self.n_classes, self.n_bins]),
            f"{prefix}.base": narrowest(self.base),
            f"{prefix}.lanes": narrowest(lanes),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array]) -> FrameSums:
        base, lanes = (arrays[f"{prefix}.{name}"].astype(np.int64) for name in ("base", "lanes"))
        n_classes, n_bins = arrays[f"{prefix}.shape"].tolist()
        return cls(n_classes, n_bins, base, np.zeros_like(lanes[..., :3]), lanes)
