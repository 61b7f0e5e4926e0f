"""The matched rows of each class in score order, and how many rows stand before them.

Precision changes its course at matched rows alone, so of all others only their number is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.analysis.score_order import rows_by_score, sort_by_score
from emqa_core.kernel_types import READ_F64, READ_I32, READ_I64, READ_U16, READ_U32, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import ScoreRuns

U32, U64 = np.uint32, np.uint64


@njit(types.uint32[::1](READ_I32, READ_U16, READ_I64, types.int64), cache=True)
def _describe_rows(class_code, outside, match_row, n_ranges):  # type: ignore[no-untyped-def]
    """A word for each row, so that a walk in score order reads nothing else.

    Bit 0: matched. Above it the number of the match, else the outside bits and above them the class.
    """
    words = np.empty(class_code.shape[0], np.uint32)
    shift = U32(n_ranges + 1)
    for row in range(class_code.shape[0]):
        words[row] = (U32(class_code[row]) << shift) | (U32(outside[row]) << U32(1))
    for match in range(match_row.shape[0]):
        words[match_row[match]] = (U32(match) << U32(1)) | U32(1)
    return words


@njit(types.float64[::1](READ_I32, READ_F64, types.int64), cache=True)
def _highest_scores(class_code, score, n_classes):  # type: ignore[no-untyped-def]
    """The highest score of each class, NaN without rows."""
    highest = np.full(n_classes, np.nan)
    for row in range(class_code.shape[0]):
        if not score[row] <= highest[class_code[row]]:
            highest[class_code[row]] = score[row]
    return highest


@njit(
    types.Tuple(
        (
            types.int64[::1], types.int64[::1], types.boolean[::1], types.int64[:, ::1],
            types.int64[:, ::1], types.int64[:, ::1],
        )
    )(READ_U64, READ_U32, READ_I32, READ_U16, types.int64, types.int64, types.boolean),
    cache=True,
)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]
    keys, words, match_class, match_outside, n_classes, n_ranges, is_pooled
):
    n_matches = match_class.shape[0]
    class_start = np.zeros(n_classes + 1, np.int64)
    for index in range(n_matches):
        class_start[match_class[index] + 1 if not is_pooled else 1] += 1
    for index in range(n_classes):
        class_start[index + 1] += class_start[index]
    end = class_start[:n_classes].copy()
    match = np.empty(n_matches, np.int64)
    ends_tie = np.zeros(n_matches, np.bool_)
    before = np.empty((n_matches, n_ranges), np.int64)
    through_tie = np.empty((n_matches, n_ranges), np.int64)
    n_rows = np.zeros((n_classes, n_ranges), np.int64)
    in_tie = np.empty(n_matches, np.int64)  # places of the matches of the tie under way
    n_in_tie = 0
    n_keys = keys.shape[0]
    shift = U32(n_ranges + 1)
    for row in range(n_keys):
        word = words[row]
        if word & U32(1):
            number = np.int64(word >> U32(1))
            code = np.int64(0) if is_pooled else np.int64(match_class[number])
            place = end[code]
            end[code] = place + 1
            match[place] = number
            in_tie[n_in_tie] = place
            n_in_tie += 1
            for a in range(n_ranges):
                before[place, a] = n_rows[code, a]
                n_rows[code, a] += 1 - np.int64((match_outside[number] >> np.uint16(a)) & np.uint16(1))
        else:
            code = np.int64(0) if is_pooled else np.int64(word >> shift)
            for a in range(n_ranges):
                n_rows[code, a] += 1 - np.int64((word >> U32(a + 1)) & U32(1))
        if n_in_tie > 0 and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for index in range(n_in_tie):
                place = in_tie[index]
                code = np.int64(0) if is_pooled else np.int64(match_class[match[place]])
                ends_tie[place] = place + 1 == end[code]
                for a in range(n_ranges):
                    through_tie[place, a] = n_rows[code, a]
            n_in_tie = 0
    return class_start, match, ends_tie, before, through_tie, n_rows


@dataclass(frozen=True)
class SortedRuns:
    """Score runs and their rows by score, ties in frame order.

    keys (n,) uint64: equal where scores are. words (n,) uint32: what `_describe_rows` says of each row.
    rows (n,) uint32: the rows themselves, None where nobody asked for them.
    """

    runs: ScoreRuns
    keys: Array
    words: Array
    rows: Array | None

    @classmethod
    def of(cls, runs: ScoreRuns, n_classes: int, *, with_rows: bool = False) -> SortedRuns:
        """Sort all rows at once, whatever their class.

        Raises ValueError for runs beyond the words: 2**31 matches, or as many pairs of a class and a set
        of area ranges.
        """
        if max(len(runs.match_row), n_classes << runs.n_ranges) >= 1 << 31:
            raise ValueError(f"too many matches, or {n_classes} classes with {runs.n_ranges} area ranges")
        words = _describe_rows(runs.class_code, runs.outside, runs.match_row, runs.n_ranges)
        if not with_rows:
            return cls(runs, *sort_by_score(runs.score, words), None)
        keys, rows = rows_by_score(runs.score)
        return cls(runs, keys, words[rows], rows)


@dataclass(frozen=True)
class RankedMatches:
    """m matched rows of K classes, class after class, in score order within a class.

    class_start (K + 1,) int64: class c owns class_start[c]:class_start[c + 1]. match (m,) int64: which
    match of the score runs. ends_tie (m,) bool: whether the class's next match has another score. before,
    through_tie (m, A) int64: the class's rows inside the area range that stand before the match, and up
    to the end of its tie, matched rows too. n_rows (K, A) int64: all rows of the class inside the range.
    score (m,) float64; outside (m,) uint16; highest_score (K,) float64, NaN for a class without rows.
    """

    class_start: Array
    match: Array
    ends_tie: Array
    before: Array
    through_tie: Array
    n_rows: Array
    score: Array
    outside: Array
    highest_score: Array

    @classmethod
    def of(cls, ordered: SortedRuns, n_classes: int) -> RankedMatches:
        """The matches of each class."""
        runs = ordered.runs
        highest = _highest_scores(runs.class_code, runs.score, n_classes)
        return cls._walked(ordered, n_classes, highest, is_pooled=False)

    @classmethod
    def pooled(cls, ordered: SortedRuns) -> RankedMatches:
        """The matches of all classes as if they were one."""
        return cls._walked(
            ordered, 1, np.max(ordered.runs.score, keepdims=True, initial=-np.inf), is_pooled=True
        )

    @classmethod
    def _walked(
        cls, ordered: SortedRuns, n_classes: int, highest: Array, *, is_pooled: bool
    ) -> RankedMatches:
        runs = ordered.runs
        match_class, match_outside = runs.class_code[runs.match_row], runs.outside[runs.match_row]
        start, match, ends_tie, before, through_tie, n_rows = _walk(
            ordered.keys, ordered.words, match_class, match_outside, n_classes, runs.n_ranges, is_pooled
        )
        return cls(
            start, match, ends_tie, before, through_tie, n_rows,
            runs.score[runs.match_row[match]], match_outside[match], highest,
        )  # fmt: skip
