"""Scores reduced: from the score runs of all partitions to the curves of one model's classes."""

from __future__ import annotations

from emqa_core.analysis.best_f1 import check_products
from emqa_core.pipeline.class_curves import Reduced, ScoreReduce, WholeTask, reduce_whole
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.score_cuts import cut_scores, n_stretches
from emqa_core.pipeline.score_stretches import reduce_stretches
from emqa_core.pipeline.scratch import Scratch


def reduce_scores(plan: Plan, state: PartitionState, scratch: Scratch, executor: Executor) -> Reduced:
    """The curves of one model's classes, from its score runs: at once, or in stretches of bounded size."""
    config, counts = plan.config, state.counts
    n_thresholds = len(config.evaluated_iou_thresholds)
    reduce = ScoreReduce.of(scratch, counts, n_thresholds, intervals=config.intervals)
    indexes = state.runs
    if not indexes:
        return executor.map(reduce_whole, [WholeTask(reduce, plan.n_partitions)])[0]
    n_rows = sum(index.n_rows for index in indexes)
    check_products(n_rows, int(counts.n_positive.sum(axis=0).max(initial=0)))
    stretches = cut_scores(
        indexes, n_stretches(n_rows, config.cluster.reduce_predictions, executor.n_workers)
    )
    if len(stretches) == 1:
        return executor.map(reduce_whole, [WholeTask(reduce, stretches[0])])[0]
    return reduce_stretches(reduce, stretches, executor)
