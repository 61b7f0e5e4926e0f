"""The curve of a class, against a slow reading of the definitions and against pycocotools' arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.analysis.average_precision import RECALL_POINTS, ClassCurves
from emqa_core.analysis.best_f1 import scan_f1
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.analysis.intervals import logit_intervals
from emqa_core.analysis.jackknife_precision import GroupSteps, leave_one_out
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.analysis.score_order import sorted_buckets
from emqa_core.reductions.causes import Causes
from emqa_core.reductions.score_runs import Matched, ScoreRuns

N_THRESHOLDS = 3


@dataclass(frozen=True)
class Rows:
    """Evaluated predictions in frame order, one to a frame; words of those that are matched, else -1."""

    class_code: np.ndarray
    score: np.ndarray
    outside: np.ndarray
    group: np.ndarray
    match: np.ndarray
    true_positive: np.ndarray
    ignored: np.ndarray
    cause: np.ndarray | None = None  # code of each row, with the class in which it would be right, or -1
    renamed: np.ndarray | None = None

    def runs(self) -> ScoreRuns:
        n = len(self.score)
        matched_row = np.empty(len(self.true_positive), np.int64)
        matched_row[self.match[self.match >= 0]] = np.flatnonzero(self.match >= 0)
        return ScoreRuns.of(
            frame_start=np.arange(n + 1),
            frame_group=self.group,
            class_code=self.class_code,
            is_evaluated=np.ones(n, bool),
            outside=self.outside,
            score=self.score,
            matched_row=matched_row,
            matched_bits=np.stack([self.true_positive, self.ignored], axis=1),
            causes=self._causes(),
        )

    def _causes(self) -> Causes | None:
        if self.cause is None or self.renamed is None:
            return None
        row = np.flatnonzero(self.renamed >= 0)
        return Causes(self.cause, row, self.renamed[row])

    def part(self, rows: np.ndarray) -> Rows:
        match = self.match[rows]
        kept = match[match >= 0]
        renumbered = match.copy()
        renumbered[match >= 0] = np.arange(len(kept))
        return Rows(
            self.class_code[rows],
            self.score[rows],
            self.outside[rows],
            self.group[rows],
            renumbered,
            self.true_positive[kept],
            self.ignored[kept],
            None if self.cause is None else self.cause[rows],
            None if self.renamed is None else self.renamed[rows],
        )


def random_rows(
    rng: np.random.Generator, n: int, n_ranges: int = 2, n_groups: int = 5, n_classes: int = 1
) -> Rows:
    """Rows with tied scores; each is unmatched, a true positive or matched to an ignored label."""
    score = rng.choice([-3.0, 0.0, 0.1, 0.2, 0.5, 0.5 + 1e-12, 0.9, 1.0, 70.0], n)
    state = rng.integers(0, 3, (n, n_ranges, N_THRESHOLDS))
    bit = np.uint64(1) << np.arange(N_THRESHOLDS, dtype=np.uint64)
    chosen = rng.permutation(np.flatnonzero((state > 0).any(axis=(1, 2)) & (rng.random(n) < 0.8)))
    match = np.full(n, -1)
    match[chosen] = np.arange(len(chosen))
    return Rows(
        rng.integers(0, n_classes, n).astype(np.int32),
        score,
        rng.integers(0, 1 << n_ranges, n).astype(np.uint16),
        rng.integers(0, n_groups, n).astype(np.uint8),
        match,
        ((state == 1) * bit).sum(axis=2).astype(np.uint64)[chosen],
        ((state == 2) * bit).sum(axis=2).astype(np.uint64)[chosen],
    )


def curves_of(rows: Rows, n_positive: np.ndarray, n_thresholds: int = N_THRESHOLDS) -> ClassCurves:
    runs = rows.runs()
    ranked = RankedMatches.of(runs.matched, len(n_positive))
    for bucket in sorted_buckets([runs], runs.matched):
        ranked.take(bucket)
    return ClassCurves.of(ranked, n_positive, n_thresholds)


def counted_rows(run: Rows, t: int, a: int) -> list[tuple[float, bool]]:
    """(score, is true positive) of the rows that count, in pycocotools' order."""
    rows = []
    for row in range(len(run.score)):
        is_true = is_ignored = False
        if run.match[row] >= 0:
            is_true = bool(int(run.true_positive[run.match[row], a]) >> t & 1)
            is_ignored = bool(int(run.ignored[run.match[row], a]) >> t & 1)
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


