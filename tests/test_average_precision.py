"""The curve of a class, against a slow reading of the definitions and against pycocotools' arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.analysis.average_precision import RECALL_POINTS, class_curve, order_by_score
from emqa_core.analysis.jackknife_precision import leave_one_out, logit_interval
from emqa_core.reductions.score_runs import ScoreRuns

N_THRESHOLDS = 3


def random_run(rng: np.random.Generator, n: int, n_ranges: int = 2, n_groups: int = 5) -> ScoreRuns:
    """A run with tied scores; each row is unmatched, a true positive or matched to an ignored label."""
    score = rng.choice([0.1, 0.2, 0.5, 0.5 + 1e-12, 0.9], n)
    state = rng.integers(0, 3, (n, n_ranges, N_THRESHOLDS))
    bit = np.uint64(1) << np.arange(N_THRESHOLDS, dtype=np.uint64)
    true_positive = ((state == 1) * bit).sum(axis=2).astype(np.uint64)
    ignored = ((state == 2) * bit).sum(axis=2).astype(np.uint64)
    is_matched = (state > 0).any(axis=(1, 2))
    return ScoreRuns(
        np.array([0, n]),
        np.array([0, int(is_matched.sum())]),
        score,
        rng.integers(0, 1 << n_ranges, n).astype(np.uint16),
        rng.integers(0, n_groups, n).astype(np.uint8),
        is_matched,
        true_positive[is_matched],
        ignored[is_matched],
    )


def counted_rows(run: ScoreRuns, t: int, a: int) -> list[tuple[float, bool]]:
    """(score, is true positive) of the rows that count, in pycocotools' order."""
    rows = []
    match = np.cumsum(run.is_matched) - 1
    for row in range(len(run.score)):
        is_true = is_ignored = False
        if run.is_matched[row]:
            is_true = bool(int(run.true_positive[match[row], a]) >> t & 1)
            is_ignored = bool(int(run.matched_ignored[match[row], a]) >> t & 1)
        if not is_true and int(run.outside[row]) >> a & 1:
            is_ignored = True
        if not is_ignored:
            rows.append((float(run.score[row]), is_true))
    return sorted(rows, key=lambda pair: -pair[0])


def slow_curve(rows: list[tuple[float, bool]], positives: int) -> np.ndarray:
    """cocoeval.accumulate, transcribed: cumulative sums, monotone envelope, searchsorted."""
    true = np.cumsum([is_true for _, is_true in rows]).astype(float)
    false = np.cumsum([not is_true for _, is_true in rows]).astype(float)
    recall, precision = true / positives, true / (false + true + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(recall, RECALL_POINTS, side="left")
    return np.array([envelope[i] if i < len(envelope) else 0.0 for i in reached])


@pytest.mark.parametrize("seed", range(30))
def test_curve_equals_slow_accumulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    run = random_run(rng, n)
    n_positive = rng.integers(1, 20, 2) + n
    curve = class_curve(run, n_positive, N_THRESHOLDS)
    for t in range(N_THRESHOLDS):
        for a in range(2):
            rows = counted_rows(run, t, a)
            np.testing.assert_array_equal(curve.precision[t, a], slow_curve(rows, int(n_positive[a])))
            assert curve.n_true_positive[t, a] == sum(is_true for _, is_true in rows)
            assert curve.n_false_positive[t, a] == sum(not is_true for _, is_true in rows)
            best = (float("nan"),) * 4
            for threshold in sorted({score for score, _ in rows}, reverse=True):
                kept = [is_true for score, is_true in rows if score >= threshold]
                f1 = 2 * sum(kept) / (len(kept) + n_positive[a])
                if sum(kept) and not f1 <= best[3]:
                    best = (threshold, sum(kept) / len(kept), sum(kept) / n_positive[a], f1)
            np.testing.assert_allclose(curve.best[t, a], best, rtol=1e-15)


def test_class_without_labels_has_no_curve() -> None:
    curve = class_curve(random_run(np.random.default_rng(0), 10), np.array([0, 0]), N_THRESHOLDS)
    assert (curve.precision == -1).all() and np.isnan(curve.voc07).all() and np.isnan(curve.best).all()


def test_voc_measures_of_a_known_list() -> None:
    """Right, wrong, right of two labels: precision 1 up to recall 1/2, then 2/3."""
    run = ScoreRuns(
        np.array([0, 3]),
        np.array([0, 2]),
        np.array([0.9, 0.8, 0.7]),
        np.zeros(3, np.uint16),
        np.zeros(3, np.uint8),
        np.array([True, False, True]),
        np.ones((2, 1), np.uint64),
        np.zeros((2, 1), np.uint64),
    )
    curve = class_curve(run, np.array([2]), 1)
    assert curve.all_point[0, 0] == pytest.approx((1 + 2 / 3) / 2, abs=1e-15)
    assert curve.voc07[0, 0] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11, abs=1e-15)


