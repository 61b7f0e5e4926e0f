"""Products of counts in different bins of one frame: what merging bins afterwards needs.

Frame sums of a merged bin are not the sums of its parts: (n_a + n_b)² also holds 2 n_a n_b. A second
pass counts those products, only for the scopes whose bins are too small to stand alone and only for
metrics that differ within a frame. Bins are taken in the order in which they may be merged (`rank`), so
that a merged bin is an interval; then the frames of a merged bin are the frames of its parts less one
for each frame and pair of neighbouring occupied ranks in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, types

from emqa_core.objects import Array
from emqa_core.reductions.keyed_sums import KeyedSums
from emqa_core.reductions.target_rows import TargetRows

_READ_I16 = types.Array(types.int16, 1, "C", readonly=True)
_READ_I16_2D = types.Array(types.int16, 2, "C", readonly=True)
_READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
_READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
_READ_U64 = types.Array(types.uint64, 1, "C", readonly=True)

_BLOCK_CELLS = 1 << 23  # int64 cells of a task's dense tables: 64 MiB


@njit(
    types.Tuple((types.int64[:, :, ::1], types.int64[:, :, :, ::1]))(
        _READ_I64, _READ_I32, _READ_I16, _READ_U64, _READ_U64, _READ_I32, _READ_I16_2D,
        types.int64, types.int64, types.int64, types.int64,
    ),
    cache=True,
)  # fmt: skip
def _count_pairs(  # type: ignore[no-untyped-def]
    frame_start, class_code, bins, counted, right, slot, rank, first_slot, n_slots, n_bins, n_thresholds
):
    n_classes = slot.shape[0] - 1
    n_pairs = n_bins * (n_bins - 1) // 2
    base = np.zeros((n_slots, n_pairs, 2), np.int64)
    at_threshold = np.zeros((n_slots, n_pairs, n_thresholds, 4), np.int64)
    # Of the frame at hand, by slot and rank: rows, right rows and extra rows per T, and the ranks occupied.
    n = np.zeros((n_slots, n_bins), np.int64)
    y = np.zeros((n_slots, n_bins, n_thresholds), np.int64)
    extra = np.zeros((n_slots, n_bins, n_thresholds), np.int64)
    special = np.zeros((n_slots, n_bins), np.int64)
    occupied = np.empty((n_slots, n_bins), np.int16)
    n_occupied = np.zeros(n_slots, np.int64)
    used = np.empty(n_slots, np.int64)
    everywhere = ~np.uint64(0) >> np.uint64(64 - n_thresholds)
    one = np.uint64(1)
    for frame in range(frame_start.shape[0] - 1):
        n_used = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if bins[row] < 0 or counted[row] == 0:
                continue
            for side in range(2):
                scope = class_code[row] if side == 0 else n_classes
                s = slot[scope] - first_slot
                if s < 0 or s >= n_slots:
                    continue
                r = rank[slot[scope], bins[row]]
                if n_occupied[s] == 0:
                    used[n_used] = s
                    n_used += 1
                if n[s, r] == 0 and special[s, r] & 2 == 0:
                    at = n_occupied[s]
                    while at > 0 and occupied[s, at - 1] > r:
                        occupied[s, at] = occupied[s, at - 1]
                        at -= 1
                    occupied[s, at] = r
                    n_occupied[s] += 1
                if counted[row] == everywhere:
                    n[s, r] += 1
                else:
                    special[s, r] |= 3
                    for t in range(n_thresholds):
                        if (counted[row] >> np.uint64(t)) & one:
                            extra[s, r, t] += 1
                if right[row]:
                    special[s, r] |= 1
                    for t in range(n_thresholds):
                        if (right[row] >> np.uint64(t)) & one:
                            y[s, r, t] += 1
        for index in range(n_used):
            s = used[index]
            last = -1
            any_extra = False
            for j in range(n_occupied[s]):
                b = occupied[s, j]
                any_extra = any_extra or special[s, b] & 2 != 0
                offset = b * (b - 1) // 2
                if n[s, b] > 0:
                    if last >= 0:
                        base[s, offset + last, 1] += 1
                    last = b
                for i in range(j):
                    a = occupied[s, i]
                    base[s, offset + a, 0] += n[s, a] * n[s, b]
                    if special[s, a] or special[s, b]:
                        for t in range(n_thresholds):
                            n_a = n[s, a] + extra[s, a, t]
                            n_b = n[s, b] + extra[s, b, t]
                            at_threshold[s, offset + a, t, 0] += n_a * n_b - n[s, a] * n[s, b]
                            at_threshold[s, offset + a, t, 2] += n_a * y[s, b, t] + n_b * y[s, a, t]
                            at_threshold[s, offset + a, t, 3] += y[s, a, t] * y[s, b, t]
            if any_extra:
                # Rows that count only at some T may stand between two occupied ranks there.
                for t in range(n_thresholds):
                    last = -1
                    last_base = -1
                    for j in range(n_occupied[s]):
                        b = occupied[s, j]
                        offset = b * (b - 1) // 2
                        if n[s, b] > 0:
                            if last_base >= 0:
                                at_threshold[s, offset + last_base, t, 1] -= 1
                            last_base = b
                        if n[s, b] + extra[s, b, t] > 0:
                            if last >= 0:
                                at_threshold[s, offset + last, t, 1] += 1
                            last = b
            for j in range(n_occupied[s]):
                b = occupied[s, j]
                n[s, b] = 0
                if special[s, b]:
                    special[s, b] = 0
                    for t in range(n_thresholds):
                        y[s, b, t] = 0
                        extra[s, b, t] = 0
            n_occupied[s] = 0
    return base, at_threshold


@dataclass(frozen=True)
class BinPairs:
    """Products over pairs of ranks a < b in the same frame and scope, at every T.

    scopes (s,) int64, ascending: the scopes counted. rank (s, n_bins) int16: order of each scope's bins.
    base, key slot * n_pairs + b (b - 1) / 2 + a: Σ_f n_a n_b and the number of frames in which b is the
    next occupied rank after a, over rows that count at every T. at_threshold, that key * n_thresholds + t:
    what rows that count only at some T add to both there; Σ_f (n_a y_b + n_b y_a); Σ_f y_a y_b.
    """

    scopes: Array
    rank: Array
    n_thresholds: int
    base: KeyedSums
    at_threshold: KeyedSums

    @property
    def n_bins(self) -> int:
        return int(self.rank.shape[1])

    @property
    def n_pairs(self) -> int:
        return self.n_bins * (self.n_bins - 1) // 2

    @classmethod
    def zero(cls, scopes: Array, rank: Array, n_thresholds: int) -> BinPairs:
        return cls(scopes, rank, n_thresholds, KeyedSums.zero(2), KeyedSums.zero(4))

    @classmethod
    def of(cls, rows: TargetRows, bins: Array, scopes: Array, rank: Array) -> BinPairs:
        """Of the rows of objects in `scopes` with their coarse bin (n,) int16, -1 where missing."""
        assert rows.frame_start is not None and rows.counted is not None and rows.right is not None
        slot = np.full(rows.n_classes + 1, -1, np.int32)
        slot[scopes] = np.arange(len(scopes))
        n_bins = rank.shape[1]
        n_pairs = n_bins * (n_bins - 1) // 2
        total = cls.zero(scopes, rank, rows.n_thresholds)
        if not n_pairs:
            return total
        slot_cells = n_pairs * (2 + 4 * rows.n_thresholds)
        n_slots = max(1, _BLOCK_CELLS // slot_cells)
        for first in range(0, len(scopes), n_slots):
            held = min(n_slots, len(scopes) - first)
            base, at_threshold = _count_pairs(
                rows.frame_start, rows.scope, bins, rows.counted, rows.right, slot, rank,
                first, held, n_bins, rows.n_thresholds,
            )  # fmt: skip
            block_base = KeyedSums.of_dense(base.reshape(-1, 2))
            block_at = KeyedSums.of_dense(at_threshold.reshape(-1, 4))
            offset = first * n_pairs
            total += replace(
                total,
                base=KeyedSums(block_base.keys + offset, block_base.sums),
                at_threshold=KeyedSums(block_at.keys + offset * rows.n_thresholds, block_at.sums),
            )
        return total

    def products_at(self, threshold: int) -> Array:
        """Σ_f n_a n_b at a threshold, (slots, n_pairs) int64."""
        n_cells = len(self.scopes) * self.n_pairs
        out = self.base.dense(n_cells)[:, 0]
        wanted = self.at_threshold.keys % self.n_thresholds == threshold
        out[self.at_threshold.keys[wanted] // self.n_thresholds] += self.at_threshold.sums[wanted, 0]
        return np.ascontiguousarray(out).reshape(len(self.scopes), self.n_pairs)

    def __add__(self, other: BinPairs) -> BinPairs:
        return replace(self, base=self.base + other.base, at_threshold=self.at_threshold + other.at_threshold)

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.scopes": self.scopes,
            f"{prefix}.rank": self.rank,
            f"{prefix}.n_thresholds": np.array([self.n_thresholds]),
            **self.base.to_arrays(f"{prefix}.base"),
            **self.at_threshold.to_arrays(f"{prefix}.at_threshold"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, Array]) -> BinPairs:
        return cls(
            arrays[f"{prefix}.scopes"],
            arrays[f"{prefix}.rank"],
            int(arrays[f"{prefix}.n_thresholds"][0]),
            KeyedSums.from_arrays(f"{prefix}.base", arrays),
            KeyedSums.from_arrays(f"{prefix}.at_threshold", arrays),
        )
