"""The two states behind slices: rows by the bins of metrics and of pairs of metrics, and the frame sums of
the regions that are looked at closely.

A metric has at most `MOST_BINS` bins that can be a slice; the bin after them holds values that cannot. y is
what goes wrong: a false positive, or a missed label. Whole numbers, the same for any partitioning.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_I64_2D, READ_U8
from emqa_core.objects import Array, OutcomeRows

MOST_BINS = 20
N_BINS = MOST_BINS + 1
_ROWS_AT_A_TIME = 256
COMPARED = 3  # with all rows, and for a pair with the rows in the range of either metric
# Frame sums of a region (r) beside the rows that it is compared with (o).
REGION_SUMS = (
    *("n_r", "y_r", "n_o", "y_o", "m_r", "m_o"),
    *("nn_rr", "ny_rr", "yy_rr", "nn_ro", "ny_ro", "yn_ro", "yy_ro", "nn_oo", "ny_oo", "yy_oo"),
)
_N_SUMS = len(REGION_SUMS)
_READ_BINS = types.Array(types.int8, 2, "C", readonly=True)


@kernel(types.void(READ_U8, _READ_BINS, READ_I64_2D, types.int64[:, ::1], types.int64[:, :, ::1]))
def _count_cells(kind, bins, pairs, single, pair):  # type: ignore[no-untyped-def]
    """Some rows at a time, pair after pair, whose cells are near each other. Bin 0: without the metric."""
    n_metrics = bins.shape[1]
    own = np.empty((n_metrics, _ROWS_AT_A_TIME), np.int64)
    amount = np.empty(_ROWS_AT_A_TIME, np.int64)
    for first in range(0, kind.shape[0], _ROWS_AT_A_TIME):
        n = 0
        for row in range(first, min(first + _ROWS_AT_A_TIME, kind.shape[0])):
            if kind[row] > 0:
                # Rows in the lower half of a word, wrong ones in the upper.
                amount[n] = np.int64(1) + (np.int64(kind[row] == 2) << 32)
                for metric in range(n_metrics):
                    own[metric, n] = bins[row, metric] + 1
                n += 1
        for metric in range(n_metrics):
            for i in range(n):
                single[metric, own[metric, i]] += amount[i]
        for p in range(pairs.shape[0]):
            a = own[pairs[p, 0]]
            b = own[pairs[p, 1]]
            cells = pair[p]
            for i in range(n):
                cells[a[i], b[i]] += amount[i]


@kernel(types.int64[::1](READ_I64, READ_U8))
def _sum_frames(frame_start, kind):  # type: ignore[no-untyped-def]
    """n, y, Σ n², Σ n·y, Σ y² and frames with rows."""
    out = np.zeros(6, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        n = 0
        y = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            n += kind[row] > 0
            y += kind[row] == 2
        out[0] += n
        out[1] += y
        out[2] += n * n
        out[3] += n * y
        out[4] += y * y
        out[5] += n > 0
    return out


@njit(inline="always")
def _n_bits(word):  # type: ignore[no-untyped-def]
    """How many bits of a word are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(inline="always")
def _add_frame(rows, regions, sums):  # type: ignore[no-untyped-def]
    """Add what was counted of a frame, and clear it."""
    for c in range(regions.shape[0]):
        n_r, y_r = rows[c, 0]
        n_compared = COMPARED if regions[c, 3] >= 0 else 1
        for k in range(n_compared):
            n_o, y_o = rows[c, k + 1]
            if n_o == 0:
                continue
            own = sums[c, k]
            own[2] += n_o
            own[3] += y_o
            own[5] += 1
            own[13] += n_o * n_o
            own[14] += n_o * y_o
            own[15] += y_o * y_o
            if n_r == 0:
                continue
            own[0] += n_r
            own[1] += y_r
            own[4] += 1
            own[6] += n_r * n_r
            own[7] += n_r * y_r
            own[8] += y_r * y_r
            own[9] += n_r * n_o
            own[10] += n_r * y_o
            own[11] += y_r * n_o
            own[12] += y_r * y_o
    rows[:] = 0


