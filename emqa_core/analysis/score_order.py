"""Rows in the order of their scores: descending, ties in the order of the rows.

A radix sort of the scores' bits, stable by construction, that takes a word of each row along. Comparison
sorts take three to ten times as long.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64
from emqa_core.objects import Array

U64 = np.uint64
_DIGIT_BITS = 11
_DIGITS = 6


@njit(types.uint64[::1](READ_F64), cache=True)
def _descending_keys(score):  # type: ignore[no-untyped-def]
    """Unsigned integers that ascend where the scores descend, equal where they are equal."""
    keys = np.empty(score.shape[0], np.uint64)
    # -0.0 and 0.0 are one score.
    bits = (score + 0.0).view(np.uint64)
    for row in range(score.shape[0]):
        # Floats order like unsigned integers once the negatives' bits and the others' sign are flipped;
        # inverted, because the highest score comes first.
        word = bits[row]
        keys[row] = word if word >> U64(63) else ~(word | U64(0x8000000000000000))
    return keys


@njit(types.Tuple((types.uint64[::1], types.uint32[::1]))(types.uint64[::1], types.uint32[::1]), cache=True)
def _radix_sort(keys, words):  # type: ignore[no-untyped-def]
    """Sort both arrays by key, lowest digit first. The arrays given are overwritten."""
    n_rows = keys.shape[0]
    mask = U64((1 << _DIGIT_BITS) - 1)
    counts = np.zeros((_DIGITS, 1 << _DIGIT_BITS), np.int64)
    for row in range(n_rows):
        rest = keys[row]
        for digit in range(_DIGITS):
            counts[digit, rest & mask] += 1
            rest >>= U64(_DIGIT_BITS)
    other_keys = np.empty_like(keys)
    other_words = np.empty_like(words)
    for digit in range(_DIGITS):
        place_of = counts[digit]
        if place_of.max() == n_rows:
            continue  # all alike, as the low digits of scores that were float32 once
        total = 0
        for value in range(place_of.shape[0]):
            count = place_of[value]
            place_of[value] = total
            total += count
        shift = U64(_DIGIT_BITS * digit)
        for row in range(n_rows):
            key = keys[row]
            value = (key >> shift) & mask
            place = place_of[value]
            place_of[value] = place + 1
            other_keys[place] = key
            other_words[place] = words[row]
        keys, other_keys = other_keys, keys
        words, other_words = other_words, words
    return keys, words


def sort_by_score(score: Array, words: Array) -> tuple[Array, Array]:
    """Keys (n,) uint64, ascending and equal for equal scores alone, and each row's word in their order.

    score (n,) float64 without NaN; words (n,) uint32.
    """
    keys, ordered = _radix_sort(_descending_keys(score), words.copy())
    return keys, ordered


def rows_by_score(score: Array) -> tuple[Array, Array]:
    """Keys as above, and the rows, (n,) uint32. Raises ValueError for 2**32 rows or more."""
    if len(score) >> 32:
        raise ValueError("a score run holds less than 2**32 rows")
    return sort_by_score(score, np.arange(len(score), dtype=np.uint32))