def check_curve(curves: ClassCurves, code: int, run: Rows, n_positive: np.ndarray) -> None:
    """A class's curve against the rows of that class alone, read slowly."""
    for t in range(N_THRESHOLDS):
        for a in range(2):
            rows = counted_rows(run, t, a)
            expected = slow_curve(rows, int(n_positive[a]))
            np.testing.assert_array_equal(curves.precision[code, t, a], expected)
            assert curves.n_true_positive[code, t, a] == sum(is_true for _, is_true in rows)
            assert curves.n_false_positive[code, t, a] == sum(not is_true for _, is_true in rows)
            check_best(curves.best[code, t, a], rows, int(n_positive[a]))


def check_best(found: np.ndarray, rows: list[tuple[float, bool]], n_positive: int) -> None:
    """Score threshold, precision, recall and F1 of the highest F1, by trying every score."""
    best = (float("nan"),) * 4
    for threshold in sorted({score for score, _ in rows}, reverse=True):
        kept = [is_true for score, is_true in rows if score >= threshold]
        f1 = 2 * sum(kept) / (len(kept) + n_positive)
        if sum(kept) and not f1 <= best[3]:
            best = (threshold, sum(kept) / len(kept), sum(kept) / n_positive, f1)
    np.testing.assert_allclose(found, best, rtol=1e-15)


@pytest.mark.parametrize("seed", range(30))
def test_curve_equals_slow_accumulation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    run = random_rows(rng, n)
    n_positive = rng.integers(1, 20, (1, 2)) + n
    check_curve(curves_of(run, n_positive), 0, run, n_positive[0])


@pytest.mark.parametrize("seed", range(30))
def test_classes_sorted_together_are_as_if_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 90))
    run = random_rows(rng, n, n_classes=3)
    n_positive = rng.integers(1, 20, (4, 2)) + n  # the fourth class has labels alone
    curves = curves_of(run, n_positive)
    for code in range(4):
        rows = np.flatnonzero(run.class_code == code)
        check_curve(curves, code, run.part(rows), n_positive[code])
        highest = run.score[rows].max() if len(rows) else 0.0
        assert (curves.score[code, :, :, 0] == highest).all()


@pytest.mark.parametrize("seed", range(30))
def test_pooled_rows_are_those_of_one_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 90))
    run = random_rows(rng, n, n_classes=3)
    n_positive = rng.integers(1, 20, (1, 2)) + n
    runs = run.runs()
    pooled = BestThreshold.of(n_positive[0], N_THRESHOLDS)
    for bucket in sorted_buckets([runs], runs.matched):
        pooled.take(bucket)
    for t in range(N_THRESHOLDS):
        for a in range(2):
            check_best(pooled.best()[t, a], counted_rows(run, t, a), int(n_positive[0, a]))


@pytest.mark.parametrize("n_labels", [1, 3, 7, 100, 101, 12_345])
def test_recall_points_are_found_as_searchsorted_finds_them(n_labels: int) -> None:
    """Every label found by a right prediction: the score at a point tells which one reached it."""
    score = np.linspace(1.0, 0.5, n_labels)
    run = Rows(
        np.zeros(n_labels, np.int32), score, np.zeros(n_labels, np.uint16), np.zeros(n_labels, np.uint8),
        np.arange(n_labels), np.ones((n_labels, 1), np.uint64), np.zeros((n_labels, 1), np.uint64),
    )  # fmt: skip
    recall = np.arange(1, n_labels + 1) / n_labels
    reached = np.searchsorted(recall, RECALL_POINTS, side="left")
    assert curves_of(run, np.array([[n_labels]]), 1).score[0, 0, 0].tolist() == score[reached].tolist()


def test_class_without_labels_has_no_curve() -> None:
    curves = curves_of(random_rows(np.random.default_rng(0), 10), np.array([[0, 0]]))
    assert (curves.precision == -1).all() and np.isnan(curves.voc07).all() and np.isnan(curves.best).all()


def test_voc_measures_of_a_known_list() -> None:
    """Right, wrong, right of two labels: precision 1 up to recall 1/2, then 2/3."""
    run = Rows(
        np.zeros(3, np.int32),
        np.array([0.9, 0.8, 0.7]),
        np.zeros(3, np.uint16),
        np.zeros(3, np.uint8),
        np.array([1, -1, 0]),
        np.ones((2, 1), np.uint64),
        np.zeros((2, 1), np.uint64),
    )
    curves = curves_of(run, np.array([[2]]), 1)
    assert curves.all_point[0, 0, 0] == pytest.approx((1 + 2 / 3) / 2, abs=1e-15)
    assert curves.voc07[0, 0, 0] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11, abs=1e-15)


SCORES = st.floats(allow_nan=False, width=64) | st.floats(0, 1) | st.sampled_from([0.0, -0.0, 0.5, 1.0])


