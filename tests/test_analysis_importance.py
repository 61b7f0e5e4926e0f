"""Importance on closed forms, on clustered data without effect, and piece by piece."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emqa_core.analysis.bin_axis import decide_axis
from emqa_core.analysis.count_cells import CountCells, ScopeCells
from emqa_core.analysis.importance import adjust_p_values, importance_of
from emqa_core.analysis.merged_bins import MergedBins, merge_bins, scopes_to_merge
from emqa_core.analysis.metric_counts import count_bin_pairs, count_metric
from emqa_core.analysis.metric_measures import MetricMeasures, measure_metric, unit_reasons
from emqa_core.objects import Array
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.reductions.unit_totals import UnitTotals
from tests.metric_partitions import measure, outcome_rows

N = 20_000


def at_all(measures: MetricMeasures, name: str) -> float:
    return float(getattr(measures.importance, name)[0, -1])


@pytest.mark.parametrize("seed", range(3))
def test_an_independent_metric_explains_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = measure(rng.random(N), rng.random(N) < 0.3)
    assert at_all(found, "value") < 0.005
    assert at_all(found, "low") == 0
    assert found.p_value[0, -1] > 0.01


def test_an_outcome_that_the_metric_decides_is_explained() -> None:
    x = np.random.default_rng(1).random(N)
    found = measure(x, x > np.median(x))
    assert at_all(found, "value") >= 0.98
    assert found.p_value[0, -1] == 0


def test_an_outcome_flipped_with_probability_a_tenth() -> None:
    # 1 - H(0.1) / ln 2 = 0.531
    rng = np.random.default_rng(2)
    x = rng.random(N)
    found = measure(x, (x > np.median(x)) ^ (rng.random(N) < 0.1))
    assert at_all(found, "value") == pytest.approx(0.531, abs=0.02)
    assert at_all(found, "low") < 0.531 < at_all(found, "high")


def test_a_category_explains_what_it_decides() -> None:
    rng = np.random.default_rng(3)
    weather = rng.choice(["fog", "rain", "sun"], N)
    found = measure(weather, weather == "fog")
    assert at_all(found, "value") > 0.999
    assert at_all(found, "n_bins") == 3
    assert found.correlation.reason[0, -1] == "categorical"


def test_numbers_do_not_depend_on_the_partitions() -> None:
    rng = np.random.default_rng(4)
    x = rng.lognormal(size=3000)
    frame = np.sort(rng.integers(0, 400, 3000))
    right = rng.random(3000) < x / (1 + x)
    codes = rng.integers(0, 3, 3000)
    whole, parts = (measure(x, right, frame, class_code=codes, n_parts=n) for n in (1, 7))
    for name in ("value", "low", "high", "bias_factor", "n_bins"):
        assert np.array_equal(
            getattr(whole.importance, name), getattr(parts.importance, name), equal_nan=True
        ), name
    assert np.array_equal(whole.p_value, parts.p_value, equal_nan=True)


def naive_theta(cells: Array) -> tuple[float, float, float, float]:
    """theta, I, H, b of counts (bins, levels)."""
    p = cells / cells.sum()
    x, y = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    there = p > 0
    information = float((p[there] * np.log((p / (x * y + ~there))[there])).sum())
    entropy = float(-(y[y > 0] * np.log(y[y > 0])).sum())
    m = [int((part > 0).sum()) for part in (p, x, y)]
    bias = max(0.0, (m[0] - m[1] - m[2] + 1) / (2 * cells.sum()))
    return (information - bias) / entropy, information, entropy, bias


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(2, 4), st.floats(0.5, 30))
def test_the_jackknife_equals_leaving_groups_out(seed: int, n_bins: int, n_levels: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    # Cells of all sizes: leaving a group out must empty some.
    rate = size * rng.random((20, n_bins, n_levels)) * rng.random((n_bins, n_levels)) ** 6
    cells = rng.poisson(rate) * (rng.random((20, 1, 1)) < 0.8)
    total = cells.sum(axis=0)
    if (total.sum(axis=0) > 0).sum() < 2 or (total.sum(axis=1) > 0).sum() < 2:
        return
    merged = MergedBins(np.arange(n_bins, dtype=np.int16)[None], np.array([n_bins]))
    n_cells = 20 * n_bins
    above = cells[..., 1:].reshape(n_cells, 1, n_levels - 1).astype(np.int32)
    no_steps = np.zeros((0, 1, 1), np.int32)
    held = ScopeCells(
        n=cells.sum(axis=2, dtype=np.int32).reshape(1, n_cells),
        sometimes_at=np.full((1, n_cells), -1, np.int32),
        sometimes=no_steps,
        level_at=np.arange(n_cells, dtype=np.int32)[None],
        levels=above,
    )
    found = importance_of(CountCells(n_bins, (held,)), merged, np.array([False]), np.array([None], object))
    theta, information, entropy, bias = naive_theta(total)
    assert found.mutual_information[0, 0] == pytest.approx(information, abs=1e-13)
    assert found.entropy[0, 0] == pytest.approx(entropy, abs=1e-13)
    groups = [g for g in range(20) if cells[g].sum()]
    left = [total - cells[g] for g in groups]
    if len(groups) < 2 or any((part.sum(axis=0) > 0).sum() < 2 for part in left):
        assert found.reason[0, 0] in ("few_units", "insufficient_support")
        assert math.isnan(found.low[0, 0])
        assert found.bias_factor[0, 0] == 1
        return
    without = np.array([naive_theta(part)[0] for part in left])
    g = len(groups)
    factor = max(1.0, 1 + (g - 1) * (without.mean() - theta) * entropy / bias) if bias else 1.0
    error = math.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
    value = (information - factor * bias) / entropy
    half = stats.t.ppf(0.975, g - 1) * error
    assert found.bias_factor[0, 0] == pytest.approx(factor, rel=1e-8)
    assert found.value[0, 0] == pytest.approx(min(max(value, 0), 1), abs=1e-11)
    assert found.low[0, 0] == pytest.approx(min(max(value - half, 0), 1), abs=1e-11)
    assert found.high[0, 0] == pytest.approx(min(max(value + half, 0), 1), abs=1e-11)
    assert found.reason[0, 0] is None


def clustered(seed: int, n_frames: int = 1000, per_frame: int = 20) -> tuple[Array, Array, Array]:
    """A frame metric without effect; frames differ in difficulty."""
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(n_frames), per_frame)
    difficulty = rng.beta(2, 2, n_frames)
    return rng.random(n_frames)[frame], rng.random(len(frame)) < difficulty[frame], frame


def test_clustering_in_frames_is_taken_out_of_importance() -> None:
    found = [measure(*clustered(seed), level="frame") for seed in range(4)]
    # Without f it would be near 0.006; with it 0.0003 on average.
    assert np.mean([at_all(each, "value") for each in found]) < 0.0015
    assert all(at_all(each, "bias_factor") > 3 for each in found)
    plain = (found[0].importance.mutual_information - 49 / (2 * N)) / found[0].importance.entropy
    assert plain[0, -1] > 0.003


@pytest.mark.slow
def test_false_alarms_and_coverage_on_clustered_data() -> None:
    found = [measure(*clustered(seed), level="frame") for seed in range(60)]
    alarms = np.mean([each.p_value[0, -1] < 0.05 for each in found])
    covered = np.mean([at_all(each, "low") == 0 for each in found])
    # 5% and 95% nominal; 60 data sets give +- 6 points.
    assert alarms <= 0.12
    assert covered >= 0.9
    assert np.mean([at_all(each, "value") for each in found]) < 0.001


def test_an_effect_on_frames_is_found_through_the_clustering() -> None:
    x, _, frame = clustered(5)
    rng = np.random.default_rng(6)
    found = measure(x, rng.random(len(x)) < 0.25 + 0.5 * x, frame, level="frame")
    assert found.p_value[0, -1] < 1e-6
    assert at_all(found, "low") > 0.02


def test_bins_are_merged_from_the_left_until_they_carry_enough() -> None:
    # 4 values with 30, 10, 20, 12 rows, each row a frame of its own, half of them right. 30 stands; 10 + 20
    # stand together; 12 join them.
    x = np.repeat([1.0, 2, 3, 4], [30, 10, 20, 12])
    found = measure(x, np.arange(72) % 2 == 0)
    assert at_all(found, "n_bins") == 2
    axis = decide_axis("x", DistinctValues.of(x, None), x, None)
    rows = outcome_rows(np.arange(72), np.zeros(72), np.arange(72) % 2, np.zeros(72), 72)
    counts = count_metric(axis, "prediction", TargetRows.of_objects("prediction", rows, 1, 1, 0), x)
    merged = merge_bins(axis, counts, CountCells.of(counts.groups, "prediction"), None, 0)
    assert merged.bin_of[0, axis.coarse].tolist() == [0, 1, 1, 1]


def test_a_bin_needs_five_of_the_rarer_outcome() -> None:
    # 240 rows, a tenth right: 50 rows have 5 of them, 30 do not.
    x = np.repeat([1.0, 2, 3, 4, 5, 6], [50, 30, 30, 60, 30, 40])
    for right in (np.arange(240) % 10 == 0, np.arange(240) % 10 != 0):
        assert at_all(measure(x, right), "n_bins") == 4  # 1; 2 and 3; 4; 5 and 6


def test_rows_of_few_frames_do_not_make_a_bin() -> None:
    # 60 rows per value, but value 1 stands in 4 frames of 15: effective frames 60² / (4 · 15²) = 4 < 10.
    x = np.concatenate([np.repeat(1.0, 60), np.repeat(2.0, 60), np.repeat(3.0, 60)])
    frame = np.concatenate([np.arange(60) // 15, 4 + np.arange(120)])
    right = np.random.default_rng(0).random(180) < 0.5
    found = measure(x, right, frame, level="prediction")
    assert at_all(found, "n_bins") == 2


def test_merged_bins_know_frames_that_their_parts_share() -> None:
    # Values 1 and 2 always stand in the same 20 frames, 20 rows each: apart both need merging (20 < 25);
    # together 40² / (20 · 2²) = 20 effective frames, where the sum of the parts' squares would say 40.
    x = np.tile([1.0, 2.0], 20)
    frame = np.repeat(np.arange(20), 2)
    far = np.repeat(3.0, 60)
    x, frame = np.concatenate([x, far]), np.concatenate([frame, 20 + np.arange(60)])
    right = np.arange(100) % 2
    axis = decide_axis("x", DistinctValues.of(x, None), x, None)
    rows = TargetRows.of_objects(
        "prediction", outcome_rows(frame, np.zeros(100), right, np.zeros(100), 80), 1, 1, 0
    )
    counts = count_metric(axis, "prediction", rows, x)
    scopes, rank = scopes_to_merge(axis, counts, 0)
    assert scopes.tolist() == [0, 1]
    pairs = count_bin_pairs(axis, rows, x, scopes, rank)
    assert pairs.base[pairs.base.any(axis=1)].tolist() == [[20, 20], [20, 20]]


def test_frames_that_parts_share_can_keep_a_bin_open() -> None:
    # 8 frames of three rows of value 1 and two of value 2: together 40 rows, but 40² / (8 · 5²) = 8 effective
    # frames; the parts' own squares would say 1600 / (8 · 9 + 8 · 4) = 15. So value 3 joins: one bin is none.
    x = np.concatenate([np.tile([1.0, 1, 1, 2, 2], 8), np.repeat(3.0, 60)])
    frame = np.concatenate([np.repeat(np.arange(8), 5), 8 + np.arange(60)])
    found = measure(x, np.arange(100) % 2, frame)
    assert found.importance.reason[0, -1] == "insufficient_support"
    apart = measure(x, np.arange(100) % 2, np.where(x == 2, frame + 100, frame))
    assert at_all(apart, "n_bins") == 2


def test_small_categories_go_to_other() -> None:
    names = np.repeat(["a", "b", "c", "d", "e"], [100, 10, 20, 60, 8])
    right = np.arange(len(names)) % 2 == 0
    found = measure(names, right)
    assert at_all(found, "n_bins") == 3  # a, d, other of 38
    axis = decide_axis("x", DistinctValues.of_categories(pa.array(names), None), None, None)
    rows = TargetRows.of_objects(
        "prediction", outcome_rows(np.arange(198), np.zeros(198), right, np.zeros(198), 198), 1, 1, 0
    )
    counts = count_metric(axis, "prediction", rows, pa.array(names))
    merged = merge_bins(axis, counts, CountCells.of(counts.groups, "prediction"), None, 0)
    assert merged.bin_of[0].tolist() == [2, 0, 0, 1, 0]


def test_an_other_that_is_too_small_joins_the_smallest_category() -> None:
    names = np.repeat(["a", "b", "c", "d"], [60, 10, 60, 100])
    right = np.arange(len(names)) % 2 == 0
    axis = decide_axis("x", DistinctValues.of_categories(pa.array(names), None), None, None)
    rows = TargetRows.of_objects(
        "prediction", outcome_rows(np.arange(230), np.zeros(230), right, np.zeros(230), 230), 1, 1, 0
    )
    counts = count_metric(axis, "prediction", rows, pa.array(names))
    merged = merge_bins(axis, counts, CountCells.of(counts.groups, "prediction"), None, 0)
    assert merged.bin_of[0].tolist() == [0, 0, 1, 2]  # b with a: as small as c, and before it by name


@pytest.mark.parametrize(
    ("x", "right", "reason"),
    [
        (np.arange(200.0), np.zeros(200), "constant_outcome"),
        (np.full(200, 7.1), np.arange(200) % 2, "constant_metric"),
        (np.full(200, np.nan), np.arange(200) % 2, "insufficient_support"),
        (np.arange(30.0), np.arange(30) % 2, "insufficient_support"),
    ],
)
def test_importance_that_nothing_supports_is_null_with_a_reason(x: Array, right: Array, reason: str) -> None:
    found = measure(x, right)
    assert found.importance.reason[0, -1] == reason
    for name in ("value", "low", "high", "bias_factor", "mutual_information"):
        assert math.isnan(at_all(found, name))
    assert math.isnan(found.p_value[0, -1])


def test_units_that_are_few_or_dominate_take_the_interval() -> None:
    rng = np.random.default_rng(9)
    x, right = rng.random(900), rng.random(900) < 0.5
    rows = outcome_rows(np.arange(900), np.zeros(900), right, np.zeros(900), 900)
    target = TargetRows.of_objects("prediction", rows, 1, 1, 0)
    axis = decide_axis("x", DistinctValues.of(x, None), x, None)
    counts = count_metric(axis, "prediction", target, x)

    def with_units(unit: Array) -> MetricMeasures:
        return measure_metric(axis, counts, None, UnitTotals.of(target, unit, whole_units=False), 0)

    few = with_units((np.arange(900) % 9).astype(np.uint64))
    assert few.importance.reason[0, -1] == "dominated_by_unit"  # a ninth of the rows each
    one = with_units(np.minimum(np.arange(900), 800).astype(np.uint64))
    assert one.importance.reason[0, -1] == "dominated_by_unit"  # a unit of 100, over 11%
    assert math.isnan(one.p_value[0, -1])
    assert not math.isnan(at_all(one, "value"))
    assert math.isnan(at_all(one, "low"))
    assert math.isnan(one.correlation.pearson.low[0, -1])
    many = with_units(np.arange(900, dtype=np.uint64))
    assert many.importance.reason[0, -1] is None
    # 9 units with at most 10% of the rows each cannot be: few_units needs scopes without rows.
    assert unit_reasons(UnitTotals.zero(1)).tolist() == ["few_units", "few_units"]
    without = measure_metric(
        axis, counts, None, UnitTotals.of(target, rows.key_hash, whole_units=True), 0, with_intervals=False
    )
    assert without.importance.reason[0, -1] == "not_requested"
    assert at_all(without, "value") == at_all(many, "value")


def test_benjamini_and_hochberg_by_hand() -> None:
    # Sorted .01 .02 .03 .5: times 4/1, 4/2, 4/3, 1: .04 .04 .04 .5 after the running minimum.
    p = np.array([0.03, 0.5, np.nan, 0.01, 0.02])
    assert adjust_p_values(p) == pytest.approx([0.04, 0.5, np.nan, 0.04, 0.04], nan_ok=True)
    assert adjust_p_values(np.array([0.9, 0.95])).tolist() == pytest.approx([0.95, 0.95])
    assert np.isnan(adjust_p_values(np.array([np.nan]))).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_equal_scipy(p: list[float]) -> None:
    assert np.allclose(adjust_p_values(np.array(p)), stats.false_discovery_control(p), rtol=1e-12)


@pytest.mark.parametrize("target", ["iou", "frame"])
def test_an_outcome_of_eleven_levels(target: str) -> None:
    """IoU x right, and F1 of frames: the same formula on more outcomes, χ² with (K - 1)(m_Y - 1)."""
    rng = np.random.default_rng(12)
    n = 6000
    x = rng.integers(0, 5, n).astype(float)
    iou = 0.4 + 0.007 * x + 0.5 * rng.random(n)
    predictions = outcome_rows(np.arange(n), np.zeros(n), iou >= 0.5, np.zeros(n), n)
    axis = decide_axis("x", DistinctValues.of(x, None), x, None)
    if target == "iou":
        rows = TargetRows.of_objects("prediction", predictions, 1, 1, 0, iou, np.array([0.5]))
        y = np.where(iou >= 0.5, np.ceil(iou * 10), 0).astype(int)
        size = np.where(iou >= 0.5, iou, 0)
    else:
        # One prediction, right or wrong, and one or more labels: F1 2 / (1 + labels), or 0.
        n_labels = rng.integers(1, 4, n)
        frame = np.repeat(np.arange(n), n_labels)
        found = np.append(True, frame[1:] != frame[:-1]) & (iou >= 0.5)[frame]
        labels = outcome_rows(frame, np.zeros(len(frame)), found, np.zeros(len(frame)), n)
        rows = TargetRows.of_frames(
            *(TargetRows.of_objects("object", side, 1, 1, 0) for side in (predictions, labels))
        )
        size = np.where(iou >= 0.5, 2 / (1 + n_labels), 0)
        y = np.ceil(np.round(size * 10, 9)).astype(int)
    counts = count_metric(axis, "frame" if target == "frame" else "prediction", rows, x)
    units = UnitTotals.of(rows, predictions.key_hash, whole_units=True)
    found_measures = measure_metric(axis, counts, None, units, 0)
    cells = np.array([[np.sum((x == value) & (y == level)) for level in range(11)] for value in range(5)])
    theta, information, entropy, _ = naive_theta(cells)
    assert at_all(found_measures, "mutual_information") == pytest.approx(information, abs=1e-13)
    assert at_all(found_measures, "entropy") == pytest.approx(entropy, abs=1e-13)
    assert at_all(found_measures, "value") == pytest.approx(theta, abs=0.002)
    freedom = 4 * ((cells.sum(axis=0) > 0).sum() - 1)
    expected = stats.chi2.sf(2 * n * information, freedom)
    assert 1e-20 < expected < 0.9
    assert found_measures.p_value[0, -1] == pytest.approx(expected, rel=0.01)
    correlation = found_measures.correlation.pearson.value[0, -1]
    assert correlation == pytest.approx(stats.pearsonr(x, size).statistic, abs=1e-12)
    spearman = found_measures.correlation.spearman.value[0, -1]
    assert spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_rows_alone_give_the_chi_square_of_independence() -> None:
    # Each row its own frame: δ_k = m/(m-1), f_p stays 1, and 2 n I is the likelihood-ratio statistic G.
    rng = np.random.default_rng(10)
    x = rng.integers(0, 4, 4000).astype(float)
    right = rng.random(4000) < 0.3 + 0.01 * x
    found = measure(x, right)
    table = np.array([[np.sum((x == v) & (right == r)) for r in (0, 1)] for v in range(4)])
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    # f_p is a hair above 1: (Σ m_k/(m_k - 1) - m/(m - 1)) / 3.
    assert found.p_value[0, -1] == pytest.approx(expected.pvalue, rel=0.02)
