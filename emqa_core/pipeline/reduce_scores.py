"""Scores reduced: from the score runs of all partitions to the curves of one model's classes.

Which score gives the best F1 is known when all are ranked. A second walk then counts what each score
threshold of table `score_performance` would give, that one too, and at one which classes are confused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import add

from emqa_core.analysis.best_f1 import check_products
from emqa_core.config import EvaluationConfig
from emqa_core.pipeline.class_curves import (
    Reduced,
    ScoreReduce,
    WholeTask,
    read_held_labels,
    reduce_whole,
    run_name,
)
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.score_cuts import RunSlice, Stretch, cut_scores, n_stretches
from emqa_core.pipeline.score_stretches import reduce_stretches
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.confusion_counts import ConfusionCounts
from emqa_core.reductions.level_counts import LevelCounts
from emqa_core.reductions.run_blocks import RunIndex
from emqa_core.reductions.score_levels import ScoreAxis, ScoreLevels
from emqa_core.reductions.score_runs import ScoreRuns

_TASKS_PER_WORKER = 4


@dataclass(frozen=True)
class RankedScores:
    """One model's predictions by score.

    counts: by shown level of the axis. confusion: at the score `confused_from`, which is that of the best F1
    unless a threshold is configured; None where errors are not told apart.
    """

    reduced: Reduced
    axis: ScoreAxis
    counts: LevelCounts
    confused_from: float
    confusion: ConfusionCounts | None


@dataclass(frozen=True)
class LevelTask:
    """Count the runs of some partitions: their numbers in memory, or where they lie.

    confused_from: score threshold of the confusion matrix, NaN for all predictions; None for no matrix.
    """

    reduce: ScoreReduce
    levels: ScoreLevels
    confused_from: float | None
    partitions: tuple[int, ...] | tuple[RunSlice, ...]


@dataclass(frozen=True)
class LevelsAndPairs:
    """What the second walk counts."""

    levels: LevelCounts
    confusion: ConfusionCounts | None

    def __add__(self, other: LevelsAndPairs) -> LevelsAndPairs:
        levels = self.levels + other.levels
        if self.confusion is None or other.confusion is None:
            return LevelsAndPairs(levels, None)
        return LevelsAndPairs(levels, self.confusion + other.confusion)


def count_levels(task: LevelTask) -> LevelsAndPairs:
    """Predictions of each level and pairs of classes, partition after partition."""
    reduce = task.reduce
    levels = LevelCounts.zero(reduce.n_classes, reduce.n_thresholds, len(task.levels))
    confusion = None if task.confused_from is None else ConfusionCounts.zero(reduce.n_classes)
    for each in task.partitions:
        if isinstance(each, RunSlice):
            (runs,) = reduce.read(Stretch(None, None, (each,)))
            partition = each.partition
        else:
            runs = ScoreRuns.from_arrays(reduce.scratch.get(run_name(each)))
            partition = each
        levels += LevelCounts.of(runs, task.levels, reduce.n_classes, reduce.n_thresholds)
        if confusion is not None and task.confused_from is not None:
            pairs = read_held_labels(reduce.scratch, partition)
            confusion += ConfusionCounts.of(runs, pairs, task.confused_from, reduce.n_classes)
    return LevelsAndPairs(levels, confusion)


def reduce_scores(plan: Plan, state: PartitionState, scratch: Scratch, executor: Executor) -> RankedScores:
    """Rank one model's predictions by score, then count them by levels of it."""
    config = plan.config
    n_thresholds = len(config.evaluated_iou_thresholds)
    reduce = ScoreReduce.of(scratch, state.counts, n_thresholds, intervals=config.intervals)
    reduced = curves_of(reduce, state.runs, plan.n_partitions, config, executor)
    best = float(reduced.pooled.best()[config.chosen_threshold_index, 0, 0])
    axis = ScoreAxis.of(state.scores, config.score_threshold, best)
    confused_from = config.score_threshold if config.score_threshold > 0 else best
    tasks = [
        LevelTask(reduce, axis.shown, confused_from if config.error_types else None, partitions)
        for partitions in _shares(plan, state, executor.n_workers)
    ]
    counted = executor.combine(count_levels, tasks, add)
    return RankedScores(reduced, axis, counted.levels, confused_from, counted.confusion)


def _shares(
    plan: Plan, state: PartitionState, n_workers: int
) -> list[tuple[int, ...] | tuple[RunSlice, ...]]:
    """The partitions of each task of the second walk."""
    if not state.runs:
        return [tuple(range(plan.n_partitions))]
    slices = [RunSlice.of(partition, index, 0, index.n_blocks) for partition, index in enumerate(state.runs)]
    n_tasks = min(len(slices), _TASKS_PER_WORKER * n_workers)
    bounds = [len(slices) * i // n_tasks for i in range(n_tasks + 1)]
    return [tuple(slices[first:end]) for first, end in pairwise(bounds)]


def curves_of(
    reduce: ScoreReduce,
    indexes: Sequence[RunIndex],
    n_partitions: int,
    config: EvaluationConfig,
    executor: Executor,
) -> Reduced:
    """The curves of the classes: at once, or in stretches of bounded size.

    indexes: of the runs of each partition; none where these lie in memory.
    """
    if not indexes:
        return executor.map(reduce_whole, [WholeTask(reduce, n_partitions)])[0]
    n_rows = sum(index.n_rows for index in indexes)
    check_products(n_rows, int(reduce.n_positive.sum(axis=0).max(initial=0)))
    stretches = cut_scores(
        indexes, n_stretches(n_rows, config.cluster.reduce_predictions, executor.n_workers)
    )
    if len(stretches) == 1:
        return executor.map(reduce_whole, [WholeTask(reduce, stretches[0])])[0]
    return reduce_stretches(reduce, stretches, executor)
