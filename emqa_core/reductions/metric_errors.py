"""Error types at the chosen IoU threshold by bin of a metric: what goes wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I8, READ_I16, READ_I32
from emqa_core.objects import Array, OutcomeRows


@kernel(types.void(READ_I32, READ_I32, READ_I8, READ_I16, types.int64[:, :, ::1]))
def _take(place, class_code, error, bins, n):  # type: ignore[no-untyped-def]
    for index in range(place.shape[0]):
        at = bins[place[index]]
        if at >= 0:
            n[class_code[index], at, error[index]] += 1


@dataclass(frozen=True)
class ErrorRows:
    """The w rows of one side of a partition that are errors.

    row, frame, class_code (w,) int32. error (w,) int8: code of the error type.
    """

    row: Array
    frame: Array
    class_code: Array
    error: Array

    @classmethod
    def of(cls, outcomes: OutcomeRows, errors: Array) -> ErrorRows:
        """errors (n,) int8: the code of each row, -1 for none."""
        row = np.flatnonzero(errors >= 0).astype(np.int32)
        frame = np.repeat(
            np.arange(len(outcomes.frame_start) - 1, dtype=np.int32), np.diff(outcomes.frame_start)
        )
        return cls(row, frame[row], outcomes.class_code[row], errors[row])


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
        _take(rows.frame if of_frames else rows.row, rows.class_code, rows.error, bins, getattr(self, side))

    def __add__(self, other: MetricErrors) -> MetricErrors:
        return MetricErrors(self.prediction + other.prediction, self.label + other.label)

    def to_arrays(self) -> dict[str, Array]:
        return {"prediction": self.prediction, "label": self.label}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricErrors:
        return cls(arrays["prediction"], arrays["label"])
