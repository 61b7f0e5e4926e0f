"""The reduce: score runs of all partitions to the curves of the classes, sharded by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.average_precision import ClassCurves
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.analysis.jackknife_precision import GroupSteps, leave_one_out
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.analysis.score_order import sorted_buckets
from emqa_core.objects import Array
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.class_counts import ClassCounts
from emqa_core.reductions.score_runs import Matched, ScoreRuns


def run_name(partition: int, shard: int) -> str:
    return f"score-runs-{partition:05d}-{shard:03d}"


def shard_of_classes(n_classes: int, n_shards: int) -> list[list[int]]:
    """Class codes of each shard, dealt in turn: frequent classes tend to have neighbouring ids."""
    return [list(range(shard, n_classes, n_shards)) for shard in range(n_shards)]


def write_runs(scratch: Scratch, runs: ScoreRuns, partition: int, n_shards: int, n_classes: int) -> None:
    """Leave a partition's runs for the reducers, one group of arrays per shard."""
    if n_shards == 1:
        scratch.put(run_name(partition, 0), runs.to_arrays())
        return
    for shard, codes in enumerate(shard_of_classes(n_classes, n_shards)):
        scratch.put(run_name(partition, shard), runs.select(codes, n_classes).to_arrays())


@dataclass(frozen=True)
class ReduceTask:
    """One shard of classes of one model. shard None: all classes pooled into one run."""

    scratch: Scratch
    n_partitions: int
    n_shards: int
    shard: int | None
    counts: ClassCounts
    n_thresholds: int
    intervals: bool

    @property
    def n_classes(self) -> int:
        return len(self.counts.n_positive)


@dataclass(frozen=True)
class Reduced:
    """Curves of the classes of a shard; their AP without each group, (K, T, G), where intervals are on; the
    best score threshold of all rows together, where the shard holds all of them or was asked for nothing
    else.
    """

    curves: ClassCurves | None
    replicates: Array | None
    pooled: BestThreshold | None


def reduce_classes(task: ReduceTask) -> Reduced:
    """What a task's shard gives; a single shard gives everything from one sort."""
    shards = range(task.n_shards) if task.shard is None else [task.shard]
    parts = [
        ScoreRuns.from_arrays(task.scratch.get(run_name(partition, shard)))
        for shard in shards
        for partition in range(task.n_partitions)
    ]
    matched = Matched.concat([part.matched for part in parts])
    codes = None if task.shard is None else shard_of_classes(task.n_classes, task.n_shards)[task.shard]
    ranked = None if codes is None else RankedMatches.of(matched, len(codes))
    pooled = None
    if codes is None or task.n_shards == 1:
        pooled = BestThreshold.of(task.counts.n_positive.sum(axis=0), task.n_thresholds)
    steps = GroupSteps.of(parts, len(codes)) if codes is not None and task.intervals else None
    for bucket in sorted_buckets(parts, matched):
        for each in (ranked, pooled, steps):
            if each is not None:
                each.take(bucket)
    curves = replicates = None
    if ranked is not None:
        curves = ClassCurves.of(ranked, task.counts.n_positive[codes], task.n_thresholds)
    if ranked is not None and steps is not None:
        replicates = leave_one_out(steps, ranked, task.counts.n_positive_group[codes], task.n_thresholds)
    return Reduced(curves, replicates, pooled)


def order_shards(
    results: Sequence[Reduced], n_classes: int
) -> tuple[ClassCurves, Array | None, BestThreshold]:
    """Curves and replicates of all shards in class order, and the best threshold of all rows."""
    pooled = next(result.pooled for result in results if result.pooled is not None)
    curves = [result.curves for result in results if result.curves is not None]
    codes = [code for shard in shard_of_classes(n_classes, len(curves)) for code in shard]
    order = np.argsort(codes)
    replicates = [result.replicates for result in results if result.replicates is not None]
    ordered = np.concatenate(replicates)[order] if replicates else None
    return ClassCurves.stack(curves, order), ordered, pooled
