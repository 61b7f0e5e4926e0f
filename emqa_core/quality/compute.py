"""All chosen metrics of a partition, level by level: labels are measured once for several models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.objects import Array, Frames, Labels, Objects, Predictions
from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics
from emqa_core.quality.columns import MetricColumn, metric_of_column, metric_of_numbers
from emqa_core.quality.metric import Level
from emqa_core.quality.own_values import OwnErrors, column_values, columns_needed
from emqa_core.quality.views import NOTHING_RELATED, FrameView, ObjectView, Related

__all__ = [
    "MetricColumn",
    "MetricTables",
    "compute_frame_metrics",
    "compute_label_metrics",
    "compute_prediction_metrics",
]

_KERNELS = {metric.name: metric.kernel for metric in CATALOGUE}


@dataclass(frozen=True)
class MetricTables:
    """For further columns and users' functions: rows in evaluation order, their frames, the errors."""

    rows: pa.Table
    frames: pa.Table
    errors: OwnErrors


def compute_label_metrics(
    chosen: ChosenMetrics,
    frames: Frames,
    labels: Labels,
    tables: MetricTables | None = None,
    related: Related = NOTHING_RELATED,
) -> dict[str, MetricColumn]:
    """The chosen metrics of the labels, each with (L,) values, in the order of `chosen`."""
    return _object_columns(chosen, "label", frames, labels, tables, related)


def compute_prediction_metrics(
    chosen: ChosenMetrics,
    frames: Frames,
    predictions: Predictions,
    tables: MetricTables | None = None,
    related: Related = NOTHING_RELATED,
) -> dict[str, MetricColumn]:
    """The chosen metrics of the predictions, each with (P,) values, in the order of `chosen`."""
    return _object_columns(chosen, "prediction", frames, predictions, tables, related)


def compute_frame_metrics(
    chosen: ChosenMetrics,
    frames: Frames,
    labels: Labels,
    predictions: Predictions,
    tables: MetricTables | None = None,
    related: Related = NOTHING_RELATED,
) -> dict[str, MetricColumn]:
    """The chosen metrics of the frames, each with (F,) values, in the order of `chosen`."""
    view = FrameView(frames, labels, predictions, related)
    start = np.arange(len(frames) + 1)
    return _columns(chosen, "frame", lambda kernel: kernel(view), start, tables, related)


def _object_columns(
    chosen: ChosenMetrics,
    level: Level,
    frames: Frames,
    objects: Objects,
    tables: MetricTables | None,
    related: Related,
) -> dict[str, MetricColumn]:
    view = ObjectView(frames, objects, related)
    return _columns(chosen, level, lambda kernel: kernel(view), objects.frame_start, tables, related)


def _columns(
    chosen: ChosenMetrics,
    level: Level,
    values_of: Callable[[Callable[..., Array]], Array],
    frame_start: Array,
    tables: MetricTables | None,
    related: Related,
) -> dict[str, MetricColumn]:
    columns = {}
    for metric in chosen.at(level):
        if metric.own is not None:
            columns[metric.name] = metric_of_numbers(_own(metric, frame_start, tables, related))
        elif metric.column is None:
            columns[metric.name] = metric_of_numbers(values_of(_KERNELS[metric.name]))
        elif tables is not None:
            columns[metric.name] = metric_of_column(tables.rows[metric.column])
    return columns


def _own(metric: ChosenMetric, frame_start: Array, tables: MetricTables | None, related: Related) -> Array:
    own = metric.function
    if own.looks_at == "image":
        return related.own[metric.name]
    assert tables is not None
    frame_of_row = np.repeat(np.arange(len(frame_start) - 1), np.diff(frame_start))
    given = columns_needed(own, tables.rows, tables.frames, frame_of_row)
    return column_values(own, given, frame_start, tables.errors)
