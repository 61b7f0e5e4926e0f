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
from emqa_core.quality.compute import MetricColumn
from emqa_core.quality.registry import ChosenMetric, ChosenMetrics, Level
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.row_sample import RowSample
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, read_part

SIDES: tuple[Level, ...] = ("prediction", "label")
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
    """Outcomes and metric values of one partition of one model."""

    outcomes: Mapping[str, OutcomeRows]
    columns: Mapping[Level, Mapping[str, MetricColumn]]
    iou: Mapping[str, Array]
    unit_hash: Array


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


def sample_state(
    chosen: ChosenMetrics, rows: MeasuredRows, config: EvaluationConfig, n_classes: int
) -> SampleState:
    """The sample and distinct values of the rows that count at the chosen threshold, metric by metric."""
    if not len(chosen):
        return SampleState({}, {}, {})
    threshold = config.chosen_threshold_index
    counted = {side: np.flatnonzero(rows.outcomes[side].counts_at(threshold)) for side in SIDES}
    frame = {
        side: np.repeat(np.arange(len(rows.unit_hash)), np.diff(rows.outcomes[side].frame_start))[
            counted[side]
        ]
        for side in SIDES
    }
    samples: dict[str, RowSample] = {}
    kept: dict[str, Array] = {}
    columns_of: dict[str, dict[str, Array]] = {}
    for side in SIDES:
        picked = RowSample.of(
            rows.outcomes[side].key_hash[counted[side]], {"row": np.arange(len(counted[side]))}
        )
        kept[side] = picked.columns["row"]
        right = rows.outcomes[side].right[counted[side][kept[side]]] >> np.uint64(threshold)
        columns_of[side] = {OUTCOME: (right & np.uint64(1)).astype(np.uint8)}
        samples[side] = RowSample(picked.k, picked.hashes, columns_of[side])
    distinct: dict[str, DistinctValues] = {}
    for metric in chosen:
        values: dict[str, Array | pa.Array | None] = {}
        for side in SIDES:
            values[side] = _values_of(metric, side, rows, counted[side], frame[side])
            if values[side] is not None and not metric.is_categorical:
                columns_of[side][metric.name] = values[side][kept[side]]  # type: ignore[index]
        count = DistinctValues.of_categories if metric.is_categorical else DistinctValues.of
        distinct[metric.name] = count(values["prediction"], values["label"])
    whole_units = config.resampling_unit == "frame"
    of_target: dict[str, TargetRows] = {
        side: object_rows(rows.outcomes[side], None, side, config, n_classes) for side in SIDES
    }
    of_target["frame"] = TargetRows.of_frames(of_target["prediction"], of_target["label"])
    units = {
        target: UnitTotals.of(held, rows.unit_hash, whole_units=whole_units)
        for target, held in of_target.items()
    }
    return SampleState(samples, distinct, units)


def _values_of(
    metric: ChosenMetric, side: Level, rows: MeasuredRows, counted: Array, frame: Array
) -> Array | pa.Array | None:
    """A metric at the rows of a side that count; None where the metric has no such side."""
    if "frame" in metric.levels:
        column, place = rows.columns["frame"][metric.name], frame
    elif side in metric.levels:
        column, place = rows.columns[side][metric.name], counted
    else:
        return None
    if column.categories is None:
        return column.values[place]
    return _categorical(column.values[place], column.categories)


def _categorical(codes: Array, categories: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(categories, pa.string()))


def leave_rows(scratch: Scratch, index: int, rows: MeasuredRows) -> None:
    """Leave a partition's outcomes for the count; metric values only where they stay in memory."""
    if not any(rows.columns.values()):
        return
    arrays: dict[str, Array] = {"unit_hash": rows.unit_hash}
    for side in SIDES:
        outcome = rows.outcomes[side]
        for name in ("frame_start", "frame_group", "class_code", "right", "ignored", "key_hash"):
            arrays[f"{side}.{name}"] = getattr(outcome, name)
        if side in rows.iou:
            arrays[f"{side}.iou"] = rows.iou[side]
    scratch.put(_outcomes_name(index), arrays)
    if isinstance(scratch, MemoryScratch):
        for level, columns in rows.columns.items():
            for name, column in columns.items():
                group = {"values": column.values}
                if column.categories is not None:
                    group["categories"] = np.array(column.categories, object)
                scratch.put(f"metric-{level}-{name}-{index:05d}", group)


def read_outcomes(scratch: Scratch, index: int) -> tuple[dict[str, OutcomeRows], dict[str, Array], Array]:
    """Outcomes by side, IoU by side where it was left, and the hash of each frame's unit."""
    arrays = scratch.get(_outcomes_name(index))
    names = ("frame_start", "frame_group", "class_code", "right", "ignored", "key_hash")
    outcomes: dict[str, OutcomeRows] = {
        side: OutcomeRows(*(arrays[f"{side}.{name}"] for name in names)) for side in SIDES
    }
    iou: dict[str, Array] = {side: arrays[f"{side}.iou"] for side in SIDES if f"{side}.iou" in arrays}
    return outcomes, iou, arrays["unit_hash"]


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
