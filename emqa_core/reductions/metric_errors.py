"""Error types at the chosen IoU threshold by bin of a metric: what goes wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I8, READ_I16, READ_I32, READ_I64
from emqa_core.objects import Array, OutcomeRows


@kernel(types.void(READ_I64, READ_I32, READ_I8, READ_I16, types.boolean, types.int64[:, :, ::1]))
def _take(frame_start, class_code, error, bins, of_frames, n):  # type: ignore[no-untyped-def]
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if error[row] >= 0:
                at = bins[frame] if of_frames else bins[row]
                if at >= 0:
                    n[class_code[row], at, error[row]] += 1


@dataclass(frozen=True)
class ErrorRows:
    """The n rows of one side of a partition.

    frame_start (F + 1,) int64. class_code (n,) int32. error (n,) int8: code of the error type, -1 for none.
    """

    frame_start: Array
    class_code: Array
    error: Array

    @classmethod
    def of(cls, outcomes: OutcomeRows, errors: Array) -> ErrorRows:
        return cls(
            np.ascontiguousarray(outcomes.frame_start, np.int64),
            np.ascontiguousarray(outcomes.class_code, np.int32),
            errors,
        )


@dataclass(frozen=True)
class MetricErrors:
    """Of one metric with B bins (50, or its categories), K classes.

    prediction (K, B, 5), label (K, B, 3) int64: errors of each type. Adds up; `take` adds in place.
    """

    prediction: Array
    label: Array

    @classmethod
    def zero(cls, n_classes: int, n_bins: int, n_types: tuple[int, int]) -> MetricErrors:
        """n_types: of predictions, and of labels."""
        of_predictions, of_labels = n_types
        return cls(
            np.zeros((n_classes, n_bins, of_predictions), np.int64),
            np.zeros((n_classes, n_bins, of_labels), np.int64),
        )

    def take(self, side: str, rows: ErrorRows, bins: Array, *, of_frames: bool) -> None:
        """Add a partition's errors of a side. bins int16: of all its rows (n,), or of frames (F,)."""
        _take(rows.frame_start, rows.class_code, rows.error, bins, of_frames, getattr(self, side))

    def __add__(self, other: MetricErrors) -> MetricErrors:
        return MetricErrors(self.prediction + other.prediction, self.label + other.label)

    def to_arrays(self) -> dict[str, Array]:
        return {"prediction": self.prediction, "label": self.label}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricErrors:
        return cls(arrays["prediction"], arrays["label"])
