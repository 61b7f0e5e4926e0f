"""AP with a rule of table `recommendation`: the predictions that it keeps, ranked anew.

Only of the few rules that are published, on the half of the frames that judges them. What a rule keeps is
left as score runs of its own, at the chosen T alone, and goes through the reduce that ranks all predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emqa_core.analysis.advice import Advice
from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.class_performance import mean_over_classes
from emqa_core.analysis.halves import JUDGED_ON
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.pipeline.class_curves import ScoreReduce, write_runs
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.metric_rows import LeftRows, read_metric, read_rows
from emqa_core.pipeline.partition_states import PartitionState
from emqa_core.pipeline.reduce_scores import curves_of
from emqa_core.pipeline.score_cuts import block_rows
from emqa_core.pipeline.scratch import MemoryScratch, Scratch, StoredScratch
from emqa_core.quality.metric import Level
from emqa_core.reductions.run_blocks import RunIndex
from emqa_core.reductions.score_runs import ScoreRuns
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part

RULES_AT_ONCE = 4  # whose runs lie in the scratch together


@dataclass(frozen=True)
class KeptBy:
    """Predictions with a score of at least `asked`: that of their coarse bin of the metric, the last one of
    those without it; without a metric one number for all.
    """

    asked: tuple[float, ...]
    metric: str | None = None
    level: Level = "prediction"


EVERYTHING = KeptBy((-np.inf,))


@dataclass(frozen=True)
class KeepTask:
    """Partition number `index`. own: where the runs of each rule go. axes: of their metrics."""

    index: int
    parts: Mapping[str, Part]
    scratch: Scratch
    location: Location
    rules: tuple[KeptBy, ...]
    own: tuple[Scratch, ...]
    axes: Mapping[str, MetricAxis]
    block_rows: int


def with_precision(
    rules: Sequence[Advice],
    axes: Mapping[str, MetricAxis],
    state: PartitionState,
    scratch: Scratch,
    location: Location,
    config: EvaluationConfig,
    executor: Executor,
) -> list[Advice]:
    """Rules with the mAP of all predictions, of those at the single threshold, and of those they keep."""
    compared = [
        (
            EVERYTHING,
            KeptBy((each.score_threshold_before or 0.0,)),
            KeptBy(each.asked, each.metric, "frame" if each.level == "frame" else "prediction"),
        )
        for each in rules
    ]
    different = list(dict.fromkeys(kept for three in compared for kept in three))
    found: dict[KeptBy, float] = {}
    for first in range(0, len(different), RULES_AT_ONCE):
        some = tuple(different[first : first + RULES_AT_ONCE])
        own = tuple(_scratch_of_rule(scratch, first + place) for place in range(len(some)))
        used = {kept.metric: axes[kept.metric] for kept in some if kept.metric is not None}
        size = block_rows(config.cluster.reduce_predictions)
        tasks = [
            KeepTask(index, parts, scratch, location, some, own, used, size)
            for index, parts in enumerate(state.parts_of_partitions())
        ]
        indexes = executor.map(leave_kept, tasks)
        for place, kept in enumerate(some):
            of_rule = [each[place] for each in indexes]
            found[kept] = _mean_average_precision(own[place], of_rule, state, config, executor)
    return [
        replace(
            each,
            average_precision_all=found[every],
            average_precision_before=found[before],
            average_precision_after=found[after],
        )
        for each, (every, before, after) in zip(rules, compared, strict=True)
    ]


def _scratch_of_rule(scratch: Scratch, number: int) -> Scratch:
    if isinstance(scratch, StoredScratch):
        return replace(scratch, folder=scratch.path_of(f"rule-{number:03d}"))
    return MemoryScratch()


def leave_kept(task: KeepTask) -> list[RunIndex | None]:
    """Leave what each rule keeps of a partition's half that judges."""
    left = read_rows(task.scratch, task.index)
    rows, scored = left.outcomes["prediction"], left.scored
    frame = np.repeat(np.arange(len(rows.frame_start) - 1), np.diff(rows.frame_start))
    is_judged = np.isin(rows.frame_group, JUDGED_ON)[frame] & (scored.kind > 0)
    indexes = []
    for kept, own in zip(task.rules, task.own, strict=True):
        asked = np.array(kept.asked)
        if kept.metric is not None:
            values = read_metric(task.scratch, task.location, task.parts, task.index, kept.level, kept.metric)
            asked = asked[task.axes[kept.metric].coarse_bin_of(values)]
            asked = asked[frame] if kept.level == "frame" else asked
        runs = _runs_of(left, is_judged & (scored.score >= asked))
        indexes.append(write_runs(own, runs, task.index, task.block_rows, 1))
    return indexes


def _runs_of(left: LeftRows, is_kept: Array) -> ScoreRuns:
    """Runs of the predictions kept, with one T and one area range."""
    rows = left.outcomes["prediction"]
    matched = np.flatnonzero(is_kept & (left.scored.kind == 2))
    bits = np.zeros((len(matched), 2, 1), np.uint64)
    bits[:, 0] = 1
    return ScoreRuns.of(
        frame_start=rows.frame_start,
        frame_group=rows.frame_group,
        class_code=rows.class_code,
        is_evaluated=is_kept,
        outside=np.zeros(len(rows), np.uint16),
        score=left.scored.score,
        matched_row=matched,
        matched_bits=bits,
    )


def _mean_average_precision(
    scratch: Scratch,
    indexes: Sequence[RunIndex | None],
    state: PartitionState,
    config: EvaluationConfig,
    executor: Executor,
) -> float:
    n_positive = state.counts.n_positive_group[:, JUDGED_ON].sum(axis=1, keepdims=True)
    none = np.zeros((len(n_positive), 0), np.int64)
    reduce = ScoreReduce(scratch, n_positive, none, none, 1)
    stored = tuple(index for index in indexes if index is not None)
    reduced = curves_of(reduce, stored, len(indexes), config, executor)
    precision = reduced.curves.precision.mean(axis=3)[:, 0, 0]
    of_labels = np.where(n_positive[:, 0] > 0, precision, np.nan)
    return float(mean_over_classes(of_labels, config.absent_classes))
