"""Metrics of an object along its track: age, speed, IoU with its previous box, gap before it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import types

from emqa_core import keys
from emqa_core.combined import combined
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I64, READ_U64
from emqa_core.objects import Array

N_TRACK_METRICS = 4


@kernel(
    types.float32[:, ::1](READ_U64, READ_I64, READ_F64, READ_F64, READ_F64, READ_F64), error_model="numpy"
)
def _along(track, frame_index, x, y, width, height):  # type: ignore[no-untyped-def]
    n_rows = track.shape[0]
    out = np.full((n_rows, 4), np.nan, np.float32)
    first, before, now = 0, -1, -1  # rows: the track's first, the last of the frame before, the last one
    for row in range(n_rows):
        if now < 0 or track[row] != track[now]:
            first, before = row, -1
        elif frame_index[row] != frame_index[now]:
            before = now
        now = row
        out[row, 0] = frame_index[row] - frame_index[first]
        if before < 0:
            continue
        n_frames = np.float64(frame_index[row] - frame_index[before])
        across = (x[row] + 0.5 * width[row]) - (x[before] + 0.5 * width[before])
        down = (y[row] + 0.5 * height[row]) - (y[before] + 0.5 * height[before])
        out[row, 1] = np.sqrt(across * across + down * down) / n_frames
        shared_width = min(x[row] + width[row], x[before] + width[before]) - max(x[row], x[before])
        shared_height = min(y[row] + height[row], y[before] + height[before]) - max(y[row], y[before])
        shared = max(shared_width, 0.0) * max(shared_height, 0.0)
        union = width[row] * height[row] + width[before] * height[before] - shared
        out[row, 2] = shared / union if union > 0.0 else 0.0
        out[row, 3] = n_frames - 1.0
    return out


def track_metrics(
    track: Array, frame_index: Array, place: Array, x: Array, y: Array, width: Array, height: Array
) -> Array:
    """Age, speed, IoU with the previous box and gap of n rows of whole tracks, (n, 4) float32, NaN for null.

    track (n,) uint64: hash of sequence and track. frame_index (n,) int64. place (n,) int64: order of the rows
    within a frame. x, y, width, height (n,) float64 in px. The previous box is the last one of the latest
    earlier frame that has the track. Age is 0 for the first; the rest is null there.
    """
    order = np.lexsort((place, frame_index, track))
    out = np.empty((len(track), N_TRACK_METRICS), np.float32)
    out[order] = _along(track[order], frame_index[order], x[order], y[order], width[order], height[order])
    return out


def track_keys(
    frames: pa.Table, frame_of_row: Array, track_id: pa.ChunkedArray | pa.Array
) -> tuple[Array, ...]:
    """Rows that are of a track, ascending, their tracks' hashes (m,) uint64 and frame_index (m,) int64.

    frames: the frame table, of which `frame_of_row` (n,) names the row; without a sequence, an index or a
    track, a row is of no track.
    """
    ids = _text(track_id)
    sequence = _text(frames["sequence_id"])
    index = combined(frames["frame_index"])
    has_frame = np.asarray(sequence.is_valid()) & np.asarray(index.is_valid())
    rows = np.flatnonzero(np.asarray(ids.is_valid()) & has_frame[frame_of_row])
    frame = frame_of_row[rows]
    sequence_hash = keys.hash_column(sequence.fill_null(""))
    track_hash = keys.hash_column(ids.take(pa.array(rows)))
    hashes = keys.hash_objects(sequence_hash, np.ascontiguousarray(frame, np.int64), track_hash)
    values = index.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return rows, hashes, values[frame]


def _text(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    column = combined(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())
