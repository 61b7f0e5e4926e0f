"""The score threshold of the highest F1 of the rows of all classes together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.analysis.best_f1 import scan_f1
from emqa_core.analysis.score_bucket import ScoreBucket, count_inside
from emqa_core.kernel_types import READ_I64, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import score_of

U64 = np.uint64


@njit(
    types.void(
        READ_U64, READ_U64, READ_U64_2D, READ_U64_2D, READ_I64,
        types.int64[:, :, ::1], types.uint64[:, ::1], types.uint32[::1],
    ),
    cache=True,
)  # fmt: skip
def _take(keys, words, right, not_false, n_positive, state, best_key, n_rows):  # type: ignore[no-untyped-def]
    n_ranges, n_matches = right.shape
    n_keys = keys.shape[0]
    key_of = np.empty(n_matches, np.uint64)
    through_tie = np.empty((n_ranges, n_matches), np.uint32)
    n_found = 0
    tie_begin = 0
    for row in range(n_keys):
        if words[row] & U64(1):
            key_of[n_found] = keys[row]
            n_found += 1
        count_inside(n_rows, words[row])
        if tie_begin < n_found and (row + 1 == n_keys or keys[row + 1] != keys[row]):
            for found in range(tie_begin, n_found):
                for a in range(n_ranges):
                    through_tie[a, found] = n_rows[a]
            tie_begin = n_found
    for a in range(n_ranges):
        best_index = state[a, 4]
        best_index[:] = -1
        scan_f1(right[a], not_false[a], through_tie[a], n_matches, n_positive[a], state[a])
        for t in range(best_index.shape[0]):
            if best_index[t] >= 0:
                best_key[a, t] = key_of[best_index[t]]


@dataclass(frozen=True)
class BestThreshold:
    """Of the rows of all classes together, A area ranges x T thresholds; filled by `take`.

    n_positive (A,) int64: labels that count. Ties are taken whole, so the order of the classes does not
    matter.
    """

    n_positive: Array
    _state: Array
    _key: Array
    _n_rows: Array

    @classmethod
    def of(cls, n_positive: Array, n_thresholds: int) -> BestThreshold:
        """Nothing taken yet."""
        n_ranges = len(n_positive)
        return cls(
            n_positive.astype(np.int64),
            np.zeros((n_ranges, 5, n_thresholds), np.int64),
            np.zeros((n_ranges, n_thresholds), np.uint64),
            np.zeros(n_ranges, np.uint32),
        )

    def take(self, bucket: ScoreBucket) -> None:
        """The rows of the next bucket of `sorted_buckets`."""
        _take(
            bucket.key, bucket.word, bucket.right, bucket.not_false,
            self.n_positive, self._state, self._key, self._n_rows,
        )  # fmt: skip

    def best(self) -> Array:
        """Score threshold, precision, recall and F1, (T, A, 4), NaN where there is no true positive."""
        n_true, n_kept = self._state[:, 2], self._state[:, 3]
        n_positive = self.n_positive[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = n_true / n_kept, n_true / n_positive
            f1 = 2.0 * n_true / (n_kept + n_positive)
        values = np.stack([score_of(self._key), precision, recall, f1], axis=2)
        values[n_true == 0] = np.nan
        return values.transpose(1, 0, 2)
