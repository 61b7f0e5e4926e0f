"""A user's functions, called: what they return is checked, what they raise is named and set to null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from emqa_core.combined import combined
from emqa_core.errors import MetricError
from emqa_core.ingest.quarantine import METRIC_FAILED, BadRows
from emqa_core.objects import Array
from emqa_core.quality.own import OwnMetric, quiet


@dataclass(frozen=True)
class OwnErrors:
    """What users' functions raised in one partition.

    fails: whether the first error ends the run. frame_ids (F,): text of the partition's frames; first: number
    of its first frame in the run.
    """

    fails: bool
    frame_ids: pa.Array
    first: int = 0
    rows: BadRows = field(default_factory=lambda: BadRows("metric"))
    named: set[tuple[str, int]] = field(default_factory=set)

    def add(self, metric: OwnMetric, frame: int, error: BaseException) -> None:
        """Name a frame once for each metric. Raises MetricError where errors end the run."""
        frame_id = str(self.frame_ids[frame].as_py())
        if (metric.name, frame) in self.named:
            return
        self.named.add((metric.name, frame))
        cause = f"{type(error).__name__}: {error}"
        if self.fails:
            raise MetricError(
                f"metric {metric.name!r} failed at frame {frame_id}",
                found=cause,
                next_step="correct the function, or set metric_errors: continue to leave these values null",
            )
        self.rows.add(self.first + frame, METRIC_FAILED, metric.name, cause, frame_id)


def column_values(
    metric: OwnMetric, columns: Mapping[str, Array], frame_start: Array, errors: OwnErrors
) -> Array:
    """A user's function over columns, (n,) float64, NaN where null.

    frame_start (F + 1,) int64: the rows of each frame. Where the function raises for all rows together it is
    called frame by frame, so that only the frames are null for which it raises.
    """
    n_rows = int(frame_start[-1])
    try:
        # Copies: a function that changes its columns and then raises is called again.
        given = {name: column.copy() for name, column in columns.items()}
        return _checked(metric, _called(metric, given), n_rows)
    except (Exception, SystemExit):  # noqa: BLE001 - the function is the user's; what it raises is named frame by frame
        values = np.full(n_rows, np.nan)
    for frame in range(len(frame_start) - 1):
        rows = slice(int(frame_start[frame]), int(frame_start[frame + 1]))
        if rows.start < rows.stop:
            of_frame = {name: column[rows] for name, column in columns.items()}
            values[rows] = _or_null(metric, of_frame, rows.stop - rows.start, frame, errors)
    return values


def image_value(metric: OwnMetric, image: Array, frame: int, errors: OwnErrors) -> float:
    """A user's function over an image or a part of one; NaN where it raises."""
    # Of the user alone: what it changes in the pixels changes them for nobody else.
    return float(_or_null(metric, image.copy(), 1, frame, errors)[0])


def _or_null(
    metric: OwnMetric, given: Mapping[str, Array] | Array, n_rows: int, frame: int, errors: OwnErrors
) -> Array:
    try:
        return _checked(metric, _called(metric, given), n_rows)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        errors.add(metric, frame, error)
        return np.full(n_rows, np.nan)


def _called(metric: OwnMetric, given: Mapping[str, Array] | Array) -> object:
    with quiet():
        return metric(given)


def _checked(metric: OwnMetric, found: object, n_rows: int) -> Array:
    """What a function returned, as float64; numbers outside the declared range are null."""
    values = np.asarray(found)
    if values.ndim == 0:
        values = np.broadcast_to(values, (n_rows,))
    if values.dtype.kind not in "biuf":
        raise TypeError(f"returned {values.dtype} instead of numbers")
    if values.shape != (n_rows,):
        raise ValueError(f"returned an array of shape {values.shape} for {n_rows} rows")
    values = values.astype(np.float64)
    low = -np.inf if metric.low is None else metric.low
    high = np.inf if metric.high is None else metric.high
    with np.errstate(invalid="ignore"):
        return np.where((values >= low) & (values <= high), values, np.nan)


def columns_needed(
    metric: OwnMetric, table: pa.Table, frames: pa.Table, frame_of_row: Array
) -> dict[str, Array]:
    """The columns that a function is given, (n,) each: numbers with NaN for null, else text or booleans.

    table: the rows; frames: those of the partition; frame_of_row (n,): the frame of each row.
    """
    given = {}
    for need in metric.needs:
        of, _, name = need.rpartition(".")
        if of == "frame":
            given[need] = _array(combined(frames[name]))[frame_of_row]
        else:
            given[need] = _array(combined(table[name]))
    return given


def _array(column: pa.Array) -> Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    values = column.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()
