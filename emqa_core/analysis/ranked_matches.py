"""The matched rows of each class in score order, and how many rows stand before them.

Precision changes its course at matched rows alone, so of all others only their number is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64, READ_I32, READ_U16, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import Matched

U32, U64 = np.uint32, np.uint64


@njit(
    types.void(
        READ_U64, READ_U64, READ_I32, READ_U16, READ_F64, READ_U64_2D, READ_U64_2D,
        types.int64[::1], types.float64[::1], types.uint64[:, ::1],
        types.uint64[:, ::1], types.uint32[:, ::1], types.uint32[:, ::1], types.uint32[:, ::1],
        types.uint64[::1], types.int64[::1], types.int32[::1],
    ),
    cache=True,
)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]
    keys, words, match_class, match_outside, match_score, true_positive, matched_ignored,
    end, score, right, not_false, before, through_tie, n_rows, first_key, in_tie, class_in_tie,
):  # fmt: skip
    """Go on with a bucket's rows; the arrays of the second line are those of `RankedMatches`."""
    n_ranges = n_rows.shape[1]
    n_keys = keys.shape[0]
    n_in_tie = 0
    for row in range(n_keys):
        word = words[row]
        if word & U64(1):
            number = np.int64(word >> U64(1))
            code = np.int64(match_class[number])
            outside = U32(match_outside[number])
            place = end[code]
            end[code] = place + 1
            score[place] = match_score[number]
            in_tie[n_in_tie] = place
            class_in_tie[n_in_tie] = code
            n_in_tie += 1
            for a in range(n_ranges):
                before[place, a] = n_rows[code, a]
                bits = true_positive[number, a]
                right[place, a] = bits
                is_outside = (outside >> U32(a)) & U32(1)
                not_false[place, a] = U64(0) if is_outside else bits | matched_ignored[number, a]
        else:
            code = np.int64(word >> U64(32))
            outside = U32(word >> U64(1))
        if first_key[code] == ~U64(0):
            first_key[code] = keys[row]
        for a in range(n_ranges):
            n_rows[code, a] += U32(1) - ((outside >> U32(a)) & U32(1))
        if n_in_tie > 0 and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for index in range(n_in_tie):
                place = in_tie[index]
                code = np.int64(class_in_tie[index])
                for a in range(n_ranges):
                    through_tie[place, a] = n_rows[code, a]
            n_in_tie = 0


@dataclass(frozen=True)
class RankedMatches:
    """m matched rows of K classes, class after class, in score order within a class.

    class_start (K + 1,) int64: class c owns class_start[c]:class_start[c + 1]. score (m,) float64.
    right, not_false (m, A) uint64:
    at which thresholds it is a true positive, and at which it counts in the area range but as no false
    positive. before, through_tie (m, A) uint32: the class's rows inside the area range that stand before
    the match, and up to the end of its tie, matched rows too. n_rows (K, A) uint32: all of them. first_key
    (K,) uint64: key of the class's highest score, all bits set for a class without rows.

    Filled by `take`, bucket after bucket.
    """

    matched: Matched
    class_start: Array
    score: Array
    right: Array
    not_false: Array
    before: Array
    through_tie: Array
    n_rows: Array
    first_key: Array
    _end: Array
    _in_tie: Array
    _class_in_tie: Array

    @classmethod
    def of(cls, matched: Matched, n_classes: int) -> RankedMatches:
        """Nothing ranked yet."""
        n_matches, n_ranges = matched.true_positive.shape
        counts = np.bincount(matched.class_code, minlength=n_classes)
        class_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(
            matched,
            class_start,
            np.empty(n_matches, np.float64),
            np.empty((n_matches, n_ranges), np.uint64),
            np.empty((n_matches, n_ranges), np.uint64),
            np.empty((n_matches, n_ranges), np.uint32),
            np.empty((n_matches, n_ranges), np.uint32),
            np.zeros((n_classes, n_ranges), np.uint32),
            np.full(n_classes, ~U64(0)),
            class_start[:-1].copy(),
            np.empty(n_matches, np.int64),
            np.empty(n_matches, np.int32),
        )

    def take(self, keys: Array, words: Array) -> None:
        """The rows of the next bucket, as `sorted_buckets` gives them."""
        matched = self.matched
        _walk(
            keys, words, matched.class_code, matched.outside, matched.score, matched.true_positive,
            matched.matched_ignored, self._end, self.score, self.right, self.not_false,
            self.before, self.through_tie, self.n_rows, self.first_key, self._in_tie, self._class_in_tie,
        )  # fmt: skip

    def highest_score(self) -> Array:
        """(K,) float64, NaN for a class without rows."""
        top = U64(1) << U64(63)
        bits = np.where(self.first_key & top, self.first_key, ~self.first_key & ~top)
        return np.where(self.first_key == ~U64(0), np.nan, bits.view(np.float64))
