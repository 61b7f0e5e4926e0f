"""What a partition leaves for the metric stages: a sample for the bin edges, outcomes, metric values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emqa_core.combined import combined
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array, OutcomeRows
from emqa_core.pipeline.scratch import MemoryScratch, Scratch
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics
from emqa_core.quality.compute import MetricColumn
from emqa_core.quality.metric import Level
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.row_sample import RowSample
from emqa_core.reductions.scored_rows import ScoredRows
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, read_part

SIDES: tuple[Level, ...] = ("prediction", "label")
_OUTCOME = ("frame_start", "frame_group", "class_code", "right", "ignored")
_SCORED = ("kind", "score", "label_score", "label_iou")
_NO_HASH = np.empty(0, np.uint64)  # nothing that counts needs it
OUTCOME = "__right"  # column of a row sample: 1 where the row is right at the chosen threshold


@dataclass(frozen=True)
class SampleState:
    """What the bin edges are decided from, and the rows behind each resampling unit. Adds up."""

    samples: Mapping[str, RowSample]
    distinct: Mapping[str, DistinctValues]
    units: Mapping[str, UnitTotals]

    def __add__(self, other: SampleState) -> SampleState:
        return SampleState(
            {side: sample + other.samples[side] for side, sample in self.samples.items()},
            {metric: values + other.distinct[metric] for metric, values in self.distinct.items()},
            {target: units + other.units[target] for target, units in self.units.items()},
        )


@dataclass(frozen=True)
class MeasuredRows:
    """Outcomes and metric values of one partition of one model.

    targets: rows of its three targets, or of the two of objects where there is no metric; together: of
    objects, `FrameSums.together`; empty where nothing needs them. scored: None where there is no metric.
    errors: codes of error types by side, int8; empty where they are not told apart.
    """

    outcomes: Mapping[str, OutcomeRows]
    targets: Mapping[str, TargetRows]
    together: Mapping[str, FrameSums]
    columns: Mapping[Level, Mapping[str, MetricColumn]]
    iou: Mapping[str, Array]
    unit_hash: Array
    scored: ScoredRows | None
    errors: Mapping[str, Array]

    def column_of(self, metric: ChosenMetric, side: Level) -> MetricColumn | None:
        """A metric's values of a side's rows or of the frames; None where the metric has no such side."""
        level: Level = "frame" if "frame" in metric.levels else side
        return self.columns[level].get(metric.name)


def rows_of_targets(
    outcomes: Mapping[str, OutcomeRows], config: EvaluationConfig, n_classes: int, *, with_frames: bool
) -> dict[str, TargetRows]:
    """The rows of the targets, right or wrong: their sizes do not matter to a sample."""
    held: dict[str, TargetRows] = {
        side: object_rows(outcomes[side], None, side, config, n_classes) for side in SIDES
    }
    if with_frames:
        held["frame"] = TargetRows.of_frames(held["prediction"], held["label"])
    return held


def object_rows(
    outcomes: OutcomeRows, iou: Array | None, side: Level, config: EvaluationConfig, n_classes: int
) -> TargetRows:
    """The rows of the target `prediction` or `label`.

    iou (n,): None where the outcome is just right or wrong.
    """
    thresholds = config.evaluated_iou_thresholds
    return TargetRows.of_objects(
        side,
        outcomes,
        n_classes,
        len(thresholds),
        config.chosen_threshold_index,
        iou,
        None if iou is None else np.array(thresholds),
    )


def sample_state(chosen: ChosenMetrics, rows: MeasuredRows, config: EvaluationConfig) -> SampleState:
    """The sample and distinct values of the rows that count at the chosen threshold, metric by metric."""
    whole_units = config.resampling_unit == "frame"
    units = {
        target: UnitTotals.of(held, rows.unit_hash, whole_units=whole_units)
        for target, held in rows.targets.items()
    }
    if not len(chosen):
        return SampleState({}, {}, units)
    samples: dict[str, RowSample] = {}
    kept: dict[str, Array] = {}
    columns_of: dict[str, dict[str, Array]] = {}
    n_rows = {side: (rows.targets[side].kind_at_chosen > 0).astype(np.int32) for side in SIDES}
    counted = {side: np.flatnonzero(n_rows[side]) for side in SIDES}
    for side in SIDES:
        picked = RowSample.of(rows.outcomes[side].key_hash[counted[side]], {"row": counted[side]})
        kept[side] = picked.columns["row"]
        is_right = rows.targets[side].kind_at_chosen[kept[side]] == 2
        columns_of[side] = {OUTCOME: is_right.astype(np.uint8)}
        samples[side] = RowSample(picked.k, picked.hashes, columns_of[side])
    n_of_frame = {side: rows.targets[side].pairs_at_chosen.of_frames(len(rows.unit_hash)) for side in SIDES}
    distinct: dict[str, DistinctValues] = {}
    for metric in chosen:
        of_frame = "frame" in metric.levels
        columns = {side: rows.column_of(metric, side) for side in SIDES}
        for side, column in columns.items():
            if column is not None and not metric.is_categorical:
                at = rows.targets[side].frame[kept[side]] if of_frame else kept[side]
                columns_of[side][metric.name] = column.values[at]
        if metric.is_categorical:
            named = []
            for side, column in columns.items():
                at = rows.targets[side].frame[counted[side]] if of_frame else counted[side]
                named.append(None if column is None else _categories_at(column, at))
            distinct[metric.name] = DistinctValues.of_categories(named[0], named[1])
        else:
            weights = n_of_frame if of_frame else n_rows
            numbers = [None if column is None else column.values for column in columns.values()]
            distinct[metric.name] = DistinctValues.of(
                numbers[0], numbers[1], (weights["prediction"], weights["label"])
            )
    return SampleState(samples, distinct, units)


def _categories_at(column: MetricColumn, places: Array) -> pa.Array:
    assert column.categories is not None
    return _categorical(column.values[places], column.categories)


def _categorical(codes: Array, categories: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(categories, pa.string()))


def leave_rows(scratch: Scratch, index: int, rows: MeasuredRows) -> None:
    """Leave a partition's outcomes for the count; metric values only where they stay in memory."""
    if not any(rows.columns.values()):
        return
    assert rows.scored is not None
    arrays: dict[str, Array] = {}
    for side in SIDES:
        outcome = rows.outcomes[side]
        for name in _OUTCOME:
            arrays[f"{side}.{name}"] = getattr(outcome, name)
        if side in rows.iou:
            arrays[f"{side}.iou"] = rows.iou[side]
        if side in rows.errors:
            arrays[f"{side}.error"] = rows.errors[side]
        arrays |= rows.together[side].to_arrays(f"{side}.together")
    for name in _SCORED if rows.iou else _SCORED[:-1]:
        arrays[f"scored.{name}"] = getattr(rows.scored, name)
    arrays["unit_hash"] = rows.unit_hash
    scratch.put(_outcomes_name(index), arrays)
    if isinstance(scratch, MemoryScratch):
        for level, columns in rows.columns.items():
            for name, column in columns.items():
                group = {"values": column.values}
                if column.categories is not None:
                    group["categories"] = np.array(column.categories, object)
                scratch.put(f"metric-{level}-{name}-{index:05d}", group)


