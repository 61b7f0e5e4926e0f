"""Recommendations equal a search over the rows, one rule after the other, and hold where they say they do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from emqa_core import evaluate, keys
from emqa_core.analysis.recommendation import holm
from emqa_core.storage.runs import Run

N_FRAMES, PER_FRAME = 300, 4
GRADES = 6


def data_set(seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels of which two thirds are found; as many false alarms, more of them the lower their grade.

    Scores are too high at low grades, for right and wrong alike.
    """
    rng = np.random.default_rng(seed)
    n = N_FRAMES * PER_FRAME
    labels = pd.DataFrame(
        {
            "frame_id": np.repeat(np.arange(N_FRAMES), PER_FRAME),
            "label_id": np.arange(n),
            "class_id": 1,
            "x_px": np.tile(np.arange(PER_FRAME) * 100.0, N_FRAMES),
            "y_px": 0.0,
            "width_px": 50.0,
            "height_px": 50.0,
            "grade": rng.integers(0, GRADES, n),
        }
    )
    easy = rng.random(n) < 0.35 + 0.1 * labels["grade"]
    right = labels[easy].drop(columns="label_id")
    wrong = labels.drop(columns="label_id").assign(
        y_px=500.0, grade=np.minimum(rng.geometric(0.35, n) - 1, GRADES - 1)
    )
    predictions = pd.concat([right, wrong], ignore_index=True)
    is_right = np.arange(len(predictions)) < len(right)
    predictions["score"] = np.round(
        np.clip(rng.normal(0.6 - 0.07 * predictions["grade"] + 0.15 * is_right, 0.12), 0, 1), 3
    )
    predictions["prediction_id"] = np.arange(len(predictions))
    return labels, predictions


@pytest.fixture(scope="module")
def run() -> Run:
    labels, predictions = data_set()
    return evaluate(
        labels=labels,
        predictions=predictions,
        metrics=["grade", "object_random", "frame_random"],
        iou_thresholds=[0.5],
    )


class Rows:
    """Predictions and labels by half; `figures` of any rule."""

    def __init__(self, run: Run) -> None:
        self.prediction, label = run.to_pandas("prediction"), run.to_pandas("label")
        self.group = group_of(self.prediction["frame_id"])
        self.right = (self.prediction["outcome"].astype(str) == "true_positive").to_numpy()
        self.score = self.prediction["score"].to_numpy()
        self.grade = self.prediction["grade"].to_numpy()
        self.labels = np.bincount(group_of(label["frame_id"]), minlength=20)
        best = run.to_pandas("metric_importance")["score_threshold"].max()
        self.levels = sorted({*(k / 100 for k in range(100)), 0.0, float(best)})

    def counts(self, kept: np.ndarray, groups: Any) -> tuple[int, int, int]:
        inside = kept & np.isin(self.group, list(groups))
        return int((inside & self.right).sum()), int(inside.sum()), int(self.labels[list(groups)].sum())

    def f1(self, kept: np.ndarray, groups: Any) -> float:
        n_true, n, n_labels = self.counts(kept, groups)
        return 2 * n_true / (n + n_labels)

    def best_threshold(self) -> float:
        return max(reversed(self.levels), key=lambda s: self.f1(self.score >= s, range(0, 20, 2)))


def group_of(frame_id: pd.Series) -> np.ndarray:
    return keys.group_of(keys.hash_column(pa.array(frame_id.astype(int).to_numpy())), 20)


def gain_figures(rows: Rows, before: np.ndarray, after: np.ndarray) -> tuple[float, float, float, float]:
    """Gain of F1 on the odd groups with interval, and one-sided p by the jackknife over them."""
    groups = list(range(1, 20, 2))
    gain = rows.f1(after, groups) - rows.f1(before, groups)
    without = []
    for each in groups:
        rest = [g for g in groups if g != each]
        without.append(rows.f1(after, rest) - rows.f1(before, rest))
    error = np.sqrt(9 / 10 * np.sum((np.array(without) - np.mean(without)) ** 2))
    half = stats.t.ppf(0.975, 9) * error
    return gain, gain - half, gain + half, float(stats.t.sf(gain / error, 9))


