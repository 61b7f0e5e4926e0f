"""Rows in the order of their scores: descending, ties in frame order, bucket by bucket.

A radix sort of the scores' bits, stable by construction, that takes a word of each row along. Comparison
sorts take three to ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numba import types

from emqa_core.analysis.score_bucket import ScoreBucket
from emqa_core.kernel import kernel
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import N_BUCKETS, Matched, ScoreRuns, copy_rows

U64 = np.uint64
_DIGIT_BITS = 11
_DIGITS = 6
_INSERTION_ROWS = 48  # up to here the histograms of the radix sort cost more than the rows


@kernel(
    types.boolean(types.uint64[::1], types.uint64[::1], types.uint64[::1], types.uint64[::1], types.int64),
)
def _sort(keys, words, other_keys, other_words, n_rows):  # type: ignore[no-untyped-def]
    """Sort the first n_rows of both arrays by key; whether the result stands in the other arrays."""
    if n_rows <= _INSERTION_ROWS:
        for row in range(1, n_rows):
            key, word = keys[row], words[row]
            place = row
            while place > 0 and keys[place - 1] > key:
                keys[place], words[place] = keys[place - 1], words[place - 1]
                place -= 1
            keys[place], words[place] = key, word
        return False
    mask = U64((1 << _DIGIT_BITS) - 1)
    counts = np.zeros((_DIGITS, 1 << _DIGIT_BITS), np.int64)
    for row in range(n_rows):
        rest = keys[row]
        for digit in range(_DIGITS):
            counts[digit, rest & mask] += 1
            rest >>= U64(_DIGIT_BITS)
    is_other = False
    for digit in range(_DIGITS):
        place_of = counts[digit]
        shift = U64(_DIGIT_BITS * digit)
        if place_of[(keys[0] >> shift) & mask] == n_rows:
            continue  # all alike, as the upper digits of a bucket, or the low ones of former float32
        total = 0
        for value in range(place_of.shape[0]):
            count = place_of[value]
            place_of[value] = total
            total += count
        for row in range(n_rows):
            key = keys[row]
            value = (key >> shift) & mask
            place = place_of[value]
            place_of[value] = place + 1
            other_keys[place] = key
            other_words[place] = words[row]
        keys, other_keys = other_keys, keys
        words, other_words = other_words, words
        is_other = not is_other
    return is_other


def sorted_buckets(parts: Sequence[ScoreRuns], matched: Matched) -> Iterator[ScoreBucket]:
    """The rows of all parts, a bucket at a time, highest scores first; each holds until the next one.

    parts: score runs of the same classes in partition order; matched: the matches of all of them, one part
    after the other. Raises ValueError for 2**32 rows or more, beyond which those who count them would
    overflow: the reduce cuts such a run into stretches.
    """
    for keys, words in _sorted_rows(parts):
        yield ScoreBucket.of(keys, words, matched)


def buckets_in_order(runs: ScoreRuns) -> Iterator[ScoreBucket]:
    """The same for runs that are sorted already."""
    for first, stop in pairwise(runs.bucket_start.tolist()):
        if stop > first:
            yield ScoreBucket.of(runs.key[first:stop], runs.word[first:stop].copy(), runs.matched)


def sorted_runs(parts: Sequence[ScoreRuns]) -> ScoreRuns:
    """The rows of one or more parts in score order, their matches numbered as they come."""
    n_rows = sum(len(part) for part in parts)
    key, word = np.empty(n_rows, np.uint64), np.empty(n_rows, np.uint64)
    place = 0
    for keys, words in _sorted_rows(parts):
        key[place : place + len(keys)] = keys
        word[place : place + len(keys)] = words
        place += len(keys)
    matched = Matched.concat([part.matched for part in parts])
    is_matched = (word & U64(1)).astype(bool)
    number = word[is_matched] >> U64(1)
    word[is_matched] = (np.arange(len(number), dtype=np.uint64) << U64(1)) | U64(1)
    return ScoreRuns.of_sorted(key, word, Matched(matched.word[number], matched.bits[number]))


def _sorted_rows(parts: Sequence[ScoreRuns]) -> Iterator[tuple[Array, Array]]:
    """Keys and words of each bucket that holds rows, in memory that the next one uses again."""
    if sum(len(part) for part in parts) >> 32:
        raise ValueError("rows are sorted together up to 2**32 only")
    starts = np.stack([part.bucket_start for part in parts])
    first_match = np.cumsum([0, *(len(part.matched) for part in parts)])
    most = int(np.diff(starts, axis=1).sum(axis=0).max(initial=0))
    keys, words, other_keys, other_words = (np.empty(most, np.uint64) for _ in range(4))
    for bucket in range(N_BUCKETS):
        n_rows = 0
        for part, start, first in zip(parts, starts, first_match, strict=False):
            rows = slice(start[bucket], start[bucket + 1])
            if rows.stop > rows.start:
                copy_rows(part.key[rows], part.word[rows], first, keys, words, n_rows)
                n_rows += rows.stop - rows.start
        if n_rows == 0:
            continue
        if _sort(keys, words, other_keys, other_words, n_rows):
            keys, words, other_keys, other_words = other_keys, other_words, keys, words
        yield keys[:n_rows], words[:n_rows]
