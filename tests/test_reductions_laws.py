"""The laws of reductions: 0 + s = s, (a + b) + c = a + (b + c), of(all) = of(part 1) + ... + of(part n)."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.analysis.metric_counts import MetricCounts, count_metric
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.causes import Causes
from emqa_core.reductions.class_groups import ClassGroups, count_found
from emqa_core.reductions.class_pairs import ClassPairs
from emqa_core.reductions.co_moments import CoMoments
from emqa_core.reductions.confusion_counts import ConfusionCounts, HeldLabels
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.metric_errors import ErrorRows, MetricErrors
from emqa_core.reductions.row_sample import RowSample
from emqa_core.reductions.score_runs import ScoreRuns
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.reductions.worst_rows import WorstRows
from tests.metric_partitions import Partition, axis_of, random_partition

State = Any
Reduction = Callable[[Partition], Callable[[Partition], State]]


def row_sample(_: Partition) -> Callable[[Partition], RowSample]:
    return lambda part: RowSample.of(part.predictions.key_hash, {"x": part.prediction_values}, k=10)


def worst_rows(_: Partition) -> Callable[[Partition], WorstRows]:
    def of(part: Partition) -> WorstRows:
        key = part.predictions.key_hash.view(np.int64)
        group = part.predictions.class_code.astype(np.int64) - 1
        return WorstRows.of(4, group, part.prediction_values, key >> 62, key)

    return of


def distinct_values(_: Partition) -> Callable[[Partition], DistinctValues]:
    return lambda part: DistinctValues.of(part.counted_values("prediction"), part.counted_values("label"))


def distinct_categories(_: Partition) -> Callable[[Partition], DistinctValues]:
    return lambda part: DistinctValues.of_categories(
        pa.array([str(value) if value > 0 else None for value in part.prediction_values], pa.string()), None
    )


def whole_units(_: Partition) -> Callable[[Partition], UnitTotals]:
    return lambda part: UnitTotals.of(part.rows("prediction"), part.frame_hash, whole_units=True)


def shared_units(_: Partition) -> Callable[[Partition], UnitTotals]:
    return lambda part: UnitTotals.of(part.rows("prediction"), part.unit_hash, whole_units=False)


def units_of_frames(_: Partition) -> Callable[[Partition], UnitTotals]:
    return lambda part: UnitTotals.of(part.rows("frame"), part.unit_hash, whole_units=False)


def group_counts(whole: Partition) -> Callable[[Partition], GroupCounts]:
    axis = axis_of(whole, "label")
    return lambda part: GroupCounts.of(part.rows("label"), axis.bin_of(part.label_values), axis.n_bins)


def class_groups(_: Partition) -> Callable[[Partition], ClassGroups]:
    def of(part: Partition) -> ClassGroups:
        rows = {side: part.rows(side) for side in ("prediction", "label")}
        together = {side: FrameSums.together(held) for side, held in rows.items()}
        predictions = part.predictions
        right = np.flatnonzero(predictions.right)
        found = count_found(
            predictions.frame_start, predictions.frame_group, predictions.class_code, right,
            predictions.right[right], part.n_classes, part.n_thresholds,
        )  # fmt: skip
        return ClassGroups.of(rows, together, found)

    return of


def class_pairs(_: Partition) -> Callable[[Partition], ClassPairs]:
    return lambda part: ClassPairs.of(part.labels, part.chosen, part.n_classes, of_right=False)


def frame_sums(whole: Partition) -> Callable[[Partition], FrameSums]:
    axis = axis_of(whole, "prediction")
    return lambda part: FrameSums.of(
        part.rows("prediction"), axis.bin_of(part.prediction_values), axis.n_bins
    )


def bin_pairs(whole: Partition) -> Callable[[Partition], BinPairs]:
    axis = axis_of(whole, "prediction")
    scopes = np.arange(whole.n_classes + 1)
    rank = np.tile(np.arange(axis.n_bins, dtype=np.int16), (len(scopes), 1))
    return lambda part: BinPairs.of(
        part.rows("prediction"), axis.bin_of(part.prediction_values), scopes, rank
    )


def co_moments(whole: Partition) -> Callable[[Partition], CoMoments]:
    axis = axis_of(whole, "prediction")

    def of(part: Partition) -> CoMoments:
        bins = axis.bin_of(part.prediction_values)
        control = np.where(bins < 0, 1, bins % 2).astype(np.int16)
        x = part.prediction_values.astype(np.float64)
        return CoMoments.of(part.rows("prediction"), x, control, 2)

    return of


def counts(level: str, target: str, *, has_control: bool = True) -> Reduction:
    def reduction(whole: Partition) -> Callable[[Partition], MetricCounts]:
        axis = axis_of(whole, level)
        return lambda part: count_metric(
            axis,
            level,
            part.rows(target),
            part.values(level),
            (axis, part.values(target)) if has_control else None,
        )

    return reduction


def metric_errors(whole: Partition) -> Callable[[Partition], MetricErrors]:
    """Every row that is wrong at the chosen threshold has one of three types."""
    axis = axis_of(whole, "prediction")
    bit = np.uint64(1 << whole.chosen)

    def of(part: Partition) -> MetricErrors:
        state = MetricErrors.zero(part.n_classes, axis.n_bins, (3, 3))
        sides = (
            ("prediction", part.predictions, part.prediction_values),
            ("label", part.labels, part.label_values),
        )
        for side, rows, values in sides:
            is_wrong = ((rows.right | rows.ignored) & bit) == 0
            error = np.where(is_wrong, rows.key_hash % np.uint64(3), -1).astype(np.int8)
            state.take(side, ErrorRows.of(rows, error), axis.bin_of(values), of_frames=False)
        return state

    return of


def confusion_counts(whole: Partition) -> Callable[[Partition], ConfusionCounts]:
    """Predictions that are right hold a label of any class; scores come from the rows' keys."""

    def of(part: Partition) -> ConfusionCounts:
        rows, n = part.predictions, len(part.predictions)
        score = rows.key_hash / 2.0**64
        held = np.flatnonzero(rows.right)
        label_class = (rows.key_hash[held] % np.uint64(whole.n_classes)).astype(np.int32)
        runs = ScoreRuns.of(
            frame_start=rows.frame_start,
            frame_group=rows.frame_group,
            class_code=rows.class_code,
            is_evaluated=np.ones(n, bool),
            outside=np.zeros(n, np.uint16),
            score=score,
            matched_row=held[::2].copy(),
            matched_bits=np.ones((len(held[::2]), 2, 1), np.uint64),
            causes=Causes.none(n).with_unpaired(rows.right == 0),
        )
        pairs = HeldLabels(label_class, rows.class_code[held], score[held])
        return ConfusionCounts.of(runs, pairs, 0.4, whole.n_classes)

    return of


