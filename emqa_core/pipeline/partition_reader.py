"""Metric values and bins of one partition for the count, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from emqa_core.objects import Array
from emqa_core.pipeline.prepared_rows import PreparedRows, Target
from emqa_core.quality.metric import Level

if TYPE_CHECKING:
    from emqa_core.pipeline.count_metrics import CountTask


class Key(NamedTuple):
    """What is counted apart: a metric, a target, and whether at the score of the best F1 alone."""

    metric: str
    target: Target
    at_best: bool = False


class PartitionReader:
    """Partition number `index` of those of a task. prepared: its rows."""

    def __init__(self, task: CountTask, index: int) -> None:
        self.prepared = PreparedRows.of(task, index)
        self._axes = task.axes
        self._values: dict[tuple[Level, str], Array] = {}
        self._bins: dict[tuple[Level, str], tuple[Array, Array]] = {}

    def values(self, level: Level, key: Key) -> Array:
        """The metric's values of the rows of a key; of frames where its level is the frame."""
        values = self._all_values(level, key.metric)
        return self._kept(values, level, key)

    def bins(self, level: Level, key: Key) -> tuple[Array, Array]:
        """Fine and coarse bins of the same values, int16."""
        fine, coarse = self.all_bins(level, key.metric)
        return self._kept(fine, level, key), self._kept(coarse, level, key)

    def all_bins(self, level: Level, metric: str) -> tuple[Array, Array]:
        """Fine and coarse bins of all rows of a level."""
        if (level, metric) not in self._bins:
            self._bins[level, metric] = self._axes[metric].bins_of(self._all_values(level, metric))
        return self._bins[level, metric]

    def _kept(self, values: Array, level: Level, key: Key) -> Array:
        if not key.at_best or level == "frame":
            return values
        return values.take(self.prepared.own(key.target))

    def _all_values(self, level: Level, metric: str) -> Array:
        if (level, metric) not in self._values:
            self._values[level, metric] = self.prepared.values(level, metric)
        return self._values[level, metric]


class PartitionReaders:
    """A reader of each partition of a task, in order; the same each time where prepared rows are kept."""

    def __init__(self, task: CountTask) -> None:
        self._task = task
        self._kept: dict[int, PartitionReader] = {}

    def __iter__(self) -> Iterator[PartitionReader]:
        for index in range(len(self._task.parts)):
            reader = self._kept.get(index) or PartitionReader(self._task, index)
            if self._task.prepared is not None:
                self._kept[index] = reader
            yield reader
