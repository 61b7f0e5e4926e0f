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
_I32_3D, _I64_3D = types.int32[:, :, ::1], types.int64[:, :, ::1]


@kernel(
    types.void(
        READ_I64, READ_U8, READ_I32, READ_U8, READ_U8, READ_I16, types.boolean, READ_I64, READ_I64,
        _I32_3D, _I32_3D, _I64_3D, _I64_3D,
    ),
)  # fmt: skip
def _take_predictions(  # type: ignore[no-untyped-def]
    frame_start, frame_group, class_code, kind, level, bins, of_frames, class_bin, shown,
    n, n_true, class_n, class_true,
):  # fmt: skip
    missing = n.shape[1] - 1
    for frame in range(frame_start.shape[0] - 1):
        group = frame_group[frame]
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if kind[row] == 0:
                continue
            at = np.int64(bins[frame] if of_frames else bins[row])
            place = at if at >= 0 else missing
            n[group, place, level[row]] += np.int32(1)
            if kind[row] == 2:
                n_true[group, place, level[row]] += np.int32(1)
            if at >= 0:
                code = class_code[row]
                class_n[code, class_bin[at], shown[level[row]]] += 1
                if kind[row] == 2:
                    class_true[code, class_bin[at], shown[level[row]]] += 1


@kernel(
    types.void(
        READ_I64, READ_I32, READ_U8, READ_U8, READ_I16, types.boolean, READ_I64,
        types.int64[:, ::1], _I64_3D,
    ),
)  # fmt: skip
def _take_labels(  # type: ignore[no-untyped-def]
    frame_start, class_code, is_found, level, bins, of_frames, class_bin, found, class_found
):
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            at = np.int64(bins[frame] if of_frames else bins[row])
            if is_found[row] and at >= 0:
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

    n, n_true (G, B + 1, F) int32: predictions that count and true positives, by jackknife group; the last bin
    is of those without the metric. found (B, L) int64: labels found by a prediction of the level. class_n,
    class_true, class_found (K, b, L) int64: the same for classes, in the bins that class_bin (B,) int64 puts
    the B into. Whatever the configured score threshold. Adds up; `take` adds in place.
    """

    class_bin: Array
    n: Array
    n_true: Array
    found: Array
    class_n: Array
    class_true: Array
    class_found: Array

    @classmethod
    def zero(cls, n_bins: int, n_classes: int, scores: ScoreAxis, *, is_categorical: bool) -> MetricScores:
        class_bin = np.arange(n_bins)
        if not is_categorical:
            class_bin = class_bin * CLASS_BINS // max(n_bins, 1)
        of_class = n_classes, int(class_bin.max(initial=-1)) + 1, len(scores.shown)
        n, n_true = np.zeros((2, N_GROUPS, n_bins + 1, len(scores.fine)), np.int32)
        found = np.zeros((n_bins, len(scores.shown)), np.int64)
        class_n, class_true, class_found = np.zeros((3, *of_class), np.int64)
        return cls(class_bin, n, n_true, found, class_n, class_true, class_found)

    def take_predictions(self, rows: LevelRows, bins: Array, shown: Array, *, of_frames: bool) -> None:
        """Add a partition's predictions. bins (n,) int16, or (F,) of frames; shown (F,) int64: the shown
        level of each fine one.
        """
        side = rows.predictions
        _take_predictions(
            side.frame_start, side.frame_group, side.class_code, rows.kind, rows.level, bins, of_frames,
            self.class_bin, shown, self.n, self.n_true, self.class_n, self.class_true,
        )  # fmt: skip

    def take_labels(self, rows: LevelRows, bins: Array, *, of_frames: bool) -> None:
        """Add a partition's labels. bins (m,) int16, or (F,) of frames."""
        side = rows.labels
        _take_labels(
            side.frame_start, side.class_code, rows.is_found, rows.label_level, bins, of_frames,
            self.class_bin, self.found, self.class_found,
        )  # fmt: skip

    def __add__(self, other: MetricScores) -> MetricScores:
        names = list(self.__dataclass_fields__)[1:]
        return MetricScores(self.class_bin, *(getattr(self, name) + getattr(other, name) for name in names))

    def to_arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricScores:
        return cls(*(arrays[name] for name in cls.__dataclass_fields__))
