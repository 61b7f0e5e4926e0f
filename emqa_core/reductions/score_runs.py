"""Score runs: what average precision needs of each prediction, 16 bytes a row.

A state that adds by concatenation in partition order. Partitions hold ascending frames, so of two rows of
a class the earlier one is the earlier in frame order, by which pycocotools breaks ties of the score. Rows
lie in buckets by score, so that they can be sorted bucket by bucket in the processor's cache, and in memory
that is used again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I32, READ_I64, READ_U8, READ_U16, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.causes import CAUSE_SHIFT, RENAMED, Causes

U64 = np.uint64
# Four buckets to each halving of the score, from 1 down to 2**-15.75; what lies beyond is in the first or
# the last one.
N_BUCKETS = 64
_BUCKET_SHIFT = 50
_FIRST_BUCKET = 0x1003  # of the key of 1.0
_OUTSIDE_ALL = U64(0xFFFF << 1)
# Where all buckets but the first begin.
_BUCKET_KEYS = (_FIRST_BUCKET + np.arange(1, N_BUCKETS, dtype=np.uint64)) << U64(_BUCKET_SHIFT)


@njit(inline="always")
def _descending_key(bits):  # type: ignore[no-untyped-def]
    """An unsigned integer that ascends where the float64 of these bits descends."""
    if bits == U64(0x8000000000000000):
        bits = U64(0)  # -0.0 and 0.0 are one score
    # Floats order like unsigned integers once the negatives' bits and the others' sign are flipped;
    # inverted, because the highest score comes first.
    return bits if bits >> U64(63) else ~(bits | U64(0x8000000000000000))


@njit(inline="always")
def _bucket_of(key):  # type: ignore[no-untyped-def]
    return min(max(np.int64(key >> U64(_BUCKET_SHIFT)) - _FIRST_BUCKET, 0), N_BUCKETS - 1)


def score_of(key: Array) -> Array:
    """The float64 scores of keys; of -0.0 it is 0.0."""
    top = U64(0x8000000000000000)
    return np.where(key & top, key, ~(key | top)).view(np.float64)


def key_of(score: Array) -> Array:
    """The keys of float64 scores."""
    top = U64(0x8000000000000000)
    bits = (score + 0.0).view(np.uint64)
    return np.where(bits & top, bits, ~(bits | top))


def first_keys() -> Array:
    """The smallest key of each bucket, (B,) uint64."""
    return np.concatenate([[U64(0)], _BUCKET_KEYS])


@kernel(
    types.Tuple((types.int64[::1], types.uint64[::1], types.uint64[::1], types.uint64[::1]))(
        READ_I64, READ_U8, READ_I32, READ_BOOL, READ_U16, READ_F64, READ_I64, READ_U8, READ_I64, READ_I32
    ),
)
def _into_buckets(  # type: ignore[no-untyped-def]
    frame_start, frame_group, class_code, is_evaluated, outside, score, matched_row,
    cause, renamed_row, renamed_class,
):  # fmt: skip
    """Start of each bucket, keys and words of the evaluated rows, words of the matches."""
    n_rows = class_code.shape[0]
    n_renamed = renamed_row.shape[0]
    bits = score.view(np.uint64)
    match_of_row = np.full(n_rows, -1, np.int32)
    for match in range(matched_row.shape[0]):
        match_of_row[matched_row[match]] = match
    start = np.zeros(N_BUCKETS + 1, np.int64)
    for row in range(n_rows):
        start[_bucket_of(_descending_key(bits[row])) + 1] += np.int64(is_evaluated[row])
    for index in range(n_renamed):
        start[_bucket_of(_descending_key(bits[renamed_row[index]])) + 1] += 1
    for bucket in range(N_BUCKETS):
        start[bucket + 1] += start[bucket]
    place_of = start.copy()
    out_keys = np.empty(start[N_BUCKETS], np.uint64)
    out_words = np.empty(start[N_BUCKETS], np.uint64)
    match_words = np.empty(matched_row.shape[0], np.uint64)
    renamed = 0
    for frame in range(frame_start.shape[0] - 1):
        group = U64(frame_group[frame]) << U64(17)
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if not is_evaluated[row]:
                continue
            key = _descending_key(bits[row])
            bucket = _bucket_of(key)
            place = place_of[bucket]
            place_of[bucket] = place + 1
            out_keys[place] = key
            word = (U64(class_code[row]) << U64(32)) | group | (U64(outside[row]) << U64(1))
            word |= U64(cause[row]) << U64(CAUSE_SHIFT)
            match = match_of_row[row]
            if match >= 0:
                match_words[match] = word | U64(1)
                word = (U64(match) << U64(1)) | U64(1)
            out_words[place] = word
            if renamed < n_renamed and renamed_row[renamed] == row:
                # Beside the row that it stands for, so that ties are broken as if it were that row.
                word = (U64(renamed_class[renamed]) << U64(32)) | group | _OUTSIDE_ALL
                place_of[bucket] = place + 2
                out_keys[place + 1] = key
                out_words[place + 1] = word | (U64(RENAMED) << U64(CAUSE_SHIFT))
                renamed += 1
    return start, out_keys, out_words, match_words


@kernel(
    types.void(READ_U64, READ_U64, types.int64, types.uint64[::1], types.uint64[::1], types.int64),
)
def copy_rows(keys, words, first_match, to_keys, to_words, place):  # type: ignore[no-untyped-def]
    """Copy rows to `place` of larger arrays; their matches are numbered on from first_match."""
    shift = U64(first_match) << U64(1)
    for row in range(keys.shape[0]):
        word = words[row]
        to_keys[place + row] = keys[row]
        to_words[place + row] = word + shift * (word & U64(1))


@dataclass(frozen=True)
class Matched:
    """m matched rows of score runs, in any order, with A area ranges.

    word (m,) uint64: bit 0 is set, bits 1 to 16 say which area ranges the row lies outside of, 17 to 24 are
    its jackknife group, 25 to 29 its cause (`Causes`) and 32 to 63 its class. bits (m, 2, A) uint16 if they
    fit, else uint64: bit t says at index 0 that it is a true positive, at index 1 that it is matched to an
    ignored label.
    """

    word: Array
    bits: Array

    def __len__(self) -> int:
        return len(self.word)

    @property
    def class_code(self) -> Array:
        """(m,) int64."""
        return (self.word >> U64(32)).astype(np.int64)

    @staticmethod
    def concat(parts: Sequence[Matched]) -> Matched:
        """The matches of one or more parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Matched(
            np.concatenate([part.word for part in parts]), np.concatenate([part.bits for part in parts])
        )