@given(st.lists(SCORES, max_size=200))
@settings(max_examples=300)
def test_order_is_stable_by_score_descending(scores: list[float]) -> None:
    n = len(scores)
    none = np.empty((0, 1), np.uint64)
    run = Rows(
        np.arange(n, dtype=np.int32), np.array(scores, np.float64), np.zeros(n, np.uint16),
        np.zeros(n, np.uint8), np.full(n, -1), none, none,
    )  # fmt: skip
    runs = run.runs()
    buckets = [
        (bucket.key.copy(), (bucket.word >> np.uint64(32)).tolist())
        for bucket in sorted_buckets([runs], runs.matched)
    ]
    expected = sorted(range(n), key=lambda i: -scores[i])
    assert [row for _, rows in buckets for row in rows] == expected
    keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in buckets)])
    in_order = [scores[row] for row in expected]
    assert (keys[1:] == keys[:-1]).tolist() == [a == b for a, b in pairwise(in_order)]


@pytest.mark.parametrize("seed", range(20))
def test_runs_add_like_their_rows(seed: int) -> None:
    """of(all) == of(part 1) + of(part 2), and nothing is the identity; parts sort as their sum does."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 40, n_classes=3)
    cut = int(rng.integers(0, 41))
    parts = [rows.part(np.arange(cut)).runs(), rows.part(np.arange(cut, 40)).runs()]
    empty, whole = ScoreRuns.empty(2), rows.runs()
    expected = described(whole)
    for joined in (parts[0] + parts[1], empty + whole, whole + empty):
        np.testing.assert_array_equal(joined.bucket_start, whole.bucket_start)
        np.testing.assert_array_equal(joined.key, whole.key)
        assert described(joined) == expected
    matched = Matched.concat([part.matched for part in parts])
    assert in_order(parts, matched) == in_order([whole], whole.matched)


def described(runs: ScoreRuns) -> list[tuple[object, ...]]:
    """Each row's key and what is known of it, whatever number its match has."""
    matched = runs.matched
    return [
        (int(key), int(matched.word[number]), matched.bits[number].tolist())
        if word & np.uint64(1)
        else (int(key), int(word))
        for key, word, number in zip(runs.key, runs.word, (runs.word >> np.uint64(1)).tolist(), strict=True)
    ]


def in_order(parts: list[ScoreRuns], matched: Matched) -> list[tuple[list[int], ...]]:
    return [
        (bucket.key.tolist(), bucket.word.tolist(), bucket.right.tolist(), bucket.not_false.tolist())
        for bucket in sorted_buckets(parts, matched)
    ]


@pytest.mark.parametrize("shift", [0, 13, 14, 61])
def test_bits_of_any_width_say_the_same(shift: int) -> None:
    """Thresholds moved up give the same curves there, also where only one of two parts needs wide words."""
    rows = random_rows(np.random.default_rng(shift), 200, n_classes=2)
    high = replace(
        rows,
        true_positive=rows.true_positive << np.uint64(shift),
        ignored=rows.ignored << np.uint64(shift),
    )
    parts = [
        high.part(np.flatnonzero(high.match < 0)).runs(),
        high.part(np.flatnonzero(high.match >= 0)).runs(),
    ]
    matched = Matched.concat([part.matched for part in parts])
    assert matched.bits.dtype == (np.uint16 if shift <= 13 else np.uint64)
    n_positive = np.full((2, 2), 300)
    ranked = RankedMatches.of(matched, 2)
    for bucket in sorted_buckets(parts, matched):
        ranked.take(bucket)
    found = ClassCurves.of(ranked, n_positive, N_THRESHOLDS + shift)
    # Rows of one score may stand in another order: those that are unmatched come first.
    order = np.concatenate([np.flatnonzero(rows.match < 0), np.flatnonzero(rows.match >= 0)])
    expected = curves_of(rows.part(order), n_positive)
    np.testing.assert_array_equal(found.precision[:, shift:], expected.precision)
    np.testing.assert_array_equal(found.n_false_positive[:, shift:], expected.n_false_positive)


def test_runs_come_back_from_arrays() -> None:
    runs = random_rows(np.random.default_rng(0), 50, n_classes=2).runs()
    again = ScoreRuns.from_arrays(runs.to_arrays())
    for name, values in runs.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], values)


