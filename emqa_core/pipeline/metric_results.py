"""Metrics counted and measured, and the three metric tables.

Table metric_performance has a row for every class, threshold and bin of every metric: it is written where it
is made, and only its parts come back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from emqa_core.analysis.advice import Advice, AdviceSubject, score_advice, weak_advice
from emqa_core.analysis.intervals import unit_reasons
from emqa_core.analysis.metric_error import metric_error_table
from emqa_core.analysis.metric_measures import MetricMeasures, measure_metric
from emqa_core.analysis.metric_score import metric_score_table
from emqa_core.analysis.metric_tables import (
    APART,
    metric_bin_table,
    metric_importance_table,
    metric_performance_table,
)
from emqa_core.analysis.nearest_neighbour import nearest_neighbour_information
from emqa_core.analysis.recommendation import confounded_metrics, held_ranges, recommendation_table
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.pipeline.count_metrics import (
    CountTask,
    count,
    count_pairs,
    keys_of,
    level_of,
    needed_pairs,
    targets_of,
)
from emqa_core.pipeline.count_sections import SumTask, leave_sections, read_sums, sections_of
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.fact_tables import RunIdentity
from emqa_core.pipeline.metric_rows import OUTCOME, SIDES, SampleState
from emqa_core.pipeline.partition_reader import PartitionReaders
from emqa_core.pipeline.partition_states import part_name
from emqa_core.pipeline.prepared_rows import CONTROL_OF
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics
from emqa_core.reductions.score_levels import ScoreAxis
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.schema import METRIC_ERROR, METRIC_PERFORMANCE, METRIC_SCORE, TableSchema
from emqa_core.storage.parts import Part, write_part

_TASKS_PER_WORKER = 4
MOST_METRICS = 2
WRITTEN_BY_TASKS = (METRIC_PERFORMANCE.name, METRIC_SCORE.name, METRIC_ERROR.name)


@dataclass(frozen=True)
class MeasureTask:
    """A few metrics to count and measure.

    units, units_at_best: of each target. labels_of_group (G,) int64: labels that count. run, part_name: of
    the parts written. n_sections: above 1, the counts lie there.
    """

    counting: CountTask
    units: Mapping[str, UnitTotals]
    units_at_best: Mapping[str, UnitTotals]
    labels_of_group: Array
    classes: ClassList
    run: RunIdentity
    part_name: str
    n_sections: int = 1


@dataclass(frozen=True)
class MeasuredMetric:
    """One metric's measures, target by target, and its rows of metric_bin.

    at_best: the measures at the chosen T and the score of the best F1; none where that is the configured one.
    rules, weak: candidates for table recommendation, not yet judged against those of other metrics.
    """

    metric: ChosenMetric
    measures: list[MetricMeasures]
    at_best: list[MetricMeasures]
    bins: pa.Table
    rules: list[Advice]
    weak: list[Advice]


@dataclass(frozen=True)
class MeasuredMetrics:
    """Metrics in order, and the parts of tables WRITTEN_BY_TASKS that hold their rows."""

    metrics: list[MeasuredMetric]
    parts: list[Part]


def measure_tasks(
    metrics: ChosenMetrics,
    counting: CountTask,
    sample: SampleState,
    units_at_best: Mapping[str, UnitTotals],
    labels_of_group: Array,
    classes: ClassList,
    n_workers: int,
    run: RunIdentity,
    attempt: str,
) -> list[MeasureTask]:
    """Tasks of a few metrics each, in order, so many that all workers have some to do.

    counting: what is the same for all; its metrics are not used. attempt: `attempt_key` of the run.
    """
    ordered = tuple(metrics)
    per_task = max(1, min(MOST_METRICS, len(ordered) // (_TASKS_PER_WORKER * n_workers)))
    controls = {name for name in CONTROL_OF.values() if name in counting.axes}
    tasks = []
    for first in range(0, len(ordered), per_task):
        shard = ordered[first : first + per_task]
        names = {metric.name for metric in shard} | controls
        axes = {name: axis for name, axis in counting.axes.items() if name in names}
        # Other metrics, as of an attempt with more workers, go into a part of another name.
        named = hashlib.sha256(" ".join([attempt, *(metric.name for metric in shard)]).encode()).hexdigest()
        own = replace(counting, metrics=shard, axes=axes)
        name = part_name(named, first)
        tasks.append(MeasureTask(own, sample.units, units_at_best, labels_of_group, classes, run, name))
    return tasks


def measure(task: MeasureTask) -> MeasuredMetrics:
    """Count a task's metrics and turn the counts, which are large and end here, into numbers."""
    counting = task.counting
    config, chosen = counting.config, counting.config.chosen_threshold_index
    if task.n_sections > 1:
        counts, pairs = read_sums(SumTask(counting, task.n_sections))
    else:
        readers = PartitionReaders(counting)
        counts = count(counting, readers)
        pairs = count_pairs(counting, needed_pairs(counting.axes, counts.of_key, chosen), readers)
    measured, performance, levels, errors = [], [], [], []
    for metric in counting.metrics:
        axis = counting.axes[metric.name]
        is_advised = axis.n_bins > 0 and metric.name not in APART
        measures: dict[bool, list[MetricMeasures]] = {False: [], True: []}
        weak: list[Advice] = []
        of_metric = {}
        for key in keys_of(replace(counting, metrics=(metric,))):
            state = counts.of_key.pop(key)
            units = (task.units_at_best if key.at_best else task.units)[key.target]
            measures[key.at_best].append(
                measure_metric(
                    axis,
                    state,
                    pairs.pop(key, None),
                    units,
                    0 if key.at_best else chosen,
                    with_intervals=config.intervals,
                )
            )
            if not key.at_best:
                of_metric[key.target] = state
            if is_advised and key.target != "frame" and key.at_best == (counting.scores.second is not None):
                subject = AdviceSubject(axis, level_of(metric, key.target), metric.unit)
                skipped = unit_reasons(units) != None  # noqa: E711 - elementwise
                skipped[:-1] |= len(task.classes) == 1  # which would say what all do
                at = 0 if key.at_best else chosen
                weak += weak_advice(subject, state, at, skipped, counting.scores.best_or_configured)
        rows = metric_performance_table(
            axis,
            of_metric.get("prediction"),
            of_metric.get("label"),
            task.classes,
            np.array(config.evaluated_iou_thresholds),
            chosen,
        )
        if rows.num_rows:
            performance.append(rows)
        has = "prediction" in of_metric, "label" in of_metric
        scores = counts.of_metric.pop(metric.name)
        levels.append(metric_score_table(metric.name, scores, counting.scores, task.classes, has=has))
        if metric.name in counts.errors:
            errors.append(metric_error_table(axis, counts.errors.pop(metric.name), task.classes))
        bins = metric_bin_table([axis], list(of_metric.values()))
        rules = []
        if is_advised and has[0] and not axis.is_categorical and _has_units(task):
            subject = AdviceSubject(axis, level_of(metric, "prediction"), metric.unit)
            rules = score_advice(subject, scores, task.labels_of_group, counting.scores)
        measured.append(MeasuredMetric(metric, measures[False], measures[True], bins, rules, weak))
    made = ((METRIC_PERFORMANCE, performance), (METRIC_SCORE, levels), (METRIC_ERROR, errors))
    return MeasuredMetrics(measured, [part for schema, rows in made for part in _written(task, schema, rows)])


