"""From combined states to the result tables of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa

from emqa_core.analysis.class_performance import (
    ClassPerformance,
    class_cooccurrence_table,
    class_performance_table,
    precision_recall_table,
)
from emqa_core.analysis.summary import summary_table
from emqa_core.ingest.quarantine import combine_quarantine
from emqa_core.pipeline.class_curves import ReduceTask, order_shards, reduce_classes
from emqa_core.pipeline.evaluate_partition import PartitionState
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.metric_rows import SampleState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.class_counts import ClassCounts


def combine_counts(states: Sequence[PartitionState]) -> ClassCounts:
    """Counts of all partitions, added in partition order."""
    return reduce(add, (state.counts for state in states))


def combine_samples(states: Sequence[PartitionState]) -> SampleState:
    """Row samples and distinct values of all partitions, added in partition order."""
    return reduce(add, (state.sample for state in states))


def reduce_tasks(
    plan: Plan, counts: ClassCounts, scratch: Scratch, n_partitions: int, n_shards: int
) -> list[ReduceTask]:
    """One task for each shard of classes; beside several shards, one for all rows together."""
    shards: list[int | None] = [0] if n_shards == 1 else [*range(n_shards), None]
    return [
        ReduceTask(
            scratch,
            n_partitions,
            n_shards,
            shard,
            counts,
            len(plan.config.evaluated_iou_thresholds),
            plan.config.intervals,
        )
        for shard in shards
    ]


@dataclass(frozen=True)
class ClassTables:
    """The tables of classes, without the common columns, and the performance they were made from."""

    performance: ClassPerformance
    tables: Mapping[str, pa.Table]


def class_tables(
    plan: Plan,
    counts: ClassCounts,
    tasks: Sequence[ReduceTask],
    executor: Executor,
    n_frames: int,
) -> ClassTables:
    """Reduce the score runs and write the numbers of the classes into tables."""
    curves, replicates, pooled = order_shards(executor.map(reduce_classes, tasks), len(plan.classes))
    performance = ClassPerformance(plan.classes, plan.config, counts, curves, pooled, replicates)
    return ClassTables(
        performance,
        {
            "class_performance": class_performance_table(performance),
            "summary": summary_table(performance, n_frames),
            "precision_recall": precision_recall_table(performance),
            "class_cooccurrence": class_cooccurrence_table(performance),
        },
    )


def quarantine_table(plan: Plan, model: str, states: Sequence[PartitionState]) -> pa.Table:
    """Bad rows of the frames, the labels and this model's predictions."""
    held = [plan.inputs.quarantine[key] for key in ("frame", "label", f"prediction:{model}")]
    table = combine_quarantine([*held, *(state.quarantine for state in states)])
    source = np.array(table["source"].cast(pa.string()).to_pylist(), object)
    return table.take(pa.array(np.lexsort((table["row"].to_numpy(), source))))
