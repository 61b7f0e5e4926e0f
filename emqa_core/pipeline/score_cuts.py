"""Where the score order of all predictions is cut, and which blocks of each partition a stretch needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from emqa_core.objects import Array
from emqa_core.reductions.run_blocks import RunIndex

_BLOCK_ROWS = 256
_PER_WORKER = 2
_SHARE_ROWS = 250_000  # below, a task costs more than it takes from another
_BLOCKS_PER_STRETCH = 64  # at least, so that a small bound is kept too


def block_rows(most: int) -> int:
    """Rows of a block where a stretch holds at most so many rows."""
    return max(1, min(_BLOCK_ROWS, most // _BLOCKS_PER_STRETCH))


def n_stretches(n_rows: int, most: int, n_workers: int) -> int:
    """How many stretches so many rows are cut into: at most `most` rows each, enough for all workers."""
    shares = 1 if n_workers == 1 else min(_PER_WORKER * n_workers, n_rows // _SHARE_ROWS)
    return max(1, -(-n_rows // most), shares)


@dataclass(frozen=True)
class Cut:
    """A place in the order of score, partition, and row within the partition: before that row.

    Rows of the same key are before it in earlier partitions, after it in later ones; so a tie of any length
    can be cut, and stays in frame order.
    """

    key: np.uint64
    partition: int
    row: int

    def side(self, partition: int) -> Literal["left", "right"]:
        """On which side of its key's rows the cut lies in another partition, as searchsorted says it."""
        return "right" if partition < self.partition else "left"

    def block(self, partition: int, index: RunIndex) -> int:
        """The block of a partition in which, or at whose end, the cut lies."""
        if partition == self.partition:
            return self.row // index.block_rows
        return max(0, int(np.searchsorted(index.first_key, self.key, self.side(partition))) - 1)

    def place(self, partition: int, key: Array, first_row: int) -> int:
        """How many of a partition's rows lie before the cut; of sorted rows (n,) key from first_row on."""
        if partition == self.partition:
            return min(max(self.row - first_row, 0), len(key))
        return int(np.searchsorted(key, self.key, self.side(partition)))


@dataclass(frozen=True)
class RunSlice:
    """Blocks of one partition: words start:stop hold n_rows rows from first_row on."""

    partition: int
    first_row: int
    n_rows: int
    block_rows: int
    start: int
    stop: int

    @classmethod
    def of(cls, partition: int, index: RunIndex, first: int, stop: int) -> RunSlice:
        """Blocks first:stop."""
        first_row = first * index.block_rows
        n_rows = min(stop * index.block_rows, index.n_rows) - first_row
        words = index.word_start
        return cls(partition, first_row, n_rows, index.block_rows, int(words[first]), int(words[stop]))


@dataclass(frozen=True)
class Stretch:
    """The rows between two cuts, None for the ends, and the blocks that hold them, in partition order."""

    lower: Cut | None
    upper: Cut | None
    slices: tuple[RunSlice, ...]

    @classmethod
    def of(cls, indexes: Sequence[RunIndex], lower: Cut | None = None, upper: Cut | None = None) -> Stretch:
        slices = []
        for partition, index in enumerate(indexes):
            if index.n_blocks:
                first = 0 if lower is None else lower.block(partition, index)
                last = index.n_blocks - 1 if upper is None else upper.block(partition, index)
                slices.append(RunSlice.of(partition, index, first, min(last + 1, index.n_blocks)))
        return cls(lower, upper, tuple(slices))


def cut_scores(indexes: Sequence[RunIndex], n_stretches: int) -> list[Stretch]:
    """At most so many stretches of nearly as many rows each, highest scores first.

    Cuts lie at the first rows of blocks. A stretch is larger than its share by one block of each partition
    at most.
    """
    key = np.concatenate([index.first_key for index in indexes])
    n_blocks = [index.n_blocks for index in indexes]
    partition = np.repeat(np.arange(len(indexes)), n_blocks)
    row = np.concatenate([np.arange(index.n_blocks) * index.block_rows for index in indexes])
    order = np.lexsort((row, partition, key))
    limits = np.array([index.n_rows for index in indexes])
    size = np.array([index.block_rows for index in indexes])
    weight = np.minimum(size[partition], limits[partition] - row)[order]
    before = np.cumsum(weight) - weight
    wanted = weight.sum() * np.arange(1, n_stretches) / n_stretches
    found = np.unique(np.searchsorted(before, wanted))
    chosen = order[found[(found > 0) & (found < len(order))]]
    cuts = [Cut(key[at], int(partition[at]), int(row[at])) for at in chosen]
    ends: list[Cut | None] = [None, *cuts, None]
    return [Stretch.of(indexes, lower, upper) for lower, upper in pairwise(ends)]
