"""The reduce: score runs of all partitions to the curves of the classes, sharded by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.average_precision import ClassCurve, class_curve
from emqa_core.analysis.jackknife_precision import leave_one_out
from emqa_core.objects import Array
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.class_counts import ClassCounts
from emqa_core.reductions.score_runs import ScoreRuns


def run_name(partition: int, shard: int) -> str:
    return f"score-runs-{partition:05d}-{shard:03d}"


def shard_of_classes(n_classes: int, n_shards: int) -> list[list[int]]:
    """Class codes of each shard, dealt in turn: frequent classes tend to have neighbouring ids."""
    return [list(range(shard, n_classes, n_shards)) for shard in range(n_shards)]


def write_runs(scratch: Scratch, runs: ScoreRuns, partition: int, n_shards: int) -> None:
    """Leave a partition's runs for the reducers, one group of arrays per shard."""
    if n_shards == 1:
        scratch.put(run_name(partition, 0), runs.to_arrays())
        return
    for shard, codes in enumerate(shard_of_classes(runs.n_classes, n_shards)):
        scratch.put(run_name(partition, shard), runs.select(codes).to_arrays())


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


def reduce_classes(task: ReduceTask) -> tuple[list[ClassCurve], list[Array]]:
    """Curves of the shard's classes and, with intervals, their AP without each group (T, G)."""
    if task.shard is None:
        return [_pooled_curve(task)], []
    parts = _read_shard(task, task.shard)
    curves, replicates = [], []
    codes = shard_of_classes(len(task.counts.n_positive), task.n_shards)[task.shard]
    for position, code in enumerate(codes):
        run = ScoreRuns.combine_class(parts, position)
        curves.append(class_curve(run, task.counts.n_positive[code], task.n_thresholds))
        if task.intervals:
            replicates.append(leave_one_out(run, task.counts.n_positive_group[code], task.n_thresholds))
    return curves, replicates


def _read_shard(task: ReduceTask, shard: int) -> list[ScoreRuns]:
    return [
        ScoreRuns.from_arrays(task.scratch.get(run_name(partition, shard)))
        for partition in range(task.n_partitions)
    ]


def _pooled_curve(task: ReduceTask) -> ClassCurve:
    """The rows of all classes as if they were one class: for the best score threshold of all.

    Ties are taken whole, so the order of the classes does not matter.
    """
    n_ranges = task.counts.n_positive.shape[1]
    parts = [run for shard in range(task.n_shards) for run in _read_shard(task, shard)]
    pooled = ScoreRuns.pool(parts, n_ranges)
    n_positive = task.counts.n_positive.sum(axis=0)
    return class_curve(pooled, n_positive, task.n_thresholds, recall_points=np.empty(0))


def order_shards(
    results: Sequence[tuple[list[ClassCurve], list[Array]]], n_classes: int
) -> tuple[list[ClassCurve], Array | None]:
    """Results of all shards in class order."""
    codes = [code for shard in shard_of_classes(n_classes, len(results)) for code in shard]
    order = np.argsort(codes)
    curves = [curve for result in results for curve in result[0]]
    replicates = [values for result in results for values in result[1]]
    ordered = [curves[index] for index in order]
    return ordered, np.stack([replicates[index] for index in order]) if replicates else None
