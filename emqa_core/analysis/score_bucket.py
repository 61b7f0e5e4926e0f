"""A stretch of rows in score order, with what is known of its matches beside one another.

Matches are numbered as their frames come, so that each is a walk to another place in memory. That is done
once, match by match with nothing in between; what is computed from them reads on in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_U16_3D, READ_U64, READ_U64_3D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import Matched

U64 = np.uint64


@kernel(
    [
        types.void(types.uint64[::1], READ_U64, bits, types.uint64[:, ::1], types.uint64[:, ::1])
        for bits in (READ_U16_3D, READ_U64_3D)
    ],
)
def _gather(words, matched_word, matched_bits, right, not_false):  # type: ignore[no-untyped-def]
    """Put the words of matches in the place of their numbers, and their bits in order."""
    n_matches = right.shape[1]
    rows = np.empty(n_matches + 1, np.int64)
    n_found = 0
    for row in range(words.shape[0]):
        rows[n_found] = row
        n_found += np.int64(words[row] & U64(1))  # type: ignore[assignment]
    for match in range(n_matches):
        row = rows[match]
        number = words[row] >> U64(1)
        word = matched_word[number]
        words[row] = word
        for a in range(right.shape[0]):
            is_outside = (word >> U64(a + 1)) & U64(1)
            bits = U64(matched_bits[number, 0, a])
            right[a, match] = bits
            not_false[a, match] = U64(0) if is_outside else bits | U64(matched_bits[number, 1, a])


@dataclass(frozen=True)
class ScoreBucket:
    """The next n rows in score order, m of them matched.

    key (n,) uint64: as in `ScoreRuns`. word (n,) uint64: as in `Matched`, bit 0 for a match alone. right,
    not_false (A, m) uint64: at which thresholds a match is a true positive, and at which it counts in the
    area range but as no false positive.
    """

    key: Array
    word: Array
    right: Array
    not_false: Array

    @classmethod
    def of(cls, key: Array, word: Array, matched: Matched) -> ScoreBucket:
        """From words as in `ScoreRuns`, which are changed in place."""
        n_matches = np.count_nonzero(word & U64(1))
        right, not_false = np.empty((2, matched.bits.shape[2], n_matches), np.uint64)
        _gather(word, matched.word, matched.bits, right, not_false)
        return cls(key, word, right, not_false)


@njit(inline="always")
def count_inside(n_rows, word):  # type: ignore[no-untyped-def]
    """Count one row more in n_rows (A,) uint32 for each area range that it does not lie outside of."""
    if n_rows.shape[0] == 4:  # COCO's: a number known beforehand makes one vector instruction of it
        for a in range(4):
            n_rows[a] += np.uint32(1) - ((np.uint32(word) >> np.uint32(a + 1)) & np.uint32(1))
    else:
        for a in range(n_rows.shape[0]):
            n_rows[a] += np.uint32(1) - ((np.uint32(word) >> np.uint32(a + 1)) & np.uint32(1))