def test_the_filter_is_the_best_of_all_filters(run: Run) -> None:
    rows, even = Rows(run), range(0, 20, 2)
    start = rows.best_threshold()
    best: dict[int, tuple[float, int, int, float]] = {}
    for threshold in rows.levels:
        for first in range(GRADES):
            for last in range(first, GRADES):
                n_edges = (first > 0) + (last < GRADES - 1)
                kept = (rows.grade >= first) & (rows.grade <= last) & (rows.score >= threshold)
                if n_edges and (f1 := rows.f1(kept, even)) > best.get(n_edges, (-1.0,))[0]:
                    best[n_edges] = f1, first, last, threshold
    f1, first, last, threshold = best[2] if best[2][0] > best[1][0] + 0.002 else best[1]
    row = advice_of(run, "filter_predictions")
    assert (first, last) == (row["lower"] + 1 if not pd.isna(row["lower"]) else 0, GRADES - 1)
    assert row["score_threshold"] == threshold and row["score_threshold_before"] == start
    before = rows.score >= start
    after = (rows.grade >= first) & (rows.grade <= last) & (rows.score >= threshold)
    check_figures(run, row, rows, before, after)


def test_scores_by_grade_are_the_best_of_all_single_changes(run: Run) -> None:
    rows, even = Rows(run), range(0, 20, 2)
    row = advice_of(run, "confidence_by_metric")
    asked = json.loads(row["score_thresholds"])
    after = kept_by(rows, asked)
    found = rows.f1(after, even)
    # No other threshold of any one range does better on the half on which they were found.
    for each in asked:
        low = -np.inf if each["lower"] is None else each["lower"]
        high = np.inf if each["upper"] is None else each["upper"]
        inside = (rows.grade > low) & (rows.grade <= high)
        for level in (*rows.levels, 2.0):
            assert rows.f1(np.where(inside, rows.score >= level, after), even) <= found + 1e-12
    check_figures(run, row, rows, rows.score >= rows.best_threshold(), after)


def test_p_values_are_adjusted_by_holm_over_both_candidates(run: Run) -> None:
    rows = Rows(run)
    before, raw, adjusted = rows.score >= rows.best_threshold(), [], []
    for kind in ("filter_predictions", "confidence_by_metric"):
        row = advice_of(run, kind)
        asked = [row] if kind == "filter_predictions" else json.loads(row["score_thresholds"])
        raw.append(gain_figures(rows, before, kept_by(rows, asked))[3])
        adjusted.append(row["p_value"])
    smaller, larger = sorted(raw)
    np.testing.assert_allclose(sorted(adjusted), [2 * smaller, max(2 * smaller, larger)], rtol=1e-9)


def kept_by(rows: Rows, asked: list[dict[str, Any]]) -> np.ndarray:
    """Predictions in one of the ranges, with the score that it asks for."""
    kept = np.zeros(len(rows.score), bool)
    for each in asked:
        low = -np.inf if pd.isna(each["lower"]) else each["lower"]
        high = np.inf if pd.isna(each["upper"]) else each["upper"]
        threshold = np.inf if each["score_threshold"] is None else each["score_threshold"]
        kept |= (rows.grade > low) & (rows.grade <= high) & (rows.score >= threshold)
    return kept


def advice_of(run: Run, kind: str) -> dict[str, Any]:
    table = run.to_pandas("recommendation")
    (row,) = table[(table["kind"] == kind) & (table["metric"] == "grade")].to_dict("records")
    return row


