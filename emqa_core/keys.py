"""Hashes of row keys: the only source of chance in the project.

A sample, a jackknife group or a random control is decided by the hash of a row's key, never by its
position, so that the same data gives the same choice however it was cut and wherever it ran.
The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood 2014); strings are folded into it with
FNV-1a over eight bytes at a time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit, types

from emqa_core.combined import combined
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64, READ_U8, READ_U64

U64 = np.uint64

SALT_ROW_SAMPLE = 0x51A7_0001
SALT_GROUP = 0x51A7_0002
SALT_CONTROL = 0x51A7_0003
SALT_RECALL = 0x51A7_0004


@njit(inline="always")
def _mix(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> U64(27))) * U64(0x94D049BB133111EB)
    return value ^ (value >> U64(31))


@kernel(types.uint64[::1](READ_I64))
def _hash_integers(values):  # type: ignore[no-untyped-def]
    out = np.empty(values.shape[0], np.uint64)
    for row in range(values.shape[0]):
        out[row] = _mix(U64(values[row]) + U64(0x9E3779B97F4A7C15))
    return out


@kernel(types.uint64[::1](READ_I64, READ_U8))
def _hash_strings(offsets, data):  # type: ignore[no-untyped-def]
    n_rows = offsets.shape[0] - 1
    out = np.empty(n_rows, np.uint64)
    for row in range(n_rows):
        state = U64(0xCBF29CE484222325)
        word = U64(0)
        filled = 0
        for position in range(offsets[row], offsets[row + 1]):
            word |= U64(data[position]) << U64(8 * filled)
            filled += 1
            if filled == 8:
                state = _mix((state ^ word) * U64(0x100000001B3))
                word = U64(0)
                filled = 0
        state = _mix((state ^ word) * U64(0x100000001B3))
        out[row] = _mix(state ^ U64(offsets[row + 1] - offsets[row]))
    return out


@kernel([types.uint64[::1](READ_U64, each, READ_U64) for each in (READ_I32, READ_I64)])
def _hash_pairs(frame_hash, frame_of_row, object_hash):  # type: ignore[no-untyped-def]
    out = np.empty(object_hash.shape[0], np.uint64)
    for row in range(object_hash.shape[0]):
        out[row] = _mix(frame_hash[frame_of_row[row]] * U64(0x100000001B3) ^ object_hash[row])
    return out


@kernel(types.uint64[::1](READ_U64, types.uint64))
def _salted(hashes, salt):  # type: ignore[no-untyped-def]
    out = np.empty(hashes.shape[0], np.uint64)
    for row in range(hashes.shape[0]):
        out[row] = _mix(hashes[row] ^ _mix(salt))
    return out


def hash_column(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Hash every id of a column, (n,) uint64.

    `column` is int64 or string without nulls; an integer and its decimal string hash differently.
    """
    column = combined(column)
    if pa.types.is_dictionary(column.type):
        hashes = hash_column(column.dictionary)
        return np.asarray(hashes[column.indices.to_numpy(zero_copy_only=False)])
    if pa.types.is_integer(column.type):
        values = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return np.asarray(_hash_integers(np.ascontiguousarray(values)))
    column = column.cast(pa.large_string())
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.empty(0, np.uint8)
    return np.asarray(_hash_strings(offsets, data))


def hash_objects(frame_hash: np.ndarray, frame_of_row: np.ndarray, object_hash: np.ndarray) -> np.ndarray:
    """Hash of the real key (frame_id, object id), (n,) uint64.

    frame_hash (F,) uint64, frame_of_row (n,) int32 or int64 index into it, object_hash (n,) uint64.
    """
    return np.asarray(_hash_pairs(frame_hash, frame_of_row, object_hash))


def salted(hashes: np.ndarray, salt: int) -> np.ndarray:
    """An independent hash of the same keys for another purpose, (n,) uint64."""
    return np.asarray(_salted(hashes, U64(salt)))


def uniform(hashes: np.ndarray) -> np.ndarray:
    """Hashes as numbers in [0, 1), (n,) float64: the upper 53 bits."""
    return (hashes >> U64(11)).astype(np.float64) * (1.0 / (1 << 53))


def group_of(unit_hash: np.ndarray, n_groups: int) -> np.ndarray:
    """Jackknife group of each resampling unit, (n,) uint8 in 0..n_groups-1."""
    return (salted(unit_hash, SALT_GROUP) % U64(n_groups)).astype(np.uint8)
