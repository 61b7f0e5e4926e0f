"""What a stretch of rows in score order adds to the counts of all rows after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_U16_3D, READ_U64, READ_U64_3D
from emqa_core.objects import Array
from emqa_core.reductions.causes import CAUSE_SHIFT, N_CAUSES
from emqa_core.reductions.score_runs import ScoreRuns

U64 = np.uint64
_GROUP = 0x3F


@kernel(
    [
        types.void(
            READ_U64, READ_U64, bits, types.int64[:, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1],
            types.int64[:, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1], types.int64[:, ::1],
        )
        for bits in (READ_U16_3D, READ_U64_3D)
    ],
)  # fmt: skip
def _count(  # type: ignore[no-untyped-def]
    words, matched_word, matched_bits,
    n_rows, right, not_false, group_rows, group_right, group_not_false, causes,
):  # fmt: skip
    n_ranges, n_thresholds = right.shape[1:]
    n_groups = group_rows.shape[1]
    for row in range(words.shape[0]):
        word = words[row]
        number = np.int64(-1)
        if word & U64(1):
            number = np.int64(word >> U64(1))
            word = matched_word[number]
        code = np.int64(word >> U64(32))
        group = np.int64(word >> U64(17)) & _GROUP
        causes[code, np.int64(word >> U64(CAUSE_SHIFT)) & 15] += 1
        for a in range(n_ranges):
            n_rows[code, a] += 1 - np.int64((word >> U64(a + 1)) & U64(1))
        if n_groups:
            group_rows[code, group] += 1 - np.int64((word >> U64(1)) & U64(1))
        if number < 0:
            continue
        for a in range(n_ranges):
            right_bits = U64(matched_bits[number, 0, a])
            is_inside = U64(1) - ((word >> U64(a + 1)) & U64(1))
            not_false_bits = (right_bits | U64(matched_bits[number, 1, a])) * is_inside
            for t in range(n_thresholds):
                is_right = np.int64((right_bits >> U64(t)) & U64(1))
                is_not_false = np.int64((not_false_bits >> U64(t)) & U64(1))
                right[code, a, t] += is_right
                not_false[code, a, t] += is_not_false
                if a == 0 and n_groups:
                    group_right[code, t, group] += is_right
                    group_not_false[code, t, group] += is_not_false


@dataclass(frozen=True)
class StretchCounts:
    """Integer counts of K classes; A area ranges, T thresholds, G jackknife groups (0 without intervals).

    n_rows (K, A): rows inside the area range. right, not_false (K, A, T): true positives, and rows that count
    in the area range but are no false positives. group_rows (K, G), group_right, group_not_false (K, T, G):
    the same in area range `all`, by group. causes (K, 9): rows by cause.
    """

    n_rows: Array
    right: Array
    not_false: Array
    group_rows: Array
    group_right: Array
    group_not_false: Array
    causes: Array

    @classmethod
    def of(cls, runs: ScoreRuns, n_classes: int, n_thresholds: int, n_groups: int) -> StretchCounts:
        """Counts of runs in any order."""
        counts = cls.zero(n_classes, runs.n_ranges, n_thresholds, n_groups)
        _count(runs.word, runs.matched.word, runs.matched.bits, *counts.to_arrays().values())
        return counts

    @classmethod
    def zero(cls, n_classes: int, n_ranges: int, n_thresholds: int, n_groups: int) -> StretchCounts:
        """The identity of addition."""
        by_range = (n_classes, n_ranges, n_thresholds)
        by_group = (n_classes, n_thresholds, n_groups)
        return cls(
            np.zeros((n_classes, n_ranges), np.int64),
            np.zeros(by_range, np.int64),
            np.zeros(by_range, np.int64),
            np.zeros((n_classes, n_groups), np.int64),
            np.zeros(by_group, np.int64),
            np.zeros(by_group, np.int64),
            np.zeros((n_classes, N_CAUSES), np.int64),
        )

    def __add__(self, other: StretchCounts) -> StretchCounts:
        return StretchCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_arrays(self) -> dict[str, Array]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> StretchCounts:
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})
