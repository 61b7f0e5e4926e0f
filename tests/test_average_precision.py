"""The curve of a class, against a slow reading of the definitions and against pycocotools' arithmetic."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.analysis.average_precision import RECALL_POINTS, ClassCurves
from emqa_core.analysis.jackknife_precision import leave_one_out, logit_interval
from emqa_core.analysis.ranked_matches import RankedMatches, SortedRuns
from emqa_core.analysis.score_order import rows_by_score
from emqa_core.reductions.score_runs import ScoreRuns

N_THRESHOLDS = 3


def random_run(
    rng: np.random.Generator, n: int, n_ranges: int = 2, n_groups: int = 5, n_classes: int = 1
) -> ScoreRuns:
    """A run with tied scores; each row is unmatched, a true positive or matched to an ignored label."""
    score = rng.choice([0.1, 0.2, 0.5, 0.5 + 1e-12, 0.9], n)
    state = rng.integers(0, 3, (n, n_ranges, N_THRESHOLDS))
    bit = np.uint64(1) << np.arange(N_THRESHOLDS, dtype=np.uint64)
    true_positive = ((state == 1) * bit).sum(axis=2).astype(np.uint64)
    ignored = ((state == 2) * bit).sum(axis=2).astype(np.uint64)
    match_row = rng.permutation(np.flatnonzero((state > 0).any(axis=(1, 2)) & (rng.random(n) < 0.8)))
    return ScoreRuns(
        rng.integers(0, n_classes, n).astype(np.int32),
        score,
        rng.integers(0, 1 << n_ranges, n).astype(np.uint16),
        rng.integers(0, n_groups, n).astype(np.uint8),
        match_row,
        true_positive[match_row],
        ignored[match_row],
    )


def part_of(run: ScoreRuns, rows: np.ndarray) -> ScoreRuns:
    """Some rows of a run, in their order."""
    position = {int(row): place for place, row in enumerate(rows)}
    matches = [index for index, row in enumerate(run.match_row) if int(row) in position]
    return ScoreRuns(
        run.class_code[rows],
        run.score[rows],
        run.outside[rows],
        run.group[rows],
        np.array([position[int(run.match_row[index])] for index in matches], np.int64),
        run.true_positive[matches],
        run.matched_ignored[matches],
    )


def curves_of(run: ScoreRuns, n_positive: np.ndarray, n_thresholds: int = N_THRESHOLDS) -> ClassCurves:
    n_classes = len(n_positive)
    return ClassCurves.of(
        run, RankedMatches.of(SortedRuns.of(run, n_classes), n_classes), n_positive, n_thresholds
    )


def counted_rows(run: ScoreRuns, t: int, a: int) -> list[tuple[float, bool]]:
    """(score, is true positive) of the rows that count, in pycocotools' order."""
    rows = []
    match = {int(row): index for index, row in enumerate(run.match_row)}
    for row in range(len(run.score)):
        is_true = is_ignored = False
        if row in match:
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


def check_curve(curves: ClassCurves, code: int, run: ScoreRuns, n_positive: np.ndarray) -> None:
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
    run = random_run(rng, n)
    n_positive = rng.integers(1, 20, (1, 2)) + n
    check_curve(curves_of(run, n_positive), 0, run, n_positive[0])


@pytest.mark.parametrize("seed", range(30))
def test_classes_sorted_together_are_as_if_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 90))
    run = random_run(rng, n, n_classes=3)
    n_positive = rng.integers(1, 20, (4, 2)) + n  # the fourth class has labels alone
    curves = curves_of(run, n_positive)
    for code in range(4):
        rows = np.flatnonzero(run.class_code == code)
        check_curve(curves, code, part_of(run, rows), n_positive[code])
        highest = run.score[rows].max() if len(rows) else 0.0
        assert (curves.score[code, :, :, 0] == highest).all()


@pytest.mark.parametrize("seed", range(30))
def test_pooled_rows_are_those_of_one_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 90))
    run = random_run(rng, n, n_classes=3)
    n_positive = rng.integers(1, 20, (1, 2)) + n
    ranked = RankedMatches.pooled(SortedRuns.of(run, 3))
    curves = ClassCurves.of(run, ranked, n_positive, N_THRESHOLDS, recall_points=np.empty(0))
    for t in range(N_THRESHOLDS):
        for a in range(2):
            check_best(curves.best[0, t, a], counted_rows(run, t, a), int(n_positive[0, a]))


