"""The rows of one partition as all metrics take them, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

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


class PreparedRows:
    """Partition number `index` of those of a task, whatever the task's metrics."""

    def __init__(self, task: CountTask, index: int) -> None:
        self._index = task.first + index
        self._parts = task.parts[index]
        self._scratch, self._location = task.scratch, task.location
        self._config, self._n_classes, self._scores = task.config, task.n_classes, task.scores
        self._controls = {name: task.axes[name] for name in CONTROL_OF.values() if name in task.axes}
        self._left: LeftRows = read_rows(task.scratch, self._index)
        self._rows: dict[tuple[Target, bool], CountedRows] = {}
        self._own: dict[Target, Array] = {}

    @classmethod
    def of(cls, task: CountTask, index: int) -> PreparedRows:
        """Those that an earlier task has kept, else new ones."""
        if task.prepared is None:
            return cls(task, index)
        number = task.first + index
        if number not in task.prepared:
            task.prepared[number] = cls(task, index)
        return task.prepared[number]

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

    def own(self, target: Target) -> Array:
        """Which of a side's rows those at the score of the best F1 are, (k,) int64."""
        self.rows(target, at_best=True)
        return self._own[target]

    def units(self, target: Target) -> UnitTotals:
        """Resampling units behind the rows of a target at the score of the best F1."""
        whole = self._config.resampling_unit == "frame"
        rows = self.rows(target, at_best=True).rows
        return UnitTotals.of(rows, self._left.unit_hash, whole_units=whole)

    @cached_property
    def levels(self) -> LevelRows:
        """Both sides with their levels of the score."""
        left = self._left
        return LevelRows.of(left.scored, left.outcomes["prediction"], left.outcomes["label"], self._scores)

    @cached_property
    def errors(self) -> dict[str, ErrorRows]:
        """The rows of each side with their errors; empty where these are not told apart."""
        left = self._left
        return {side: ErrorRows.of(left.outcomes[side], codes) for side, codes in left.errors.items()}

    def values(self, level: Level, metric: str) -> Array:
        """A metric's values of all rows of a level."""
        return read_metric(self._scratch, self._location, self._parts, self._index, level, metric)

    def _target_rows(self, target: Target, *, at_best: bool) -> TargetRows:
        if target == "frame":
            sides = (self.rows(side, at_best=at_best).rows for side in ("prediction", "label"))
            return TargetRows.of_frames(*sides)
        left, config, n_classes = self._left, self._config, self._n_classes
        if not at_best:
            return object_rows(left.outcomes[target], left.iou.get(target), target, config, n_classes)
        assert self._scores.second is not None
        rows, self._own[target] = left.rows_at(target, self._scores.second, config, n_classes)
        return rows

    def _control(self, target: Target, *, at_best: bool) -> tuple[MetricAxis, Array] | tuple[()]:
        name = CONTROL_OF[target]
        if name not in self._controls:
            return ()
        values = self.values(target, name)
        if at_best and target != "frame":
            values = values.take(self._own[target])
        return self._controls[name], values
