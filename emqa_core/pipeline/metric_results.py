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
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.metric_rows import OUTCOME, SIDES, SampleState
from emqa_core.quality.registry import ChosenMetric, ChosenMetrics
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
    metrics: ChosenMetrics,
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


def measure(task: MeasureTask) -> tuple[list[MetricMeasures], pa.Table]:
    """A metric's measures, target by target, and its rows of metric_performance."""
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
    return measures, performance


def metric_tables(
    tasks: Sequence[MeasureTask], sample: SampleState, executor: Executor
) -> dict[str, pa.Table]:
    """Tables metric_bin, metric_performance and metric_importance without the common columns."""
    results = executor.map(measure, tasks)
    config = tasks[0].config if tasks else EvaluationConfig()
    classes = tasks[0].classes if tasks else ClassList((), ())
    counts = [state for task in tasks for state in task.counts.values()]
    estimates = _nearest_neighbour(tasks, sample) if config.nearest_neighbour else None
    empty = metric_bin_table([], []), metric_importance_table([], classes, np.empty(0), 0)
    performance = [table for _, table in results]
    return {
        "metric_bin": metric_bin_table([task.axis for task in tasks], counts) if tasks else empty[0],
        "metric_performance": pa.concat_tables(performance).unify_dictionaries()
        if performance
        else _no_performance(classes),
        "metric_importance": metric_importance_table(
            [each for measures, _ in results for each in measures],
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
    tasks: Sequence[MeasureTask], sample: SampleState
) -> dict[tuple[str, str, str], tuple[float, str | None]]:
    """scikit-learn's estimate on the row sample, for the targets of objects."""
    estimates: dict[tuple[str, str, str], tuple[float, str | None]] = {}
    for task in tasks:
        for target, level in targets_of(task.metric):
            if target not in SIDES or task.metric.is_categorical:
                continue
            columns = sample.samples[target].columns
            estimates[task.metric.name, level, target] = nearest_neighbour_information(
                columns[task.metric.name], columns[OUTCOME]
            )
    return estimates