@pytest.mark.parametrize("n_labels", [1, 3, 7, 100, 101, 12_345])
def test_recall_points_are_found_as_searchsorted_finds_them(n_labels: int) -> None:
    """Every label found by a right prediction: the score at a point tells which one reached it."""
    score = np.linspace(1.0, 0.5, n_labels)
    run = ScoreRuns(
        np.zeros(n_labels, np.int32), score, np.zeros(n_labels, np.uint16), np.zeros(n_labels, np.uint8),
        np.arange(n_labels), np.ones((n_labels, 1), np.uint64), np.zeros((n_labels, 1), np.uint64),
    )  # fmt: skip
    recall = np.arange(1, n_labels + 1) / n_labels
    reached = np.searchsorted(recall, RECALL_POINTS, side="left")
    assert curves_of(run, np.array([[n_labels]]), 1).score[0, 0, 0].tolist() == score[reached].tolist()


def test_class_without_labels_has_no_curve() -> None:
    curves = curves_of(random_run(np.random.default_rng(0), 10), np.array([[0, 0]]))
    assert (curves.precision == -1).all() and np.isnan(curves.voc07).all() and np.isnan(curves.best).all()


def test_voc_measures_of_a_known_list() -> None:
    """Right, wrong, right of two labels: precision 1 up to recall 1/2, then 2/3."""
    run = ScoreRuns(
        np.zeros(3, np.int32),
        np.array([0.9, 0.8, 0.7]),
        np.zeros(3, np.uint16),
        np.zeros(3, np.uint8),
        np.array([2, 0]),
        np.ones((2, 1), np.uint64),
        np.zeros((2, 1), np.uint64),
    )
    curves = curves_of(run, np.array([[2]]), 1)
    assert curves.all_point[0, 0, 0] == pytest.approx((1 + 2 / 3) / 2, abs=1e-15)
    assert curves.voc07[0, 0, 0] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11, abs=1e-15)


@given(st.lists(st.floats(allow_nan=False, width=64), max_size=50))
@settings(max_examples=200)
def test_order_is_stable_by_score_descending(scores: list[float]) -> None:
    expected = sorted(range(len(scores)), key=lambda i: -scores[i])
    keys, rows = rows_by_score(np.array(scores, np.float64))
    assert rows.tolist() == expected
    in_order = [scores[row] for row in expected]
    assert (keys[1:] == keys[:-1]).tolist() == [a == b for a, b in pairwise(in_order)]


@pytest.mark.parametrize("seed", range(20))
def test_runs_add_like_their_rows(seed: int) -> None:
    """of(all) == of(part 1) + of(part 2), and nothing is the identity."""
    rng = np.random.default_rng(seed)
    whole = random_run(rng, 40, n_classes=3)
    cut = int(rng.integers(0, 41))
    first, second = part_of(whole, np.arange(cut)), part_of(whole, np.arange(cut, 40))
    for joined in (first + second, ScoreRuns.empty(2) + whole, whole + ScoreRuns.empty(2)):
        matches, expected = np.argsort(joined.match_row), np.argsort(whole.match_row)
        for name, values in whole.to_arrays().items():
            found = getattr(joined, name)
            if name in ("match_row", "true_positive", "matched_ignored"):
                found, values = found[matches], values[expected]
            np.testing.assert_array_equal(found, values)


def test_selected_classes_keep_their_rows() -> None:
    whole = random_run(np.random.default_rng(0), 200, n_classes=4)
    chosen = whole.select([3, 1], 4)
    for code, selected in ((3, 0), (1, 1)):
        expected = part_of(whole, np.flatnonzero(whole.class_code == code))
        found = part_of(chosen, np.flatnonzero(chosen.class_code == selected))
        for name, values in expected.to_arrays().items():
            if name != "class_code":
                np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize("seed", range(20))
def test_leaving_a_group_out_equals_evaluating_without_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    run = random_run(rng, 160, n_classes=2)
    positive_group = rng.integers(0, 30, (2, 5)) + 40
    ordered = SortedRuns.of(run, 2, with_rows=True)
    replicates = leave_one_out(ordered, RankedMatches.of(ordered, 2), positive_group, N_THRESHOLDS)
    for g in range(5):
        rest = part_of(run, np.flatnonzero(run.group != g))
        n_left = positive_group.sum(axis=1) - positive_group[:, g]
        expected = curves_of(rest, np.stack([n_left, n_left], axis=1)).precision[:, :, 0].mean(axis=2)
        np.testing.assert_allclose(replicates[:, :, g], expected, rtol=0, atol=1e-14)


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