@dataclass(frozen=True)
class ScoreRuns:
    """n evaluated predictions of K classes, by buckets of their scores, in frame order within a bucket.

    Among them a row of cause `RENAMED` for each that would be right in another class. It lies in that class
    and outside of all area ranges, and so is in no count but that of causes.

    bucket_start (B + 1,) int64. key (n,) uint64: ascends where the score descends, equal for equal scores
    alone. word (n,) uint64: bit 0 is set for a matched row, whose number among `matched` stands above it;
    else as there.
    """

    bucket_start: Array
    key: Array
    word: Array
    matched: Matched

    @classmethod
    def of(
        cls,
        *,
        frame_start: Array,
        frame_group: Array,
        class_code: Array,
        is_evaluated: Array,
        outside: Array,
        score: Array,
        matched_row: Array,
        matched_bits: Array,
        causes: Causes | None = None,
    ) -> ScoreRuns:
        """The runs of one partition: the evaluated rows, to which all matched ones belong."""
        causes = causes or Causes.none(len(class_code))
        start, key, word, match_word = _into_buckets(
            frame_start, frame_group, class_code, is_evaluated, outside, score, matched_row,
            causes.code, causes.renamed_row, causes.renamed_class,
        )  # fmt: skip
        if not matched_bits.max(initial=0) >> U64(16):
            matched_bits = matched_bits.astype(np.uint16)
        return cls(start, key, word, Matched(match_word, matched_bits))

    def __len__(self) -> int:
        return len(self.key)

    @property
    def n_ranges(self) -> int:
        return int(self.matched.bits.shape[2])

    def class_code(self) -> Array:
        """The class of each row, (n,) int64."""
        is_matched = self.word & U64(1) == 1
        code = (self.word >> U64(32)).astype(np.int64)
        code[is_matched] = self.matched.class_code[self.word[is_matched] >> U64(1)]
        return code

    @classmethod
    def of_sorted(cls, key: Array, word: Array, matched: Matched) -> ScoreRuns:
        """Runs of rows that stand in score order already."""
        start = np.searchsorted(key, _BUCKET_KEYS)
        return cls(np.concatenate([[0], start, [len(key)]]), key, word, matched)

    def rows(self, first: int, stop: int) -> ScoreRuns:
        """The rows first:stop of runs whose matches are numbered as they come."""
        word = self.word[first:stop]
        first_match = int(np.count_nonzero(self.word[:first] & U64(1)))
        stop_match = first_match + int(np.count_nonzero(word & U64(1)))
        matched = Matched(
            self.matched.word[first_match:stop_match], self.matched.bits[first_match:stop_match]
        )
        numbered = word - (word & U64(1)) * U64(first_match << 1)
        return ScoreRuns.of_sorted(self.key[first:stop], numbered, matched)

    @staticmethod
    def empty(n_ranges: int) -> ScoreRuns:
        """The identity of addition."""
        matched = Matched(np.empty(0, np.uint64), np.empty((0, 2, n_ranges), np.uint16))
        start = np.zeros(N_BUCKETS + 1, np.int64)
        return ScoreRuns(start, np.empty(0, np.uint64), np.empty(0, np.uint64), matched)

    def __add__(self, other: ScoreRuns) -> ScoreRuns:
        key = np.empty(len(self) + len(other), np.uint64)
        word = np.empty_like(key)
        place = 0
        for bucket in range(N_BUCKETS):
            for part, first_match in ((self, 0), (other, len(self.matched))):
                rows = slice(part.bucket_start[bucket], part.bucket_start[bucket + 1])
                copy_rows(part.key[rows], part.word[rows], first_match, key, word, place)
                place += rows.stop - rows.start
        start = self.bucket_start + other.bucket_start
        return ScoreRuns(start, key, word, Matched.concat([self.matched, other.matched]))

    def to_arrays(self) -> dict[str, Array]:
        return {
            "bucket_start": self.bucket_start,
            "key": self.key,
            "word": self.word,
            "matched.word": self.matched.word,
            "matched.bits": self.matched.bits,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ScoreRuns:
        matched = Matched(arrays["matched.word"], arrays["matched.bits"])
        return cls(arrays["bucket_start"], arrays["key"], arrays["word"], matched)