@pytest.mark.parametrize("seed", range(20))
def test_leaving_a_group_out_equals_evaluating_without_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 160, n_classes=2)
    positive_group = rng.integers(0, 30, (2, 5)) + 40
    runs = rows.runs()
    ranked, steps = RankedMatches.of(runs.matched, 2), GroupSteps.of([runs], 2)
    for bucket in sorted_buckets([runs], runs.matched):
        ranked.take(bucket)
        steps.take(bucket)
    replicates = leave_one_out(steps, ranked, positive_group, N_THRESHOLDS)
    for g in range(5):
        rest = rows.part(np.flatnonzero(rows.group != g))
        n_left = positive_group.sum(axis=1) - positive_group[:, g]
        expected = curves_of(rest, np.stack([n_left, n_left], axis=1)).precision[:, :, 0].mean(axis=2)
        np.testing.assert_allclose(replicates[:, :, g], expected, rtol=0, atol=1e-14)


def test_logit_interval_by_hand() -> None:
    """AP 0.5, replicates 0.4 and 0.6: se = sqrt(1/2 * 0.02) = 0.1, t(0.975, 1) = 12.706, logit 0 ± 5.082."""
    interval = logit_intervals(np.array(0.5), np.array([0.4, np.inf, 0.6]), np.array(10))
    assert interval.low == pytest.approx(1 / (1 + np.exp(12.7062047 * 0.1 / 0.25)), rel=1e-6)
    assert interval.high == pytest.approx(1 - interval.low, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "replicates", "n_frames"), [(0.5, [0.4, 0.6], 9), (1.0, [1, 0.9], 50), (0.5, [0.5, 0.5], 50)]
)
def test_no_interval_without_support(value: float, replicates: list[float], n_frames: int) -> None:
    interval = logit_intervals(np.array(value), np.array(replicates), np.array(n_frames))
    assert np.isnan(interval.low) and np.isnan(interval.high)
    assert interval.reason == "insufficient_support"


def slow_f1(
    right: np.ndarray, not_false: np.ndarray, through_tie: np.ndarray, t: int, n_labels: int
) -> tuple:
    """True positives, rows that are no false positives, and those kept and index of the highest F1."""
    n_true = np.cumsum(right >> np.uint64(t) & np.uint64(1)).astype(np.int64)
    left_out = np.cumsum(not_false >> np.uint64(t) & np.uint64(1)).astype(np.int64)
    kept = n_true + through_tie - left_out
    f1 = [Fraction(2 * int(tp), int(k) + n_labels) for tp, k in zip(n_true, kept, strict=True)]
    best = max(range(len(f1)), key=lambda index: (f1[index], -index))
    return int(n_true[-1]), int(left_out[-1]), int(n_true[best]), int(kept[best]), best


@pytest.mark.parametrize("n_thresholds", [1, 10, 64])
@pytest.mark.parametrize("seed", range(12))
def test_f1_of_blocks_is_that_of_all_rows(seed: int, n_thresholds: int) -> None:
    """Long enough for many blocks; right rows get rarer; ties across blocks, ignored rows among them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 2_000))
    share = np.linspace(rng.uniform(0.3, 1), rng.uniform(0, 0.5), n)[:, None]
    bit = np.uint64(1) << np.arange(n_thresholds, dtype=np.uint64)
    is_right = rng.random((n, n_thresholds)) < share * np.linspace(1, 0.2, n_thresholds)
    is_ignored = ~is_right & (rng.random((n, n_thresholds)) < (0.0, 0.02, 0.5)[seed % 3])
    is_inside = rng.random((n, 1)) < (1.0, 0.9)[seed % 2]
    right = (is_right * bit).sum(axis=1).astype(np.uint64)
    not_false = ((is_right | is_ignored) & is_inside).astype(np.uint64) @ bit
    # Rows that are no match stand between the matches; a tie counts all its rows at each of its matches.
    n_rows = np.cumsum(is_inside[:, 0] + rng.integers(0, 4, n))
    starts_tie = rng.random(n) < (1.0, 0.3, 0.02)[seed % 3]
    tie = np.cumsum(starts_tie)
    through_tie = n_rows[np.searchsorted(tie, tie, side="right") - 1].astype(np.uint32)
    n_labels = int(rng.integers(1, 2 * n + 1))
    state = np.zeros((5, n_thresholds), np.int64)
    cut = int(rng.integers(0, n + 1))
    for rows in (slice(0, cut), slice(cut, n)):
        before = state[4].copy()
        state[4] = -1
        n_counted = rows.stop - rows.start
        scan_f1(right[rows], not_false[rows], through_tie[rows], n_counted, n_labels, state)
        state[4] = np.where(state[4] < 0, before, state[4] + rows.start)
    for t in range(n_thresholds):
        expected = slow_f1(right, not_false, through_tie, t, n_labels)
        assert tuple(state[:4, t]) == expected[:4], t
        assert state[4, t] == expected[4] or expected[2] == 0
