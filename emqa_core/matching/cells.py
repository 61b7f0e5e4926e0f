"""Frame-class cells: the rows of one class in one frame, predictions by score.

The kernels of the protocols share this: per frame, counting buckets over the classes that are present
(their cost does not depend on the number of classes) and an insertion sort by score inside a cell.
"""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I32

INSERTION_SORT_LIMIT = 64  # longer cells: merge sort, so that a dense cell does not cost n²


@kernel(
    types.int64(
        types.int64, types.int64, types.int64, READ_I32, types.int64[::1], types.boolean,
        types.int64[::1], types.int64[::1], types.int64[::1], types.int64[::1], types.int64[::1],
    ),
)  # fmt: skip
def bucket_rows(  # type: ignore[no-untyped-def]
    frame, first, last, class_code, wanted, takes_all, stamp, slot, start, rows, unsorted
):
    """Group the rows first:last of a frame by class; returns the number of classes present.

    wanted (K,): only classes with wanted[code] == frame, unless takes_all. stamp, slot (K,) are scratch
    that lives across frames, unsorted scratch as long as rows. rows[start[s]:start[s + 1]] are the rows of
    the class in slot s, in input order.
    """
    n_rows = 0
    for row in range(first, last):
        # Written whether wanted or not: a branch would be guessed wrong.
        unsorted[n_rows] = row
        n_rows += np.int64(takes_all or wanted[class_code[row]] == frame)  # type: ignore[assignment]
    n_slots = 0
    start[0] = 0
    for index in range(n_rows):
        code = class_code[unsorted[index]]
        if stamp[code] != frame:
            stamp[code] = frame
            slot[code] = n_slots
            n_slots += 1
            start[n_slots] = 0
        start[slot[code] + 1] += 1
    # Each start stands one place too far right until its rows are in.
    total = 0
    for index in range(n_slots):
        count = start[index + 1]
        start[index + 1] = total
        total += count
    for index in range(n_rows):
        row = unsorted[index]
        place = slot[class_code[row]] + 1
        rows[start[place]] = row
        start[place] += 1
    return n_slots


@kernel(types.void(types.int64, types.int64, types.int64[::1], READ_F64))
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


@kernel(
    types.int64(
        types.int64, types.int64, types.int64, READ_I32, READ_F64, types.int64[::1], types.boolean,
        types.int64[::1], types.int64[::1], types.int64[::1], types.int64[::1], types.int64[::1],
    ),
)  # fmt: skip
def order_rows(  # type: ignore[no-untyped-def]
    frame, first, last, class_code, score, wanted, takes_all, stamp, slot, start, rows, unsorted
):
    """Put the wanted rows of a frame into `rows` so that the scores of each class descend, ties by input.

    Returns their number. Detectors mostly write a frame's rows by score: then the input order will do.
    Arguments as for `bucket_rows`.
    """
    n_rows = 0
    for row in range(first, last):
        # Written whether wanted or not: a branch would be guessed wrong.
        rows[n_rows] = row
        n_rows += np.int64(takes_all or wanted[class_code[row]] == frame)  # type: ignore[assignment]
    descends = True
    for index in range(1, n_rows):
        descends &= score[rows[index]] <= score[rows[index - 1]]
    if descends:
        return n_rows
    n_slots = bucket_rows(
        frame, first, last, class_code, wanted, takes_all, stamp, slot, start, rows, unsorted
    )
    for cell in range(n_slots):
        sort_cell(start[cell], start[cell + 1], rows, score)
    return n_rows
