"""The slow reference of bins, performance and importance, on closed forms and by hand."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.oracles.correlation import (
    is_function_of,
    pearson,
    spearman_of_bins,
    without_bin_means,
)
from tests.oracles.importance import (
    benjamini_hochberg,
    information_of,
    merge_bins,
    metric_importance_row,
    rows_of,
)
from tests.oracles.outcome_rows import OutcomeTables
from tests.oracles.performance_by_metric import BinCounts, decide_axes, decide_axis, metric_performance_rows

N = 20_000


def _tables(
    metrics: dict[str, Any], right: np.ndarray, frame: np.ndarray, ignored: np.ndarray | None = None
) -> OutcomeTables:
    """Predictions alone, each with its metrics; class a."""
    n = len(right)
    prediction = pd.DataFrame(
        {
            "frame_id": frame.astype(str),
            "class_id": "a",
            "unit": frame,
            "group": frame % 20,
            "ignored": np.zeros(n, bool) if ignored is None else ignored,
            "right_50": right,
            **metrics,
        }
    )
    frames = pd.DataFrame({"frame_id": np.unique(frame).astype(str)})
    return OutcomeTables(
        prediction,
        prediction.iloc[:0],
        frames,
        dict.fromkeys(metrics, ("prediction",)),
        dict.fromkeys(metrics, "object"),
        ("a",),
        (0.5,),
        0.5,
    )


def _importance(x: np.ndarray, right: np.ndarray, frame: np.ndarray | None = None) -> dict[str, Any]:
    tables = _tables({"x": x}, right, np.arange(len(x)) if frame is None else frame)
    return metric_importance_row(tables, decide_axes(tables), "x", "prediction", "prediction", None, 0.5)


def test_independence_is_near_zero() -> None:
    rng = np.random.default_rng(1)
    row = _importance(rng.random(N), rng.random(N) < 0.3)
    assert row["importance"] < 0.005
    assert row["importance_low"] == 0 and row["importance_high"] < 0.005
    assert row["p_value"] > 0.01


def test_a_function_of_the_metric_is_near_one() -> None:
    x = np.random.default_rng(2).random(N)
    row = _importance(x, x > np.median(x))
    assert row["importance"] >= 0.98
    assert row["p_value"] < 1e-12


def test_a_flipped_function_has_the_closed_form() -> None:
    rng = np.random.default_rng(3)
    x = rng.random(N)
    row = _importance(x, (x > np.median(x)) ^ (rng.random(N) < 0.1))
    # 1 - H(0.1) in bits.
    assert row["importance"] == pytest.approx(0.531, abs=0.02)
    assert row["importance_low"] < 0.531 < row["importance_high"]


def test_clustered_rows_without_effect_are_not_important() -> None:
    # 1,000 frames of 20 objects; the frame decides the metric and how easy its objects are.
    rng = np.random.default_rng(4)
    frame = np.repeat(np.arange(1000), 20)
    x = rng.random(1000)[frame]
    right = rng.random(N) < rng.beta(2, 2, 1000)[frame]
    row = _importance(x, right, frame)
    assert row["bias_factor"] > 2
    assert row["importance"] < 0.003
    assert row["p_value"] > 0.01


def test_information_of_a_table_by_hand() -> None:
    # Two bins, 3:1 and 1:3. I = ln 2 - H(1/4), b = (4 - 2 - 2 + 1) / 16.
    found = information_of(np.array([[3, 1], [1, 3]]))
    entropy_of_quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found.mutual_information == pytest.approx(math.log(2) - entropy_of_quarter)
    assert found.entropy == pytest.approx(math.log(2))
    assert found.bias == pytest.approx(1 / 16)
    # An outcome told by the metric leaves no bias to take away: 2 - 2 - 2 + 1 < 0.
    assert information_of(np.array([[4, 0], [0, 4]])).theta == pytest.approx(1.0)


def test_axis_of_two_sides_weighs_them_equally() -> None:
    # One label weighs as much as three predictions.
    axis = decide_axis("x", [[1.0, 1.0, 2.0], [3.0]])
    assert axis is not None
    assert axis.upper == (1.0, 2.0, 3.0) and axis.lower == (1.0, 1.0, 2.0)
    assert [float(share) for share in axis.share] == [pytest.approx(1 / 3), pytest.approx(1 / 6), 0.5]
    # Middles 1/6, 5/12, 3/4 of 50 bins.
    assert axis.bin_50 == (8, 20, 37)
    assert [axis.bin_of(value) for value in (0.0, 1.0, 1.5, 3.0, 9.0, math.nan)] == [0, 0, 1, 2, 2, -1]


def test_axis_of_many_values_has_quantile_edges() -> None:
    # An atom at the smallest value keeps its bin; 400 further values fall in equal bins.
    axis = decide_axis("x", [[0.0] * 400 + [float(value) for value in range(1, 401)]])
    assert axis is not None
    assert axis.lower[0] == axis.upper[0] == 0.0
    assert axis.upper[1:] == tuple(float(value) for value in range(4, 401, 4))
    assert float(axis.share[0]) == 0.5
    assert axis.bin_50[0] == 12 and axis.bin_50[-1] == 49
    assert axis.bin_of(4.0) == 1 and axis.bin_of(4.5) == 2


def test_categories_are_bins_in_code_point_order() -> None:
    axis = decide_axis("x", [["b", "a", "B", None]])
    assert axis is not None
    assert axis.categories == ("B", "a", "b")
    assert [axis.bin_of(value) for value in ("a", "b", None)] == [1, 2, -1]
    flags = decide_axis("x", [[True, False, True]])
    assert flags is not None and flags.categories == ("false", "true")


def test_wilson_interval_with_design_effect_by_hand() -> None:
    # One row per frame, 5 of 10: δ = 10/9 · 10 · 0.25 / 2.5 = 10/9.
    alone = BinCounts(Counter({str(f): 1 for f in range(10)}), Counter({str(f): 1 for f in range(5)}))
    assert alone.design_effect() == pytest.approx(10 / 9)
    assert alone.interval() == pytest.approx(_wilson(0.5, 9))
    # Five frames of two equal rows: δ = 5/4 · 5 · 1 / 2.5 = 2.5 for 0.5 (here 2 of 5 frames: p = 0.4).
    pairs = BinCounts(Counter({str(f): 2 for f in range(5)}), Counter({str(f): 2 for f in range(2)}))
    expected = 5 / 4 * (2 * (2 - 0.8) ** 2 + 3 * 0.8**2) / (10 * 0.4 * 0.6)
    assert pairs.design_effect() == pytest.approx(expected)
    assert pairs.interval() == pytest.approx(_wilson(0.4, 10 / expected))


def _wilson(p: float, n: float) -> tuple[float, float]:
    """As the roots of (p - q)² = z² q (1 - q) / n."""
    z2 = stats.norm.ppf(0.975) ** 2
    low, high = np.sort(np.roots([1 + z2 / n, -(2 * p + z2 / n), p * p]))
    return float(low), float(high)


def test_bins_merge_until_each_carries_enough() -> None:
    # Four values with 20, 20, 30 and 10 rows, one per frame, half of them right: the first two join, the
    # third closes alone, the last is a remainder.
    x = np.repeat([1.0, 2.0, 3.0, 4.0], [20, 20, 30, 10])
    tables = _tables({"x": x}, np.arange(80) % 2 == 0, np.arange(80))
    axis = decide_axes(tables)["x"]
    merged = merge_bins(rows_of(tables, "x", "prediction", None, 0.5), axis, "prediction")
    assert merged.n_bins == 2
    assert [merged.bin_of(axis.bin_50[axis.bin_of(value)]) for value in (1.0, 2.0, 3.0, 4.0)] == [0, 0, 1, 1]
    # The same rows in eight frames: n² / Σ n_f² is at most 8 in every bin.
    clustered = _tables({"x": x}, np.arange(80) % 2 == 0, np.arange(80) % 8)
    assert merge_bins(rows_of(clustered, "x", "prediction", None, 0.5), axis, "prediction").n_bins == 1


def test_small_categories_become_other() -> None:
    x = np.repeat(["a", "b", "c", "d"], [40, 60, 20, 20]).astype(object)
    tables = _tables({"x": x}, np.arange(140) % 2 == 0, np.arange(140))
    axis = decide_axes(tables)["x"]
    merged = merge_bins(rows_of(tables, "x", "prediction", None, 0.5), axis, "prediction")
    assert merged.n_bins == 3
    assert [merged.bin_of(index) for index in range(4)] == [0, 1, 2, 2]
    # `other` too small: it joins the smallest category kept.
    x = np.repeat(["a", "b", "c", "d"], [60, 40, 5, 5]).astype(object)
    tables = _tables({"x": x}, np.arange(110) % 2 == 0, np.arange(110))
    merged = merge_bins(rows_of(tables, "x", "prediction", None, 0.5), decide_axes(tables)["x"], "prediction")
    assert [merged.bin_of(index) for index in range(4)] == [0, 1, 1, 1]


def test_performance_rows_by_hand() -> None:
    # Frame 0 holds values 1, 1, 2 with outcomes right, wrong, right; frame 1 value 1, right; one ignored.
    tables = _tables(
        {"x": np.array([1.0, 1.0, 2.0, 1.0, 1.0])},
        np.array([True, False, True, True, False]),
        np.array([0, 0, 0, 1, 1]),
        np.array([False, False, False, False, True]),
    )
    axes = decide_axes(tables)
    rows = metric_performance_rows(tables, axes)
    fine = [row for row in rows if row["resolution"] == 200 and row["class_id"] is None]
    assert [row["bin"] for row in fine] == [0, 1]
    first = fine[0]
    assert (first["n_predictions"], first["n_true_positive"]) == (3, 2)
    sums = [first[f"prediction_{name}"] for name in ("sum_nn", "sum_ny", "sum_yy", "n_frames")]
    assert sums == [5, 3, 2, 2]
    assert first["tpr"] == pytest.approx(2 / 3)
    assert "n_labels" not in first


def test_correlations_equal_scipy() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=500) + 1e6
    y = (x - 1e6 + rng.normal(size=500) > 0).astype(float)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-10)
    bins = rng.integers(0, 50, 500)
    assert spearman_of_bins(bins, y.astype(int)) == pytest.approx(
        stats.spearmanr(bins, y).statistic, abs=1e-12
    )


def test_a_control_takes_out_what_it_explains() -> None:
    rng = np.random.default_rng(7)
    control = rng.integers(0, 50, 5000)
    x = np.sin(control / 8) + 0.2 * rng.normal(size=5000)
    y = (np.sin(control / 8) + 0.5 * rng.normal(size=5000) > 0).astype(float)
    left = pearson(without_bin_means(x, control), without_bin_means(y, control))
    assert abs(pearson(x, y) or 0) > 0.5
    assert abs(left or 0) < 0.05
    assert is_function_of(np.sin(control / 8), control)
    assert not is_function_of(x, control)


def test_adjusted_p_values_equal_scipy() -> None:
    p = np.random.default_rng(8).random(30) ** 3
    assert benjamini_hochberg(p.tolist()) == pytest.approx(stats.false_discovery_control(p).tolist())
