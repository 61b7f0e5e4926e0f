"""What a worker does with one partition: read, check, measure, match, write, and return small states."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from emqa_core import keys
from emqa_core.analysis.jackknife_precision import N_GROUPS
from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.config import EvaluationConfig
from emqa_core.ingest.class_columns import class_codes
from emqa_core.ingest.quarantine import UNKNOWN_CLASS, BadRows, combine_quarantine
from emqa_core.ingest.validate import validate_labels, validate_predictions
from emqa_core.matching.best_iou import match_best_iou
from emqa_core.matching.coco import match_coco
from emqa_core.matching.matches import Matches, MatchOptions
from emqa_core.objects import Array, Frames, Labels, OutcomeRows, Predictions
from emqa_core.pipeline.class_curves import write_runs
from emqa_core.pipeline.fact_tables import RunIdentity, frame_table, label_table, prediction_table
from emqa_core.pipeline.id_text import id_text
from emqa_core.pipeline.inputs import RowSlice
from emqa_core.pipeline.metric_rows import MeasuredRows, SampleState, leave_rows, sample_state
from emqa_core.pipeline.reused_memory import reused_memory
from emqa_core.pipeline.rows import (
    SortedRows,
    bool_array,
    float_array,
    frame_of_rows,
    frames_of,
    sort_rows,
)
from emqa_core.pipeline.scratch import Scratch
from emqa_core.quality.compute import (
    MetricColumn,
    compute_frame_metrics,
    compute_label_metrics,
    compute_prediction_metrics,
)
from emqa_core.quality.registry import ChosenMetrics
from emqa_core.reductions.class_counts import ClassCounts, cooccurrence, count_labels, count_predictions
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, write_part

_MATCH = {"coco": match_coco, "best_iou": match_best_iou}


@dataclass(frozen=True)
class PartitionTask:
    """One partition of every model; labels are read and measured once."""

    index: int
    config: EvaluationConfig
    listed: ClassList
    classes: ClassList
    metrics: Mapping[str, ChosenMetrics]
    frames: pa.Table
    labels: RowSlice
    predictions: Mapping[str, RowSlice]
    runs: Mapping[str, RunIdentity]
    location: Location
    scratch: Mapping[str, Scratch]
    n_shards: int

    @property
    def selected_code(self) -> Array:
        """Code among the selected classes of each listed class, -1 for others and (last) unlisted ones."""
        codes = [self.classes.code_of.get(class_id, -1) for class_id in self.listed.ids]
        return np.array([*codes, -1], np.int32)


@dataclass(frozen=True)
class PartitionState:
    """What one partition of one model leaves: counts, parts, bad rows. Adds up over partitions."""

    counts: ClassCounts
    parts: tuple[Part, ...]
    quarantine: pa.Table
    n_frames: int
    n_labels: int
    n_predictions: int
    n_unlisted: int
    cpu_s: float
    sample: SampleState


@dataclass(frozen=True)
class _Side:
    """Rows of one source in evaluation order, and what was left out."""

    rows: SortedRows
    class_code: Array
    quarantine: pa.Table
    n_unlisted: int


@reused_memory()
def evaluate_partition(task: PartitionTask) -> dict[str, PartitionState]:
    """Evaluate every model on one partition and write its part of the fact tables."""
    started = time.process_time()
    frames = frames_of(task.frames, task.config.resampling_unit)
    frame_ids = combined(task.frames["frame_id"])
    group = keys.group_of(frames.unit_hash, N_GROUPS)
    label_side = _read_labels(task, frame_ids)
    labels = _labels(label_side, frames, is_measured=any(len(chosen) for chosen in task.metrics.values()))
    measured: dict[tuple[str, ...], Mapping[str, MetricColumn]] = {}
    shared_s = time.process_time() - started
    states = {}
    for model in task.predictions:
        started = time.process_time()
        chosen = task.metrics[model]
        wanted = tuple(metric.name for metric in chosen.at("label"))
        if wanted not in measured:
            measured[wanted] = compute_label_metrics(chosen, frames, labels, label_side.rows.table)
        label_columns = measured[wanted]
        state = _evaluate_model(task, model, frames, group, frame_ids, label_side, labels, label_columns)
        cpu_s = time.process_time() - started + shared_s / len(task.predictions)
        states[model] = replace(state, cpu_s=cpu_s)
    return states


def _evaluate_model(
    task: PartitionTask,
    model: str,
    frames: Frames,
    group: Array,
    frame_ids: pa.Array,
    label_side: _Side,
    labels: Labels,
    label_columns: Mapping[str, MetricColumn],
) -> PartitionState:
    config, options = task.config, MatchOptions.of(task.config)
    n_classes, chosen = len(task.classes), task.metrics[model]
    side = _read_predictions(task, model, frame_ids)
    predictions = _predictions(side, frames, is_measured=len(chosen) > 0)
    prediction_columns = compute_prediction_metrics(chosen, frames, predictions, side.rows.table)
    frame_columns = compute_frame_metrics(chosen, frames, labels, predictions, task.frames)
    matches = _MATCH[config.matching](labels, predictions, n_classes, options)
    outcomes = matches.prediction_outcomes(predictions, group, options)
    label_outcomes = matches.label_outcomes(labels, group, options)

    label_ids = id_text(combined(label_side.rows.table["label_id"]))
    prediction_ids = id_text(combined(side.rows.table["prediction_id"]))
    tables = {
        "prediction": prediction_table(
            side.rows, task.frames, task.classes, matches, outcomes, prediction_ids, label_ids,
            _arrow_columns(prediction_columns), options,
        ),
        "label": label_table(
            label_side.rows, task.frames, task.classes, matches, label_outcomes, labels.area, label_ids,
            prediction_ids,
            _arrow_columns(label_columns), options,
        ),
        "frame": frame_table(
            task.frames, outcomes, label_outcomes, _arrow_columns(frame_columns), options.chosen
        ),
    }  # fmt: skip
    run = task.runs[model]
    parts = tuple(
        write_part(task.location, name, run.run_id, f"part-{task.index:05d}", run.complete(table))
        for name, table in tables.items()
    )
    counts = _count(matches, labels, predictions, outcomes, label_outcomes, options, n_classes)
    measured = MeasuredRows(
        {"prediction": outcomes, "label": label_outcomes},
        {"prediction": prediction_columns, "label": label_columns, "frame": frame_columns},
        {"prediction": matches.iou, "label": matches.label_iou} if config.importance_target == "iou" else {},
        frames.unit_hash,
    )
    leave_rows(task.scratch[model], task.index, measured)
    runs = matches.score_runs(predictions, group)
    write_runs(task.scratch[model], runs, task.index, task.n_shards, n_classes)
    return PartitionState(
        counts,
        parts,
        combine_quarantine([label_side.quarantine, side.quarantine]),
        len(frames),
        len(labels),
        len(predictions),
        side.n_unlisted,
        0.0,
        sample_state(chosen, measured, config, n_classes),
    )


def _read_labels(task: PartitionTask, frame_ids: pa.Array) -> _Side:
    table = task.labels.read()
    bad = []
    if not task.labels.is_checked:
        table, quarantine = validate_labels(table, frame_ids)
        bad.append(quarantine)
    return _ordered(task, table, frame_ids, bad, "label")


def _read_predictions(task: PartitionTask, model: str, frame_ids: pa.Array) -> _Side:
    source = task.predictions[model]
    table = source.read()
    bad = []
    if not source.is_checked:
        table, quarantine = validate_predictions(table, frame_ids)
        bad.append(quarantine)
    return _ordered(task, table, frame_ids, bad, "prediction")


def _ordered(
    task: PartitionTask, table: pa.Table, frame_ids: pa.Array, quarantine: list[pa.Table], source: str
) -> _Side:
    """Rows of the selected classes in evaluation order; rows of unlisted classes by the option."""
    code = class_codes(table, task.listed)
    n_unlisted = int(np.count_nonzero(code < 0))
    if n_unlisted and task.config.unlisted_classes == "quarantine":
        quarantine.append(_unlisted_rows(table.filter(pa.array(code < 0)), source))
        n_unlisted = 0
    selected = code
    if task.classes.ids != task.listed.ids:
        selected = task.selected_code[code]  # position -1, the last, stands for an unlisted class
    if len(selected) and selected.min() < 0:
        kept = pa.array(selected >= 0)
        table, selected = table.filter(kept), selected[selected >= 0]
    frame = frame_of_rows(combined(table["frame_id"]), frame_ids)
    rows = sort_rows(table.append_column("__class_code", pa.array(selected)), frame, len(frame_ids))
    code = combined(rows.table["__class_code"]).to_numpy()
    # Codes stand for ids from here on; what held the ids serves the arrays to come.
    done = [
        name
        for name in ("frame_id", "class_id", "class_name", "__class_code")
        if name in rows.table.schema.names
    ]
    rows = replace(rows, table=rows.table.drop_columns(done))
    return _Side(rows, code, combine_quarantine(quarantine), n_unlisted)


def _unlisted_rows(table: pa.Table, source: str) -> pa.Table:
    bad = BadRows(source)
    column = "class_id" if "class_id" in table.column_names else "class_name"
    names = ("input_index", column, "frame_id", f"{source}_id")
    for row, named, frame_id, object_id in zip(*(table[name].to_pylist() for name in names), strict=True):
        bad.add(row, UNKNOWN_CLASS, column, named, frame_id, object_id)
    return bad.table()


def _object_arrays(side: _Side, frames: Frames, id_column: str, *, is_measured: bool) -> dict[str, Array]:
    table = side.rows.table
    key_hash = np.empty(0, np.uint64)
    if is_measured:
        key_hash = keys.hash_objects(frames.key_hash, side.rows.frame, keys.hash_column(table[id_column]))
    return {
        "frame_start": side.rows.frame_start,
        "class_code": side.class_code,
        "x": float_array(table, "x_px"),
        "y": float_array(table, "y_px"),
        "width": float_array(table, "width_px"),
        "height": float_array(table, "height_px"),
        "key_hash": key_hash,
    }


def _labels(side: _Side, frames: Frames, *, is_measured: bool) -> Labels:
    arrays = _object_arrays(side, frames, "label_id", is_measured=is_measured)
    area = float_array(side.rows.table, "area_px2")
    area = np.where(np.isnan(area), arrays["width"] * arrays["height"], area)
    return Labels(
        **arrays,
        area=area,
        is_crowd=bool_array(side.rows.table, "is_crowd"),
        is_ignored=bool_array(side.rows.table, "is_ignored"),
    )


def _predictions(side: _Side, frames: Frames, *, is_measured: bool) -> Predictions:
    arrays = _object_arrays(side, frames, "prediction_id", is_measured=is_measured)
    return Predictions(**arrays, score=float_array(side.rows.table, "score"))


def _count(
    matches: Matches,
    labels: Labels,
    predictions: Predictions,
    outcomes: OutcomeRows,
    label_outcomes: OutcomeRows,
    options: MatchOptions,
    n_classes: int,
) -> ClassCounts:
    n_positive, n_positive_group, n_frames = count_labels(
        labels.frame_start,
        label_outcomes.frame_group,
        labels.class_code,
        matches.label_ignored,
        n_classes,
        len(options.area_ranges),
        N_GROUPS,
    )
    by_rank, n_prediction, n_true = count_predictions(
        predictions.class_code,
        matches.is_evaluated,
        matches.outside,
        predictions.score,
        matches.matched_row,
        matches.matched_rank,
        matches.true_positive,
        matches.matched_ignored,
        np.array(options.max_dets),
        n_classes,
        len(options.iou_thresholds),
        options.score_threshold,
    )
    together = [cooccurrence(rows, options.chosen, n_classes) for rows in (outcomes, label_outcomes)]
    return ClassCounts(n_positive, n_positive_group, by_rank, n_prediction, n_true, n_frames, *together)


def _arrow_columns(columns: Mapping[str, MetricColumn]) -> dict[str, pa.Array]:
    return {name: column.arrow() for name, column in columns.items()}
