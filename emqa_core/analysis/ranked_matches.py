"""The matched rows of each class in score order, and how many rows stand before them.

Precision changes its course at matched rows alone, so of all others only their number is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_I32, READ_U16, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import Matched

U64 = np.uint64


@njit(
    types.void(
        READ_U64, READ_U64, READ_I32, READ_U16, types.boolean,
        types.int64[::1], types.int64[::1], types.boolean[::1], types.int64[:, ::1], types.int64[:, ::1],
        types.int64[:, ::1], types.uint64[::1], types.int64[::1],
    ),
    cache=True,
)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]
    keys, words, match_class, match_outside, is_pooled,
    end, match, ends_tie, before, through_tie, n_rows, first_key, in_tie,
):  # fmt: skip
    """Go on with a bucket's rows; the arrays of the second line are those of `RankedMatches`."""
    n_ranges = n_rows.shape[1]
    n_keys = keys.shape[0]
    n_in_tie = 0
    for row in range(n_keys):
        word = words[row]
        if word & U64(1):
            number = np.int64(word >> U64(1))
            code = np.int64(0) if is_pooled else np.int64(match_class[number])
            outside = np.int64(match_outside[number])
            place = end[code]
            end[code] = place + 1
            match[place] = number
            in_tie[n_in_tie] = place
            n_in_tie += 1
            for a in range(n_ranges):
                before[place, a] = n_rows[code, a]
        else:
            code = np.int64(0) if is_pooled else np.int64(word >> U64(32))
            outside = np.int64(word >> U64(1))
        if first_key[code] == ~U64(0):
            first_key[code] = keys[row]
        for a in range(n_ranges):
            n_rows[code, a] += 1 - ((outside >> a) & 1)
        if n_in_tie > 0 and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for index in range(n_in_tie):
                place = in_tie[index]
                code = np.int64(0) if is_pooled else np.int64(match_class[match[place]])
                ends_tie[place] = place + 1 == end[code]
                for a in range(n_ranges):
                    through_tie[place, a] = n_rows[code, a]
            n_in_tie = 0


@dataclass(frozen=True)
class RankedMatches:
    """m matched rows of K classes, class after class, in score order within a class.

    class_start (K + 1,) int64: class c owns class_start[c]:class_start[c + 1]. match (m,) int64: which of
    the matched rows. ends_tie (m,) bool: whether the class's next match has another score. before,
    through_tie (m, A) int64: the class's rows inside the area range that stand before the match, and up
    to the end of its tie, matched rows too. n_rows (K, A) int64: all rows of the class inside the range.
    first_key (K,) uint64: key of the class's highest score, all bits set for a class without rows.

    Filled by `take`, bucket after bucket.
    """

    matched: Matched
    is_pooled: bool
    class_start: Array
    match: Array
    ends_tie: Array
    before: Array
    through_tie: Array
    n_rows: Array
    first_key: Array
    _end: Array
    _in_tie: Array

    @classmethod
    def of_classes(cls, matched: Matched, n_classes: int) -> RankedMatches:
        """Nothing ranked yet; each class by itself."""
        n_matches = np.bincount(matched.class_code, minlength=n_classes)
        return cls._before_the_first(matched, np.concatenate([[0], np.cumsum(n_matches)]), is_pooled=False)

    @classmethod
    def pooled(cls, matched: Matched) -> RankedMatches:
        """Nothing ranked yet; the rows of all classes as if they were of one."""
        return cls._before_the_first(matched, np.array([0, len(matched)]), is_pooled=True)

    @classmethod
    def _before_the_first(cls, matched: Matched, class_start: Array, *, is_pooled: bool) -> RankedMatches:
        n_matches, n_ranges = matched.true_positive.shape
        n_classes = len(class_start) - 1
        return cls(
            matched,
            is_pooled,
            class_start.astype(np.int64),
            np.empty(n_matches, np.int64),
            np.zeros(n_matches, np.bool_),
            np.empty((n_matches, n_ranges), np.int64),
            np.empty((n_matches, n_ranges), np.int64),
            np.zeros((n_classes, n_ranges), np.int64),
            np.full(n_classes, ~U64(0)),
            class_start[:-1].astype(np.int64),
            np.empty(n_matches, np.int64),
        )

    def take(self, keys: Array, words: Array) -> None:
        """The rows of the next bucket, as `sorted_buckets` gives them."""
        _walk(
            keys, words, self.matched.class_code, self.matched.outside, self.is_pooled, self._end,
            self.match, self.ends_tie, self.before, self.through_tie, self.n_rows, self.first_key,
            self._in_tie,
        )  # fmt: skip

    def highest_score(self) -> Array:
        """(K,) float64, NaN for a class without rows."""
        bits = np.where(
            self.first_key >> U64(63) == 1, self.first_key, ~self.first_key & ~(U64(1) << U64(63))
        )
        return np.where(self.first_key == ~U64(0), np.nan, bits.view(np.float64))
