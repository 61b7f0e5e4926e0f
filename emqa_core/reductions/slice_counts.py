"""The two states behind slices: rows by the bins of metrics and of pairs of metrics, and the frame sums of
the regions that are looked at closely.

A metric has at most `MOST_BINS` bins that can be a slice; the bin after them holds values that cannot. y is
what goes wrong: a false positive, or a missed label. Whole numbers, the same for any partitioning.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_I64_2D, READ_U8
from emqa_core.objects import Array, OutcomeRows

MOST_BINS = 20
N_BINS = MOST_BINS + 1
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
    n_metrics = bins.shape[1]
    for row in range(kind.shape[0]):
        if kind[row] == 0:
            continue
        # Rows in the lower half of a word, wrong ones in the upper.
        amount = np.int64(1) + (np.int64(kind[row] == 2) << 32)
        for metric in range(n_metrics):
            if bins[row, metric] >= 0:
                single[metric, bins[row, metric]] += amount
        for p in range(pairs.shape[0]):
            a = bins[row, pairs[p, 0]]
            b = bins[row, pairs[p, 1]]
            if a >= 0 and b >= 0:
                pair[p, a, b] += amount


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


@kernel(types.void(READ_I64, READ_U8, _READ_BINS, READ_I64_2D, types.int64[:, :, ::1], types.int64[:, ::1]))
def _sum_regions(frame_start, kind, bins, regions, sums, overlap):  # type: ignore[no-untyped-def]
    n_regions = regions.shape[0]
    rows = np.zeros((n_regions, 4, 2), np.int64)  # in the region; in all and in either range: n and y
    inside = np.empty(n_regions, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        rows[:] = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if kind[row] == 0:
                continue
            y = np.int64(kind[row] == 2)
            n_inside = 0
            for c in range(n_regions):
                a = bins[row, regions[c, 0]]
                if a < 0:
                    continue
                in_a = regions[c, 1] <= a <= regions[c, 2]
                in_b = True
                if regions[c, 3] >= 0:
                    b = bins[row, regions[c, 3]]
                    if b < 0:
                        continue
                    in_b = regions[c, 4] <= b <= regions[c, 5]
                rows[c, 1, 0] += 1
                rows[c, 1, 1] += y
                if in_a:
                    rows[c, 2, 0] += 1
                    rows[c, 2, 1] += y
                if in_b:
                    rows[c, 3, 0] += 1
                    rows[c, 3, 1] += y
                if in_a and in_b:
                    rows[c, 0, 0] += 1
                    rows[c, 0, 1] += y
                    inside[n_inside] = c
                    n_inside += 1
            for i in range(n_inside):
                for j in range(i + 1):
                    overlap[inside[i], inside[j]] += 1
        for c in range(n_regions):
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
        single = np.zeros((rows.bins.shape[1], N_BINS), np.int64)
        pair = np.zeros((len(pairs), N_BINS, N_BINS), np.int64)
        _count_cells(rows.kind, rows.bins, pairs, single, pair)
        return cls(_sum_frames(rows.frame_start, rows.kind), single, pair)

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
