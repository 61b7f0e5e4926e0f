"""The rows whose outcome a metric may explain, prepared once per partition for all metrics.

A target is `prediction`, `label` or `frame`. Whatever the target, a row has a scope (a class), a frame, a
jackknife group, and at each IoU threshold T either no place in any count or a level: 0 for wrong, and
1 .. n_levels - 1 for the others. Most rows are wrong at every T; only the others are listed per T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.objects import Array, OutcomeRows

N_GROUPS = 20
N_TENTHS = 10  # levels of F1 and IoU above 0: (0, .1], ..., (.9, 1]


@dataclass(frozen=True)
class ThresholdRows:
    """Rows listed per threshold: those of T number t are row[start[t]:start[t + 1]], (e,) int32."""

    start: Array
    row: Array

    def at(self, threshold: int) -> slice:
        return slice(int(self.start[threshold]), int(self.start[threshold + 1]))

    @classmethod
    def of_flags(cls, flags: Array) -> ThresholdRows:
        """From flags (T, n) bool."""
        row = [np.flatnonzero(flag).astype(np.int32) for flag in flags]
        return cls(np.cumsum([0, *map(len, row)]), np.concatenate([np.empty(0, np.int32), *row]))

    @classmethod
    def of_bits(cls, bits: Array, n_thresholds: int) -> ThresholdRows:
        """From words (n,) uint64 whose bit t stands for T number t."""
        listed = np.flatnonzero(bits).astype(np.int32)
        words = bits[listed]
        row = [listed[(words >> np.uint64(t)) & np.uint64(1) == 1] for t in range(n_thresholds)]
        return cls(np.cumsum([0, *map(len, row)]), np.concatenate([np.empty(0, np.int32), *row]))


@dataclass(frozen=True)
class TargetRows:
    """n rows of one target in one partition.

    scope (n,) int32: class code; `n_classes` itself stands for all classes, and only the frame target
    has such rows (for objects, all is the sum of the classes). frame (n,) int32. group (n,) uint8.
    always (a,) int32: rows that count at every T. partial: rows that count at that T but not at every T
    (a prediction on a crowd only at low T). levels: rows above level 0 at that T, with `level` (e,) uint8,
    and y (e,) float64 where the outcome has a size (F1, IoU); None where it is 1.
    For objects, frame_start (F + 1,) int64 and the words counted, right (n,) uint64, bit t: at T number t;
    for frames None.
    """

    target: str
    n_classes: int
    n_thresholds: int
    chosen: int
    n_levels: int
    scope: Array
    frame: Array
    group: Array
    always: Array
    partial: ThresholdRows
    levels: ThresholdRows
    level: Array
    y: Array | None
    frame_start: Array | None = None
    counted: Array | None = None
    right: Array | None = None

    def __len__(self) -> int:
        return len(self.scope)

    @property
    def n_scopes(self) -> int:
        """Scopes that have rows of their own."""
        return self.n_classes + (self.target == "frame")

    @property
    def cell(self) -> Array:
        """scope * N_GROUPS + group, (n,) int32."""
        return np.asarray(self.scope * np.int32(N_GROUPS) + self.group)

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
        mask = np.uint64((1 << n_thresholds) - 1)
        counted = ~rows.ignored & mask
        right = rows.right & counted
        levels = ThresholdRows.of_bits(right, n_thresholds)
        y = None
        level = np.ones(len(levels.row), np.uint8)
        if iou is not None:
            assert iou_thresholds is not None
            reached = np.repeat(iou_thresholds, np.diff(levels.start))
            y = np.fmax(iou[levels.row], reached)
            level = tenth_of(y)
        frame = np.repeat(np.arange(len(rows.frame_start) - 1, dtype=np.int32), np.diff(rows.frame_start))
        return cls(
            target=target,
            n_classes=n_classes,
            n_thresholds=n_thresholds,
            chosen=chosen,
            n_levels=2 if iou is None else N_TENTHS + 1,
            scope=np.ascontiguousarray(rows.class_code, np.int32),
            frame=frame,
            group=rows.frame_group[frame],
            always=np.flatnonzero(counted == mask).astype(np.int32),
            partial=ThresholdRows.of_bits(np.where(counted == mask, np.uint64(0), counted), n_thresholds),
            levels=levels,
            level=level,
            y=y,
            frame_start=np.ascontiguousarray(rows.frame_start, np.int64),
            counted=counted,
            right=right,
        )

    @classmethod
    def of_frames(
        cls, predictions: OutcomeRows, labels: OutcomeRows, n_classes: int, n_thresholds: int, chosen: int
    ) -> TargetRows:
        """A row per frame, and per frame and class, that holds a prediction or label which counts.

        The outcome is F1 = 2 TP / (n_predictions + n_labels) in 11 levels, {0}, (0, .1], ..., (.9, 1].
        """
        sides = [
            cls.of_objects("object", rows, n_classes, n_thresholds, chosen) for rows in (predictions, labels)
        ]
        n_scopes = n_classes + 1
        keys = [side.frame.astype(np.int64) * n_scopes + side.scope for side in sides]
        present, position = np.unique(np.concatenate(keys), return_inverse=True)
        class_frame = present // n_scopes
        n_present = len(present)
        n_objects = np.zeros((n_thresholds, n_present), np.int64)
        n_true = np.zeros_like(n_objects)
        offset = 0
        for index, side in enumerate(sides):
            of_row = position[offset : offset + len(side)]
            offset += len(side)
            n_objects += np.bincount(of_row[side.always], minlength=n_present)
            for t in range(n_thresholds):
                partial, right = (listed.row[listed.at(t)] for listed in (side.partial, side.levels))
                n_objects[t] += np.bincount(of_row[partial], minlength=n_present)
                if index == 0:
                    n_true[t] = np.bincount(of_row[right], minlength=n_present)
        n_frames = len(predictions.frame_start) - 1
        starts = np.searchsorted(class_frame, np.arange(n_frames))
        occupied = np.flatnonzero(np.diff(np.append(starts, n_present)))
        if len(occupied):
            n_objects = np.concatenate(
                [n_objects, np.add.reduceat(n_objects, starts[occupied], axis=1)], axis=1
            )
            n_true = np.concatenate([n_true, np.add.reduceat(n_true, starts[occupied], axis=1)], axis=1)
        frame = np.concatenate([class_frame, occupied]).astype(np.int32)
        scope = np.concatenate([present % n_scopes, np.full(len(occupied), n_classes)]).astype(np.int32)
        counts = n_objects > 0
        always = counts.all(axis=0)
        levels = ThresholdRows.of_flags(n_true > 0)
        threshold = np.repeat(np.arange(n_thresholds), np.diff(levels.start))
        twice_true = 2 * n_true[threshold, levels.row]
        objects = n_objects[threshold, levels.row]
        return cls(
            target="frame",
            n_classes=n_classes,
            n_thresholds=n_thresholds,
            chosen=chosen,
            n_levels=N_TENTHS + 1,
            scope=scope,
            frame=frame,
            group=predictions.frame_group[frame],
            always=np.flatnonzero(always).astype(np.int32),
            partial=ThresholdRows.of_flags(counts & ~always),
            levels=levels,
            # Whole numbers: ceil of a quotient that is exactly a tenth must not depend on rounding.
            # The minimum guards the kernels' memory against rows with more hits than labels.
            level=np.minimum(-(-N_TENTHS * twice_true // objects), N_TENTHS).astype(np.uint8),
            y=twice_true / objects,
        )


def tenth_of(values: Array) -> Array:
    """0 for 0, else the tenth (0, .1] -> 1, ..., (.9, 1] -> 10 that holds it, (n,) uint8."""
    return np.searchsorted(np.arange(N_TENTHS) / N_TENTHS, values, side="left").astype(np.uint8)
