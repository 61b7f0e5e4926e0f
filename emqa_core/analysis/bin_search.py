"""The search for the bins of many values: a table by their leading bits leaves few edges to look at."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F32, READ_F64, READ_I16
from emqa_core.objects import Array


@njit(inline="always")
def _prefix(value):  # type: ignore[no-untyped-def]
    """Upper 16 bits of the value as a float32, in the order of the values."""
    bits = np.int64(np.float32(value).view(np.uint32))
    return (bits ^ 0xFFFFFFFF if bits & 0x80000000 else bits | 0x80000000) >> 16


@kernel(types.int16[::1](READ_F64))
def edge_table(upper):  # type: ignore[no-untyped-def]
    """How many upper edges but the last have a smaller prefix, for each prefix and one more, (65537,) int16.

    upper (n,) float64 ascending. Rounding to float32 keeps the order of values, so edges of a smaller prefix
    are below a value and those of a larger one are not.
    """
    below = np.zeros((1 << 16) + 1, np.int16)
    for edge in range(upper.shape[0] - 1):
        below[_prefix(upper[edge]) + 1] += np.int16(1)
    for prefix in range(1 << 16):
        below[prefix + 1] += below[prefix]
    return below


@kernel(
    [
        types.UniTuple(types.int16[::1], 2)(values, READ_F64, READ_I16, READ_I16)
        for values in (READ_F32, READ_F64)
    ],
)
def _find(values, upper, below, coarse):  # type: ignore[no-untyped-def]
    last = upper.shape[0] - 1
    fine_of = np.empty(values.shape[0], np.int16)
    coarse_of = np.empty(values.shape[0], np.int16)
    for row in range(values.shape[0]):
        value = np.float64(values[row])
        if not np.isfinite(value):
            fine_of[row] = -1
            coarse_of[row] = -1
            continue
        prefix = _prefix(value)
        low = np.int64(below[prefix])
        high = np.int64(below[prefix + 1])
        # Mostly one edge at most has the value's prefix: a step without a branch, which would be guessed.
        low += np.int64(low < last) & np.int64(upper[low] < value)
        while low < high:
            middle = (low + high) // 2
            if upper[middle] < value:
                low = middle + 1
            else:
                high = middle
        fine_of[row] = low
        coarse_of[row] = coarse[low]
    return fine_of, coarse_of


def find_bins(values: Array, upper: Array, below: Array, coarse: Array) -> tuple[Array, Array]:
    """Bin of each value and its group, (n,) int16 each; -1 where the value is not finite.

    Bin k holds the values in (upper[k - 1], upper[k]], the last one also those above. values (n,) numbers;
    upper (m,) float64 ascending; below: its `edge_table`; coarse (m,) int16: the group of each bin.
    """
    values = np.ascontiguousarray(values)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    fine, group = _find(values, upper, below, coarse)
    return fine, group