@dataclass(frozen=True)
class LeftRows:
    """What a partition left, by side: outcomes, their IoU where that is the target, `FrameSums.together`, and
    codes of error types where they are told apart. scored: whatever the score. unit_hash (F,) uint64.
    """

    outcomes: Mapping[str, OutcomeRows]
    iou: Mapping[str, Array]
    together: Mapping[str, FrameSums]
    scored: ScoredRows
    unit_hash: Array
    errors: Mapping[str, Array]

    def rows_at(
        self, side: Level, threshold: float, config: EvaluationConfig, n_classes: int
    ) -> tuple[TargetRows, Array]:
        """A side's rows that count at a score threshold, at the chosen T alone; and which they are (k,)."""
        outcomes, own = self.scored.outcomes_at(side, self.outcomes[side], threshold)
        iou = None
        if self.iou:
            iou = (self.iou[side] if side == "prediction" else self.scored.label_iou)[own]
        chosen = (
            None
            if iou is None
            else np.array([config.evaluated_iou_thresholds[config.chosen_threshold_index]])
        )
        return TargetRows.of_objects(side, outcomes, n_classes, 1, 0, iou, chosen), own


def read_rows(scratch: Scratch, index: int) -> LeftRows:
    """What `leave_rows` left of a partition, without the metrics' values."""
    arrays = scratch.get(_outcomes_name(index))
    return LeftRows(
        {
            side: OutcomeRows(**{name: arrays[f"{side}.{name}"] for name in _OUTCOME}, key_hash=_NO_HASH)
            for side in SIDES
        },
        {side: arrays[f"{side}.iou"] for side in SIDES if f"{side}.iou" in arrays},
        {side: FrameSums.from_arrays(f"{side}.together", arrays) for side in SIDES},
        ScoredRows(*(arrays.get(f"scored.{name}", np.empty(0)) for name in _SCORED)),
        arrays["unit_hash"],
        {side: arrays[f"{side}.error"] for side in SIDES if f"{side}.error" in arrays},
    )


def _outcomes_name(index: int) -> str:
    return f"outcomes-{index:05d}"


def read_metric(
    scratch: Scratch, location: Location, parts: Mapping[str, Part], index: int, level: Level, metric: str
) -> Array | pa.Array:
    """A metric's values in one partition: numbers with NaN for null, or a text column."""
    if isinstance(scratch, MemoryScratch):
        group = scratch.get(f"metric-{level}-{metric}-{index:05d}")
        if "categories" in group:
            return _categorical(group["values"], tuple(group["categories"]))
        return group["values"]
    column = combined(read_part(location, parts[level], [metric])[metric])
    if (
        pa.types.is_dictionary(column.type)
        or pa.types.is_boolean(column.type)
        or pa.types.is_string(column.type)
    ):
        return column
    if not pa.types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    values = np.array(column.to_numpy(zero_copy_only=False))
    values[np.isinf(values)] = np.nan
    return values
