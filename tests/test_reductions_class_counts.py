"""Counts of predictions by class, area range and threshold, against counting them one by one."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core.reductions.class_counts import count_predictions

N_CLASSES, N_THRESHOLDS, MAX_DETS = 3, 5, (1, 10, 100)


@pytest.mark.parametrize("n_ranges", [1, 4, 6, 16])
@pytest.mark.parametrize("score_threshold", [0.0, 0.5])
def test_counts_are_those_of_the_rows_one_by_one(n_ranges: int, score_threshold: float) -> None:
    rng = np.random.default_rng(n_ranges)
    n, m = 300, 120
    code = rng.integers(0, N_CLASSES, n).astype(np.int32)
    is_evaluated = rng.random(n) < 0.9
    outside = rng.integers(0, 1 << n_ranges, n).astype(np.uint16)
    score = rng.choice([0.2, 0.5, 0.9], n)
    row = rng.choice(np.flatnonzero(is_evaluated), m, replace=False)
    rank = rng.integers(0, 100, m).astype(np.int32)
    state = rng.integers(0, 3, (m, n_ranges, N_THRESHOLDS))  # 1: right, 2: ignored
    bits = np.uint64(1) << np.arange(N_THRESHOLDS, dtype=np.uint64)
    right, ignored = (((state == kind) * bits).sum(axis=2).astype(np.uint64) for kind in (1, 2))
    by_rank, counted, n_true = count_predictions(
        code, is_evaluated, outside, score, row, rank, np.stack([right, ignored], axis=1), np.array(MAX_DETS),
        N_CLASSES, N_THRESHOLDS, score_threshold,
    )  # fmt: skip
    expected_rank, expected_counted, expected_true = map(np.zeros_like, (by_rank, counted, n_true))
    match_of = {int(each): index for index, each in enumerate(row)}
    for each in range(n):
        for a in range(n_ranges):
            for t in range(N_THRESHOLDS):
                kind = state[match_of[each], a, t] if each in match_of else 0
                kept = is_evaluated[each] and score[each] >= score_threshold
                if kind == 1:
                    below = rank[match_of[each]] < np.array(MAX_DETS)
                    expected_rank[code[each], a, t] += below
                    expected_true[code[each], a, t] += kept
                    expected_counted[code[each], a, t] += kept
                elif kind == 0:
                    expected_counted[code[each], a, t] += kept and not outside[each] >> a & 1
    np.testing.assert_array_equal(by_rank, expected_rank)
    np.testing.assert_array_equal(n_true, expected_true)
    np.testing.assert_array_equal(counted, expected_counted)
