"""Bins of a metric, by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.analysis.bin_axis import MAX_CATEGORY_BINS, MetricAxis, decide_axis
from emqa_core.analysis.metric_counts import count_metric
from emqa_core.analysis.metric_tables import metric_bin_table
from emqa_core.errors import InputError
from emqa_core.reductions.distinct_values import MAX_CATEGORIES, DistinctValues
from emqa_core.reductions.target_rows import TargetRows
from tests.metric_partitions import outcome_rows


def axis(values: list[float], labels: list[float] | None = None, fine_bins: int = 200) -> MetricAxis:
    sides = [np.array(values), None if labels is None else np.array(labels)]
    return decide_axis("x", DistinctValues.of(*sides), *sides, fine_bins)


def test_few_values_get_a_bin_each() -> None:
    found = axis([3.0, 1.0, 3.0, np.nan, 2.0])
    assert found.upper.tolist() == [1, 2, 3]
    assert found.lower.tolist() == [1, 1, 2]
    assert found.share.tolist() == [0.25, 0.25, 0.5]
    # floor(50 · share at the middle): .125, .375, .75
    assert found.coarse.tolist() == [6, 18, 37]


def test_both_sides_weigh_alike_however_many_rows_they_have() -> None:
    found = axis([1.0] * 30, [2.0, 3.0])
    assert found.share.tolist() == [0.5, 0.25, 0.25]
    assert found.cumulative_share.tolist() == [0.5, 0.75, 1.0]


def test_a_side_without_values_is_as_if_absent() -> None:
    assert axis([1.0, 2.0], [np.nan]).share.tolist() == [0.5, 0.5]


def test_many_values_get_weighted_quantiles() -> None:
    # Predictions 1..300 weigh 1/600 each, 150 labels of value 1000.5 weigh 1/300 each. Quantile k/4:
    # the first with at least that weight: 150, 300, 1000.5.
    found = axis(list(range(1, 301)), [1000.5] * 150, fine_bins=4)
    assert found.lower.tolist() == [1, 150, 300]
    assert found.upper.tolist() == [150, 300, 1000.5]
    assert found.share.tolist() == [0.25, 0.25, 0.5]


def test_quantiles_that_fall_on_a_share_exactly_do_not_depend_on_rounding() -> None:
    found = axis(list(np.arange(1000) / 10), fine_bins=200)
    assert np.array_equal(found.upper, np.arange(4, 1000, 5) / 10)


def test_an_atom_at_the_smallest_value_keeps_a_bin_of_its_own() -> None:
    values = [0.0] * 700 + list(np.linspace(0.001, 1, 300))
    found = axis(values)
    assert found.lower[0] == found.upper[0] == 0
    assert found.share[0] == 0.7
    assert found.coarse[0] == 17  # 50 · .35


def test_values_find_their_bins_and_those_beyond_the_edges_the_outermost() -> None:
    found = axis([1.0, 2.0, 3.0])
    values = np.array([1.0, 1.5, 2.0, 2.0001, 3.0, -9, 99, np.nan, np.inf, -np.inf])
    assert found.bin_of(values).tolist() == [0, 1, 1, 2, 2, 0, 2, -1, -1, -1]


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 200])
def test_bins_equal_a_plain_search(n: int) -> None:
    rng = np.random.default_rng(n)
    upper = np.sort(rng.normal(size=n))
    found = axis(upper.tolist())
    values = np.concatenate([upper, rng.normal(size=500) * 3])
    assert np.array_equal(found.bin_of(values), np.minimum(np.searchsorted(upper, values), n - 1))


def test_bins_equal_a_plain_search_at_every_scale() -> None:
    rng = np.random.default_rng(9)
    scales = np.concatenate([[0.0, 1e-320, 1e-45, 1e38, 1e300], 10.0 ** rng.uniform(-30, 30, 40)])
    near = 1.7e9 + np.arange(30) * 1e-3  # as close as float32 cannot tell
    upper = np.unique(np.concatenate([scales, -scales, near]))
    found = axis(upper.tolist())
    values = np.concatenate([upper, np.nextafter(upper, -np.inf), np.nextafter(upper, np.inf), [-0.0]])
    values = values[np.isfinite(values)]
    assert np.array_equal(found.bin_of(values), np.minimum(np.searchsorted(upper, values), len(upper) - 1))


def test_float32_values_are_compared_as_they_are() -> None:
    values = np.float32([0.1, 0.2, 0.3])
    found = decide_axis("x", DistinctValues.of(values, None), values, None)
    assert found.bin_of(values).tolist() == [0, 1, 2]


def test_categories_are_bins_in_code_point_order() -> None:
    column = pa.array(["rain", None, "Sun", "rain", "fog", "rain"])
    found = decide_axis("x", DistinctValues.of_categories(column, None), None, None)
    assert found.categories == ("Sun", "fog", "rain")
    assert found.share.tolist() == [0.2, 0.2, 0.6]
    assert found.coarse.tolist() == [0, 1, 2]
    assert found.bin_of(pa.array(["rain", None, "snow", "Sun"])).tolist() == [2, -1, -1, 0]
    assert found.bin_of(pa.array(["rain", "fog"]).dictionary_encode()).tolist() == [2, 1]
    assert found.bin_of(pa.chunked_array([["fog"], ["rain"]])).tolist() == [1, 2]


def test_booleans_are_categories() -> None:
    column = pa.array([True, False, None])
    found = decide_axis("x", DistinctValues.of_categories(column, None), None, None)
    assert found.categories == ("false", "true")
    assert found.bin_of(column).tolist() == [1, 0, -1]


def test_of_many_categories_the_heaviest_stay_and_the_rest_is_other() -> None:
    names = [f"c{index:04d}" for index in range(500)]
    column = pa.array([name for index, name in enumerate(names) for _ in range(3 if index >= 400 else 1)])
    found = decide_axis("x", DistinctValues.of_categories(column, None), None, None)
    assert found.n_bins == MAX_CATEGORY_BINS
    # 100 of three rows, then the first 99 of one row by name.
    assert found.categories == (*names[:99], *names[400:], "other")
    assert found.share[-1] == 301 / 700
    assert found.bin_of(pa.array(["c0399", "never seen"])).tolist() == [199, 199]


def test_too_many_categories_give_no_axis() -> None:
    column = pa.array([str(index) for index in range(MAX_CATEGORIES + 1)])
    found = decide_axis("x", DistinctValues.of_categories(column, None), None, None)
    assert found.n_bins == 0
    assert found.reason == "too_many_categories"
    assert found.bin_of(column).tolist() == [-1] * len(column)


def test_no_values_give_no_axis() -> None:
    found = axis([np.nan])
    assert (found.n_bins, found.reason) == (0, "insufficient_support")


def test_stored_bins_come_back_to_the_bit_and_count_what_lies_outside() -> None:
    values = np.random.default_rng(1).lognormal(size=5000)
    found = axis(values.tolist())
    table = metric_bin_table([found], [])
    stored = MetricAxis.of_stored(table.take(np.random.default_rng(2).permutation(len(table))), "x", 200)
    for name in ("lower", "upper", "share", "cumulative_share", "coarse"):
        assert np.array_equal(getattr(stored, name), getattr(found, name)), name
    outside = np.array([-1.0, 1e9, np.nan])
    assert stored.bin_of(outside).tolist() == [0, found.n_bins - 1, -1]


def test_stored_categories_gain_a_bin_for_new_ones() -> None:
    column = pa.array(["a", "b"])
    found = decide_axis("x", DistinctValues.of_categories(column, None), None, None)
    stored = MetricAxis.of_stored(metric_bin_table([found], []), "x", 200)
    assert stored.categories == ("a", "b", "other")
    assert stored.bin_of(pa.array(["b", "new"])).tolist() == [1, 2]


def test_edges_of_a_metric_that_the_run_lacks_are_an_error() -> None:
    empty = metric_bin_table([], [])
    with pytest.raises(InputError, match="no bins of metric 'y'"):
        MetricAxis.of_stored(empty, "y", 200)


def test_the_mean_of_a_bin_is_that_of_all_its_rows_that_count() -> None:
    x = np.array([1.0, 2.0, 5.0, 5.0, 6.0, np.nan])
    found = axis([1.0, 2.0, 3.0])
    rows = outcome_rows(np.arange(6), np.zeros(6), np.zeros(6), np.array([0, 0, 0, 1, 0, 0]), 6)
    counts = count_metric(found, "prediction", TargetRows.of_objects("prediction", rows, 1, 1, 0), x)
    table = metric_bin_table([found], [counts, counts])
    assert table["mean"].to_pylist() == [1.0, 2.0, 5.5]
    assert table["bin_50"].to_pylist() == found.coarse.tolist()
