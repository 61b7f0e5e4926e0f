"""Frame-class cells: the rows of one class in one frame, predictions by score.

The kernels of the protocols share this: per frame, counting buckets over the classes that are present
(their cost does not depend on the number of classes) and an insertion sort by score inside a cell.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64, READ_I32

INSERTION_SORT_LIMIT = 64  # longer cells: merge sort, so that a dense cell does not cost n²


@njit(
    types.int64(
        types.int64, types.int64, types.int64, READ_I32,
        types.int64[::1], types.int64[::1], types.int64[::1], types.int64[::1],
    ),
    cache=True,
)  # fmt: skip
def bucket_rows(frame, first, last, class_code, stamp, slot, start, rows):  # type: ignore[no-untyped-def]
    """Group the rows first:last of a frame by class; returns the number of classes present.

    stamp, slot (K,) are scratch that lives across frames. rows[start[s]:start[s + 1]] are the rows of
    the class in slot s, in input order.
    """
    n_slots = 0
    for row in range(first, last):
        code = class_code[row]
        if stamp[code] != frame:
            stamp[code] = frame
            slot[code] = n_slots
            start[n_slots + 1] = 0
            n_slots += 1
        start[slot[code] + 1] += 1
    start[0] = 0
    for index in range(n_slots):
        start[index + 1] += start[index]
    for row in range(last - 1, first - 1, -1):
        # Filling from the back moves each end down to its start and keeps the input order.
        index = slot[class_code[row]] + 1
        start[index] -= 1
        rows[start[index]] = row
    # The ends have become starts, one place too far right.
    for index in range(n_slots):
        start[index] = start[index + 1]
    start[n_slots] = last - first
    return n_slots


@njit(types.void(types.int64, types.int64, types.int64[::1], READ_F64), cache=True)
def sort_cell(begin, end, rows, score):  # type: ignore[no-untyped-def]
    """Sort rows[begin:end] by score descending, ties by input order."""
    if end - begin > INSERTION_SORT_LIMIT:
        keys = np.empty(end - begin, np.float64)
        for index in range(begin, end):
            keys[index - begin] = -score[rows[index]]
        order = np.argsort(keys, kind="mergesort")
        unsorted = rows[begin:end].copy()
        for index in range(end - begin):
            rows[begin + index] = unsorted[order[index]]
        return
    for index in range(begin + 1, end):
        row = rows[index]
        value = score[row]
        place = index
        while place > begin and score[rows[place - 1]] < value:
            rows[place] = rows[place - 1]
            place -= 1
        rows[place] = row
