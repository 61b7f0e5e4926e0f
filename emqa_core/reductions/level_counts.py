"""Predictions by class, IoU threshold and level of the score: what any score threshold would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_U16_3D, READ_U64, READ_U64_3D
from emqa_core.objects import Array
from emqa_core.reductions.score_levels import ScoreLevels
from emqa_core.reductions.score_runs import ScoreRuns, first_keys, key_of

U64 = np.uint64


@kernel(
    [
        types.void(
            READ_I64, READ_U64, READ_U64, READ_U64, bits, READ_U64, READ_I64,
            types.int64[:, ::1], types.int64[:, :, ::1], types.int64[:, :, ::1],
        )
        for bits in (READ_U16_3D, READ_U64_3D)
    ],
)  # fmt: skip
def _count(  # type: ignore[no-untyped-def]
    bucket_start, keys, words, matched_word, matched_bits, edge_keys, highest, inside, beside, right
):
    """Rows inside the area range `all` (K, L); how many fewer count at each T, and are right, (K, L, T).

    highest (B,): the level of each bucket's highest score, from which the level of a row is looked for.
    """
    n_thresholds = right.shape[2]
    for bucket in range(bucket_start.shape[0] - 1):
        for row in range(bucket_start[bucket], bucket_start[bucket + 1]):
            word = words[row]
            at = highest[bucket]
            while at > 0 and edge_keys[at] < keys[row]:
                at -= 1
            if not word & U64(1):
                inside[word >> U64(32), at] += 1 - np.int64((word >> U64(1)) & U64(1))
                continue
            number = np.int64(word >> U64(1))
            word = matched_word[number]
            code = np.int64(word >> U64(32))
            is_inside = 1 - np.int64((word >> U64(1)) & U64(1))
            inside[code, at] += is_inside
            right_bits = U64(matched_bits[number, 0, 0])
            ignored_bits = U64(matched_bits[number, 1, 0])
            for t in range(n_thresholds):
                is_right = np.int64((right_bits >> U64(t)) & U64(1))
                right[code, at, t] += is_right
                # A true positive counts wherever it lies; what holds an ignored label does not count.
                beside[code, at, t] += is_inside * np.int64((ignored_bits >> U64(t)) & U64(1))
                beside[code, at, t] -= (1 - is_inside) * is_right


@dataclass(frozen=True)
class LevelCounts:
    """Predictions that count in area range `all`, whatever the configured score threshold, and right ones.

    n_predictions, n_true_positive (K, T, L) int64: of each level alone. Adds up.
    """

    n_predictions: Array
    n_true_positive: Array

    @classmethod
    def zero(cls, n_classes: int, n_thresholds: int, n_levels: int) -> LevelCounts:
        nothing = np.zeros((n_classes, n_thresholds, n_levels), np.int64)
        return cls(nothing, nothing)

    @classmethod
    def of(cls, runs: ScoreRuns, levels: ScoreLevels, n_classes: int, n_thresholds: int) -> LevelCounts:
        """Of one partition's runs, sorted or not."""
        inside = np.zeros((n_classes, len(levels)), np.int64)
        beside, right = np.zeros((2, n_classes, len(levels), n_thresholds), np.int64)
        edge_keys = key_of(levels.edges)
        highest = np.maximum((edge_keys >= first_keys()[:, None]).sum(axis=1) - 1, 0)
        _count(
            runs.bucket_start, runs.key, runs.word, runs.matched.word, runs.matched.bits, edge_keys, highest,
            inside, beside, right,
        )  # fmt: skip
        counted = inside[:, :, None] - beside
        return cls(counted.transpose(0, 2, 1), right.transpose(0, 2, 1))

    def __add__(self, other: LevelCounts) -> LevelCounts:
        return LevelCounts(
            self.n_predictions + other.n_predictions, self.n_true_positive + other.n_true_positive
        )
