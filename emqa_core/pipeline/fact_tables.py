"""The three fact tables of a partition: one row per prediction, label and frame."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import types

from emqa_core import schema
from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.ingest.columns import BOX_COLUMNS
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_U64
from emqa_core.matching.error_types import LABEL_ERRORS, PREDICTION_ERRORS
from emqa_core.matching.matches import Matches, MatchOptions
from emqa_core.objects import Array, OutcomeRows
from emqa_core.pipeline.id_text import id_text, take_ids
from emqa_core.pipeline.rows import SortedRows

PREDICTION_OUTCOMES = pa.array(["true_positive", "false_positive", "ignored"])
LABEL_OUTCOMES = pa.array(["found", "missed", "ignored"])


def _coded(codes: pa.Array, values: pa.Array) -> pa.DictionaryArray:
    """A column from codes that were computed here: that each has a value is not checked row by row."""
    return pa.DictionaryArray.from_arrays(codes, values, safe=False)


@dataclass(frozen=True)
class RunIdentity:
    """What every row of a run carries."""

    run_id: str
    run_date: datetime.date
    model: str
    dataset: str

    def common_columns(self, n_rows: int) -> dict[str, pa.Array]:
        zeros = pa.array(np.zeros(n_rows, np.int32))
        return {
            "run_id": _coded(zeros, pa.array([self.run_id])),
            "run_date": _coded(zeros, pa.array([self.run_date])),
            "model": _coded(zeros, pa.array([self.model])),
            "dataset": _coded(zeros, pa.array([self.dataset])),
        }

    def complete(self, table: pa.Table) -> pa.Table:
        """A table with the common columns in front of its own."""
        common = self.common_columns(table.num_rows)
        names = [*common, *table.schema.names]
        return pa.Table.from_arrays([*common.values(), *table.columns], names=names)


@kernel(types.uint8[:, ::1](READ_U64, types.int64))
def _pack_bits(words, n_bits):  # type: ignore[no-untyped-def]
    """Bit t of each word as Arrow keeps booleans: eight rows to a byte, (n_bits, bytes)."""
    n_bytes = (words.shape[0] + 7) // 8
    packed = np.zeros((n_bits, n_bytes), np.uint8)
    for row in range(words.shape[0]):
        word = words[row]
        if word == 0:
            continue
        place = row >> 3
        bit = np.uint8(1 << (row & 7))
        for index in range(n_bits):
            if (word >> np.uint64(index)) & np.uint64(1):
                packed[index, place] |= bit
    return packed


def _bits(words: Array, thresholds: Array, name_of: Callable[[float], str]) -> dict[str, pa.Array]:
    """One boolean column per threshold from words with a bit for each."""
    packed = _pack_bits(words, len(thresholds))
    return {
        name_of(threshold): pa.Array.from_buffers(pa.bool_(), len(words), [None, pa.py_buffer(row)])
        for threshold, row in zip(thresholds, packed, strict=True)
    }


@kernel(types.int32[::1](READ_U64, READ_U64, types.int64))
def _outcome_codes(right, ignored, chosen):  # type: ignore[no-untyped-def]
    codes = np.empty(right.shape[0], np.int32)
    shift = np.uint64(chosen)
    for row in range(right.shape[0]):
        is_right = np.int32((right[row] >> shift) & np.uint64(1))
        codes[row] = 1 - is_right + np.int32((ignored[row] >> shift) & np.uint64(1))
    return codes


def _outcome(rows: OutcomeRows, chosen: int, names: pa.Array) -> pa.Array:
    """names: of right, wrong and ignored rows."""
    return _coded(pa.array(_outcome_codes(rows.right, rows.ignored, chosen)), names)


def _errors(codes: Array | None, names: tuple[str, ...], n_rows: int) -> pa.Array:
    """Error types by code, null for -1; nulls alone where there are no codes."""
    named = pa.array(names)
    if codes is None:
        return pa.DictionaryArray.from_arrays(pa.nulls(n_rows, pa.int32()), named)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), named)


def _nullable(values: Array) -> pa.Array:
    """Float64 values without a copy, null where they are NaN."""
    is_valid = np.packbits(~np.isnan(values), bitorder="little")
    return pa.Array.from_buffers(pa.float64(), len(values), [pa.py_buffer(is_valid), pa.py_buffer(values)])


def _none_of(values: Array) -> pa.Array:
    """A column of nulls alone; what lies below them is the memory of float64 values that are there anyway."""
    none = np.zeros((len(values) + 7) // 8, np.uint8)
    return pa.Array.from_buffers(pa.float64(), len(values), [pa.py_buffer(none), pa.py_buffer(values)])


def _object_columns(
    rows: SortedRows, frames: pa.Table, classes: ClassList, class_code: Array
) -> dict[str, pa.Array]:
    table = rows.table
    order = combined(frames["frame_order"]).to_numpy(zero_copy_only=False)
    code = pa.array(class_code)
    return {
        "frame_id": _coded(pa.array(rows.frame), id_text(combined(frames["frame_id"]))),
        "frame_order": pa.array(np.repeat(order, np.diff(rows.frame_start))),
        "input_index": combined(table["input_index"]),
        "class_id": _coded(code, pa.array(classes.ids, pa.string())),
        "class_name": _coded(code, pa.array(classes.names, pa.string())),
        **{name: combined(table[name]) for name in BOX_COLUMNS},
        "track_id": id_text(combined(table["track_id"]))
        if "track_id" in table.column_names
        else pa.nulls(table.num_rows, pa.string()),
    }


def prediction_table(
    rows: SortedRows,
    frames: pa.Table,
    classes: ClassList,
    matches: Matches,
    outcomes: OutcomeRows,
    prediction_ids: pa.Array,
    label_ids: pa.Array,
    metrics: Mapping[str, pa.Array],
    options: MatchOptions,
    errors: Array | None,
) -> pa.Table:
    """Rows of table `prediction` without the common columns. errors: of `ErrorTypes`, None: not asked for."""
    columns = {
        "prediction_id": prediction_ids,
        **_object_columns(rows, frames, classes, outcomes.class_code),
        "score": combined(rows.table["score"]),
        "outcome": _outcome(outcomes, options.chosen, PREDICTION_OUTCOMES),
        "error_type": _errors(errors, PREDICTION_ERRORS, len(outcomes)),
        "iou": _nullable(matches.iou),
        "iou_duplicate": _none_of(matches.iou)
        if matches.iou_duplicate is None
        else pa.array(matches.iou_duplicate),
        "label_id": take_ids(label_ids, matches.label_of_prediction),
        **_bits(matches.true_positive_bits, options.iou_thresholds, schema.true_positive_column),
        **metrics,
    }
    return _ordered(schema.PREDICTION, columns)


def label_table(
    rows: SortedRows,
    frames: pa.Table,
    classes: ClassList,
    matches: Matches,
    outcomes: OutcomeRows,
    area: Array,
    label_ids: pa.Array,
    prediction_ids: pa.Array,
    prediction_score: Array,
    metrics: Mapping[str, pa.Array],
    options: MatchOptions,
    errors: Array | None,
) -> pa.Table:
    """Rows of table `label` without the common columns. errors: of `ErrorTypes`, None: not asked for."""
    table = rows.table
    columns = {
        "label_id": label_ids,
        **_object_columns(rows, frames, classes, outcomes.class_code),
        "area_px2": pa.array(area),
        "is_crowd": combined(table["is_crowd"]),
        "is_ignored": combined(table["is_ignored"]),
        "outcome": _outcome(outcomes, options.chosen, LABEL_OUTCOMES),
        "error_type": _errors(errors, LABEL_ERRORS, len(outcomes)),
        "iou": _nullable(matches.label_iou),
        "iou_max": _none_of(matches.label_iou) if matches.iou_max is None else pa.array(matches.iou_max),
        "prediction_id": take_ids(prediction_ids, matches.prediction_of_label),
        "score": _taken(prediction_score, matches.prediction_of_label),
        **_bits(outcomes.right, options.iou_thresholds, schema.found_column),
        **metrics,
    }
    return _ordered(schema.LABEL_TABLE, columns)


def _taken(values: Array, places: Array) -> pa.Array:
    """The values at some places, null at place -1."""
    is_none = places < 0
    taken = np.zeros(len(places))
    taken[~is_none] = values[places[~is_none]]
    return pa.array(taken, mask=is_none)


def frame_table(
    frames: pa.Table,
    predictions: OutcomeRows,
    labels: OutcomeRows,
    metrics: Mapping[str, pa.Array],
    chosen: int,
) -> pa.Table:
    """Rows of table `frame` without the common columns."""
    (n_predictions, n_true), (n_labels, n_found) = (
        _count_per_frame(rows.frame_start, rows.right, rows.ignored, chosen) for rows in (predictions, labels)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = n_true / n_predictions, n_found / n_labels
        f1 = 2 * n_true / (n_predictions + n_labels)
    columns = {
        "frame_id": id_text(combined(frames["frame_id"])),
        "frame_order": combined(frames["frame_order"]),
        **{name: _optional(frames, name, pa.float32()) for name in ("width_px", "height_px")},
        **{
            name: _optional(frames, name, pa.string())
            for name in ("image_uri", "sequence_id", "content_hash")
        },
        "frame_index": _optional(frames, "frame_index", pa.int64()),
        "n_predictions": pa.array(n_predictions),
        "n_labels": pa.array(n_labels),
        "n_true_positive": pa.array(n_true),
        "n_false_positive": pa.array(n_predictions - n_true),
        "n_missed": pa.array(n_labels - n_found),
        "precision": _nullable(precision),
        "recall": _nullable(recall),
        "f1": _nullable(f1),
        **metrics,
    }
    return _ordered(schema.FRAME, columns)


@kernel(types.UniTuple(types.int64[::1], 2)(READ_I64, READ_U64, READ_U64, types.int64))
def _count_per_frame(frame_start, right, ignored, chosen):  # type: ignore[no-untyped-def]
    """Rows that count and right rows of each frame at a threshold, (F,) each."""
    n_frames = frame_start.shape[0] - 1
    n_counted = np.zeros(n_frames, np.int64)
    n_right = np.zeros(n_frames, np.int64)
    shift = np.uint64(chosen)
    for frame in range(n_frames):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            n_counted[frame] += 1 - np.int64((ignored[row] >> shift) & np.uint64(1))
            n_right[frame] += np.int64((right[row] >> shift) & np.uint64(1))
    return n_counted, n_right


def _optional(table: pa.Table, name: str, type_: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, type_)
    return combined(table[name]).cast(type_)


def _ordered(table: schema.TableSchema, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Declared columns in declared order, then columns per threshold and metrics as they come."""
    names = [column.name for column in table.columns]
    names += [name for name in columns if name not in table.by_name]
    return pa.table({name: columns[name] for name in names})
