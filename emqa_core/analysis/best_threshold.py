"""The score threshold of the highest F1, found in one walk over matched rows in score order.

F1 falls from one matched row to the next, so it is read at matched rows alone, with all rows of their score
kept. Within a tie it only grows, match by match: the last one decides, and nobody need know which that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64, READ_I64, READ_U16, READ_U32, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import Matched

U32, U64 = np.uint32, np.uint64


@njit(
    types.UniTuple(types.int64, 5)(
        READ_U64, READ_U64, READ_U32, types.int64, types.int64, types.int64,
        types.int64, types.int64, types.int64, types.int64, types.int64,
    ),
    cache=True,
)  # fmt: skip
def scan_f1(  # type: ignore[no-untyped-def]
    right, not_false, through_tie, n_counted, t, n_labels,
    tp, left_out, best_tp, best_kept, best_index,
):  # fmt: skip
    """Go on with the matches of a class that count in an area range, at threshold t.

    right, not_false (n_counted,) words as in `RankedMatches`; through_tie: its rows up to the end of the
    match's tie. tp: true positives so far; left_out: rows
    so far that are no false positives. Returns these, and true positives, rows kept and index at the best
    threshold, the higher one on ties.
    """
    shift = U64(t)
    for index in range(n_counted):
        tp += np.int64((right[index] >> shift) & U64(1))
        left_out += np.int64((not_false[index] >> shift) & U64(1))
        kept = tp + np.int64(through_tie[index]) - left_out
        # F1 = 2 TP / (rows kept + labels), compared without a division. Chosen without a branch: until the
        # best one is reached, each true positive is better, and they come as they like.
        is_better = tp * (best_kept + n_labels) > best_tp * (kept + n_labels)
        best_tp = tp if is_better else best_tp
        best_kept = kept if is_better else best_kept
        best_index = index if is_better else best_index
    return tp, left_out, best_tp, best_kept, best_index


@njit(
    types.void(
        READ_U64, READ_U64, READ_U16, READ_F64, READ_U64_2D, READ_U64_2D, READ_I64,
        types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1], types.int64[:, ::1],
        types.float64[:, ::1], types.uint32[::1],
    ),
    cache=True,
)  # fmt: skip
def _take(  # type: ignore[no-untyped-def]
    keys, words, match_outside, match_score, true_positive, matched_ignored, n_positive,
    tp, left_out, best_tp, best_kept, best_score, n_rows,
):  # fmt: skip
    n_thresholds, n_ranges = tp.shape
    n_keys = keys.shape[0]
    n_matches = 0
    for row in range(n_keys):
        n_matches += np.int64(words[row] & U64(1))  # type: ignore[assignment]
    match = np.empty(n_matches, np.int64)
    through_tie = np.empty((n_ranges, n_matches), np.uint32)
    n_found = 0
    tie_begin = 0
    for row in range(n_keys):
        word = words[row]
        if word & U64(1):
            match[n_found] = np.int64(word >> U64(1))
            outside = U32(match_outside[match[n_found]])
            n_found += 1
        else:
            outside = U32(word >> U64(1))
        for a in range(n_ranges):
            n_rows[a] += U32(1) - ((outside >> U32(a)) & U32(1))
        if tie_begin < n_found and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for found in range(tie_begin, n_found):
                for a in range(n_ranges):
                    through_tie[a, found] = n_rows[a]
            tie_begin = n_found
    right = np.empty(n_matches, np.uint64)
    not_false = np.empty(n_matches, np.uint64)
    for a in range(n_ranges):
        for index in range(n_matches):
            number = match[index]
            is_outside = (match_outside[number] >> np.uint16(a)) & np.uint16(1)
            right[index] = true_positive[number, a]
            not_false[index] = U64(0) if is_outside else right[index] | matched_ignored[number, a]
        for t in range(n_thresholds):
            tp[t, a], left_out[t, a], best_tp[t, a], best_kept[t, a], index = scan_f1(
                right, not_false, through_tie[a], n_matches, t, n_positive[a],
                tp[t, a], left_out[t, a], best_tp[t, a], best_kept[t, a], -1,
            )  # fmt: skip
            if index >= 0:
                best_score[t, a] = match_score[match[index]]


@dataclass(frozen=True)
class BestThreshold:
    """Of the rows of all classes together, T thresholds x A area ranges; filled by `take`.

    n_positive (A,) int64: labels that count. true_positive, kept (T, A) int64 and score (T, A) float64 at
    the best score threshold. Ties are taken whole, so the order of the classes does not matter.
    """

    matched: Matched
    n_positive: Array
    true_positive: Array
    kept: Array
    score: Array
    _tp: Array
    _left_out: Array
    _n_rows: Array

    @classmethod
    def of(cls, matched: Matched, n_positive: Array, n_thresholds: int) -> BestThreshold:
        """Nothing taken yet."""
        shape = n_thresholds, len(n_positive)
        tp, kept, own_tp, left_out = (np.zeros(shape, np.int64) for _ in range(4))
        n_rows = np.zeros(shape[1], np.uint32)
        score = np.full(shape, np.nan)
        return cls(matched, n_positive.astype(np.int64), tp, kept, score, own_tp, left_out, n_rows)

    def take(self, keys: Array, words: Array) -> None:
        """The rows of the next bucket, as `sorted_buckets` gives them."""
        matched = self.matched
        _take(
            keys, words, matched.outside, matched.score, matched.true_positive, matched.matched_ignored,
            self.n_positive, self._tp, self._left_out, self.true_positive, self.kept, self.score,
            self._n_rows,
        )  # fmt: skip

    def best(self) -> Array:
        """Score threshold, precision, recall and F1, (T, A, 4), NaN where there is no true positive."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.stack(
                [
                    self.score,
                    self.true_positive / self.kept,
                    self.true_positive / self.n_positive,
                    2.0 * self.true_positive / (self.kept + self.n_positive),
                ],
                axis=2,
            )
        return np.where((self.true_positive > 0)[:, :, None], values, np.nan)
