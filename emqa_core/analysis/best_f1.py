"""The highest F1 of a walk over matched rows in score order, at all IoU thresholds at once.

F1 falls from one matched row to the next, so it is read at matched rows alone, with all rows of their score
kept. Within a tie it only grows, match by match: the last one decides, and nobody need know which that is.
Rows are counted in blocks, eight thresholds in a word; only blocks in which F1 can be the highest are read
row by row.
"""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.errors import PlanError
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_U32, READ_U64
from emqa_core.objects import Array

U64 = np.uint64
_BLOCK_ROWS = 64  # a byte counts up to 255
# Bit i of a number as byte i of a word.
_BYTE_OF_BIT = np.array(
    [sum(1 << 8 * bit for bit in range(8) if number >> bit & 1) for number in range(256)], np.uint64
)


@kernel(types.void(READ_U64, READ_U64, READ_U32, types.int64, types.int64, types.int64[:, ::1]))
def scan_f1(right, not_false, through_tie, n_counted, n_labels, state):  # type: ignore[no-untyped-def]
    """Go on with n_counted matches that count in an area range.

    right, not_false, through_tie: of each match as in `RankedMatches`. state (5, T) is brought up to date:
    true positives and rows that are no false positives so far; true positives, rows kept and index of the
    match at the best score threshold, the higher one on ties. The index stays as it is where an earlier
    match was as good. Rows that stand before a stretch of their own are taken from those that are no false
    positives, which may be negative then.
    """
    tp, left_out, best_tp, best_kept, best_index = state
    n_words = (tp.shape[0] + 7) // 8
    n_blocks = (n_counted + _BLOCK_ROWS - 1) // _BLOCK_ROWS
    n_right = np.empty((n_words, n_blocks), np.uint64)
    n_not_false = np.empty((n_words, n_blocks), np.uint64)
    any_ignored = np.zeros(n_blocks, np.uint64)
    for block in range(n_blocks):
        begin = block * _BLOCK_ROWS
        end = min(begin + _BLOCK_ROWS, n_counted)
        for word in range(n_words):
            shift = U64(8 * word)
            right_sum = U64(0)
            not_false_sum = U64(0)
            for index in range(begin, end):
                right_sum += _BYTE_OF_BIT[(right[index] >> shift) & U64(255)]
                not_false_sum += _BYTE_OF_BIT[(not_false[index] >> shift) & U64(255)]
            n_right[word, block] = right_sum
            n_not_false[word, block] = not_false_sum
        ignored = U64(0)
        for index in range(begin, end):
            ignored |= not_false[index] & ~right[index]
        any_ignored[block] = ignored
    for t in range(tp.shape[0]):
        word = t >> 3
        shift = U64(8 * (t & 7))
        # F1 = 2 TP / (rows kept + labels), compared without a division. What the last rows of the blocks
        # reach is a bound from below for the whole.
        now_tp, now_out = tp[t], left_out[t]
        low_tp, low_kept = best_tp[t], best_kept[t]
        for block in range(n_blocks):
            now_tp += np.int64((n_right[word, block] >> shift) & U64(255))
            now_out += np.int64((n_not_false[word, block] >> shift) & U64(255))
            last = min((block + 1) * _BLOCK_ROWS, n_counted) - 1
            kept = now_tp + np.int64(through_tie[last]) - now_out
            if now_tp * (low_kept + n_labels) > low_tp * (kept + n_labels):
                low_tp, low_kept = now_tp, kept
        now_tp, now_out = tp[t], left_out[t]
        top_tp, top_kept, top_index = best_tp[t], best_kept[t], best_index[t]
        for block in range(n_blocks):
            block_right = np.int64((n_right[word, block] >> shift) & U64(255))
            block_out = np.int64((n_not_false[word, block] >> shift) & U64(255))
            begin = block * _BLOCK_ROWS
            # No row of the block has more true positives than all together, nor fewer rows kept than its
            # first one less those that are ignored, at most all that are no false positives.
            most_tp = now_tp + block_right
            least_kept = now_tp + np.int64(through_tie[begin]) - now_out
            if (any_ignored[block] >> U64(t)) & U64(1):
                least_kept -= block_out
            if most_tp * (low_kept + n_labels) >= low_tp * (least_kept + n_labels):
                row_tp, row_out = now_tp, now_out
                for index in range(begin, min(begin + _BLOCK_ROWS, n_counted)):
                    row_tp += np.int64((right[index] >> U64(t)) & U64(1))
                    row_out += np.int64((not_false[index] >> U64(t)) & U64(1))
                    kept = row_tp + np.int64(through_tie[index]) - row_out
                    if row_tp * (top_kept + n_labels) > top_tp * (kept + n_labels):
                        top_tp, top_kept, top_index = row_tp, kept, index
            now_tp += block_right
            now_out += block_out
        tp[t], left_out[t] = now_tp, now_out
        best_tp[t], best_kept[t], best_index[t] = top_tp, top_kept, top_index


def is_higher_f1(n_true: Array, kept: Array, other_true: Array, other_kept: Array, n_labels: Array) -> Array:
    """Whether F1 = 2 TP / (rows kept + labels) is above another one; int64 arrays, compared exactly."""
    return np.asarray(n_true * (other_kept + n_labels) > other_true * (kept + n_labels))


def check_products(n_rows: int, n_labels: int) -> None:
    """PlanError for more rows and labels than `is_higher_f1` and `scan_f1` compare in eight bytes."""
    if n_labels * (n_rows + n_labels) >= 1 << 63:
        raise PlanError(
            f"{n_rows:,} predictions and {n_labels:,} labels are too many for one exact comparison of F1",
            expected="labels x (predictions + labels) below 2**63",
            next_step="evaluate parts of the data set as runs of their own",
        )
