"""Scores reduced: from the score runs of all partitions to the curves of one model's classes.

Which score gives the best F1 is known when all are ranked. A second walk then counts what each score
threshold of table `score_performance` would give, that one too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from operator import add

from emqa_core.analysis.best_f1 import check_products
from emqa_core.pipeline.class_curves import Reduced, ScoreReduce, WholeTask, reduce_whole, run_name
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.score_cuts import RunSlice, Stretch, cut_scores, n_stretches
from emqa_core.pipeline.score_stretches import reduce_stretches
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.level_counts import LevelCounts
from emqa_core.reductions.score_levels import ScoreAxis, ScoreLevels
from emqa_core.reductions.score_runs import ScoreRuns

_TASKS_PER_WORKER = 4


@dataclass(frozen=True)
class RankedScores:
    """One model's predictions by score.

    counts: by shown level of the axis.
    """

    reduced: Reduced
    axis: ScoreAxis
    counts: LevelCounts


@dataclass(frozen=True)
class LevelTask:
    """Count the runs of some partitions: their numbers in memory, or where they lie."""

    reduce: ScoreReduce
    levels: ScoreLevels
    partitions: tuple[int, ...] | tuple[RunSlice, ...]


def count_levels(task: LevelTask) -> LevelCounts:
    """Predictions of each level, partition after partition."""
    reduce = task.reduce
    total = LevelCounts.zero(reduce.n_classes, reduce.n_thresholds, len(task.levels))
    for each in task.partitions:
        if isinstance(each, RunSlice):
            (runs,) = reduce.read(Stretch(None, None, (each,)))
        else:
            runs = ScoreRuns.from_arrays(reduce.scratch.get(run_name(each)))
        total += LevelCounts.of(runs, task.levels, reduce.n_classes, reduce.n_thresholds)
    return total


def reduce_scores(plan: Plan, state: PartitionState, scratch: Scratch, executor: Executor) -> RankedScores:
    """Rank one model's predictions by score, then count them by levels of it."""
    config = plan.config
    n_thresholds = len(config.evaluated_iou_thresholds)
    reduce = ScoreReduce.of(scratch, state.counts, n_thresholds, intervals=config.intervals)
    reduced = _curves(plan, state, reduce, executor)
    best = float(reduced.pooled.best()[config.chosen_threshold_index, 0, 0])
    axis = ScoreAxis.of(state.scores, config.score_threshold, best)
    tasks = _level_tasks(plan, state, reduce, axis.shown, executor.n_workers)
    return RankedScores(reduced, axis, executor.combine(count_levels, tasks, add))


def _level_tasks(
    plan: Plan, state: PartitionState, reduce: ScoreReduce, levels: ScoreLevels, n_workers: int
) -> list[LevelTask]:
    if not state.runs:
        return [LevelTask(reduce, levels, tuple(range(plan.n_partitions)))]
    slices = [RunSlice.of(partition, index, 0, index.n_blocks) for partition, index in enumerate(state.runs)]
    n_tasks = min(len(slices), _TASKS_PER_WORKER * n_workers)
    bounds = [len(slices) * i // n_tasks for i in range(n_tasks + 1)]
    return [LevelTask(reduce, levels, tuple(slices[first:end])) for first, end in pairwise(bounds)]


def _curves(plan: Plan, state: PartitionState, reduce: ScoreReduce, executor: Executor) -> Reduced:
    """The curves of the classes: at once, or in stretches of bounded size."""
    config, indexes = plan.config, state.runs
    if not indexes:
        return executor.map(reduce_whole, [WholeTask(reduce, plan.n_partitions)])[0]
    n_rows = sum(index.n_rows for index in indexes)
    check_products(n_rows, int(state.counts.n_positive.sum(axis=0).max(initial=0)))
    stretches = cut_scores(
        indexes, n_stretches(n_rows, config.cluster.reduce_predictions, executor.n_workers)
    )
    if len(stretches) == 1:
        return executor.map(reduce_whole, [WholeTask(reduce, stretches[0])])[0]
    return reduce_stretches(reduce, stretches, executor)
