"""Average precision and its relatives from the score run of a class.

Exact: one sort per class of packed words (inverted float32 score, rank in frame order), then integer
counts; the divisions are pycocotools' (cocoeval.py, accumulate), so that the entries agree to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I64, READ_I64_2D, READ_U16, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import ScoreRuns

U64 = np.uint64
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
VOC07_RECALL_POINTS = np.linspace(0.0, 1.0, 11)
_EPSILON = np.spacing(1)
# From here on the radix sort wins: at 250,000 rows it takes a seventh of np.sort's time on a processor
# with slow compressing stores (Zen 4), where np.sort needs 43 ns a row.
RADIX_ROWS = 1_000


@njit(types.void(types.uint64[::1], READ_F64), cache=True)
def _order_equal_float32(keys, score):  # type: ignore[no-untyped-def]
    """Sort anew the runs of scores that are equal as float32 but not as float64."""
    mask = U64(0xFFFFFFFF)
    n_rows = keys.shape[0]
    begin = 0
    while begin < n_rows:
        end = begin + 1
        in_order = True
        while end < n_rows and (keys[end] >> U64(32)) == (keys[begin] >> U64(32)):
            if score[keys[end] & mask] > score[keys[end - 1] & mask]:
                in_order = False
            end += 1
        if not in_order:
            values = np.empty(end - begin, np.float64)
            for index in range(begin, end):
                values[index - begin] = -score[keys[index] & mask]
            order = np.argsort(values, kind="mergesort")
            run = keys[begin:end].copy()
            for index in range(end - begin):
                keys[begin + index] = run[order[index]]
        begin = end


@njit(types.uint64[::1](READ_F64), cache=True)
def _pack_keys(score):  # type: ignore[no-untyped-def]
    """Inverted float32 score in the upper half, position in the lower."""
    keys = np.empty(score.shape[0], np.uint64)
    single = np.empty(1, np.float32)
    bits = single.view(np.uint32)
    for index in range(score.shape[0]):
        # -0.0 and 0.0 are one score. A score beyond float32 becomes infinite: one more tie.
        single[0] = np.float32(score[index] + 0.0)
        word = bits[0]
        # Floats order like unsigned integers once the negatives' bits and the others' sign are flipped;
        # inverted, because the highest score comes first.
        ascending = ~word if word >> np.uint32(31) else word | np.uint32(0x80000000)
        keys[index] = (U64(~ascending & np.uint32(0xFFFFFFFF)) << U64(32)) | U64(index)
    return keys


@njit(types.uint64[::1](types.uint64[::1]), cache=True)
def _radix_sort(keys):  # type: ignore[no-untyped-def]
    """Stable sort by the upper half, three passes of 11 bits; the lower half ascends already."""
    n_rows = keys.shape[0]
    counts = np.zeros((3, 2048), np.int64)
    for index in range(n_rows):
        word = keys[index] >> U64(32)
        counts[0, word & U64(2047)] += 1
        counts[1, (word >> U64(11)) & U64(2047)] += 1
        counts[2, word >> U64(22)] += 1
    other = np.empty_like(keys)
    for digit in range(3):
        if counts[digit].max() == n_rows:
            continue
        total = 0
        for bucket in range(2048):
            count = counts[digit, bucket]
            counts[digit, bucket] = total
            total += count
        shift = U64(32 + 11 * digit)
        for index in range(n_rows):
            bucket = (keys[index] >> shift) & U64(2047)
            other[counts[digit, bucket]] = keys[index]
            counts[digit, bucket] += 1
        keys, other = other, keys
    return keys


def order_by_score(score: Array) -> Array:
    """Positions by score descending, ties by position, (n,) uint64."""
    if len(score) >> 32:
        raise ValueError("a score run holds at most 2**32 rows")
    keys = _pack_keys(score)
    if len(keys) < RADIX_ROWS:
        keys.sort()
    else:
        keys = _radix_sort(keys)
    _order_equal_float32(keys, score)
    keys &= U64(0xFFFFFFFF)
    return np.asarray(keys)


@njit(
    types.Tuple(
        (
            types.float64[::1], types.boolean[::1], types.uint64[:, ::1], types.uint64[:, ::1],
            types.int64[:, ::1], types.int64[:, ::1], types.int64[::1],
        )
    )(READ_U64, READ_F64, READ_U16, READ_BOOL, READ_U64_2D, READ_U64_2D, types.uint64),
    cache=True,
)  # fmt: skip
def _matches_in_order(  # type: ignore[no-untyped-def]
    order, score, outside, is_matched, true_positive, matched_ignored, every
):
    """The matched rows in score order, m of them, and the unmatched rows that count around each.

    Returns score (m,), whether the row is the last match of its tie (m,), words of true positives and of
    rows that count as false positives (A, m), unmatched rows that count before it and up to the end of its
    tie (A, m), and all of them (A,).
    """
    n_rows = order.shape[0]
    n_ranges = true_positive.shape[1]
    n_matches = true_positive.shape[0]
    match_of_row = np.cumsum(is_matched.astype(np.int64)) - 1
    match_score = np.empty(n_matches, np.float64)
    ends_tie = np.zeros(n_matches, np.bool_)
    right = np.empty((n_ranges, n_matches), np.uint64)
    wrong = np.empty((n_ranges, n_matches), np.uint64)
    before = np.empty((n_ranges, n_matches), np.int64)
    through_tie = np.empty((n_ranges, n_matches), np.int64)
    unmatched = np.zeros(n_ranges, np.int64)
    n_found = 0
    tie_begin = 0
    for index in range(n_rows):
        row = order[index]
        if is_matched[row]:
            word = match_of_row[row]
            match_score[n_found] = score[row]
            for a in range(n_ranges):
                before[a, n_found] = unmatched[a]
                right[a, n_found] = true_positive[word, a]
                is_outside = (outside[row] >> np.uint16(a)) & np.uint16(1)
                left_out = every if is_outside else matched_ignored[word, a]
                wrong[a, n_found] = every & ~true_positive[word, a] & ~left_out
            n_found += 1
        else:
            for a in range(n_ranges):
                if not (outside[row] >> np.uint16(a)) & np.uint16(1):
                    unmatched[a] += 1
        if tie_begin < n_found and (index + 1 == n_rows or score[order[index + 1]] != score[row]):
            for found in range(tie_begin, n_found):
                for a in range(n_ranges):
                    through_tie[a, found] = unmatched[a]
            ends_tie[n_found - 1] = True
            tie_begin = n_found
    return match_score, ends_tie, right, wrong, before, through_tie, unmatched


@njit(
    types.Tuple(
        (
            types.float64[:, :, ::1], types.float64[:, :, ::1], types.int64[:, ::1], types.int64[:, ::1],
            types.float64[:, ::1], types.float64[:, ::1], types.float64[:, :, ::1],
        )
    )(
        READ_F64, READ_BOOL, READ_U64_2D, READ_U64_2D, READ_I64_2D, READ_I64_2D, READ_I64,
        types.float64, READ_I64, types.int64, READ_F64, READ_F64,
    ),
    cache=True,
)  # fmt: skip
def _accumulate(  # type: ignore[no-untyped-def]
    match_score, ends_tie, right, wrong, before, through_tie, n_unmatched,
    highest_score, n_positive, n_thresholds, recall_points, voc_points,
):  # fmt: skip
    n_ranges = n_positive.shape[0]
    n_points = recall_points.shape[0]
    n_matches = match_score.shape[0]
    precision = np.full((n_thresholds, n_ranges, n_points), -1.0)
    score_at = np.full((n_thresholds, n_ranges, n_points), -1.0)
    n_true = np.zeros((n_thresholds, n_ranges), np.int64)
    n_false = np.zeros((n_thresholds, n_ranges), np.int64)
    voc07 = np.full((n_thresholds, n_ranges), np.nan)
    all_point = np.full((n_thresholds, n_ranges), np.nan)
    best = np.full((n_thresholds, n_ranges, 4), np.nan)
    envelope = np.empty(n_matches, np.float64)
    score_of_true = np.empty(n_matches, np.float64)

    for a in range(n_ranges):
        n_labels = n_positive[a]
        positives = float(n_labels)
        for t in range(n_thresholds):
            shift = U64(t)
            tp = 0
            fp = 0
            best_tp = 0
            best_kept = 0
            best_score = 0.0
            for index in range(n_matches):
                # Written whether right or not, and kept only if right: a branch would be guessed wrong.
                fp += np.int64((wrong[a, index] >> shift) & U64(1))  # type: ignore[assignment]
                if n_points > 0:
                    envelope[tp] = (tp + 1.0) / ((fp + before[a, index]) + (tp + 1.0) + _EPSILON)
                    score_of_true[tp] = match_score[index]
                tp += np.int64((right[a, index] >> shift) & U64(1))  # type: ignore[assignment]
                if ends_tie[index]:
                    # F1 = 2 TP / (rows kept + labels), compared without a division.
                    n_kept = tp + fp + through_tie[a, index]
                    if tp * (best_kept + n_labels) > best_tp * (n_kept + n_labels):
                        best_tp = tp
                        best_kept = n_kept
                        best_score = match_score[index]
            n_true[t, a] = tp
            n_false[t, a] = fp + n_unmatched[a]
            if n_labels == 0:
                continue
            if best_tp > 0:
                best[t, a, 0] = best_score
                best[t, a, 1] = best_tp / best_kept
                best[t, a, 2] = best_tp / positives
                best[t, a, 3] = 2.0 * best_tp / (best_kept + positives)
            if n_points == 0:
                continue
            for index in range(tp - 2, -1, -1):
                if envelope[index] < envelope[index + 1]:
                    envelope[index] = envelope[index + 1]
            reached = 0
            for point in range(n_points):
                while reached < tp and (reached + 1) / positives < recall_points[point]:
                    reached += 1
                if recall_points[point] <= 0.0 and highest_score == highest_score:
                    # The first row has recall >= 0, whatever it is.
                    precision[t, a, point] = envelope[0] if tp > 0 else 0.0
                    score_at[t, a, point] = highest_score
                elif reached < tp:
                    precision[t, a, point] = envelope[reached]
                    score_at[t, a, point] = score_of_true[reached]
                else:
                    precision[t, a, point] = 0.0
                    score_at[t, a, point] = 0.0
            total = 0.0
            reached = 0
            for point in range(voc_points.shape[0]):
                while reached < tp and (reached + 1) / positives < voc_points[point]:
                    reached += 1
                total += envelope[reached] if reached < tp else 0.0
            voc07[t, a] = total / voc_points.shape[0]
            total = 0.0
            for index in range(tp):
                total += envelope[index]
            all_point[t, a] = total / positives
    return precision, score_at, n_true, n_false, voc07, all_point, best


@dataclass(frozen=True)
class ClassCurve:
    """The precision-recall curve of one class and what follows from it, T thresholds x A area ranges.

    precision, score (T, A, 101) at the recall points, -1 where no label counts. n_true_positive,
    n_false_positive (T, A). voc07, all_point (T, A): the VOC 2007 eleven-point and the all-point AP, NaN
    without labels. best (T, A, 4): score threshold, precision, recall and F1 of the highest F1, the
    higher threshold on ties, NaN where there is no true positive.
    """

    precision: Array
    score: Array
    n_true_positive: Array
    n_false_positive: Array
    voc07: Array
    all_point: Array
    best: Array


def class_curve(
    run: ScoreRuns, n_positive: Array, n_thresholds: int, recall_points: Array = RECALL_POINTS
) -> ClassCurve:
    """The curve of one class's run; n_positive (A,) int64: labels that count in each area range.

    Without recall points only the counts and `best` are computed.
    """
    order = order_by_score(run.score)
    every = U64((1 << n_thresholds) - 1)
    highest = float(run.score[order[0]]) if len(order) else float("nan")
    return ClassCurve(
        *_accumulate(
            *_matches_in_order(
                order, run.score, run.outside, run.is_matched, run.true_positive, run.matched_ignored, every
            ),
            highest,
            np.asarray(n_positive, np.int64),
            n_thresholds,
            recall_points,
            VOC07_RECALL_POINTS,
        )
    )