def check_figures(run: Run, row: dict[str, Any], rows: Rows, before: np.ndarray, after: np.ndarray) -> None:
    odd = range(1, 20, 2)
    gain, low, high, _ = gain_figures(rows, before, after)
    (was_true, was_n, n_labels), (now_true, now_n, _) = rows.counts(before, odd), rows.counts(after, odd)
    expected = {
        "gain": gain,
        "gain_low": low,
        "gain_high": high,
        "precision_before": was_true / was_n,
        "precision_after": now_true / now_n,
        "recall_before": was_true / n_labels,
        "recall_after": now_true / n_labels,
        "f1_before": rows.f1(before, odd),
        "f1_after": rows.f1(after, odd),
        "n_dropped": was_n - now_n,
        "true_positives_lost": 1 - now_true / was_true,
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert f"{row['gain']:+.3f}" in row["text"]


def test_the_weak_range_is_the_lowest_grades(run: Run) -> None:
    table = run.to_pandas("recommendation")
    weak = table[(table["kind"] == "weak_range") & (table["scope"] == "all") & (table["target"] == "label")]
    (row,) = weak.to_dict("records")
    label = run.to_pandas("label")
    judged = group_of(label["frame_id"]) % 2 == 1
    best = run.to_pandas("metric_importance")["score_threshold"].max()
    found = label["score"].to_numpy() >= best
    low = -np.inf if pd.isna(row["lower"]) else row["lower"]
    inside = (label["grade"].to_numpy() > low) & (label["grade"].to_numpy() <= row["upper"])
    assert row["upper"] in (1.0, 2.0) and pd.isna(row["lower"])
    assert row["n"] == (inside & judged).sum()
    assert row["rate"] == pytest.approx(found[inside & judged].mean())
    assert row["rate_rest"] == pytest.approx(found[~inside & judged].mean())
    assert row["share_of_wrong"] == pytest.approx((~found & inside & judged).sum() / (~found & judged).sum())
    gain = (row["rate_rest"] - row["rate"]) * row["n"] / judged.sum()
    assert row["gain"] == pytest.approx(gain)
    assert row["recall_after"] - row["recall_before"] == pytest.approx(gain)


def test_p_values_of_weak_ranges_are_those_of_z(run: Run) -> None:
    table = run.to_pandas("recommendation")
    weak = table[table["kind"] == "weak_range"]
    best = run.to_pandas("metric_importance")["score_threshold"].max()
    raw = []
    for row in weak.to_dict("records"):
        rows = run.to_pandas(row["target"])
        if row["target"] == "prediction":
            rows = rows[rows["score"] >= best]
            right = (rows["outcome"].astype(str) == "true_positive").to_numpy()
        else:
            right = rows["score"].to_numpy() >= best
        raw.append(p_of_range(rows, right, row))
    # Benjamini and Hochberg of two: one of predictions, one of labels; of one class nothing is said twice.
    assert len(raw) == 2
    smaller, larger = sorted(raw)
    np.testing.assert_allclose(sorted(weak["p_value"]), [min(2 * smaller, larger), larger], rtol=1e-6)


def p_of_range(rows: pd.DataFrame, right: np.ndarray, row: dict[str, Any]) -> float:
    """One-sided p of z on the odd groups, with the design effects of the grades over all frames."""
    grade, frame = rows["grade"].to_numpy(), rows["frame_id"].astype(int).to_numpy()
    effect = 0.0
    for each in range(GRADES):
        inside = grade == each
        n = np.bincount(frame[inside], minlength=N_FRAMES)
        y = np.bincount(frame[inside], weights=right[inside], minlength=N_FRAMES)
        p, m = y.sum() / n.sum(), (n > 0).sum()
        delta = m / (m - 1) * ((y - p * n) ** 2).sum() / (n.sum() * p * (1 - p))
        effect += delta * n.sum() / len(rows)
    judged = group_of(rows["frame_id"]) % 2 == 1
    low = -np.inf if pd.isna(row["lower"]) else row["lower"]
    high = np.inf if pd.isna(row["upper"]) else row["upper"]
    inside = (grade > low) & (grade <= high) & judged
    rest = judged & ~inside
    p = right[judged].mean()
    error = np.sqrt(p * (1 - p) * (1 / inside.sum() + 1 / rest.sum()) * max(1.0, effect))
    return float(stats.norm.cdf((right[inside].mean() - right[rest].mean()) / error))


def test_holm_on_a_known_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