@given(st.lists(st.floats(allow_nan=False, width=64), max_size=50))
@settings(max_examples=200)
def test_order_is_stable_by_score_descending(scores: list[float]) -> None:
    expected = sorted(range(len(scores)), key=lambda i: -scores[i])
    assert order_by_score(np.array(scores, np.float64)).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_runs_add_like_their_rows(seed: int) -> None:
    """of(all) == of(part 1) + of(part 2), and nothing is the identity."""
    rng = np.random.default_rng(seed)
    whole = random_run(rng, 40)
    cut = int(rng.integers(0, 41))
    matches_before = int(whole.is_matched[:cut].sum())
    first = ScoreRuns(
        np.array([0, cut]),
        np.array([0, matches_before]),
        whole.score[:cut],
        whole.outside[:cut],
        whole.group[:cut],
        whole.is_matched[:cut],
        whole.true_positive[:matches_before],
        whole.matched_ignored[:matches_before],
    )
    second = ScoreRuns(
        np.array([0, 40 - cut]),
        np.array([0, len(whole.true_positive) - matches_before]),
        whole.score[cut:],
        whole.outside[cut:],
        whole.group[cut:],
        whole.is_matched[cut:],
        whole.true_positive[matches_before:],
        whole.matched_ignored[matches_before:],
    )
    for joined in (first + second, ScoreRuns.empty(1, 2) + whole, whole + ScoreRuns.empty(1, 2)):
        for name, values in whole.to_arrays().items():
            np.testing.assert_array_equal(getattr(joined, name), values)


@pytest.mark.parametrize("seed", range(20))
def test_leaving_a_group_out_equals_evaluating_without_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = random_run(rng, 80)
    positive_group = rng.integers(0, 30, 5) + 20
    replicates = leave_one_out(run, positive_group, N_THRESHOLDS)
    for g in range(5):
        kept = run.group != g
        kept_matches = kept[run.is_matched]
        rest = ScoreRuns(
            np.array([0, kept.sum()]),
            np.array([0, kept_matches.sum()]),
            run.score[kept],
            run.outside[kept],
            run.group[kept],
            run.is_matched[kept],
            run.true_positive[kept_matches],
            run.matched_ignored[kept_matches],
        )
        n_left = int(positive_group.sum() - positive_group[g])
        expected = class_curve(rest, np.array([n_left, n_left]), N_THRESHOLDS).precision[:, 0].mean(axis=1)
        np.testing.assert_allclose(replicates[:, g], expected, rtol=0, atol=1e-14)


def test_logit_interval_by_hand() -> None:
    """AP 0.5, replicates 0.4 and 0.6: se = sqrt(1/2 * 0.02) = 0.1, t(0.975, 1) = 12.706, logit 0 ± 5.082."""
    interval = logit_interval(0.5, np.array([0.4, 0.6]), 10)
    assert interval.low == pytest.approx(1 / (1 + np.exp(12.7062047 * 0.1 / 0.25)), rel=1e-6)
    assert interval.high == pytest.approx(1 - interval.low, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "replicates", "n_frames"), [(0.5, [0.4, 0.6], 9), (1.0, [1, 0.9], 50), (0.5, [0.5, 0.5], 50)]
)
def test_no_interval_without_support(value: float, replicates: list[float], n_frames: int) -> None:
    interval = logit_interval(value, np.array(replicates), n_frames)
    assert (interval.low, interval.high, interval.reason) == (None, None, "insufficient_support")
