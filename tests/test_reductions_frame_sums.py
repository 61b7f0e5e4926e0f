"""Frame sums, counts per group and products of bins against loops over rows written out plainly."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.analysis.merged_bins import MergedBins, merged_frame_sums
from emqa_core.analysis.metric_counts import count_metric
from emqa_core.objects import OutcomeRows
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.target_rows import N_GROUPS, TargetRows
from emqa_core.reductions.unit_totals import UnitTotals
from tests.metric_partitions import Partition, axis_of, outcome_rows, random_partition

COLUMNS = ("n", "n_right", "sum_nn", "sum_ny", "sum_yy", "n_frames")

partitions = st.builds(
    lambda seed, n_frames, n_classes, n_thresholds: random_partition(
        np.random.default_rng(seed), n_frames, n_classes, n_thresholds, per_frame=6
    ),
    st.integers(0, 2**32),
    st.integers(1, 20),
    st.integers(1, 3),
    st.sampled_from([1, 4, 64]),
)


def sums_by_loop(rows: OutcomeRows, bins: np.ndarray, n_classes: int, n_bins: int, t: int) -> np.ndarray:
    """COLUMNS x (K + 1) x bins, one row of the data after the other."""
    n: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    y: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for frame in range(len(rows.frame_start) - 1):
        for row in range(rows.frame_start[frame], rows.frame_start[frame + 1]):
            if bins[row] < 0 or int(rows.ignored[row]) >> t & 1:
                continue
            for scope in (int(rows.class_code[row]), n_classes):
                n[scope, bins[row]][frame] += 1
                y[scope, bins[row]][frame] += int(rows.right[row]) >> t & 1
    out = np.zeros((len(COLUMNS), n_classes + 1, n_bins), np.int64)
    for (scope, b), in_frame in n.items():
        hits = y[scope, b]
        out[:, scope, b] = (
            sum(in_frame.values()),
            sum(hits.values()),
            sum(count**2 for count in in_frame.values()),
            sum(count * hits[frame] for frame, count in in_frame.items()),
            sum(hits[frame] ** 2 for frame in in_frame),
            len(in_frame),
        )
    return out


@settings(max_examples=40, deadline=None)
@given(whole=partitions)
def test_frame_sums_are_those_of_a_plain_loop(whole: Partition) -> None:
    axis = axis_of(whole, "prediction")
    bins = axis.bin_of(whole.prediction_values)
    rows = whole.rows("prediction")
    columns = FrameSums.of(rows, bins, axis.n_bins).columns()
    whole_columns = FrameSums.of(rows, np.minimum(bins, np.int16(0)), 1).columns()
    at_chosen = FrameSums.of(rows, bins, axis.n_bins, chosen_only=True).columns()
    for t in range(whole.n_thresholds):
        expected = sums_by_loop(whole.predictions, bins, whole.n_classes, axis.n_bins, t)
        together = sums_by_loop(whole.predictions, np.minimum(bins, 0), whole.n_classes, 1, t)
        for name, values, of_all in zip(COLUMNS, expected, together, strict=True):
            assert np.array_equal(columns[name][t], values), (name, t)
            assert np.array_equal(whole_columns[name][t], of_all), (name, t)
            if t == whole.chosen:
                assert np.array_equal(at_chosen[name][0], values), name


@settings(max_examples=40, deadline=None)
@given(whole=partitions, cuts=st.lists(st.integers(1, 40), max_size=4))
def test_sums_of_merged_bins_are_those_of_rows_in_merged_bins(whole: Partition, cuts: list[int]) -> None:
    axis = axis_of(whole, "prediction")
    counts = count_metric(axis, "prediction", whole.rows("prediction"), whole.prediction_values)
    n_scopes = whole.n_classes + 1
    rank = np.tile(np.arange(axis.n_coarse, dtype=np.int16), (n_scopes, 1))
    of_bin = np.searchsorted(np.unique(cuts), np.arange(axis.n_coarse), side="right").astype(np.int16)
    merged = MergedBins(np.tile(of_bin, (n_scopes, 1)), np.full(n_scopes, of_bin.max() + 1))
    coarse = axis.coarse_bin_of(whole.prediction_values)
    parts = [
        BinPairs.of(part.rows("prediction"), axis.coarse_bin_of(part.prediction_values), scopes, r)
        for part in whole.cut([whole.n_frames // 2])
        for scopes, r in [(np.arange(n_scopes), rank)]
    ]
    sums = merged_frame_sums(counts, reduce(add, parts), merged)
    bins = np.where(coarse < 0, -1, of_bin[coarse])
    for t in range(whole.n_thresholds):
        expected = sums_by_loop(whole.predictions, bins, whole.n_classes, of_bin.max() + 1, t)
        for name, values in zip(COLUMNS, expected, strict=True):
            assert np.array_equal(sums[name][t], values), (name, t)


def test_merged_sums_follow_the_order_in_which_bins_may_be_merged() -> None:
    whole = random_partition(np.random.default_rng(3), 40, 2, 3, per_frame=8)
    axis = axis_of(whole, "prediction")
    counts = count_metric(axis, "prediction", whole.rows("prediction"), whole.prediction_values)
    coarse = axis.coarse_bin_of(whole.prediction_values)
    order = np.random.default_rng(4).permutation(axis.n_coarse).astype(np.int16)
    rank = np.argsort(order).astype(np.int16)
    of_bin = (rank >= 20).astype(np.int16)
    merged = MergedBins(np.tile(of_bin, (3, 1)), np.full(3, 2))
    # Scope 1 has no pairs: its bins must not need any.
    scopes = np.array([0, 2])
    pairs = BinPairs.of(whole.rows("prediction"), coarse, scopes, np.tile(rank, (2, 1)))
    sums = merged_frame_sums(counts, pairs, merged)
    expected = sums_by_loop(whole.predictions, np.where(coarse < 0, -1, of_bin[coarse]), 2, 2, whole.chosen)
    for name, values in zip(COLUMNS, expected, strict=True):
        assert np.array_equal(sums[name][whole.chosen][scopes], values[scopes]), name


@settings(max_examples=30, deadline=None)
@given(whole=partitions)
def test_counts_per_group_are_those_of_a_plain_loop(whole: Partition) -> None:
    axis = axis_of(whole, "label")
    bins = axis.bin_of(whole.label_values)
    counts = GroupCounts.of(whole.rows("label"), bins, axis.n_bins)
    labels = whole.labels
    frame = np.repeat(np.arange(whole.n_frames), np.diff(labels.frame_start))
    for t in range(whole.n_thresholds):
        n, levels = counts.at(t)
        expected_n, expected_right = np.zeros_like(n), np.zeros_like(n)
        missing = np.zeros(whole.n_classes, np.int64)
        for row in range(len(labels)):
            if int(labels.ignored[row]) >> t & 1:
                continue
            if bins[row] < 0:
                missing[labels.class_code[row]] += 1
                continue
            place = labels.class_code[row], labels.frame_group[frame[row]], bins[row]
            expected_n[place] += 1
            expected_right[place] += int(labels.right[row]) >> t & 1
        assert np.array_equal(n, expected_n)
        assert np.array_equal(levels, expected_right[None])
        assert np.array_equal(counts.missing[t], missing)


@settings(max_examples=20, deadline=None)
@given(whole=partitions)
def test_counts_of_frames_are_kept_by_level_of_f1(whole: Partition) -> None:
    axis = axis_of(whole, "frame")
    rows = whole.rows("frame")
    bins = axis.bin_of(whole.frame_values)[rows.frame]
    counts = GroupCounts.of(rows, bins, axis.n_bins)
    for t in range(whole.n_thresholds):
        level = np.zeros(len(rows), np.int64)
        assert rows.sized is not None
        level[rows.sized.row] = rows.sized.level[:, t]
        expected = np.zeros((11, rows.n_scopes, N_GROUPS, axis.n_bins), np.int64)
        for row in np.flatnonzero(rows.counted >> np.uint64(t) & np.uint64(1)):
            if bins[row] >= 0:
                expected[level[row], rows.scope[row], rows.cell[row] % N_GROUPS, bins[row]] += 1
        n, levels = counts.at(t)
        assert np.array_equal(n, expected.sum(axis=0))
        assert np.array_equal(levels, expected[1:])


def test_frames_count_by_the_f1_of_their_objects() -> None:
    # Frame 0: class 0 has 2 predictions, 1 right, and 1 label: F1 2/3; class 1 a missed label: 0; all: 2/4.
    # Frame 1: all ignored at T 0; at T 1 one wrong prediction. Frame 2: nothing. Frame 3: 2 * 3 / 20 = .3.
    frame = np.array([0, 0, 1] + [3] * 10)
    right = np.array([3, 0, 0] + [3] * 3 + [0] * 7)
    ignored = np.array([0, 0, 1] + [0] * 10)
    predictions = outcome_rows(frame, np.array([0, 0, 1] + [0] * 10), right, ignored, 4)
    label_frame = np.array([0, 0] + [3] * 10)
    labels = outcome_rows(
        label_frame,
        np.array([0, 1] + [0] * 10),
        np.array([3, 0] + [3] * 3 + [0] * 7),
        np.zeros(12),
        4,
    )
    rows = TargetRows.of_frames(
        *(TargetRows.of_objects("object", side, 2, 2, 0) for side in (predictions, labels))
    )
    sized = rows.sized
    assert sized is not None
    level = {
        t: {
            (int(rows.frame[row]), int(rows.scope[row])): (int(of_row[t]), float(y[t]))
            for row, of_row, y in zip(sized.row, sized.level, sized.y, strict=True)
            if of_row[t]
        }
        for t in (0, 1)
    }
    expected = {(0, 0): (7, 2 / 3), (0, 2): (5, 0.5), (3, 0): (3, 0.3), (3, 2): (3, 0.3)}
    assert level == {0: expected, 1: expected}
    counted = {t: set() for t in (0, 1)}
    for t in (0, 1):
        listed = np.flatnonzero(rows.counted >> np.uint64(t) & np.uint64(1))
        counted[t] = {(int(rows.frame[row]), int(rows.scope[row])) for row in listed}
    assert counted[0] == {(0, 0), (0, 1), (0, 2), (3, 0), (3, 2)}
    assert counted[1] == counted[0] | {(1, 1), (1, 2)}


def test_iou_as_outcome_has_eleven_levels_and_never_less_than_its_threshold() -> None:
    rows = outcome_rows(np.arange(4), np.zeros(4), np.array([3, 1, 2, 0]), np.zeros(4), 4)
    iou = np.array([0.91, 0.5, np.nan, 0.4])
    target = TargetRows.of_objects("prediction", rows, 1, 2, 0, iou, np.array([0.5, 0.75]))
    assert target.n_levels == 11
    assert target.sized is not None
    assert target.sized.row.tolist() == [0, 1, 2]
    assert target.sized.y.tolist() == [[0.91, 0.91], [0.5, 0], [0, 0.75]]
    assert target.sized.level.tolist() == [[10, 10], [5, 0], [0, 8]]


@pytest.mark.parametrize("whole_units", [True, False])
def test_units_of_a_scope_and_the_largest_one(whole_units: bool) -> None:
    frame = np.array([0, 0, 0, 1, 2])
    rows = outcome_rows(frame, np.array([0, 0, 1, 0, 0]), np.zeros(5), np.array([0, 0, 0, 0, 1]), 3)
    target = TargetRows.of_objects("prediction", rows, 2, 1, 0)
    units = UnitTotals.of(target, np.array([11, 12, 13], np.uint64), whole_units=whole_units)
    assert units.n_units.tolist() == [2, 1, 2]
    assert units.largest_share.tolist() == [2 / 3, 1, 3 / 4]


def test_group_of_frames_is_shared_by_their_rows() -> None:
    whole = random_partition(np.random.default_rng(8), 30, 2, 1)
    rows = whole.rows("prediction")
    assert rows.cell.max() < 2 * N_GROUPS
    assert np.array_equal(rows.cell % N_GROUPS, whole.predictions.frame_group[rows.frame])
