"""Correlations against SciPy, and the partial one on an artefact."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emqa_core.analysis.bin_axis import decide_axis
from emqa_core.analysis.metric_counts import count_metric
from emqa_core.analysis.metric_measures import measure_metric
from emqa_core.keys import group_of, hash_column
from emqa_core.objects import Array
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.unit_totals import UnitTotals
from tests.metric_partitions import measure, random_partition

N = 20_000


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(12, 800),
    st.sampled_from([0.0, 1e3, -1e7]),
    st.sampled_from([1e-3, 1.0, 1e6]),
    st.integers(1, 5),
)
def test_pearson_equals_scipy(seed: int, n: int, offset: float, scale: float, n_parts: int) -> None:
    rng = np.random.default_rng(seed)
    x = offset + scale * rng.normal(size=n)
    right = rng.random(n) < 0.4
    right[:2] = [True, False]
    found = measure(x, right, np.arange(n) // 3, n_parts=n_parts).correlation.pearson.value[0, -1]
    # The values themselves carry 1e-16 of their offset.
    tolerance = 1e-10 + 1e-14 * abs(offset) / scale
    assert found == pytest.approx(stats.pearsonr(x, right).statistic, abs=tolerance)


def test_a_mean_far_larger_than_the_spread_costs_no_digits() -> None:
    # Raw power sums gave 0.476 for a true 0.449.
    rng = np.random.default_rng(1)
    x = rng.normal(size=N)
    right = rng.random(N) < 1 / (1 + np.exp(-1.2 * x))
    near = measure(x, right).correlation.pearson.value[0, -1]
    far = measure(x + 1e7, right).correlation.pearson.value[0, -1]
    assert near == pytest.approx(stats.pearsonr(x, right).statistic, abs=1e-12)
    assert far == pytest.approx(near, abs=1e-8)


def test_the_interval_is_the_jackknife_over_groups() -> None:
    rng = np.random.default_rng(2)
    n, frame = 600, np.arange(600) // 2
    x = rng.normal(size=n)
    right = rng.random(n) < 1 / (1 + np.exp(-x))
    found = measure(x, right, frame).correlation.pearson
    group = group_of(hash_column(pa.array(np.arange(300))), 20)[frame]
    without = [stats.pearsonr(x[group != g], right[group != g]).statistic for g in range(20)]
    error = math.sqrt(19 / 20 * ((without - np.mean(without)) ** 2).sum())
    r = stats.pearsonr(x, right).statistic
    half = stats.t.ppf(0.975, 19) * error
    assert found.low[0, -1] == pytest.approx(r - half, abs=1e-10)
    assert found.high[0, -1] == pytest.approx(r + half, abs=1e-10)


def test_spearman_from_50_bins_is_near_the_exact_one() -> None:
    gaps = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.lognormal(size=N)
        right = rng.random(N) < x / (1 + x)
        found = measure(x, right).correlation.spearman
        gaps.append(found.value[0, -1] - stats.spearmanr(x, right).statistic)
        assert found.low[0, -1] < found.value[0, -1] < found.high[0, -1]
    assert np.sqrt(np.mean(np.square(gaps))) < 2e-4


def test_spearman_of_few_values_is_exact() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 7, 900).astype(float)
    right = rng.random(900) < 0.2 + 0.1 * x
    found = measure(x, right).correlation.spearman.value[0, -1]
    assert found == pytest.approx(stats.spearmanr(x, right).statistic, abs=1e-12)


def residual_of_bins(values: Array, bins: Array) -> Array:
    means = np.bincount(bins, weights=values) / np.maximum(np.bincount(bins), 1)
    return values - means[bins]


def test_an_artefact_of_the_control_disappears() -> None:
    # The outcome depends on the square of the control alone, and so does the metric: a linear control would
    # leave it standing.
    rng = np.random.default_rng(5)
    control = rng.normal(size=N)
    x = control**2 + 0.5 * rng.normal(size=N)
    right = rng.random(N) < 1 / (1 + np.exp(1 - control**2))
    found = measure(x, right, control=control).correlation
    assert found.pearson.value[0, -1] > 0.25
    assert abs(found.partial.value[0, -1]) < 0.02
    assert found.partial.low[0, -1] < 0 < found.partial.high[0, -1]
    axis = decide_axis("object_area_px2", DistinctValues.of(control, None), control, None)
    bins = axis.coarse_bin_of(control)
    expected = stats.pearsonr(
        residual_of_bins(x, bins), residual_of_bins(right.astype(float), bins)
    ).statistic
    assert found.partial.value[0, -1] == pytest.approx(expected, abs=1e-10)


def test_the_interval_of_the_partial_one_takes_means_out_anew_without_each_group() -> None:
    # Of the control's 50 values some occur in one group alone, and leave with it.
    rng = np.random.default_rng(8)
    n = 130
    control = np.floor(50 * rng.random(n))
    x = rng.normal(size=n) + 0.02 * control
    right = rng.random(n) < 1 / (1 + np.exp(1 - x))
    group = group_of(hash_column(pa.array(np.arange(n))), 20)
    axis = decide_axis("object_area_px2", DistinctValues.of(control, None), control, None)
    bins = axis.coarse_bin_of(control)
    assert any(len(np.unique(group[bins == b])) == 1 for b in np.unique(bins))

    def partial(keep: Array) -> float:
        y = right[keep].astype(float)
        left = residual_of_bins(x[keep], bins[keep]), residual_of_bins(y, bins[keep])
        return float(stats.pearsonr(*left).statistic)

    without = np.array([partial(group != g) for g in range(20)])
    half = stats.t.ppf(0.975, 19) * math.sqrt(19 / 20 * ((without - without.mean()) ** 2).sum())
    found = measure(x, right, control=control).correlation.partial
    assert found.value[0, -1] == pytest.approx(partial(np.ones(n, bool)), abs=1e-10)
    assert found.low[0, -1] == pytest.approx(found.value[0, -1] - half, abs=1e-10)
    assert found.high[0, -1] == pytest.approx(found.value[0, -1] + half, abs=1e-10)


def test_a_function_of_the_control_has_no_partial_correlation() -> None:
    rng = np.random.default_rng(6)
    control = rng.random(N)
    found = measure(np.sqrt(control), rng.random(N) < control, control=control).correlation
    assert math.isnan(found.partial.value[0, -1])
    assert found.reason[0, -1] == "function_of_control"
    assert found.pearson.value[0, -1] > 0.3


def test_rows_without_the_control_are_left_out_of_the_partial_one_only() -> None:
    rng = np.random.default_rng(7)
    control = rng.integers(0, 4, 800).astype(float)
    x = rng.normal(size=800) + control
    right = rng.random(800) < 0.2 + 0.1 * control
    known = rng.random(800) < 0.9
    found = measure(x, right, control=np.where(known, control, np.nan)).correlation
    assert found.pearson.value[0, -1] == pytest.approx(stats.pearsonr(x, right).statistic, abs=1e-10)
    z = control[known].astype(int)
    expected = stats.pearsonr(
        residual_of_bins(x[known], z), residual_of_bins(right[known].astype(float), z)
    ).statistic
    assert found.partial.value[0, -1] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("x", "right", "reason"),
    [
        (np.full(100, 0.1), np.arange(100) % 2, "constant_metric"),
        (np.arange(100.0), np.ones(100), "constant_outcome"),
        (np.full(100, np.nan), np.ones(100), "insufficient_support"),
        (np.arange(100.0), np.arange(100) % 2, "no_control"),
    ],
)
def test_a_correlation_that_is_null_says_why(x: Array, right: Array, reason: str) -> None:
    found = measure(x, right).correlation
    assert found.reason[0, -1] == reason
    for name in ("pearson", "spearman", "partial"):
        value = getattr(found, name).value[0, -1]
        assert math.isnan(value) == (reason != "no_control" or name == "partial"), name


@pytest.mark.parametrize("target", ["prediction", "label", "frame"])
def test_every_scope_and_threshold_equals_scipy(target: str) -> None:
    """With rows that count at some thresholds only, and for frames F1 itself as the outcome."""
    part = random_partition(np.random.default_rng(11), 400, 3, 3, per_frame=4)
    level = "frame"
    axis_values = part.frame_values[np.isfinite(part.frame_values)]
    axis = decide_axis("x", DistinctValues.of(axis_values, None), axis_values, None)
    rows = part.rows(target)
    counts = count_metric(axis, level, rows, part.frame_values)
    units = UnitTotals.of(rows, part.frame_hash, whole_units=True)
    found = measure_metric(axis, counts, None, units, part.chosen).correlation
    for t in range(3):
        listed = np.flatnonzero(rows.counted >> np.uint64(t) & np.uint64(1))
        y = (rows.right >> np.uint64(t) & np.uint64(1)).astype(float)
        if rows.sized is not None:
            y[rows.sized.row] = rows.sized.y[:, t]
        x = part.frame_values[rows.frame]
        for scope in range(4):
            own = listed if scope == 3 and target != "frame" else listed[rows.scope[listed] == scope]
            own = own[np.isfinite(x[own])]
            expected = stats.pearsonr(x[own], y[own]).statistic
            assert found.pearson.value[t, scope] == pytest.approx(expected, abs=1e-12), (t, scope)
