"""Rates, design effects and Wilson's interval, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emqa_core import schema
from emqa_core.analysis.bin_axis import decide_axis
from emqa_core.analysis.intervals import design_effect, jackknife_half_width, wilson_interval
from emqa_core.analysis.metric_counts import count_metric
from emqa_core.analysis.metric_tables import metric_performance_table
from emqa_core.classes import ClassList
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.target_rows import TargetRows
from tests.metric_partitions import outcome_rows

CLASSES = ClassList(("1", "2"), ("car", "person"), True)


def effect(n_f: list[int], y_f: list[int]) -> float:
    n, y = np.array(n_f), np.array(y_f)
    sums = [n.sum(), y.sum(), (n * n).sum(), (n * y).sum(), (y * y).sum(), len(n)]
    return float(design_effect(*(np.array([value]) for value in sums))[0])


def test_the_design_effect_by_hand() -> None:
    # Frames of 2 rows: both right, both wrong, one of each. n 6, p 1/2.
    # m/(m-1) · Σ(y - p n)² / (n p (1-p)) = 3/2 · (1 + 1 + 0) / (6 / 4) = 2.
    assert effect([2, 2, 2], [2, 0, 1]) == pytest.approx(2.0, rel=1e-15)
    assert effect([1, 1, 1, 1], [1, 0, 0, 0]) == pytest.approx(4 / 3, rel=1e-15)


def test_one_frame_is_one_observation_and_a_rate_of_0_or_1_says_nothing() -> None:
    assert effect([7], [3]) == 7
    assert effect([7], [0]) == 7
    assert effect([3, 4], [0, 0]) == 1
    assert effect([3, 4], [3, 4]) == 1


def test_wilson_by_hand() -> None:
    # 8 of 10: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), in every textbook (0.4902, 0.9433).
    low, high = wilson_interval(np.array([10]), np.array([8]), np.array([0.3]))
    z = 1.959963984540054
    centre, half = 0.8 + z * z / 20, z * math.sqrt(0.16 / 10 + z * z / 400)
    assert low[0] == pytest.approx((centre - half) / (1 + z * z / 10), rel=1e-14)
    assert high[0] == pytest.approx((centre + half) / (1 + z * z / 10), rel=1e-14)
    assert (round(float(low[0]), 4), round(float(high[0]), 4)) == (0.4902, 0.9433)
    # A design effect of 2 halves the rows.
    assert wilson_interval(np.array([20]), np.array([16]), np.array([2.0])) == (low, high)


def test_the_jackknife_interval_by_hand() -> None:
    # Of a mean of one value per group it is the textbook interval: t(.975, 2) = 4.3027, values 1, 2, 6 have
    # mean 3 and standard error sqrt(7/3) = 1.5275.
    values = np.array([1.0, 2.0, 6.0])
    without = (values.sum() - values) / 2
    assert jackknife_half_width(without) == pytest.approx(4.30265273 * math.sqrt(7 / 3), rel=1e-8)
    # A group without rows does not count; an estimate that does not exist takes the interval.
    assert jackknife_half_width(np.append(without, np.inf)) == jackknife_half_width(without)
    assert math.isnan(jackknife_half_width(np.append(without, np.nan)))
    assert math.isnan(jackknife_half_width(np.array([1.0, np.inf])))


def performance(x: np.ndarray, right: np.ndarray, *, fine_bins: int = 200) -> list[dict[str, object]]:
    n = len(x)
    predictions = outcome_rows(np.arange(n) // 2, np.arange(n) % 2, right, np.zeros(n), n // 2)
    labels = outcome_rows(np.arange(n) // 2, np.zeros(n), right, np.zeros(n), n // 2)
    axis = decide_axis("x", DistinctValues.of(x, x), x, x, fine_bins)
    counts = [
        count_metric(axis, side, TargetRows.of_objects(side, rows, 2, 2, 1), x)
        for side, rows in (("prediction", predictions), ("label", labels))
    ]
    table = metric_performance_table(axis, counts[0], counts[1], CLASSES, np.array([0.5, 0.75]), 1)
    assert table.schema == schema.METRIC_PERFORMANCE.arrow().remove(0).remove(0).remove(0).remove(0)
    table.validate(full=True)
    return table.to_pylist()


def test_rows_of_performance_by_hand() -> None:
    # Four frames of two rows, the first of class 1, the second of class 2; bit 0: T .5, bit 1: T .75.
    x = np.array([1.0, 1, 1, 2, 2, 2, 1, 1])
    right = np.array([3, 1, 3, 0, 3, 1, 0, 0])
    rows = performance(x, right)
    found = {(r["class_id"], r["iou_threshold"], r["resolution"], r["bin"]): r for r in rows}
    # Value 1 has 5 of 8 rows: share .625, bin_50 15; value 2: 50 · .8125 = 40.
    first = found[None, 0.75, 50, 15]
    assert first["scope"] == "all"
    assert (first["n_predictions"], first["n_true_positive"]) == (5, 2)
    # Frames hold 2, 1, 0, 2 of them, right 1, 1, 0, 0.
    sums = ("prediction_sum_nn", "prediction_sum_ny", "prediction_sum_yy", "prediction_n_frames")
    assert [first[name] for name in sums] == [9, 3, 2, 3]
    assert (first["tpr"], first["precision"]) == (0.4, 0.4)
    # 3/2 · ((1 - .8)² + (1 - .4)² + .8²) / (5 · .24) = 1.3
    low, high = wilson_interval(np.array([5]), np.array([2]), np.array([1.3]))
    assert first["tpr_low"] == pytest.approx(low[0], rel=1e-14)
    assert first["tpr_high"] == pytest.approx(high[0], rel=1e-14)
    # Labels, missed 1, 0, 2 in frames of 2, 1, 2.
    assert (first["n_labels"], first["n_missed"], first["fnr"], first["recall"]) == (5, 3, 0.6, 0.4)
    sums = ("label_sum_nn", "label_sum_ny", "label_sum_yy", "label_n_frames")
    assert [first[name] for name in sums] == [9, 6, 5, 3]
    # Class 2 has no labels here, but predictions: counts of 0, no rate.
    second = found["2", 0.75, 200, 1]
    assert (second["n_predictions"], second["n_labels"], second["fnr"]) == (2, 0, None)
    # Fine bins at the chosen T alone; rates nowhere else.
    assert {key[1] for key in found if key[2] == 200} == {0.75}
    other = found[None, 0.5, 50, 15]
    assert (other["n_true_positive"], other["tpr"], other["fnr_low"]) == (3, None, None)


def test_rows_are_ordered_and_none_is_empty() -> None:
    rng = np.random.default_rng(0)
    rows = performance(rng.random(400), rng.integers(0, 4, 400))
    place = {None: -1, "1": 0, "2": 1}
    order = [(place[r["class_id"]], r["iou_threshold"], r["resolution"] != 50, r["bin"]) for r in rows]  # type: ignore[index]
    assert order == sorted(order)
    assert len(set(order)) == len(order)
    assert all(r["n_predictions"] or r["n_labels"] for r in rows)
    for resolution in (50, 200):
        kept = [r for r in rows if r["resolution"] == resolution and r["iou_threshold"] == 0.75]
        assert sum(r["n_predictions"] for r in kept if r["scope"] == "all") == 400  # type: ignore[misc]


def test_fifty_fine_bins_are_not_told_twice() -> None:
    rows = performance(np.random.default_rng(0).random(400), np.zeros(400), fine_bins=50)
    assert {r["resolution"] for r in rows} == {50}
    keys = [(r["class_id"], r["iou_threshold"], r["bin"]) for r in rows]
    assert len(set(keys)) == len(keys)


def test_a_metric_of_one_side_has_nulls_on_the_other() -> None:
    x = np.array([1.0, 2.0])
    rows = outcome_rows(np.arange(2), np.zeros(2), np.array([1, 0]), np.zeros(2), 2)
    axis = decide_axis("confidence", DistinctValues.of(x, None), x, None)
    counts = count_metric(axis, "prediction", TargetRows.of_objects("prediction", rows, 2, 1, 0), x)
    table = metric_performance_table(axis, counts, None, CLASSES, np.array([0.5]), 0)
    for name in ("n_labels", "n_missed", "label_sum_nn", "label_n_frames", "fnr", "fnr_low", "recall"):
        assert table[name].null_count == len(table), name
