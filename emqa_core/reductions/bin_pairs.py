"""Products of counts in different bins of one frame: what merging bins afterwards needs.

Frame sums of a merged bin are not the sums of its parts: (n_a + n_b)² also holds 2 n_a n_b. A second
pass counts those products, only for the scopes whose bins are too small to stand alone and only for
metrics that differ within a frame. Bins are taken in the order in which they may be merged (`rank`), so
that a merged bin is an interval; then the frames of a merged bin are the frames of its parts less one
for each frame and pair of neighbouring occupied ranks in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I16, READ_I16_2D, READ_I32, READ_I64, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.narrow import narrowest
from emqa_core.reductions.slot_table import SlotTable
from emqa_core.reductions.target_rows import TargetRows

_FIRST_CAPACITY = 4096  # cells with rows that are not simply wrong at every T


@kernel(
    types.UniTuple(types.int64, 2)(
        READ_I64, READ_I32, READ_I16, READ_U64, READ_U64, READ_I32, READ_I16_2D, types.int64,
        types.int64[:, ::1], types.int32[::1], types.int64, types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _count_pairs(  # type: ignore[no-untyped-def]
    frame_start, class_code, bins, counted, right, slot, rank, first_frame, base, index, n_taken, data
):
    """Count the frames from first_frame on, up to one that `data` may have no room for; which one that is,
    and how many slots are taken then.
    """
    of_all = slot[slot.shape[0] - 1]
    n_slots, n_bins = rank.shape
    n_thresholds = data.shape[1]
    n_pairs = n_bins * (n_bins - 1) // 2
    # Of the frame at hand, by slot and rank: rows, right rows and extra rows per T, and the ranks occupied.
    n = np.zeros((n_slots, n_bins), np.int64)
    y = np.zeros((n_slots, n_bins, n_thresholds), np.int64)
    extra = np.zeros((n_slots, n_bins, n_thresholds), np.int64)
    special = np.zeros((n_slots, n_bins), np.int64)
    occupied = np.empty((n_slots, n_bins), np.int16)
    n_occupied = np.zeros(n_slots, np.int64)
    busy = np.empty(n_slots, np.int64)
    everywhere = ~np.uint64(0) >> np.uint64(64 - n_thresholds)
    one = np.uint64(1)
    for frame in range(first_frame, frame_start.shape[0] - 1):
        n_used = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            of_class = slot[class_code[row]]
            if (of_class < 0 and of_all < 0) or bins[row] < 0 or counted[row] == 0:
                continue
            for side in range(2):
                s = of_class if side == 0 else of_all
                if s < 0:
                    continue
                r = rank[s, bins[row]]
                if n_occupied[s] == 0:
                    busy[n_used] = s
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
        most = 0
        for i in range(n_used):
            most += n_occupied[busy[i]] * (n_occupied[busy[i]] - 1) // 2
        if n_taken + most > data.shape[0] and data.shape[0] < n_slots * n_pairs:
            return frame, n_taken
        for i in range(n_used):
            s = busy[i]
            pair_of = s * n_pairs
            last = -1
            any_extra = False
            for j in range(n_occupied[s]):
                any_extra = any_extra or special[s, occupied[s, j]] & 2 != 0
            for j in range(n_occupied[s]):
                b = occupied[s, j]
                offset = b * (b - 1) // 2
                if n[s, b] > 0:
                    if last >= 0:
                        base[pair_of + offset + last, 1] += 1
                    last = b
                for k in range(j):
                    a = occupied[s, k]
                    base[pair_of + offset + a, 0] += n[s, a] * n[s, b]
                    if special[s, a] or special[s, b] or any_extra:
                        place = index[pair_of + offset + a]
                        if place < 0:
                            place = n_taken
                            index[pair_of + offset + a] = place
                            n_taken += 1
                        for t in range(n_thresholds):
                            n_a = n[s, a] + extra[s, a, t]
                            n_b = n[s, b] + extra[s, b, t]
                            data[place, t, 0] += n_a * n_b - n[s, a] * n[s, b]
                            data[place, t, 2] += n_a * y[s, b, t] + n_b * y[s, a, t]
                            data[place, t, 3] += y[s, a, t] * y[s, b, t]
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
                                data[index[pair_of + offset + last_base], t, 1] -= 1
                            last_base = b
                        if n[s, b] + extra[s, b, t] > 0:
                            if last >= 0:
                                data[index[pair_of + offset + last], t, 1] += 1
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
    return frame_start.shape[0] - 1, n_taken


@dataclass
class BinPairs:
    """Products over pairs of ranks a < b in the same frame and scope, at every T.

    scopes (s,) int64, ascending: the scopes counted. rank (s, n_bins) int16: order of each scope's bins. A
    cell is slot * n_pairs + b (b - 1) / 2 + a. base (cells, 2) int64: Σ_f n_a n_b and the number of frames
    in which b is the next occupied rank after a, over rows that count at every T. at_threshold, slots (T, 4):
    what rows that count only at some T add to both there; Σ_f (n_a y_b + n_b y_a); Σ_f y_a y_b.
    """

    scopes: Array
    rank: Array
    base: Array
    at_threshold: SlotTable

    @property
    def n_bins(self) -> int:
        return int(self.rank.shape[1])

    @property
    def n_pairs(self) -> int:
        return self.n_bins * (self.n_bins - 1) // 2

    @property
    def n_thresholds(self) -> int:
        return int(self.at_threshold.data.shape[1])

    @classmethod
    def zero(cls, scopes: Array, rank: Array, n_thresholds: int) -> BinPairs:
        n_cells = len(scopes) * rank.shape[1] * (rank.shape[1] - 1) // 2
        table = SlotTable(n_cells, (n_thresholds, 4), np.int64)
        return cls(scopes, rank, np.zeros((n_cells, 2), np.int64), table)

    @classmethod
    def of(cls, rows: TargetRows, bins: Array, scopes: Array, rank: Array) -> BinPairs:
        """Of the rows of objects in `scopes` with their coarse bin (n,) int16, -1 where missing."""
        pairs = cls.zero(scopes, rank, rows.n_thresholds)
        pairs.take(rows, bins)
        return pairs

    def take(self, rows: TargetRows, bins: Array) -> None:
        """Add the rows of a further partition."""
        assert rows.frame_start is not None
        slot = np.full(rows.n_classes + 1, -1, np.int32)
        slot[self.scopes] = np.arange(len(self.scopes))
        n_frames = len(rows.frame_start) - 1
        table = self.at_threshold
        frame = 0
        while self.n_pairs:
            frame, table.n_slots = _count_pairs(
                rows.frame_start, rows.scope, bins, rows.counted, rows.right, slot, self.rank, frame,
                self.base, table.index, table.n_slots, table.data,
            )  # fmt: skip
            if frame == n_frames:
                break
            table.make_room(max(_FIRST_CAPACITY, len(table)))

    def products_at(self, threshold: int) -> Array:
        """Σ_f n_a n_b at a threshold, (slots, n_pairs) int64."""
        out = self.base[:, 0].copy()
        cells = self.at_threshold.cells()
        out[cells] += self.at_threshold.values(cells)[:, threshold, 0]
        return out.reshape(len(self.scopes), self.n_pairs)

    def __add__(self, other: BinPairs) -> BinPairs:
        total = BinPairs(self.scopes, self.rank, self.base + other.base, self.at_threshold.copy())
        cells = other.at_threshold.cells()
        total.at_threshold.add(cells, other.at_threshold.values(cells))
        return total

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.scopes": self.scopes,
            f"{prefix}.rank": self.rank,
            f"{prefix}.base": narrowest(self.base),
            **self.at_threshold.to_arrays(f"{prefix}.at_threshold"),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array]) -> BinPairs:
        return cls(
            arrays[f"{prefix}.scopes"],
            arrays[f"{prefix}.rank"],
            arrays[f"{prefix}.base"].astype(np.int64),
            SlotTable.from_arrays(f"{prefix}.at_threshold", arrays, np.int64),
        )
