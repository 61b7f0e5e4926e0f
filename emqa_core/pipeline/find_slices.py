"""The search for slices: the stored metric columns of the metrics that matter, counted twice.

First by the bins of each metric and pair, then the frame sums of the regions that stand out. Outcomes are at
the score of the best F1 where importance has them there: at a low threshold most of what is wrong is of low
score, and regions say where that lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.metric_tables import NOISE_CONTROL, RANKED_APART, significance_of
from emqa_core.analysis.slice_search import Search, SliceAxis, pairs_of, search_regions
from emqa_core.analysis.slice_table import slice_rows, slice_table
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.pipeline.count_metrics import targets_of
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.metric_results import MeasuredMetric
from emqa_core.pipeline.metric_rows import SIDES, read_metric, read_rows
from emqa_core.pipeline.scratch import MemoryScratch, Scratch
from emqa_core.quality.metric import Level
from emqa_core.reductions.score_levels import ScoreAxis
from emqa_core.reductions.slice_counts import RegionSums, SliceCounts, SliceRows
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part

State = TypeVar("State", SliceCounts, RegionSums)


@dataclass(frozen=True)
class TriedMetric:
    """A metric that matters to a target: the level its values come from, and its bins."""

    name: str
    level: Level
    axis: SliceAxis


@dataclass(frozen=True)
class SliceTask:
    """One partition. tried: metrics by target. regions: by target, once they are known.

    second: score threshold of the outcomes, None for the configured one. kept: the rows that the first pass
    keeps for the second where both are in this process, by partition and target; else None.
    """

    index: int
    parts: Mapping[str, Part]
    scratch: Scratch
    location: Location
    chosen: int
    second: float | None
    tried: Mapping[Level, tuple[TriedMetric, ...]]
    regions: Mapping[Level, Array]
    kept: dict[tuple[int, Level], SliceRows] | None


def find_slices(
    measured: Sequence[MeasuredMetric],
    axes: Mapping[str, MetricAxis],
    parts: Sequence[Mapping[str, Part]],
    scratch: Scratch,
    location: Location,
    config: EvaluationConfig,
    scores: ScoreAxis,
    executor: Executor,
) -> pa.Table:
    """Table `slice` of one model, from the measures of its metrics and what its partitions left."""
    tried = tried_metrics(measured, axes, config, scores)
    if not tried or not parts:
        return slice_table([])
    kept: dict[tuple[int, Level], SliceRows] | None = {} if isinstance(scratch, MemoryScratch) else None
    tasks = [
        SliceTask(
            index,
            each,
            scratch,
            location,
            config.chosen_threshold_index,
            scores.second,
            tried,
            {},
            kept,
        )
        for index, each in enumerate(parts)
    ]
    counts = executor.combine(count_slices, tasks, _add)
    searches: dict[Level, Search] = {
        target: search_regions(counts[target], [metric.axis for metric in metrics])
        for target, metrics in tried.items()
    }
    regions = {target: each.regions for target, each in searches.items() if len(each.regions)}
    if not regions:
        return slice_table([])
    sums = executor.combine(sum_regions, [replace(task, regions=regions) for task in tasks], _add)
    rows: list[dict[str, object]] = []
    for target in regions:
        metrics = tried[target]
        axes_tried = [metric.axis for metric in metrics]
        levels = {metric.name: metric.level for metric in metrics}
        n_wrong = int(counts[target].whole[1])
        rows += slice_rows(target, axes_tried, levels, searches[target], sums[target], n_wrong, scores)
    return slice_table(rows)


def tried_metrics(
    measured: Sequence[MeasuredMetric],
    axes: Mapping[str, MetricAxis],
    config: EvaluationConfig,
    scores: ScoreAxis,
) -> dict[Level, tuple[TriedMetric, ...]]:
    """By target of objects, the `slice_metrics` most important of the significant metrics; those of scope
    all at the chosen T and the score threshold of slices decide. Neither the controls nor the score, which is
    no property of the data.
    """
    apart = {RANKED_APART, *NOISE_CONTROL.values()}
    is_second = scores.second is not None
    measures = [each for metric in measured for each in (metric.at_best if is_second else metric.measures)]
    significant = significance_of(measures) if measures else []
    at = 0 if is_second else config.chosen_threshold_index, -1
    tried: dict[Level, tuple[TriedMetric, ...]] = {}
    for target in SIDES:
        found = [
            (-float(each.importance.value[at]), each.metric)
            for each, is_significant in zip(measures, significant, strict=True)
            if each.target == target and each.metric not in apart and is_significant[at]
        ]
        level_of = {
            each.metric.name: level
            for each in measured
            for own, level in targets_of(each.metric)
            if own == target
        }
        chosen = [name for _, name in sorted(found)[: config.slice_metrics]]
        if chosen:
            tried[target] = tuple(
                TriedMetric(name, level_of[name], SliceAxis.of(axes[name])) for name in chosen
            )
    return tried


def count_slices(task: SliceTask) -> dict[Level, SliceCounts]:
    """First pass over a partition."""
    rows = _rows(task, tuple(task.tried))
    return {target: SliceCounts.of(each, pairs_of(each.bins.shape[1])) for target, each in rows.items()}


def sum_regions(task: SliceTask) -> dict[Level, RegionSums]:
    """Second pass over a partition."""
    rows = _rows(task, tuple(task.regions))
    return {target: RegionSums.of(each, task.regions[target]) for target, each in rows.items()}


def _rows(task: SliceTask, targets: Sequence[Level]) -> dict[Level, SliceRows]:
    if task.kept is None:
        return _made_rows(task, targets)
    missing = [target for target in targets if (task.index, target) not in task.kept]
    task.kept.update({(task.index, target): rows for target, rows in _made_rows(task, missing).items()})
    return {target: task.kept[task.index, target] for target in targets}


def _made_rows(task: SliceTask, targets: Sequence[Level]) -> dict[Level, SliceRows]:
    left = read_rows(task.scratch, task.index)
    rows: dict[Level, SliceRows] = {}
    for target in targets:
        outcomes, own = left.outcomes[target], None
        if task.second is not None:
            outcomes, own = left.scored.outcomes_at(target, outcomes, task.second)
        n_of_frame = np.diff(outcomes.frame_start)
        bins = np.empty((len(outcomes), len(task.tried[target])), np.int8)
        for column, metric in enumerate(task.tried[target]):
            values = read_metric(
                task.scratch, task.location, task.parts, task.index, metric.level, metric.name
            )
            if metric.level == "frame":
                bins[:, column] = np.repeat(metric.axis.bins_of(values), n_of_frame)
            else:
                bins[:, column] = metric.axis.bins_of(values if own is None else values.take(own))
        rows[target] = SliceRows.of(outcomes, task.chosen if own is None else 0, bins)
    return rows


def _add(some: dict[Level, State], more: dict[Level, State]) -> dict[Level, State]:
    return {target: state + more[target] for target, state in some.items()}
