"""All chosen metrics of a partition, level by level: labels are measured once for several models."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from emqa_core.objects import Array, Frames, Labels, Predictions
from emqa_core.quality.columns import MetricColumn, metric_of_column, metric_of_numbers
from emqa_core.quality.geometry import frame_metrics, object_metrics
from emqa_core.quality.registry import ChosenMetrics, Level

__all__ = ["MetricColumn", "compute_frame_metrics", "compute_label_metrics", "compute_prediction_metrics"]


def compute_label_metrics(
    chosen: ChosenMetrics, frames: Frames, labels: Labels, table: pa.Table | None = None
) -> dict[str, MetricColumn]:
    """The chosen metrics of the labels, each with (L,) values, in the order of `chosen`.

    table: the labels' rows in the same order, for the further columns among the metrics.
    """
    return _columns(chosen, "label", object_metrics(_catalogue_names(chosen, "label"), frames, labels), table)


def compute_prediction_metrics(
    chosen: ChosenMetrics, frames: Frames, predictions: Predictions, table: pa.Table | None = None
) -> dict[str, MetricColumn]:
    """The chosen metrics of the predictions, each with (P,) values, in the order of `chosen`.

    table: the predictions' rows in the same order, for the further columns among the metrics.
    """
    values = object_metrics(_catalogue_names(chosen, "prediction"), frames, predictions)
    return _columns(chosen, "prediction", values, table)


def compute_frame_metrics(
    chosen: ChosenMetrics,
    frames: Frames,
    labels: Labels,
    predictions: Predictions,
    table: pa.Table | None = None,
) -> dict[str, MetricColumn]:
    """The chosen metrics of the frames, each with (F,) values, in the order of `chosen`.

    table: the frames' rows in the same order, for the further columns among the metrics.
    """
    values = frame_metrics(_catalogue_names(chosen, "frame"), frames, labels, predictions)
    return _columns(chosen, "frame", values, table)


def _catalogue_names(chosen: ChosenMetrics, level: Level) -> frozenset[str]:
    return frozenset(metric.name for metric in chosen.at(level) if metric.column is None)


def _columns(
    chosen: ChosenMetrics, level: Level, values: Mapping[str, Array], table: pa.Table | None
) -> dict[str, MetricColumn]:
    columns = {}
    for metric in chosen.at(level):
        if metric.column is None:
            columns[metric.name] = metric_of_numbers(values[metric.name])
        elif table is not None:
            columns[metric.name] = metric_of_column(table[metric.column])
    return columns
