"""From combined states to the result tables of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.analysis.best_f1 import check_products
from emqa_core.analysis.calibration import calibration_table
from emqa_core.analysis.class_performance import (
    ClassPerformance,
    class_cooccurrence_table,
    class_performance_table,
    precision_recall_table,
)
from emqa_core.analysis.error_table import error_type_table
from emqa_core.analysis.summary import summary_table
from emqa_core.ingest.quarantine import combine_quarantine
from emqa_core.pipeline.class_curves import Reduced, ScoreReduce, WholeTask, reduce_whole
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.score_cuts import cut_scores, n_stretches
from emqa_core.pipeline.score_stretches import reduce_stretches
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.class_counts import ClassCounts


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


@dataclass(frozen=True)
class ClassTables:
    """The tables of classes, without the common columns, and the performance they were made from."""

    performance: ClassPerformance
    tables: Mapping[str, pa.Table]


def class_tables(
    plan: Plan,
    counts: ClassCounts,
    reduced: Reduced,
    n_frames: int,
) -> ClassTables:
    """Write the numbers of the classes into tables."""
    performance = ClassPerformance(
        plan.classes, plan.config, counts, reduced.curves, reduced.pooled, reduced.replicates
    )
    return ClassTables(
        performance,
        {
            "class_performance": class_performance_table(performance),
            "summary": summary_table(performance, n_frames),
            "precision_recall": precision_recall_table(performance),
            "class_cooccurrence": class_cooccurrence_table(performance),
            "calibration": calibration_table(plan.classes, counts.calibration),
            "error_type": error_type_table(plan.classes, counts),
        },
    )


def quarantine_table(plan: Plan, model: str, state: PartitionState) -> pa.Table:
    """Bad rows of the frames, the labels and this model's predictions."""
    held = [plan.inputs.quarantine[key] for key in ("frame", "label", f"prediction:{model}")]
    table = combine_quarantine([*held, state.quarantine])
    source = np.array(table["source"].cast(pa.string()).to_pylist(), object)
    return table.take(pa.array(np.lexsort((table["row"].to_numpy(), source))))
