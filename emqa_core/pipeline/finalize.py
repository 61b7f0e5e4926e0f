"""From combined states to the result tables of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.analysis.calibration import calibration_table
from emqa_core.analysis.class_performance import ClassPerformance
from emqa_core.analysis.class_tables import (
    class_cooccurrence_table,
    class_group_table,
    class_performance_table,
    precision_recall_table,
)
from emqa_core.analysis.confusion_table import confusion_table
from emqa_core.analysis.error_table import error_type_table
from emqa_core.analysis.score_performance import score_performance_table
from emqa_core.analysis.summary import summary_table
from emqa_core.ingest.quarantine import combine_quarantine
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.reduce_scores import RankedScores


@dataclass(frozen=True)
class ClassTables:
    """The tables of classes, without the common columns, and the performance they were made from."""

    performance: ClassPerformance
    tables: Mapping[str, pa.Table]


def class_tables(
    plan: Plan,
    state: PartitionState,
    ranked: RankedScores,
) -> ClassTables:
    """Write the numbers of the classes into tables."""
    counts, reduced = state.counts, ranked.reduced
    performance = ClassPerformance(
        plan.classes,
        plan.config,
        counts,
        reduced.curves,
        reduced.pooled,
        reduced.replicates,
        state.groups,
        state.sample.units,
    )
    iou_thresholds = np.array(plan.config.evaluated_iou_thresholds)
    return ClassTables(
        performance,
        {
            "class_performance": class_performance_table(performance),
            "summary": summary_table(performance, state.n_frames),
            "precision_recall": precision_recall_table(performance),
            "class_cooccurrence": class_cooccurrence_table(performance),
            "class_group": class_group_table(performance),
            "calibration": calibration_table(plan.classes, counts.calibration),
            "score_performance": score_performance_table(
                plan.classes, iou_thresholds, counts.n_positive[:, 0], ranked.axis.shown, ranked.counts
            ),
            "confusion": confusion_table(
                plan.classes,
                counts.n_positive[:, 0],
                ranked.confusion,
                plan.config.iou_threshold,
                ranked.confused_from,
            ),
            "error_type": error_type_table(performance, ranked.reduced.costs),
        },
    )


def quarantine_table(plan: Plan, model: str, state: PartitionState) -> pa.Table:
    """Bad rows of the frames, the labels and this model's predictions."""
    held = [plan.inputs.quarantine[key] for key in ("frame", "label", f"prediction:{model}")]
    table = combine_quarantine([*held, state.quarantine])
    source = np.array(table["source"].cast(pa.string()).to_pylist(), object)
    return table.take(pa.array(np.lexsort((table["row"].to_numpy(), source))))