@kernel(types.void(READ_I64, READ_U8, _READ_BINS, READ_I64_2D, types.int64[:, :, ::1], types.int64[:, ::1]))
def _sum_regions(frame_start, kind, bins, regions, sums, overlap):  # type: ignore[no-untyped-def]
    """64 rows at a time: a bit of a word for each, so that a region takes a few steps and not one per row."""
    n_metrics = bins.shape[1]
    n_regions = regions.shape[0]
    in_bin = np.empty((n_metrics, N_BINS + 1), np.uint64)  # those without the metric first
    # Which rows are in the region, have its metrics, and are in the range of either.
    words = np.empty((n_regions, 4), np.uint64)
    rows = np.zeros((n_regions, 4, 2), np.int64)  # of the frame at hand: n and y of the same
    n_rows = kind.shape[0]
    frame = 0
    for first in range(0, n_rows, 64):
        stop = min(first + 64, n_rows)
        in_bin[:] = 0
        counted = np.uint64(0)
        wrong = np.uint64(0)
        for row in range(first, stop):
            if kind[row] == 0:
                continue
            bit = np.uint64(1) << np.uint64(row - first)
            counted |= bit
            if kind[row] == 2:
                wrong |= bit
            for metric in range(n_metrics):
                in_bin[metric, bins[row, metric] + 1] |= bit
        for c in range(n_regions):
            a = regions[c, 0]
            has = counted & ~in_bin[a, 0]
            in_a = np.uint64(0)
            for b in range(regions[c, 1], regions[c, 2] + 1):
                in_a |= in_bin[a, b + 1]
            in_b = has
            if regions[c, 3] >= 0:
                other = regions[c, 3]
                has &= ~in_bin[other, 0]
                in_b = np.uint64(0)
                for b in range(regions[c, 4], regions[c, 5] + 1):
                    in_b |= in_bin[other, b + 1]
                in_a &= has
                in_b &= has
            words[c, 0] = in_a & in_b
            words[c, 1] = has
            words[c, 2] = in_a
            words[c, 3] = in_b
            for d in range(c + 1):
                overlap[c, d] += _n_bits(words[c, 0] & words[d, 0])
        row = first
        while row < stop:
            while frame_start[frame + 1] <= row:
                frame += 1
            end = min(frame_start[frame + 1], stop)
            of_frame = (~np.uint64(0) >> np.uint64(64 - (end - row))) << np.uint64(row - first)
            for c in range(n_regions):
                for k in range(4):
                    word = words[c, k] & of_frame
                    rows[c, k, 0] += _n_bits(word)
                    rows[c, k, 1] += _n_bits(word & wrong)
            if end == frame_start[frame + 1]:
                _add_frame(rows, regions, sums)
            row = end


@dataclass(frozen=True)
class SliceCounts:
    """Rows of one target that count, and the wrong ones among them; M metrics and P pairs of them.

    whole (6,) int64: n, y, Σ_f n², Σ_f n·y, Σ_f y², frames with rows. single (M, 21), pair (P, 21, 21)
    int64: rows by bin, the wrong ones times 2**32 on top.
    """

    whole: Array
    single: Array
    pair: Array

    @classmethod
    def of(cls, rows: SliceRows, pairs: Array) -> SliceCounts:
        """Of one partition. pairs (P, 2) int64: which metrics."""
        single = np.zeros((rows.bins.shape[1], 1 + N_BINS), np.int64)
        pair = np.zeros((len(pairs), 1 + N_BINS, 1 + N_BINS), np.int64)
        _count_cells(rows.kind, rows.bins, pairs, single, pair)
        return cls(_sum_frames(rows.frame_start, rows.kind), single[:, 1:], pair[:, 1:, 1:])

    def __add__(self, other: SliceCounts) -> SliceCounts:
        return SliceCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class RegionSums:
    """Frame sums of C regions of one target.

    sums (C, 3, 16) int64: `REGION_SUMS` of a region r beside the rows o of all that have its metrics, and,
    for a pair, in the range of the first, and of the second. overlap (C, C) int64: rows in both, below the
    diagonal and on it.
    """

    sums: Array
    overlap: Array

    @classmethod
    def of(cls, rows: SliceRows, regions: Array) -> RegionSums:
        """Of one partition. regions (C, 6) int64: metric, first and last bin; the other metric or -1, its
        first and last bin.
        """
        sums = np.zeros((len(regions), COMPARED, _N_SUMS), np.int64)
        overlap = np.zeros((len(regions), len(regions)), np.int64)
        _sum_regions(rows.frame_start, rows.kind, rows.bins, regions, sums, overlap)
        return cls(sums, overlap)

    def __add__(self, other: RegionSums) -> RegionSums:
        return RegionSums(self.sums + other.sums, self.overlap + other.overlap)


@dataclass(frozen=True)
class SliceRows:
    """Rows of one target in one partition: frame_start (F + 1,) int64; kind (n,) uint8: 0 does not count, 1
    right, 2 wrong; bins (n, M) int8: -1 where a metric is missing.
    """

    frame_start: Array
    kind: Array
    bins: Array

    @classmethod
    def of(cls, rows: OutcomeRows, chosen: int, bins: Array) -> SliceRows:
        """At the chosen threshold."""
        counts = rows.counts_at(chosen)
        right = (rows.right >> np.uint64(chosen)) & np.uint64(1) == 1
        kind = np.where(counts, np.where(right, 1, 2), 0).astype(np.uint8)
        return cls(rows.frame_start.astype(np.int64), kind, np.ascontiguousarray(bins, np.int8))
