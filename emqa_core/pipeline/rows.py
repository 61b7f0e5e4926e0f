"""From a partition's tables to the arrays of its frames, labels and predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from emqa_core import keys
from emqa_core.combined import combined
from emqa_core.id_places import index_by_place
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64
from emqa_core.objects import Array, Frames


def float_array(table: pa.Table, name: str) -> Array:
    """A numeric column as (n,) float64, NaN for null or where the column is absent."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values = combined(table[name]).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values, np.float64)


def bool_array(table: pa.Table, name: str) -> Array:
    """A boolean column as (n,) bool, False for null or where the column is absent."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    column = combined(table[name]).cast(pa.bool_())
    if column.null_count:
        column = column.fill_null(False)
    return np.ascontiguousarray(column.to_numpy(zero_copy_only=False), np.bool_)


def runs_of_equal(column: pa.Array) -> tuple[Array, pa.Array]:
    """Where a value differs from the one before: starts (r,) int64, and the value of each run (r,)."""
    n_rows = len(column)
    if n_rows == 0:
        return np.zeros(0, np.int64), column
    if pa.types.is_integer(column.type):
        codes = column.to_numpy(zero_copy_only=False)
    else:
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        codes = column.indices.to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    values = column.take(pa.array(starts))
    return starts, values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def frame_of_rows(frame_id: pa.Array, frame_ids: pa.Array) -> Array:
    """Position of each row's frame in frame_ids, (n,) int32; -1 for a frame that is not there."""
    if (by_place := index_by_place(frame_id, frame_ids)) is not None:
        return by_place
    starts, values = runs_of_equal(frame_id)
    found = pc.index_in(values.cast(frame_ids.type), value_set=frame_ids)
    position = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return np.repeat(position, np.diff(np.append(starts, len(frame_id))))


@kernel(types.Tuple((types.boolean, types.int64[::1]))(READ_I32, READ_I64, types.int64))
def _frame_starts(frame, input_index, n_frames):  # type: ignore[no-untyped-def]
    """Whether rows ascend by frame, then input_index, and if so where each frame's rows start, (F + 1,)."""
    starts = np.zeros(n_frames + 1, np.int64)
    for row in range(frame.shape[0]):
        if row > 0 and (
            frame[row] < frame[row - 1]
            or (frame[row] == frame[row - 1] and input_index[row] <= input_index[row - 1])
        ):
            return False, starts
        starts[frame[row] + 1] += 1
    for index in range(n_frames):
        starts[index + 1] += starts[index]
    return True, starts


@kernel(types.int64[::1](READ_I32, types.int64))
def _order_by_frame(frame, n_frames):  # type: ignore[no-untyped-def]
    """Rows by frame, those of a frame in the order given: a counting sort."""
    place_of = np.zeros(n_frames + 1, np.int64)
    for row in range(frame.shape[0]):
        place_of[frame[row] + 1] += 1
    for index in range(n_frames):
        place_of[index + 1] += place_of[index]
    order = np.empty(frame.shape[0], np.int64)
    for row in range(frame.shape[0]):
        order[place_of[frame[row]]] = row
        place_of[frame[row]] += 1
    return order


@dataclass(frozen=True)
class SortedRows:
    """Rows of a table in evaluation order.

    table: the rows, sorted by frame, then input_index. frame (n,) int32: position of each row's frame.
    frame_start (F + 1,) int64.
    """

    table: pa.Table
    frame: Array
    frame_start: Array


def evaluation_order(table: pa.Table, frame: Array, n_frames: int) -> tuple[Array | None, Array]:
    """Rows by frame, then input_index, (n,) int64, None where they are so already; frame_start (F + 1,)."""
    input_index = combined(table["input_index"]).to_numpy(zero_copy_only=False)
    in_order, frame_start = _frame_starts(frame, input_index, n_frames)
    if in_order:
        return None, frame_start
    order = _order_by_frame(frame, n_frames)
    in_order, frame_start = _frame_starts(frame[order], input_index[order], n_frames)
    if not in_order:  # sources are mostly read in the order of input_index
        order = np.lexsort((input_index, frame))
        _, frame_start = _frame_starts(frame[order], input_index[order], n_frames)
    return order, frame_start


def sort_rows(table: pa.Table, frame: Array, n_frames: int) -> SortedRows:
    """Order rows by frame, then input_index. A table that is so already is not copied."""
    order, frame_start = evaluation_order(table, frame, n_frames)
    if order is None:
        return SortedRows(table, frame, frame_start)
    return SortedRows(table.take(pa.array(order)), frame[order], frame_start)


def frames_of(table: pa.Table, resampling_unit: str) -> Frames:
    """The arrays of a partition's frames."""
    key_hash = keys.hash_column(table["frame_id"])
    unit_hash = key_hash
    if resampling_unit != "frame":
        unit = table[resampling_unit]
        if not (pa.types.is_integer(unit.type) or pa.types.is_string(unit.type)):
            unit = unit.cast(pa.string())
        # A frame without a unit is a unit of its own.
        known = combined(unit.is_valid()).to_numpy(zero_copy_only=False)
        filled = unit.fill_null(0 if pa.types.is_integer(unit.type) else "")
        unit_hash = np.where(known, keys.hash_column(filled), key_hash)
    return Frames(key_hash, unit_hash, float_array(table, "width_px"), float_array(table, "height_px"))
