"""The count: metric columns of every partition into the bins, a few metrics at a time.

The counts of a metric are the largest state of all, so they are added up where they are counted. A second
pass counts pairs of bins for the few scopes whose bins have to be merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emqa_core.analysis.bin_axis import MetricAxis, decide_axis
from emqa_core.analysis.merged_bins import scopes_to_merge
from emqa_core.analysis.metric_counts import CountedRows, MetricCounts
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.pipeline.metric_rows import SIDES, SampleState, object_rows, read_metric, read_rows
from emqa_core.pipeline.scratch import Scratch
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics
from emqa_core.quality.metric import Level
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part

Target = Level
Key = tuple[str, Target]  # metric, target
CONTROL_OF: Mapping[Target, str] = {
    "prediction": "object_area_px2",
    "label": "object_area_px2",
    "frame": "frame_label_count",
}


@dataclass(frozen=True)
class CountTask:
    """Some metrics over all partitions of one model, in order.

    axes: of these metrics and of the controls of the partial correlation. parts: of each partition from
    number `first` on, by table.
    """

    metrics: tuple[ChosenMetric, ...]
    axes: Mapping[str, MetricAxis]
    parts: tuple[Mapping[str, Part], ...]
    scratch: Scratch
    location: Location
    config: EvaluationConfig
    n_classes: int
    first: int = 0


def targets_of(metric: ChosenMetric) -> list[tuple[Target, Level]]:
    """The targets whose outcome a metric explains, with the level its values come from."""
    if "frame" in metric.levels:
        return [("prediction", "frame"), ("label", "frame"), ("frame", "frame")]
    return [(level, level) for level in SIDES if level in metric.levels]


def keys_of(task: CountTask) -> list[Key]:
    """Every metric of a task with each of its targets."""
    return [(metric.name, target) for metric in task.metrics for target, _ in targets_of(metric)]


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


def count(task: CountTask) -> dict[Key, MetricCounts]:
    """The counts of a task's metrics against every target, added in partition order."""
    total: dict[Key, MetricCounts] = {}
    for index in range(len(task.parts)):
        reader = _PartitionReader(task, index)
        for metric in task.metrics:
            axis = task.axes[metric.name]
            for target, level in targets_of(metric):
                key, part = (metric.name, target), reader.rows(target)
                if key not in total:
                    total[key] = MetricCounts.zero(axis, level, part)
                total[key].take(axis, part, reader.values(level, metric.name))
    return total


def count_pairs(task: CountTask, needed: Mapping[Key, tuple[Array, Array]]) -> dict[Key, BinPairs]:
    """The second pass: pairs of bins of the scopes that `needed_pairs` names."""
    total: dict[Key, BinPairs] = {}
    for index in range(len(task.parts) if needed else 0):
        reader = _PartitionReader(task, index)
        for metric in task.metrics:
            for target, level in targets_of(metric):
                key = (metric.name, target)
                if key not in needed:
                    continue
                scopes, rank = needed[key]
                rows, own = reader.rows(target).rows.within(scopes)
                if key not in total:
                    total[key] = BinPairs.zero(scopes, rank, rows.n_thresholds)
                values = reader.values(level, metric.name)
                total[key].take(
                    rows, task.axes[metric.name].coarse_bin_of(values if own is None else values.take(own))
                )
    return total


def needed_pairs(
    axes: Mapping[str, MetricAxis], counts: Mapping[Key, MetricCounts], chosen: int
) -> dict[Key, tuple[Array, Array]]:
    """The scopes whose bins have to be merged, by key; empty where every bin can stand alone."""
    needed = {key: scopes_to_merge(axes[key[0]], state, chosen) for key, state in counts.items()}
    return {key: pairs for key, pairs in needed.items() if len(pairs[0])}


class _PartitionReader:
    """Rows and values of one partition, read when they are first asked for."""

    def __init__(self, task: CountTask, index: int) -> None:
        self._task = task
        self._index = task.first + index
        self._parts = task.parts[index]
        left = read_rows(task.scratch, self._index)
        self._outcomes, self._iou, self._together = dict(left.outcomes), dict(left.iou), left.together
        self._rows: dict[Target, CountedRows] = {}
        self._values: dict[tuple[Level, str], Array] = {}

    def rows(self, target: Target) -> CountedRows:
        if target not in self._rows:
            together = self._together.get(target)
            self._rows[target] = CountedRows.of(self._target_rows(target), together, *self._control(target))
        return self._rows[target]

    def _target_rows(self, target: Target) -> TargetRows:
        if target == "frame":
            return TargetRows.of_frames(self.rows("prediction").rows, self.rows("label").rows)
        # What rows are made from is not needed again: a quarter of what a partition takes.
        outcomes, iou = self._outcomes.pop(target), self._iou.pop(target, None)
        return object_rows(outcomes, iou, target, self._task.config, self._task.n_classes)

    def values(self, level: Level, metric: str) -> Array:
        if (level, metric) not in self._values:
            task = self._task
            self._values[level, metric] = read_metric(
                task.scratch, task.location, self._parts, self._index, level, metric
            )
        return self._values[level, metric]

    def _control(self, target: Target) -> tuple[MetricAxis, Array] | tuple[()]:
        name = CONTROL_OF[target]
        if name not in self._task.axes:
            return ()
        level: Level = "frame" if target == "frame" else target
        return self._task.axes[name], self.values(level, name)