def _has_units(task: MeasureTask) -> bool:
    """Whether there are resampling units enough behind all predictions to judge a rule."""
    return unit_reasons(task.units["prediction"])[-1] is None


def _written(task: MeasureTask, schema: TableSchema, tables: Sequence[pa.Table]) -> list[Part]:
    if not any(table.num_rows for table in tables):
        return []
    table = task.run.complete(pa.concat_tables(tables).unify_dictionaries())
    return [write_part(task.counting.location, schema.name, task.run.run_id, task.part_name, table)]


def measure_all(
    tasks: Sequence[MeasureTask], executor: Executor, progress: Callable[[int], None]
) -> MeasuredMetrics:
    """The measures of all metrics, in order; where there are too few tasks, counted in sections first."""
    n_sections = 1
    if tasks:
        n_sections = sections_of(len(tasks), len(tasks[0].counting.parts), executor.n_workers)
    if n_sections > 1:
        leave_sections([task.counting for task in tasks], n_sections, executor)
        tasks = [replace(task, n_sections=n_sections) for task in tasks]
    results = executor.map(measure, tasks, progress)
    return MeasuredMetrics(
        [metric for result in results for metric in result.metrics],
        [part for result in results for part in result.parts],
    )


def metric_tables(
    measured: Sequence[MeasuredMetric],
    sample: SampleState,
    scores: ScoreAxis,
    rules: Sequence[Advice],
    classes: ClassList,
    config: EvaluationConfig,
) -> dict[str, pa.Table]:
    """Tables metric_bin, metric_importance and recommendation without the common columns.

    rules: those that hold, `held_rules`.
    """
    estimates = _nearest_neighbour(measured, sample) if config.nearest_neighbour else None
    bins = [each.bins for each in measured] or [metric_bin_table([], [])]
    iou_thresholds, chosen = np.array(config.evaluated_iou_thresholds), config.chosen_threshold_index
    importance = metric_importance_table(
        [measures for each in measured for measures in each.measures],
        classes,
        iou_thresholds,
        chosen,
        config.score_threshold,
        estimates,
    )
    at_best = metric_importance_table(
        [measures for each in measured for measures in each.at_best],
        classes,
        iou_thresholds[chosen, None],
        0,
        scores.best,
    )
    confounded = confounded_metrics(
        at_best if at_best.num_rows else importance,
        float(iou_thresholds[chosen]),
        scores.best_or_configured,
    )
    weak = held_ranges([each for metric in measured for each in metric.weak])
    advice = [*rules, *weak, *confounded]
    return {
        "recommendation": recommendation_table(
            advice, classes, scores.lowest, {side: each.columns for side, each in sample.samples.items()}
        ),
        "metric_bin": pa.concat_tables(bins).unify_dictionaries(),
        "metric_importance": pa.concat_tables([importance, at_best]).unify_dictionaries(),
    }


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
