"""What a worker does with one partition: read, check, measure, match, write, and return small states."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from emqa_core import keys
from emqa_core.analysis.jackknife_precision import N_GROUPS
from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.config import EvaluationConfig
from emqa_core.ingest.quarantine import combine_quarantine
from emqa_core.matching.any_class import match_any_class
from emqa_core.matching.best_iou import match_best_iou
from emqa_core.matching.coco import match_coco
from emqa_core.matching.error_types import ErrorTypes, count_errors, error_types, lowest_iou
from emqa_core.matching.matches import Matches, MatchOptions
from emqa_core.matching.near_pairs import NearPairs
from emqa_core.objects import Array, Frames, Labels, OutcomeRows, Predictions
from emqa_core.pipeline.class_curves import leave_held_labels, write_runs
from emqa_core.pipeline.fact_tables import RunIdentity, frame_table, label_table, prediction_table
from emqa_core.pipeline.id_text import id_text
from emqa_core.pipeline.inputs import RowSlice
from emqa_core.pipeline.known_pixels import PixelOptions
from emqa_core.pipeline.metric_rows import (
    SIDES,
    MeasuredRows,
    leave_rows,
    rows_of_targets,
    sample_state,
)
from emqa_core.pipeline.partition_side import ClassChoice, PartitionSide
from emqa_core.pipeline.partition_states import (
    PartitionState,
    RecordedScratch,
    TakenPartition,
    leave_state,
    part_name,
)
from emqa_core.pipeline.related_rows import RelatedRows, relate_rows
from emqa_core.pipeline.relations import Relations
from emqa_core.pipeline.reused_memory import reused_memory
from emqa_core.pipeline.row_sources import FRAME, LABEL, prediction_source
from emqa_core.pipeline.rows import frames_of
from emqa_core.pipeline.score_cuts import block_rows
from emqa_core.pipeline.scratch import Scratch
from emqa_core.quality.chosen import ChosenMetrics
from emqa_core.quality.compute import (
    MetricColumn,
    MetricTables,
    compute_frame_metrics,
    compute_label_metrics,
    compute_prediction_metrics,
)
from emqa_core.quality.own_values import OwnErrors
from emqa_core.reductions.calibration_counts import count_calibration
from emqa_core.reductions.class_counts import ClassCounts, count_labels, count_predictions
from emqa_core.reductions.class_groups import ClassGroups, count_found
from emqa_core.reductions.class_pairs import ClassPairs
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.score_levels import ScoreRange
from emqa_core.storage.location import Location
from emqa_core.storage.parts import write_part

_MATCH = {"coco": match_coco, "best_iou": match_best_iou}


@dataclass(frozen=True)
class PartitionTask:
    """One partition of every model; labels are read and measured once.

    attempts: by model, the digest of what the partition's files depend on besides its index. first_frame:
    number of the partition's first frame in the run. relations: what was related over all partitions. pixels:
    how images are read, None where no metric looks at them.
    """

    index: int
    config: EvaluationConfig
    listed: ClassList
    classes: ClassList
    metrics: Mapping[str, ChosenMetrics]
    frames: RowSlice
    labels: RowSlice
    predictions: Mapping[str, RowSlice]
    runs: Mapping[str, RunIdentity]
    location: Location
    scratch: Mapping[str, Scratch]
    attempts: Mapping[str, str]
    first_frame: int
    relations: Relations
    pixels: PixelOptions | None

    @property
    def class_choice(self) -> ClassChoice:
        return ClassChoice(self.listed, self.classes, self.config.unlisted_classes)


@reused_memory()
def evaluate_partition(task: PartitionTask | TakenPartition) -> dict[str, PartitionState]:
    """Evaluate every model on one partition and write its part of the fact tables.

    Of a partition that an earlier attempt finished only the states are read.
    """
    if isinstance(task, TakenPartition):
        return task.states()
    task = replace(task, scratch={model: RecordedScratch.of(each) for model, each in task.scratch.items()})
    started = time.process_time()
    frame_rows = task.frames.read()
    frames = frames_of(frame_rows, task.config.resampling_unit)
    frame_ids = combined(frame_rows["frame_id"])
    group = keys.group_of(frames.unit_hash, N_GROUPS)
    label_side = PartitionSide.read("label", task.labels, frame_ids, task.class_choice)
    labels = label_side.labels(frames, is_measured=any(len(chosen) for chosen in task.metrics.values()))
    related = relate_rows(
        task, frame_rows, frames, labels,
        lambda model: _read(task, model, frame_ids).predictions(frames, is_measured=False),
        lambda: _errors(task, frame_ids),
    )  # fmt: skip
    partition = _Partition(task, frame_rows, frames, group, frame_ids, label_side, labels, related)
    measured: dict[tuple[str, ...], tuple[Mapping[str, MetricColumn], pa.Table]] = {}
    shared_s = time.process_time() - started
    states = {}
    for model in task.predictions:
        started = time.process_time()
        chosen = task.metrics[model]
        wanted = tuple(metric.name for metric in chosen.at("label"))
        if wanted not in measured:
            errors = _errors(task, frame_ids)
            tables = MetricTables(label_side.rows.table, frame_rows, errors)
            of_labels = related.of(LABEL, len(labels))
            columns = compute_label_metrics(chosen, frames, labels, tables, of_labels)
            measured[wanted] = columns, errors.rows.table()
        label_columns, label_errors = measured[wanted]
        bad = [*related.bad_rows(FRAME, LABEL, prediction_source(model)), label_errors]
        state = _evaluate_model(partition, model, label_columns, bad)
        cpu_s = time.process_time() - started + shared_s / len(task.predictions)
        states[model] = replace(state, cpu_s=cpu_s)
    first = next(iter(states))
    states[first] = replace(states[first], cached=related.cached)
    for model, state in states.items():
        leave_state(task.scratch[model], task.attempts[model], task.index, state)
    return states


@dataclass(frozen=True)
class _Partition:
    """What every model of a task shares."""

    task: PartitionTask
    frame_rows: pa.Table
    frames: Frames
    group: Array
    frame_ids: pa.Array
    label_side: PartitionSide
    labels: Labels
    related: RelatedRows


def _errors(task: PartitionTask, frame_ids: pa.Array) -> OwnErrors:
    return OwnErrors(task.config.metric_errors == "fail", frame_ids, task.first_frame)


def _read(task: PartitionTask, model: str, frame_ids: pa.Array) -> PartitionSide:
    return PartitionSide.read("prediction", task.predictions[model], frame_ids, task.class_choice)


def _evaluate_model(
    partition: _Partition,
    model: str,
    label_columns: Mapping[str, MetricColumn],
    bad: list[pa.Table],
) -> PartitionState:
    task, frame_rows, frames, group = partition.task, partition.frame_rows, partition.frames, partition.group
    label_side, labels, related = partition.label_side, partition.labels, partition.related
    config, options = task.config, MatchOptions.of(task.config)
    n_classes, chosen = len(task.classes), task.metrics[model]
    side = _read(task, model, partition.frame_ids)
    predictions = side.predictions(frames, is_measured=len(chosen) > 0)
    errors = _errors(task, partition.frame_ids)
    prediction_columns = compute_prediction_metrics(
        chosen,
        frames,
        predictions,
        MetricTables(side.rows.table, frame_rows, errors),
        related.of(prediction_source(model), len(predictions)),
    )
    frame_columns = compute_frame_metrics(
        chosen,
        frames,
        labels,
        predictions,
        MetricTables(frame_rows, frame_rows, errors),
        related.of(FRAME, len(frames)),
    )
    side = side.as_stored()
    matches = _MATCH[config.matching](labels, predictions, n_classes, options)
    outcomes = matches.prediction_outcomes(predictions, group, options)
    label_outcomes = matches.label_outcomes(labels, group, options)
    causes, run_causes = None, None
    if config.error_types:
        pairs = NearPairs.of(labels, predictions, matches.is_evaluated, lowest_iou(config.iou_threshold))
        causes = error_types(
            pairs, labels, predictions, outcomes, label_outcomes, config.iou_threshold, options.chosen
        )
        any_class = match_any_class(
            pairs, labels, predictions, matches, label_outcomes, config.iou_threshold, options.chosen
        )
        leave_held_labels(task.scratch[model], task.index, any_class.held_labels(labels, predictions))
        run_causes = causes.causes.with_unpaired(any_class.is_unpaired)
        del pairs, any_class
    predictions = predictions.without_boxes()

    label_ids = id_text(combined(label_side.rows.table["label_id"]))
    prediction_ids = id_text(combined(side.rows.table["prediction_id"]))
    # Made when it is their turn: what one was written from serves the next.
    tables: dict[str, Callable[[], pa.Table]] = {
        "prediction": lambda: prediction_table(
            side.rows, frame_rows, task.classes, matches, outcomes, prediction_ids, label_ids,
            _arrow_columns(prediction_columns), options, None if causes is None else causes.prediction,
        ),
        "label": lambda: label_table(
            label_side.as_stored().rows, frame_rows, task.classes, matches, label_outcomes, labels.area,
            label_ids, prediction_ids, predictions.score, _arrow_columns(label_columns), options,
            None if causes is None else causes.label,
        ),
        "frame": lambda: frame_table(
            frame_rows, outcomes, label_outcomes, _arrow_columns(frame_columns), options.chosen
        ),
    }  # fmt: skip
    run = task.runs[model]
    name_of_part = part_name(task.attempts[model], task.index)
    parts = tuple(
        write_part(task.location, name, run.run_id, name_of_part, run.complete(make()))
        for name, make in tables.items()
    )
    counts = _count(matches, labels, predictions, outcomes, label_outcomes, options, n_classes, causes)
    outcome_rows = {"prediction": outcomes, "label": label_outcomes}
    is_measured = len(chosen) > 0
    targets = (
        rows_of_targets(outcome_rows, config, n_classes, with_frames=is_measured)
        if is_measured or config.intervals
        else {}
    )
    together: dict[str, FrameSums] = {side: FrameSums.together(targets[side]) for side in SIDES if targets}
    measured = MeasuredRows(
        outcome_rows,
        targets,
        together,
        {"prediction": prediction_columns, "label": label_columns, "frame": frame_columns},
        {"prediction": matches.iou, "label": matches.label_iou} if config.importance_target == "iou" else {},
        frames.unit_hash,
        matches.scored_rows(predictions, outcomes, options) if len(chosen) else None,
        {} if causes is None else {"prediction": causes.prediction, "label": causes.label},
    )
    leave_rows(task.scratch[model], task.index, measured)
    runs = matches.score_runs(predictions, group, run_causes)
    index = write_runs(
        task.scratch[model],
        runs,
        task.index,
        block_rows(config.cluster.reduce_predictions),
        len(options.iou_thresholds),
    )
    groups = None
    if config.intervals:
        groups = ClassGroups.of(
            targets, together, _count_found(matches, predictions, group, n_classes, options)
        )
    return PartitionState(
        counts,
        groups,
        parts,
        combine_quarantine([label_side.quarantine, side.quarantine, *bad, errors.rows.table()]),
        len(frames),
        len(labels),
        len(predictions),
        side.n_unlisted,
        0.0,
        sample_state(chosen, measured, config),
        () if index is None else (index,),
        ScoreRange.of(predictions.score),
        (),
    )


def _count_found(
    matches: Matches, predictions: Predictions, group: Array, n_classes: int, options: MatchOptions
) -> Array:
    return count_found(
        predictions.frame_start,
        group,
        predictions.class_code,
        matches.matched_row,
        matches.matched_bits[:, 0, 0],
        n_classes,
        len(options.iou_thresholds),
    )


def _count(
    matches: Matches,
    labels: Labels,
    predictions: Predictions,
    outcomes: OutcomeRows,
    label_outcomes: OutcomeRows,
    options: MatchOptions,
    n_classes: int,
    causes: ErrorTypes | None,
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
        matches.matched_bits,
        np.array(options.max_dets),
        n_classes,
        len(options.iou_thresholds),
        options.score_threshold,
    )
    none = np.zeros((n_classes, 0), np.int64)
    of_errors = (none, none) if causes is None else count_errors(causes, labels, predictions, n_classes)
    return ClassCounts(
        n_positive,
        n_positive_group,
        by_rank,
        n_prediction,
        n_true,
        n_frames,
        ClassPairs.of(outcomes, options.chosen, n_classes, of_right=True),
        ClassPairs.of(label_outcomes, options.chosen, n_classes, of_right=False),
        of_errors[0],
        of_errors[1],
        count_calibration(outcomes, predictions.score, options.chosen, n_classes),
    )


def _arrow_columns(columns: Mapping[str, MetricColumn]) -> dict[str, pa.Array]:
    return {name: column.arrow() for name, column in columns.items()}
