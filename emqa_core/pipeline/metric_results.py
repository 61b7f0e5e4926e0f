"""From the counts of the metrics to the three metric tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.analysis.metric_measures import MetricMeasures, measure_metric
from emqa_core.analysis.metric_tables import (
    metric_bin_table,
    metric_importance_table,
    metric_performance_table,
)
from emqa_core.analysis.nearest_neighbour import nearest_neighbour_information
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.pipeline.count_metrics import Key, targets_of
from emqa_core.pipeline.metric_rows import OUTCOME, SIDES, SampleState
from emqa_core.quality.registry import ChosenMetric
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.unit_totals import UnitTotals


@dataclass(frozen=True)
class MeasureTask:
    """One metric with its counts against every target."""

    metric: ChosenMetric
    axis: MetricAxis
    counts: Mapping[str, MetricCounts]
    pairs: Mapping[str, BinPairs]
    units: Mapping[str, UnitTotals]
    classes: ClassList
    config: EvaluationConfig


def measure_tasks(
    metrics: Sequence[ChosenMetric],
    axes: Mapping[str, MetricAxis],
    counts: Mapping[Key, MetricCounts],
    pairs: Mapping[Key, BinPairs],
    sample: SampleState,
    classes: ClassList,
    config: EvaluationConfig,
) -> list[MeasureTask]:
    """One task per metric."""
    return [
        MeasureTask(
            metric,
            axes[metric.name],
            {target: counts[metric.name, target] for target, _ in targets_of(metric)},
            {
                target: pairs[metric.name, target]
                for target, _ in targets_of(metric)
                if (metric.name, target) in pairs
            },
            sample.units,
            classes,
            config,
        )
        for metric in metrics
    ]


@dataclass(frozen=True)
class MeasuredMetric:
    """One metric's measures, target by target, and its rows of metric_performance and metric_bin."""

    metric: ChosenMetric
    measures: list[MetricMeasures]
    performance: pa.Table
    bins: pa.Table


def measure(task: MeasureTask) -> MeasuredMetric:
    """From the counts of a metric to its numbers; the counts, which are large, end here."""
    config = task.config
    chosen = config.chosen_threshold_index
    measures = [
        measure_metric(
            task.axis,
            counts,
            task.pairs.get(target),
            task.units[target],
            chosen,
            with_intervals=config.intervals,
        )
        for target, counts in task.counts.items()
    ]
    performance = metric_performance_table(
        task.axis,
        task.counts.get("prediction"),
        task.counts.get("label"),
        task.classes,
        np.array(config.evaluated_iou_thresholds),
        chosen,
    )
    bins = metric_bin_table([task.axis], list(task.counts.values()))
    return MeasuredMetric(task.metric, measures, performance, bins)


def metric_tables(
    measured: Sequence[MeasuredMetric], sample: SampleState, classes: ClassList, config: EvaluationConfig
) -> dict[str, pa.Table]:
    """Tables metric_bin, metric_performance and metric_importance without the common columns."""
    estimates = _nearest_neighbour(measured, sample) if config.nearest_neighbour else None
    performance = [each.performance for each in measured] or [_no_performance(classes)]
    bins = [each.bins for each in measured] or [metric_bin_table([], [])]
    return {
        "metric_bin": pa.concat_tables(bins).unify_dictionaries(),
        "metric_performance": pa.concat_tables(performance).unify_dictionaries(),
        "metric_importance": metric_importance_table(
            [measures for each in measured for measures in each.measures],
            classes,
            np.array(config.evaluated_iou_thresholds),
            config.chosen_threshold_index,
            estimates,
        ),
    }


def _no_performance(classes: ClassList) -> pa.Table:
    axis = MetricAxis("", 0, *(np.empty(0),) * 2, None, *(np.empty(0),) * 2, np.empty(0, np.int16))
    return metric_performance_table(axis, None, None, classes, np.empty(0), 0)


def _nearest_neighbour(
    measured: Sequence[MeasuredMetric], sample: SampleState
) -> dict[tuple[str, str, str], tuple[float, str | None]]:
    """scikit-learn's estimate on the row sample, for the targets of objects."""
    estimates: dict[tuple[str, str, str], tuple[float, str | None]] = {}
    for each in measured:
        for target, level in targets_of(each.metric):
            if target not in SIDES or each.metric.is_categorical:
                continue
            columns = sample.samples[target].columns
            estimates[each.metric.name, level, target] = nearest_neighbour_information(
                columns[each.metric.name], columns[OUTCOME]
            )
    return estimates
