"""The matched rows of each class in score order, and how many rows stand before them.

Precision changes its course at matched rows alone, so of all others only their number is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.analysis.cut_tie import CutTie
from emqa_core.analysis.score_bucket import ScoreBucket, count_inside
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.causes import CAUSE_SHIFT, RENAMED
from emqa_core.reductions.score_runs import Matched, score_of

U64 = np.uint64
_RENAMED = U64(RENAMED << CAUSE_SHIFT)  # the bit that no other cause has


@kernel(
    types.void(
        READ_U64, READ_U64, READ_U64_2D, READ_U64_2D,
        types.int64[::1], types.uint64[::1], types.uint64[:, ::1],
        types.uint64[:, ::1], types.uint32[:, ::1], types.uint32[:, ::1], types.uint32[:, ::1],
        types.uint64[::1],
    ),
)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]
    keys, words, match_right, match_not_false,
    end, key, right, not_false, before, through_tie, n_rows, first_key,
):  # fmt: skip
    """Go on with a bucket's rows; the arrays of the second line are those of `RankedMatches`."""
    n_ranges, n_matches = match_right.shape
    n_keys = keys.shape[0]
    place_of = np.empty(n_matches, np.int64)
    code_of = np.empty(n_matches, np.int64)
    n_found = 0
    tie_begin = 0
    for row in range(n_keys):
        word = words[row]
        code = np.int64(word >> U64(32))
        if word & U64(1):
            place = end[code]
            end[code] = place + 1
            key[place] = keys[row]
            for a in range(n_ranges):
                before[place, a] = n_rows[code, a]
                right[place, a] = match_right[a, n_found]
                not_false[place, a] = match_not_false[a, n_found]
            place_of[n_found] = place
            code_of[n_found] = code
            n_found += 1
        if first_key[code] == ~U64(0) and not word & _RENAMED:
            first_key[code] = keys[row]
        count_inside(n_rows[code], word)
        if tie_begin < n_found and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for found in range(tie_begin, n_found):
                for a in range(n_ranges):
                    through_tie[place_of[found], a] = n_rows[code_of[found], a]
            tie_begin = n_found


@dataclass(frozen=True)
class RankedMatches:
    """m matched rows of K classes, class after class, in score order within a class.

    class_start (K + 1,) int64: class c owns class_start[c]:class_start[c + 1]. key (m,) uint64: as in
    `ScoreRuns`. right, not_false (m, A) uint64: as in `ScoreBucket`. before, through_tie (m, A) uint32: the
    class's rows inside the area range that stand before the match, and up to the end of its tie, matched
    rows too. n_rows (K, A) uint32: all of them. first_key (K,) uint64: key of the class's highest score,
    all bits set for a class without rows.

    Filled by `take`, bucket after bucket.
    """

    class_start: Array
    key: Array
    right: Array
    not_false: Array
    before: Array
    through_tie: Array
    n_rows: Array
    first_key: Array
    _end: Array

    @classmethod
    def of(cls, matched: Matched, n_classes: int) -> RankedMatches:
        """Nothing ranked yet."""
        n_matches, n_ranges = len(matched), matched.bits.shape[2]
        counts = np.bincount(matched.class_code, minlength=n_classes)
        class_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(
            class_start,
            np.empty(n_matches, np.uint64),
            np.empty((n_matches, n_ranges), np.uint64),
            np.empty((n_matches, n_ranges), np.uint64),
            np.empty((n_matches, n_ranges), np.uint32),
            np.empty((n_matches, n_ranges), np.uint32),
            np.zeros((n_classes, n_ranges), np.uint32),
            np.full(n_classes, ~U64(0)),
            class_start[:-1].copy(),
        )

    def take(self, bucket: ScoreBucket) -> None:
        """The rows of the next bucket of `sorted_buckets`."""
        _walk(
            bucket.key, bucket.word, bucket.right, bucket.not_false, self._end, self.key, self.right,
            self.not_false, self.before, self.through_tie, self.n_rows, self.first_key,
        )  # fmt: skip

    def extend_tie(self, cut: CutTie) -> None:
        """Count the rest of a tie that the last rows taken began."""
        is_cut = self.key == cut.key
        if is_cut.any():
            code = np.repeat(np.arange(len(self.n_rows)), np.diff(self.class_start))[is_cut]
            self.through_tie[is_cut] += cut.rest[code].astype(np.uint32)

    def score(self) -> Array:
        """(m,) float64."""
        return score_of(self.key)

    def highest_score(self) -> Array:
        """(K,) float64, NaN for a class without rows."""
        return np.where(self.first_key == ~U64(0), np.nan, score_of(self.first_key))
