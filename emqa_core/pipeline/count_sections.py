"""More workers than metrics: a metric's counts come from several tasks, each over a section of the
partitions.

The states of the sections are left beside the output, as narrow arrays, and added in the order of the
sections, so that no more than two of a metric are in memory at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np

from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.objects import Array
from emqa_core.pipeline.count_metrics import (
    Counts,
    CountTask,
    count,
    count_pairs,
    count_units,
    keys_of,
    needed_pairs,
)
from emqa_core.pipeline.execute import Executor
from emqa_core.pipeline.partition_reader import Key, PartitionReaders
from emqa_core.pipeline.scratch import Scratch
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.metric_errors import MetricErrors
from emqa_core.reductions.metric_scores import MetricScores
from emqa_core.reductions.unit_totals import UnitTotals

Needed = Mapping[Key, tuple[Array, Array]]


@dataclass(frozen=True)
class SectionTask:
    """Some metrics over a section of the partitions.

    needed: as `count_pairs` takes it, in the second pass.
    """

    counting: CountTask
    number: int
    needed: Needed


@dataclass(frozen=True)
class SumTask:
    """The sections of some metrics, to be added up. counting: over all partitions."""

    counting: CountTask
    n_sections: int


def sections_of(n_tasks: int, n_partitions: int, n_workers: int) -> int:
    """Into how many sections each of n_tasks is cut so that there are two tasks for every worker."""
    return max(1, min(n_partitions, -(-2 * n_workers // max(n_tasks, 1))))


def leave_sections(countings: Sequence[CountTask], n_sections: int, executor: Executor) -> None:
    """Count the metrics of every task in sections, and leave the sums where `read_sums` finds them."""
    sums = [SumTask(counting, n_sections) for counting in countings]
    first = [
        SectionTask(part, i, {})
        for each in countings
        for i, part in enumerate(cut_partitions(each, n_sections))
    ]
    executor.map(_leave_counts, first)
    needed = executor.map(_add_counts, sums)
    second = [
        replace(task, needed=needed[number // n_sections])
        for number, task in enumerate(first)
        if needed[number // n_sections]
    ]
    executor.map(_leave_pairs, second)


def units_at_best(counting: CountTask, executor: Executor) -> dict[str, UnitTotals]:
    """Resampling units of every target at the score of the best F1; none where that is the configured one."""
    if counting.scores.second is None or not counting.axes:
        return {}
    n_sections = min(len(counting.parts), executor.n_workers)

    def both(some: dict[str, UnitTotals], more: dict[str, UnitTotals]) -> dict[str, UnitTotals]:
        return {target: units + more[target] for target, units in some.items()}

    return executor.combine(count_units, cut_partitions(counting, n_sections), both)


def read_sums(task: SumTask) -> tuple[Counts, dict[Key, BinPairs]]:
    """The counts of a task's metrics, and the pairs of bins of those that need them."""
    scratch, counts, pairs = task.counting.scratch, {}, {}
    scores = {
        metric.name: reduce(add, (_read_scores(scratch, metric.name, i) for i in range(task.n_sections)))
        for metric in task.counting.metrics
    }
    errors = {
        metric.name: reduce(add, (_read_errors(scratch, metric.name, i) for i in range(task.n_sections)))
        for metric in (task.counting.metrics if task.counting.config.error_types else ())
    }
    for key in keys_of(task.counting):
        arrays = scratch.get(_name("counts", key, None))
        counts[key] = MetricCounts.from_arrays(arrays)
        if arrays["needs_pairs"][0]:
            pairs[key] = reduce(add, (_read_pairs(scratch, key, i) for i in range(task.n_sections)))
    return Counts(counts, scores, errors), pairs


def cut_partitions(counting: CountTask, n_sections: int) -> list[CountTask]:
    n = len(counting.parts)
    bounds = [n * i // n_sections for i in range(n_sections + 1)]
    return [
        replace(counting, parts=counting.parts[first:end], first=counting.first + first)
        for first, end in pairwise(bounds)
    ]


def _leave_counts(task: SectionTask) -> None:
    counts = count(task.counting, PartitionReaders(task.counting))
    for key, state in counts.of_key.items():
        task.counting.scratch.put(_name("counts", key, task.number), state.to_arrays())
    for metric, scores in counts.of_metric.items():
        task.counting.scratch.put(_name("scores", Key(metric, "frame"), task.number), scores.to_arrays())
    for metric, errors in counts.errors.items():
        task.counting.scratch.put(_name("errors", Key(metric, "frame"), task.number), errors.to_arrays())


def _add_counts(task: SumTask) -> Needed:
    """Leave the sum of the sections' counts; which pairs of bins it needs."""
    counting, needed = task.counting, {}
    for key in keys_of(counting):
        sections = (counting.scratch.get(_name("counts", key, i)) for i in range(task.n_sections))
        total = reduce(add, (MetricCounts.from_arrays(arrays) for arrays in sections))
        chosen = counting.config.chosen_threshold_index
        own = needed_pairs(counting.axes, {key: total}, chosen)
        needed.update(own)
        arrays = {**total.to_arrays(), "needs_pairs": np.array([bool(own)])}
        counting.scratch.put(_name("counts", key, None), arrays)
    return needed


def _leave_pairs(task: SectionTask) -> None:
    for key, pairs in count_pairs(task.counting, task.needed, PartitionReaders(task.counting)).items():
        task.counting.scratch.put(_name("pairs", key, task.number), pairs.to_arrays("pairs"))


def _read_pairs(scratch: Scratch, key: Key, number: int) -> BinPairs:
    return BinPairs.from_arrays("pairs", scratch.get(_name("pairs", key, number)))


def _read_scores(scratch: Scratch, metric: str, number: int) -> MetricScores:
    return MetricScores.from_arrays(scratch.get(_name("scores", Key(metric, "frame"), number)))


def _read_errors(scratch: Scratch, metric: str, number: int) -> MetricErrors:
    return MetricErrors.from_arrays(scratch.get(_name("errors", Key(metric, "frame"), number)))


def _name(kind: str, key: Key, number: int | None) -> str:
    at = "best" if key.at_best else "configured"
    return f"{kind}-{key.metric}-{key.target}-{at}-{'all' if number is None else f'{number:03d}'}"
