"""Sorted score runs as one array of words, block after block, of which any stretch can be read by itself.

A block holds the keys of its rows, their words, and then each match's word and bits: what a reducer needs
of a stretch of scores lies in one piece of a file, and costs one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import Matched, ScoreRuns

U64 = np.uint64


@dataclass(frozen=True)
class RunIndex:
    """Where the blocks of a partition's runs lie: b blocks of block_rows rows, the last of what is left.

    first_key (b,) uint64: key of each block's first row. word_start (b + 1,) int64: its place in the array.
    """

    n_rows: int
    block_rows: int
    first_key: Array
    word_start: Array

    @property
    def n_blocks(self) -> int:
        return len(self.first_key)

    def to_arrays(self) -> dict[str, Array]:
        return {
            "size": np.array([self.n_rows, self.block_rows], np.int64),
            "first_key": self.first_key,
            "word_start": self.word_start,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> RunIndex:
        n_rows, block_rows = arrays["size"].tolist()
        return cls(n_rows, block_rows, arrays["first_key"], arrays["word_start"])


@kernel(
    types.uint64[::1](READ_U64, READ_U64, READ_U64, READ_U64_2D, types.int64, types.int64),
)
def _pack(keys, words, match_words, match_bits, block_rows, n_words):  # type: ignore[no-untyped-def]
    packed = np.empty(n_words, np.uint64)
    place = 0
    match = 0
    for first in range(0, keys.shape[0], block_rows):
        n_rows = min(block_rows, keys.shape[0] - first)
        after = place + 2 * n_rows
        for row in range(n_rows):
            word = words[first + row]
            packed[place + row] = keys[first + row]
            packed[place + n_rows + row] = word
            if word & U64(1):
                packed[after] = match_words[match]
                for index in range(match_bits.shape[1]):
                    packed[after + 1 + index] = match_bits[match, index]
                after += 1 + match_bits.shape[1]
                match += 1
        place = after
    return packed


@kernel(
    types.Tuple((types.uint64[::1], types.uint64[::1], types.uint64[::1], types.uint64[:, ::1]))(
        READ_U64, types.int64, types.int64, types.int64
    ),
)
def _unpack(packed, n_rows, block_rows, words_of_bits):  # type: ignore[no-untyped-def]
    keys = np.empty(n_rows, np.uint64)
    words = np.empty(n_rows, np.uint64)
    n_matches = (packed.shape[0] - 2 * n_rows) // (1 + words_of_bits)
    match_words = np.empty(n_matches, np.uint64)
    match_bits = np.empty((n_matches, words_of_bits), np.uint64)
    place = 0
    match = 0
    for first in range(0, n_rows, block_rows):
        n_here = min(block_rows, n_rows - first)
        after = place + 2 * n_here
        for row in range(n_here):
            word = packed[place + n_here + row]
            keys[first + row] = packed[place + row]
            if word & U64(1):
                word = (U64(match) << U64(1)) | U64(1)
                match_words[match] = packed[after]
                for index in range(words_of_bits):
                    match_bits[match, index] = packed[after + 1 + index]
                after += 1 + words_of_bits
                match += 1
            words[first + row] = word
        place = after
    return keys, words, match_words, match_bits


def pack(runs: ScoreRuns, block_rows: int, n_thresholds: int) -> tuple[Array, RunIndex]:
    """The words (n,) uint64 of sorted runs whose matches are numbered as they come, and their index."""
    bits = _as_words(runs.matched.bits, n_thresholds)
    n_matches = np.concatenate([[0], np.cumsum(runs.word & U64(1))]).astype(np.int64)
    block_start = np.append(np.arange(0, len(runs), block_rows), len(runs))
    word_start = 2 * block_start + n_matches[block_start] * (1 + bits.shape[1])
    packed = _pack(runs.key, runs.word, runs.matched.word, bits, block_rows, int(word_start[-1]))
    return packed, RunIndex(len(runs), block_rows, runs.key[block_start[:-1]], word_start)


def unpack(packed: Array, n_rows: int, block_rows: int, n_ranges: int, n_thresholds: int) -> ScoreRuns:
    """The runs of consecutive blocks, n_rows in all, with A = n_ranges area ranges."""
    kind = _kind(n_thresholds)
    n_bytes = 2 * n_ranges * kind.itemsize
    key, word, match_word, bits = _unpack(packed, n_rows, block_rows, -(-n_bytes // 8))
    bits = np.ascontiguousarray(bits.view(kind)[:, : 2 * n_ranges]).reshape(-1, 2, n_ranges)
    return ScoreRuns.of_sorted(key, word, Matched(match_word, bits))


def _kind(n_thresholds: int) -> np.dtype:
    return np.dtype(np.uint16 if n_thresholds <= 16 else np.uint64)


def _as_words(bits: Array, n_thresholds: int) -> Array:
    """(m, 2, A) bits as whole words, (m, w) uint64."""
    kind = _kind(n_thresholds)
    n_bytes = 2 * bits.shape[2] * kind.itemsize
    padded = np.zeros((len(bits), -(-n_bytes // 8) * 8 // kind.itemsize), kind)
    padded[:, : 2 * bits.shape[2]] = bits.reshape(len(bits), 2 * bits.shape[2])
    return padded.view(np.uint64)
