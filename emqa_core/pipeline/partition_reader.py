"""Rows and metric values of one partition for the count, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.metric_counts import CountedRows
from emqa_core.objects import Array
from emqa_core.pipeline.metric_rows import LeftRows, object_rows, read_metric, read_rows
from emqa_core.quality.metric import Level
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.metric_errors import ErrorRows
from emqa_core.reductions.metric_scores import LevelRows
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.reductions.unit_totals import UnitTotals

if TYPE_CHECKING:
    from emqa_core.pipeline.count_metrics import CountTask

Target = Level
CONTROL_OF: Mapping[Target, str] = {
    "prediction": "object_area_px2",
    "label": "object_area_px2",
    "frame": "frame_label_count",
}


class Key(NamedTuple):
    """What is counted apart: a metric, a target, and whether at the score of the best F1 alone."""

    metric: str
    target: Target
    at_best: bool = False


class PartitionReader:
    """Partition number `index` of those of a task."""

    def __init__(self, task: CountTask, index: int) -> None:
        self._task = task
        self._index = task.first + index
        self._parts = task.parts[index]
        self._left: LeftRows = read_rows(task.scratch, self._index)
        self._rows: dict[tuple[Target, bool], CountedRows] = {}
        self._own: dict[Target, Array] = {}
        self._values: dict[tuple[Level, str], Array] = {}
        self._bins: dict[tuple[Level, str], tuple[Array, Array]] = {}

    def rows(self, target: Target, *, at_best: bool = False) -> CountedRows:
        """The rows of a target: at all T, or at the chosen one and the score of the best F1."""
        key = target, at_best
        if key not in self._rows:
            rows = self._target_rows(target, at_best=at_best)
            together = self._left.together.get(target)
            if at_best and target != "frame":
                together = FrameSums.together(rows)
            self._rows[key] = CountedRows.of(rows, together, *self._control(target, at_best=at_best))
        return self._rows[key]

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
            found = self._task.axes[metric].bins_of(self._all_values(level, metric))
            self._bins[level, metric] = found
        return self._bins[level, metric]

    def units(self, target: Target) -> UnitTotals:
        """Resampling units behind the rows of a target at the score of the best F1."""
        whole = self._task.config.resampling_unit == "frame"
        rows = self.rows(target, at_best=True).rows
        return UnitTotals.of(rows, self._left.unit_hash, whole_units=whole)

    @cached_property
    def levels(self) -> LevelRows:
        """Both sides with their levels of the score."""
        left = self._left
        return LevelRows.of(
            left.scored, left.outcomes["prediction"], left.outcomes["label"], self._task.scores
        )

    @cached_property
    def errors(self) -> dict[str, ErrorRows]:
        """The rows of each side that are errors; empty where they are not told apart."""
        left = self._left
        return {side: ErrorRows.of(left.outcomes[side], codes) for side, codes in left.errors.items()}

    def _kept(self, values: Array, level: Level, key: Key) -> Array:
        if not key.at_best or level == "frame":
            return values
        self.rows(key.target, at_best=True)
        return values.take(self._own[key.target])

    def _all_values(self, level: Level, metric: str) -> Array:
        if (level, metric) not in self._values:
            task = self._task
            self._values[level, metric] = read_metric(
                task.scratch, task.location, self._parts, self._index, level, metric
            )
        return self._values[level, metric]

    def _target_rows(self, target: Target, *, at_best: bool) -> TargetRows:
        if target == "frame":
            sides = (self.rows(side, at_best=at_best).rows for side in ("prediction", "label"))
            return TargetRows.of_frames(*sides)
        task, left = self._task, self._left
        if not at_best:
            return object_rows(
                left.outcomes[target], left.iou.get(target), target, task.config, task.n_classes
            )
        assert task.scores.second is not None
        rows, self._own[target] = left.rows_at(target, task.scores.second, task.config, task.n_classes)
        return rows

    def _control(self, target: Target, *, at_best: bool) -> tuple[MetricAxis, Array] | tuple[()]:
        name = CONTROL_OF[target]
        if name not in self._task.axes:
            return ()
        level: Level = "frame" if target == "frame" else target
        values = self._all_values(level, name)
        if at_best and level != "frame":
            values = values.take(self._own[target])
        return self._task.axes[name], values
