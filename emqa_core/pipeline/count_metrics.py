"""The count: metric columns of every partition into the bins, a few metrics at a time.

The counts of a metric are the largest state of all, so they are added up where they are counted. A second
pass counts pairs of bins for the few scopes whose bins have to be merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emqa_core.analysis.bin_axis import MetricAxis, decide_axis
from emqa_core.analysis.merged_bins import scopes_to_merge
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.config import EvaluationConfig
from emqa_core.matching.error_types import LABEL_ERRORS, PREDICTION_ERRORS
from emqa_core.objects import Array
from emqa_core.pipeline.metric_rows import SIDES, SampleState
from emqa_core.pipeline.partition_reader import Key, PartitionReader, PartitionReaders
from emqa_core.pipeline.prepared_rows import PreparedRows, Target
from emqa_core.pipeline.scratch import Scratch
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics
from emqa_core.quality.metric import LEVELS, Level
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.metric_errors import MetricErrors
from emqa_core.reductions.metric_scores import MetricScores
from emqa_core.reductions.score_levels import ScoreAxis
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part


@dataclass(frozen=True)
class CountTask:
    """Some metrics over all partitions of one model, in order.

    axes: of these metrics and of the controls of the partial correlation. parts: of each partition from
    number `first` on, by table. prepared: by partition, rows that tasks of this process keep for one another;
    None where each task prepares its own.
    """

    metrics: tuple[ChosenMetric, ...]
    axes: Mapping[str, MetricAxis]
    parts: tuple[Mapping[str, Part], ...]
    scratch: Scratch
    location: Location
    config: EvaluationConfig
    n_classes: int
    scores: ScoreAxis
    first: int = 0
    prepared: dict[int, PreparedRows] | None = None


def targets_of(metric: ChosenMetric) -> list[tuple[Target, Level]]:
    """The targets whose outcome a metric explains, with the level its values come from."""
    if "frame" in metric.levels:
        return [("prediction", "frame"), ("label", "frame"), ("frame", "frame")]
    return [(level, level) for level in SIDES if level in metric.levels]


def keys_of(task: CountTask) -> list[Key]:
    """Every metric of a task with each of its targets: at the configured score threshold, then the best."""
    at = (False,) if task.scores.second is None else (False, True)
    return [
        Key(metric.name, target, at_best)
        for metric in task.metrics
        for at_best in at
        for target, _ in targets_of(metric)
    ]


def level_of(metric: ChosenMetric, target: Target) -> Level:
    """The level whose values explain a target."""
    return "frame" if "frame" in metric.levels else target


def decide_axes(
    metrics: ChosenMetrics, sample: SampleState, config: EvaluationConfig, stored: Mapping[str, MetricAxis]
) -> dict[str, MetricAxis]:
    """The bins of every metric, from this run's sample or taken over from an earlier run."""
    axes = {}
    for metric in metrics:
        if metric.name in stored:
            axes[metric.name] = stored[metric.name]
            continue
        axes[metric.name] = decide_axis(
            metric.name,
            sample.distinct[metric.name],
            sample.samples["prediction"].columns.get(metric.name),
            sample.samples["label"].columns.get(metric.name),
            config.fine_bins,
        )
    return axes


@dataclass(frozen=True)
class Counts:
    """Of a task's metrics: counts by key; by metric what stands at each level of the score, and the errors of
    each bin where errors are told apart.
    """

    of_key: dict[Key, MetricCounts]
    of_metric: dict[str, MetricScores]
    errors: dict[str, MetricErrors]


def count(task: CountTask, readers: PartitionReaders) -> Counts:
    """The counts of a task's metrics against every target, added in partition order. readers: of the task."""
    total = Counts({}, {}, {})
    metric_of = {metric.name: metric for metric in task.metrics}
    shown = task.scores.shown_of_fine()
    for reader in readers:
        for key in keys_of(task):
            axis, level = task.axes[key.metric], level_of(metric_of[key.metric], key.target)
            part = reader.prepared.rows(key.target, at_best=key.at_best)
            if key not in total.of_key:
                total.of_key[key] = MetricCounts.zero(axis, level, part, with_fine=not key.at_best)
            total.of_key[key].take(axis, part, reader.values(level, key), reader.bins(level, key))
        for metric in task.metrics:
            axis = task.axes[metric.name]
            if metric.name not in total.of_metric:
                is_categorical = axis.is_categorical
                total.of_metric[metric.name] = MetricScores.zero(
                    axis.n_coarse if axis.n_bins else 0, task.n_classes, task.scores,
                    is_categorical=is_categorical,
                )  # fmt: skip
            _take_levels(total.of_metric[metric.name], reader, metric, shown)
            if reader.prepared.errors:
                _take_errors(total.errors, task, reader, metric)
    return total


def _take_levels(state: MetricScores, reader: PartitionReader, metric: ChosenMetric, shown: Array) -> None:
    for target, level in targets_of(metric):
        if target == "frame":
            continue
        bins, of_frames = reader.all_bins(level, metric.name)[1], level == "frame"
        if target == "prediction":
            state.take_predictions(reader.prepared.levels, bins, shown, of_frames=of_frames)
        else:
            state.take_labels(reader.prepared.levels, bins, of_frames=of_frames)


def _take_errors(
    total: dict[str, MetricErrors], task: CountTask, reader: PartitionReader, metric: ChosenMetric
) -> None:
    axis = task.axes[metric.name]
    if metric.name not in total:
        n_types = len(PREDICTION_ERRORS), len(LABEL_ERRORS)
        n_bins = axis.n_coarse if axis.n_bins else 0
        total[metric.name] = MetricErrors.zero(task.n_classes, n_bins, n_types)
    for target, level in targets_of(metric):
        if target != "frame":
            bins = reader.all_bins(level, metric.name)[1]
            total[metric.name].take(target, reader.prepared.errors[target], bins, of_frames=level == "frame")


def count_units(task: CountTask) -> dict[str, UnitTotals]:
    """Resampling units of every target at the score of the best F1, which is another than the configured."""
    total: dict[str, UnitTotals] = {}
    for index in range(len(task.parts)):
        prepared = PreparedRows.of(task, index)
        for target in LEVELS:
            units = prepared.units(target)
            total[target] = total[target] + units if target in total else units
    return total


def count_pairs(
    task: CountTask, needed: Mapping[Key, tuple[Array, Array]], readers: PartitionReaders
) -> dict[Key, BinPairs]:
    """The second pass: pairs of bins of the scopes that `needed_pairs` names."""
    total: dict[Key, BinPairs] = {}
    metric_of = {metric.name: metric for metric in task.metrics}
    for reader in readers if needed else ():
        for key in keys_of(task):
            if key not in needed:
                continue
            scopes, rank = needed[key]
            rows = reader.prepared.rows(key.target, at_best=key.at_best).rows
            if key not in total:
                total[key] = BinPairs.zero(scopes, rank, rows.n_thresholds)
            _, bins = reader.bins(level_of(metric_of[key.metric], key.target), key)
            total[key].take(rows, bins)
    return total


def needed_pairs(
    axes: Mapping[str, MetricAxis], counts: Mapping[Key, MetricCounts], chosen: int
) -> dict[Key, tuple[Array, Array]]:
    """The scopes whose bins have to be merged, by key; empty where every bin can stand alone."""
    needed = {
        key: scopes_to_merge(axes[key.metric], state, 0 if key.at_best else chosen)
        for key, state in counts.items()
    }
    return {key: pairs for key, pairs in needed.items() if len(pairs[0])}