REDUCTIONS: dict[str, Reduction] = {
    "RowSample": row_sample,
    "WorstRows": worst_rows,
    "DistinctValues": distinct_values,
    "DistinctValues of categories": distinct_categories,
    "UnitTotals of whole units": whole_units,
    "UnitTotals of shared units": shared_units,
    "UnitTotals of frames": units_of_frames,
    "GroupCounts": group_counts,
    "ClassGroups": class_groups,
    "ClassPairs": class_pairs,
    "FrameSums": frame_sums,
    "BinPairs": bin_pairs,
    "CoMoments": co_moments,
    "MetricErrors": metric_errors,
    "ConfusionCounts": confusion_counts,
    "MetricCounts of predictions": counts("prediction", "prediction"),
    "MetricCounts of a frame metric": counts("frame", "label"),
    "MetricCounts of frames": counts("frame", "frame"),
    # A control that is the metric leaves each cell a single value, and co-moments nothing to add.
    "MetricCounts of frames without control": counts("frame", "frame", has_control=False),
}


def differences(ours: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ: whole numbers at all, others by more than 1e-12 of 1 or of themselves."""
    if isinstance(ours, MetricCounts):
        return differences(ours.to_arrays(), other.to_arrays(), path)
    if isinstance(ours, GroupCounts | FrameSums | BinPairs | CoMoments):
        # What they hold stands in an order of its own; what they send is in the order of the cells.
        return differences(ours.to_arrays(path), other.to_arrays(path), path)
    if is_dataclass(ours):
        return [
            line
            for field in fields(ours)
            for line in differences(
                getattr(ours, field.name), getattr(other, field.name), f"{path}.{field.name}"
            )
        ]
    if isinstance(ours, dict):
        assert ours.keys() == other.keys()
        return [line for key in ours for line in differences(ours[key], other[key], f"{path}.{key}")]
    if isinstance(ours, np.ndarray):
        if ours.shape != other.shape:
            return [f"{path}: shape {ours.shape}, {other.shape}"]
        if ours.dtype.kind == "f":
            same = np.allclose(ours, other, rtol=1e-12, atol=1e-12, equal_nan=True)
        else:
            same = np.array_equal(ours, other)
        return [] if same else [f"{path}: {ours}, {other}"]
    return [] if ours == other else [f"{path}: {ours}, {other}"]


partitions = st.builds(
    lambda seed, n_frames, n_classes, n_thresholds: random_partition(
        np.random.default_rng(seed), n_frames, n_classes, n_thresholds
    ),
    st.integers(0, 2**32),
    st.integers(0, 60),
    st.integers(1, 3),
    st.sampled_from([1, 3, 10, 64]),
)


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(max_examples=40, deadline=None)
@given(whole=partitions, cuts=st.lists(st.integers(0, 60), max_size=5))
def test_the_whole_is_the_sum_of_its_parts(name: str, whole: Partition, cuts: list[int]) -> None:
    of = REDUCTIONS[name](whole)
    parts = [of(part) for part in whole.cut([min(cut, whole.n_frames) for cut in cuts])]
    expected = of(whole)
    assert differences(reduce(add, parts), expected) == []
    # From the right: associativity.
    assert differences(reduce(lambda right, left: left + right, reversed(parts)), expected) == []


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(max_examples=10, deadline=None)
@given(whole=partitions)
def test_a_partition_without_frames_changes_nothing(name: str, whole: Partition) -> None:
    of = REDUCTIONS[name](whole)
    empty = of(whole.cut([0])[0])
    state = of(whole)
    assert differences(empty + state, state) == []
    assert differences(state + empty, state) == []


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_state_survives_the_way_between_processes(name: str) -> None:
    whole = random_partition(np.random.default_rng(5), 20, 3, 10)
    state = REDUCTIONS[name](whole)(whole)
    assert differences(pickle.loads(pickle.dumps(state)), state) == []  # noqa: S301 - our own bytes
    if isinstance(state, MetricCounts | MetricErrors):
        arrays = state.to_arrays()
        assert all(isinstance(array, np.ndarray) and array.dtype.kind != "O" for array in arrays.values())
        assert differences(type(state).from_arrays(arrays), state) == []
    elif hasattr(state, "to_arrays"):
        assert differences(type(state).from_arrays("s", state.to_arrays("s")), state) == []
