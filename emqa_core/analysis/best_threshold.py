"""The score threshold of the highest F1 of the rows of all classes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import types

from emqa_core.analysis.best_f1 import is_higher_f1, scan_f1
from emqa_core.analysis.cut_tie import CutTie
from emqa_core.analysis.score_bucket import ScoreBucket, count_inside
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_U64, READ_U64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import score_of
from emqa_core.reductions.stretch_counts import StretchCounts

U64 = np.uint64


@kernel(
    types.void(
        READ_U64, READ_U64, READ_U64_2D, READ_U64_2D, READ_I64,
        types.int64[:, :, ::1], types.uint64[:, ::1], types.uint32[::1], types.uint64, READ_I64,
    ),
)  # fmt: skip
def _take(  # type: ignore[no-untyped-def]
    keys, words, right, not_false, n_positive, state, best_key, n_rows, last_key, tie_rest
):
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
            if keys[row] == last_key:
                for found in range(tie_begin, n_found):
                    for a in range(n_ranges):
                        through_tie[a, found] += np.uint32(tie_rest[a])
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
    _cut: CutTie

    @classmethod
    def of(
        cls,
        n_positive: Array,
        n_thresholds: int,
        before: StretchCounts | None = None,
        cut: CutTie | None = None,
    ) -> BestThreshold:
        """Nothing taken yet but the rows before: counts of one class, (1, A) and (1, A, T)."""
        n_ranges = len(n_positive)
        state = np.zeros((n_ranges, 5, n_thresholds), np.int64)
        if before is not None:
            state[:, 0] = before.right[0]
            state[:, 1] = before.not_false[0] - before.n_rows[0][:, None]
        return cls(
            n_positive.astype(np.int64),
            state,
            np.zeros((n_ranges, n_thresholds), np.uint64),
            np.zeros(n_ranges, np.uint32),
            cut or CutTie.none(1, n_ranges),
        )

    @staticmethod
    def join(stretches: Sequence[BestThreshold]) -> BestThreshold:
        """The best of all stretches of the score order, highest scores first."""
        state, key = stretches[0]._state.copy(), stretches[0]._key
        n_labels = stretches[0].n_positive[:, None]
        for each in stretches[1:]:
            later = each._state
            is_better = is_higher_f1(later[:, 2], later[:, 3], state[:, 2], state[:, 3], n_labels)
            state[:, 2:] = np.where(is_better[:, None], later[:, 2:], state[:, 2:])
            key = np.where(is_better, each._key, key)
        return replace(stretches[-1], _state=state, _key=key)

    def take(self, bucket: ScoreBucket) -> None:
        """The rows of the next bucket of `sorted_buckets`."""
        _take(
            bucket.key, bucket.word, bucket.right, bucket.not_false, self.n_positive, self._state, self._key,
            self._n_rows, self._cut.key, self._cut.rest[0],
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
