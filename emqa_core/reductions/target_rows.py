"""The rows whose outcome a metric may explain, prepared once per partition for all metrics.

A target is `prediction`, `label` or `frame`. Whatever the target, a row has a scope (a class), a frame, a
jackknife group, and at each IoU threshold T either no place in any count or a level: 0 for wrong, and
1 .. n_levels - 1 for the others. Most rows count at every T and are wrong at every T; only the others are
listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64, READ_U8, READ_U64
from emqa_core.objects import Array, OutcomeRows
from emqa_core.reductions.object_pairs import ObjectPairs
from emqa_core.reductions.outcome_levels import N_TENTHS, f1_of_pairs, tenth_of
from emqa_core.reductions.threshold_steps import ThresholdSteps, prefix_lengths

N_GROUPS = 20

# What kernels need to know of most rows, in one byte.
COUNTS_NOWHERE, ALWAYS_WRONG, ALWAYS_COUNTS, SOMETIMES_COUNTS = range(4)

_ONE = np.uint64(1)


@kernel(
    types.Tuple((types.int32[::1], types.uint64[::1], types.uint64[::1], types.uint8[::1], types.uint8[::1]))(
        READ_I64, READ_U8, READ_I32, READ_U64, READ_U64, types.uint64, types.int64
    ),
)
def _prepare(frame_start, frame_group, scope, right, ignored, everywhere, chosen):  # type: ignore[no-untyped-def]
    """Cell, words `counted` and `right`, kind, and kind at the chosen T of each row."""
    n = scope.shape[0]
    cell = np.empty(n, np.int32)
    counted = np.empty(n, np.uint64)
    known_right = np.empty(n, np.uint64)
    kind = np.empty(n, np.uint8)
    kind_at_chosen = np.empty(n, np.uint8)
    for frame in range(frame_start.shape[0] - 1):
        group = np.int32(frame_group[frame])
        for row in range(frame_start[frame], frame_start[frame + 1]):
            cell[row] = scope[row] * np.int32(N_GROUPS) + group
            word = ~ignored[row] & everywhere
            counted[row] = word
            known_right[row] = right[row] & word
            at_chosen = ((word >> np.uint64(chosen)) & _ONE) + (
                (known_right[row] >> np.uint64(chosen)) & _ONE
            )
            kind_at_chosen[row] = at_chosen
            if word == everywhere:
                kind[row] = ALWAYS_COUNTS if known_right[row] else ALWAYS_WRONG
            else:
                kind[row] = SOMETIMES_COUNTS if word else COUNTS_NOWHERE
    return cell, counted, known_right, kind, kind_at_chosen


@dataclass(frozen=True)
class SizedRows:
    """Rows above level 0 where the outcome has a size (F1, IoU): row (m,) int32, level (m, T) uint8 and y
    (m, T) float64, 0 at the thresholds where the row is at level 0.
    """

    row: Array
    level: Array
    y: Array


@dataclass(frozen=True)
class TargetRows:
    """n rows of one target in one partition.

    scope (n,) int32: class code; `n_classes` itself stands for all classes, and only the frame target
    has such rows (for objects, all is the sum of the classes). cell (n,) int32: scope * N_GROUPS + jackknife
    group. counted, right (n,) uint64: bit t says that the row counts, and that it is above level 0, at T
    number t. kind (n,) uint8: COUNTS_NOWHERE, ALWAYS_WRONG, ALWAYS_COUNTS (and right at some T) or
    SOMETIMES_COUNTS. kind_at_chosen (n,) uint8: 0 does not count at the chosen T, 1 is wrong and 2 right.
    sized: None where the outcome is just right or wrong. Rows stand frame by frame: frame_start (F + 1,)
    int64 and frame_group (F,) uint8 for objects, frame_of_row (n,) int32 for frames.
    """

    target: str
    n_classes: int
    n_thresholds: int
    chosen: int
    scope: Array
    cell: Array
    counted: Array
    right: Array
    kind: Array
    kind_at_chosen: Array
    sized: SizedRows | None = None
    frame_start: Array | None = None
    frame_group: Array | None = None
    frame_of_row: Array | None = None

    def __len__(self) -> int:
        return len(self.scope)

    @property
    def n_scopes(self) -> int:
        """Scopes that have rows of their own."""
        return self.n_classes + (self.target == "frame")

    @property
    def n_levels(self) -> int:
        return 2 if self.sized is None else N_TENTHS + 1

    @cached_property
    def frame(self) -> Array:
        """The frame of each row, (n,) int32."""
        if self.frame_of_row is not None:
            return self.frame_of_row
        assert self.frame_start is not None
        return np.repeat(np.arange(len(self.frame_start) - 1, dtype=np.int32), np.diff(self.frame_start))

    @cached_property
    def _n_of_frame(self) -> Array:
        """Rows of each frame up to the last that has some."""
        if self.frame_start is not None:
            return np.diff(self.frame_start)
        return np.bincount(self.frame)

    def spread(self, values: Array) -> Array:
        """Values of frames (F,) as values of their rows, (n,)."""
        return np.repeat(values[: len(self._n_of_frame)], self._n_of_frame)

    @cached_property
    def counted_steps(self) -> ThresholdSteps:
        """At which T the rows count that count at some T only (a prediction on a crowd only at low T)."""
        rows = np.flatnonzero(self.kind == SOMETIMES_COUNTS)
        return ThresholdSteps.of(self.counted[rows], rows).by_cell(self.cell, self.n_scopes * N_GROUPS)

    @cached_property
    def right_steps(self) -> ThresholdSteps:
        """At which T rows are right."""
        rows = np.flatnonzero(self.kind >= ALWAYS_COUNTS)
        return ThresholdSteps.of(self.right[rows], rows).by_cell(self.cell, self.n_scopes * N_GROUPS)

    @cached_property
    def right_length(self) -> Array:
        """How many bits of `right` are set, as `prefix_lengths` gives it, (n,) uint8."""
        return np.asarray(prefix_lengths(self.right))

    def counts_at_chosen(self) -> Array:
        """Which rows count at the chosen T, (n,) bool."""
        return self.kind_at_chosen > 0

    @cached_property
    def pairs(self) -> ObjectPairs:
        """Of objects: the pairs of frame and class that hold some."""
        assert self.frame_start is not None
        return ObjectPairs.of(
            self.frame_start, self.scope, self.counted, self.right, self.n_classes, self.n_thresholds
        )

    @cached_property
    def pairs_at_chosen(self) -> ObjectPairs:
        """The same as if the chosen T were the only one."""
        return self.pairs.at(self.chosen)

    @cached_property
    def cell_of_pair(self) -> Array:
        """scope * N_GROUPS + group of each of `pairs`, -1 for those of all classes, (p,) int32."""
        assert self.frame_group is not None
        scope = self.pairs.scope
        cell = scope * np.int32(N_GROUPS) + self.frame_group[self.pairs.frame]
        return np.where(scope < self.n_classes, cell, np.int32(-1))

    @classmethod
    def of_objects(
        cls,
        target: str,
        rows: OutcomeRows,
        n_classes: int,
        n_thresholds: int,
        chosen: int,
        iou: Array | None = None,
        iou_thresholds: Array | None = None,
    ) -> TargetRows:
        """Rows of predictions (right: true positive) or labels (right: found).

        With iou (n,) float64, the IoU of each row with its match at the chosen T, and iou_thresholds (T,),
        the outcome is IoU x right in 11 levels. A row's partner may differ between thresholds; its IoU at
        another T is taken as the larger of the stored one and that T, which it must have reached.
        """
        scope = np.ascontiguousarray(rows.class_code, np.int32)
        frame_start = np.ascontiguousarray(rows.frame_start, np.int64)
        cell, counted, right, kind, kind_at_chosen = _prepare(
            frame_start, rows.frame_group, scope, rows.right, rows.ignored, _everywhere(n_thresholds), chosen
        )
        sized = None
        if iou is not None:
            assert iou_thresholds is not None
            listed = np.flatnonzero(right).astype(np.int32)
            is_right = (right[listed, None] >> np.arange(n_thresholds, dtype=np.uint64)) & _ONE == 1
            y = np.where(is_right, np.fmax(iou[listed, None], iou_thresholds), 0.0)
            sized = SizedRows(listed, tenth_of(y), y)
        return cls(
            target=target,
            n_classes=n_classes,
            n_thresholds=n_thresholds,
            chosen=chosen,
            scope=scope,
            cell=cell,
            counted=counted,
            right=right,
            kind=kind,
            kind_at_chosen=kind_at_chosen,
            sized=sized,
            frame_start=frame_start,
            frame_group=rows.frame_group,
        )

    @classmethod
    def of_frames(cls, predictions: TargetRows, labels: TargetRows) -> TargetRows:
        """A row per frame, and per frame and class, that holds a prediction or label which counts.

        The outcome is F1 = 2 TP / (n_predictions + n_labels) in 11 levels, {0}, (0, .1], ..., (.9, 1].
        """
        assert predictions.frame_start is not None and predictions.frame_group is not None
        frame, scope, counted, right, listed, level, y = f1_of_pairs(
            predictions.pairs, labels.pairs, len(predictions.frame_start) - 1
        )
        everywhere, at_chosen = _everywhere(predictions.n_thresholds), np.uint64(predictions.chosen)
        kind = np.where(counted == everywhere, ALWAYS_COUNTS, SOMETIMES_COUNTS)
        return cls(
            target="frame",
            n_classes=predictions.n_classes,
            n_thresholds=predictions.n_thresholds,
            chosen=predictions.chosen,
            scope=scope,
            cell=scope * np.int32(N_GROUPS) + predictions.frame_group[frame],
            counted=counted,
            right=right,
            kind=kind.astype(np.uint8),
            kind_at_chosen=((counted >> at_chosen & _ONE) + (right >> at_chosen & _ONE)).astype(np.uint8),
            sized=SizedRows(listed, level, y),
            frame_of_row=frame,
        )


def _everywhere(n_thresholds: int) -> np.uint64:
    """The word of what is so at every T."""
    return np.uint64((1 << n_thresholds) - 1)
