"""Counts of the confusion matrix: labels and predictions paired whatever their classes, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.causes import CAUSE_SHIFT, UNPAIRED
from emqa_core.reductions.score_runs import ScoreRuns, first_keys, key_of

U64 = np.uint64
_UNPAIRED_BIT = U64(UNPAIRED << CAUSE_SHIFT)


@dataclass(frozen=True)
class HeldLabels:
    """m labels of one partition that a prediction holds, whatever its class.

    label_class, prediction_class (m,) int32. score (m,) float64: the prediction's.
    """

    label_class: Array
    prediction_class: Array
    score: Array

    def to_arrays(self) -> dict[str, Array]:
        return {"label": self.label_class, "prediction": self.prediction_class, "score": self.score}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> HeldLabels:
        return cls(arrays["label"], arrays["prediction"], arrays["score"])


@kernel(types.void(READ_I64, READ_U64, READ_U64, READ_U64, types.int64, types.uint64, types.int64[::1]))
def _count_unpaired(bucket_start, keys, words, matched_word, n_buckets, last_key, n_unpaired):  # type: ignore[no-untyped-def]
    for row in range(bucket_start[0], bucket_start[n_buckets]):
        if keys[row] > last_key:
            continue
        word = words[row]
        if word & U64(1):
            word = matched_word[word >> U64(1)]
        if word & _UNPAIRED_BIT:
            n_unpaired[word >> U64(32)] += 1


@dataclass(frozen=True)
class ConfusionCounts:
    """Of K classes at one score threshold; adds up.

    n_pairs (K, K) int64: labels of a class, held by predictions of another or the same. n_unpaired (K,)
    int64: predictions that hold no label.
    """

    n_pairs: Array
    n_unpaired: Array

    @classmethod
    def zero(cls, n_classes: int) -> ConfusionCounts:
        return cls(np.zeros((n_classes, n_classes), np.int64), np.zeros(n_classes, np.int64))

    @classmethod
    def of(
        cls, runs: ScoreRuns, pairs: HeldLabels, score_threshold: float, n_classes: int
    ) -> ConfusionCounts:
        """Of one partition at a score threshold; NaN: of all its predictions."""
        is_kept = ~(pairs.score < score_threshold)
        cell = pairs.label_class[is_kept].astype(np.int64) * n_classes + pairs.prediction_class[is_kept]
        n_pairs = np.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes)
        n_unpaired = np.zeros(n_classes, np.int64)
        last_key = ~U64(0) if np.isnan(score_threshold) else key_of(np.array([score_threshold]))[0]
        n_buckets = int(np.searchsorted(first_keys(), last_key, side="right"))
        _count_unpaired(
            runs.bucket_start, runs.key, runs.word, runs.matched.word, n_buckets, last_key, n_unpaired
        )
        return cls(n_pairs, n_unpaired)

    def __add__(self, other: ConfusionCounts) -> ConfusionCounts:
        return ConfusionCounts(self.n_pairs + other.n_pairs, self.n_unpaired + other.n_unpaired)
