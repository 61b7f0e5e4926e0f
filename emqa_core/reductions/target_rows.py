"""The rows whose outcome a metric may explain, prepared once per partition for all metrics.

A target is `prediction`, `label` or `frame`. Whatever the target, a row has a scope (a class), a frame, a
jackknife group, and at each IoU threshold T either no place in any count or a level: 0 for wrong, and
1 .. n_levels - 1 for the others. Most rows are wrong at every T; only the others are listed per T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.objects import Array, OutcomeRows

N_GROUPS = 20
N_TENTHS = 10  # levels of F1 and IoU above 0: (0, .1], ..., (.9, 1]

_READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
_READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
_I32 = types.int32[::1]


@njit(
    types.Tuple((_I32, _I32, _I32, _I32))(_READ_I64, _READ_I32, _READ_I64, _READ_I32, types.int64), cache=True
)
def _pair_objects(start, class_code, other_start, other_class_code, n_classes):  # type: ignore[no-untyped-def]
    most = class_code.shape[0] + other_class_code.shape[0]
    frame_of_pair = np.empty(most, np.int32)
    class_of_pair = np.empty(most, np.int32)
    pair = np.empty(class_code.shape[0], np.int32)
    other_pair = np.empty(other_class_code.shape[0], np.int32)
    latest = np.full(n_classes, -1, np.int64)  # pair of the class in the frame at hand, if not below `first`
    n = 0
    for frame in range(start.shape[0] - 1):
        first = n
        for row in range(start[frame], start[frame + 1]):
            code = class_code[row]
            if latest[code] < first:
                latest[code] = n
                frame_of_pair[n] = frame
                class_of_pair[n] = code
                n += 1
            pair[row] = latest[code]
        for row in range(other_start[frame], other_start[frame + 1]):
            code = other_class_code[row]
            if latest[code] < first:
                latest[code] = n
                frame_of_pair[n] = frame
                class_of_pair[n] = code
                n += 1
            other_pair[row] = latest[code]
    return frame_of_pair[:n].copy(), class_of_pair[:n].copy(), pair, other_pair


@dataclass(frozen=True)
class ThresholdRows:
    """Rows listed per threshold: those of T number t are row[start[t]:start[t + 1]], (e,) int32."""

    start: Array
    row: Array

    def at(self, threshold: int) -> slice:
        return slice(int(self.start[threshold]), int(self.start[threshold + 1]))

    @classmethod
    def of_lists(cls, rows: list[Array]) -> ThresholdRows:
        """From the rows of each threshold."""
        return cls(np.cumsum([0, *map(len, rows)]), np.concatenate(rows).astype(np.int32))

    @classmethod
    def of_bits(cls, bits: Array, n_thresholds: int) -> ThresholdRows:
        """From words (n,) uint64 whose bit t stands for T number t."""
        listed = np.flatnonzero(bits).astype(np.int32)
        words = bits[listed]
        one = np.uint64(1)
        return cls.of_lists([listed[(words >> np.uint64(t)) & one == one] for t in range(n_thresholds)])


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
        # The (frame, class) pairs that hold an object: frame and class of each, and the pair of each object.
        pair_frame, pair_class, *pair_of = _pair_objects(
            predictions.frame_start, predictions.class_code, labels.frame_start, labels.class_code, n_classes
        )
        n_frames = len(predictions.frame_group)

        def count(side: int, objects: Array) -> Array:
            """How many of the objects listed are in each (frame, class), then in each frame."""
            of_pair = np.bincount(pair_of[side][objects], minlength=len(pair_frame))
            of_frame = np.bincount(sides[side].frame[objects], minlength=n_frames)
            return np.concatenate([of_pair, of_frame])

        at_every = count(0, sides[0].always) + count(1, sides[1].always)
        partial, levels, twice_true, n_objects = [], [], [], []
        for t in range(n_thresholds):
            held = at_every
            for number, side in enumerate(sides):
                if len(side.partial.row):
                    held = held + count(number, side.partial.row[side.partial.at(t)])
            n_true = count(0, sides[0].levels.row[sides[0].levels.at(t)])
            partial.append(np.flatnonzero((held > 0) & (at_every == 0)))
            levels.append(np.flatnonzero(n_true))
            twice_true.append(2 * n_true[levels[t]])
            n_objects.append(held[levels[t]])
        twice, objects = np.concatenate(twice_true), np.concatenate(n_objects)
        frame = np.concatenate([pair_frame, np.arange(n_frames, dtype=np.int32)])
        return cls(
            target="frame",
            n_classes=n_classes,
            n_thresholds=n_thresholds,
            chosen=chosen,
            n_levels=N_TENTHS + 1,
            scope=np.concatenate([pair_class, np.full(n_frames, n_classes, np.int32)]),
            frame=frame,
            group=predictions.frame_group[frame],
            always=np.flatnonzero(at_every).astype(np.int32),
            partial=ThresholdRows.of_lists(partial),
            levels=ThresholdRows.of_lists(levels),
            # Whole numbers: ceil of a quotient that is exactly a tenth must not depend on rounding. The
            # minimum guards the kernels' memory against rows with more hits than labels.
            level=np.minimum(-(-N_TENTHS * twice // objects), N_TENTHS).astype(np.uint8),
            y=twice / objects,
        )


def tenth_of(values: Array) -> Array:
    """0 for 0, else the tenth (0, .1] -> 1, ..., (.9, 1] -> 10 that holds it, (n,) uint8."""
    return np.searchsorted(np.arange(N_TENTHS) / N_TENTHS, values, side="left").astype(np.uint8)
