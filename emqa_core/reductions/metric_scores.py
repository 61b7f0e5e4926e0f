"""Outcomes at the chosen IoU threshold by bin of a metric and level of the score.

A reader adds the levels above a score threshold and so has the outcomes at it; advice is found on some
jackknife groups and judged on the others. Whole numbers, the same for any partitioning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I16, READ_I32, READ_I64, READ_U8
from emqa_core.objects import Array, OutcomeRows
from emqa_core.reductions.score_levels import ScoreAxis
from emqa_core.reductions.scored_rows import ScoredRows
from emqa_core.reductions.target_rows import N_GROUPS

CLASS_BINS = 10  # into which the 50 are put for single classes
# Predictions in the lower half of a word, true positives in the upper one: one step of memory counts both.
_WORD_OF_KIND = np.array([0, 1, 1 + (1 << 32)])
_LOWER = (1 << 32) - 1


@kernel(
    types.void(
        READ_I64, READ_U8, READ_I32, READ_U8, READ_U8, READ_I16, types.boolean, READ_I64, READ_I64,
        types.int64[:, :, ::1], types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _take_predictions(  # type: ignore[no-untyped-def]
    frame_start, frame_group, class_code, kind, level, bins, of_frames, class_bin, shown, whole, of_class
):
    """Bin -1, of rows without the metric, is the last one of both tables."""
    for frame in range(frame_start.shape[0] - 1):
        of_group = whole[frame_group[frame]]
        for row in range(frame_start[frame], frame_start[frame + 1]):
            at = np.int64(bins[frame] if of_frames else bins[row])
            word = _WORD_OF_KIND[kind[row]]
            of_group[at, level[row]] += word
            of_class[class_code[row], class_bin[at], shown[level[row]]] += word


@kernel(
    types.void(
        READ_I64, READ_I32, READ_U8, READ_U8, READ_I16, types.boolean, READ_I64,
        types.int64[:, ::1], types.int64[:, :, ::1],
    ),
)  # fmt: skip
def _take_labels(  # type: ignore[no-untyped-def]
    frame_start, class_code, is_found, level, bins, of_frames, class_bin, found, class_found
):
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            at = np.int64(bins[frame] if of_frames else bins[row])
            if is_found[row]:
                found[at, level[row]] += 1
                class_found[class_code[row], class_bin[at], level[row]] += 1


@dataclass(frozen=True)
class LevelRows:
    """Both sides of a partition with their levels: of predictions fine ones, of labels shown ones.

    level (n,), label_level (m,), is_found (m,) uint8.
    """

    predictions: OutcomeRows
    labels: OutcomeRows
    kind: Array
    level: Array
    is_found: Array
    label_level: Array

    @classmethod
    def of(
        cls, scored: ScoredRows, predictions: OutcomeRows, labels: OutcomeRows, scores: ScoreAxis
    ) -> LevelRows:
        is_found = ~np.isnan(scored.label_score) & (labels.ignored == 0)
        return cls(
            predictions,
            labels,
            scored.kind,
            scores.fine.levels_of(scored.score),
            is_found.astype(np.uint8),
            scores.shown.levels_of(np.where(is_found, scored.label_score, 0.0)),
        )


@dataclass(frozen=True)
class MetricScores:
    """Of one metric with B bins (50, or its categories), K classes, F fine and L shown levels.

    words (G, B + 1, F) int64: predictions that count, and true positives in the upper half, by jackknife
    group; the last bin is of those without the metric. found (B + 1, L) int64: labels found by a prediction
    of the level. class_words, class_found (K, b + 1, L) int64: the same for classes, in the bins that
    class_bin (B + 1,) int64 puts the B into. Whatever the configured score threshold. Adds up; `take` adds in
    place.
    """

    class_bin: Array
    words: Array
    found: Array
    class_words: Array
    class_found: Array

    @classmethod
    def zero(cls, n_bins: int, n_classes: int, scores: ScoreAxis, *, is_categorical: bool) -> MetricScores:
        class_bin = np.arange(n_bins)
        if not is_categorical:
            class_bin = class_bin * CLASS_BINS // max(n_bins, 1)
        n_class_bins = int(class_bin.max(initial=-1)) + 1
        class_words, class_found = np.zeros((2, n_classes, n_class_bins + 1, len(scores.shown)), np.int64)
        return cls(
            np.append(class_bin, n_class_bins),
            np.zeros((N_GROUPS, n_bins + 1, len(scores.fine)), np.int64),
            np.zeros((n_bins + 1, len(scores.shown)), np.int64),
            class_words,
            class_found,
        )

    def take_predictions(self, rows: LevelRows, bins: Array, shown: Array, *, of_frames: bool) -> None:
        """Add a partition's predictions. bins (n,) int16, or (F,) of frames; shown (F,) int64: the shown
        level of each fine one.
        """
        side = rows.predictions
        _take_predictions(
            side.frame_start, side.frame_group, side.class_code, rows.kind, rows.level, bins, of_frames,
            self.class_bin, shown, self.words, self.class_words,
        )  # fmt: skip

    def take_labels(self, rows: LevelRows, bins: Array, *, of_frames: bool) -> None:
        """Add a partition's labels. bins (m,) int16, or (F,) of frames."""
        side = rows.labels
        _take_labels(
            side.frame_start, side.class_code, rows.is_found, rows.label_level, bins, of_frames,
            self.class_bin, self.found, self.class_found,
        )  # fmt: skip

    @property
    def is_binned(self) -> bool:
        """Whether classes have wider bins than all of them together."""
        return len(self.class_bin) != self.class_words.shape[1]

    def predictions(self) -> Array:
        """Predictions that count, and true positives, (2, G, B + 1, F)."""
        return _halves(self.words)

    def class_predictions(self) -> Array:
        """The same of classes, (2, K, b + 1, L)."""
        return _halves(self.class_words)

    def __add__(self, other: MetricScores) -> MetricScores:
        names = list(self.__dataclass_fields__)[1:]
        return MetricScores(self.class_bin, *(getattr(self, name) + getattr(other, name) for name in names))

    def to_arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricScores:
        return cls(*(arrays[name] for name in cls.__dataclass_fields__))


def _halves(words: Array) -> Array:
    return np.stack([words & _LOWER, words >> 32])
