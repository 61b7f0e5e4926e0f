"""Intervals of precision, recall, F1 and AR of classes equal those of naive loops over the row tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate, keys
from tests.oracles.class_intervals import N_GROUPS, FrameCounts, count_frames, logit_jackknife
from tests.oracles.performance_by_metric import BinCounts
from tests.oracles.synthetic import DataSet, make_data_set

THRESHOLDS = (0.5, 0.75)
CLASSES = ("1", "2", "10")
SCORE_THRESHOLD = 0.25
SCOPES = [*((class_id,) for class_id in CLASSES), CLASSES]
RATES = {"precision": ("predictions", "true_positives"), "recall": ("labels", "found")}


@cache
def _case(unit: str = "frame") -> tuple[DataSet, Any]:
    data = make_data_set(90 if unit == "frame" else 300)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        iou_threshold=0.75,
        iou_thresholds=list(THRESHOLDS),
        score_threshold=SCORE_THRESHOLD,
        resampling_unit=unit,
        metrics=["none"],
    )
    return data, run


def row_of(run: Any, scope: tuple[str, ...], threshold: float | None, area: str = "all") -> dict[str, Any]:
    rows = [
        row
        for row in run.table("class_performance").to_pylist()
        if row["area_range"] == area
        and (row["iou_threshold"] is None if threshold is None else row["iou_threshold"] == threshold)
        and (row["scope"] == "all" if scope == CLASSES else row["class_id"] == scope[0])
    ]
    assert len(rows) == 1
    return rows[0]


def groups_of(frames: pd.DataFrame, unit: str = "frame") -> dict[str, int]:
    """Jackknife group by frame."""
    column = pa.array(frames["frame_id" if unit == "frame" else unit])
    groups = keys.group_of(keys.hash_column(column), N_GROUPS)
    return dict(zip(map(str, frames["frame_id"]), groups.tolist(), strict=True))


def occupied(counters: Iterable[Counter[str]], group_of: dict[str, int]) -> list[int]:
    """Groups in which one of the counters has a row."""
    return sorted({group_of[frame] for counter in counters for frame, n in counter.items() if n})


def replicates(counts: FrameCounts, group_of: dict[str, int], groups: list[int]) -> list[FrameCounts]:
    """The counts without each of some groups."""
    return [counts.without({frame for frame, own in group_of.items() if own == group}) for group in groups]


def ends(row: dict[str, Any], measure: str) -> tuple[float, float]:
    assert row[f"{measure}_reason"] is None
    return row[f"{measure}_low"], row[f"{measure}_high"]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("measure", RATES)
def test_rates_have_wilson_intervals_with_the_design_effect_of_frames(
    measure: str, scope: tuple[str, ...], threshold: float
) -> None:
    _, run = _case()
    counts = count_frames(run, scope, threshold, SCORE_THRESHOLD)
    n, right = (getattr(counts, name) for name in RATES[measure])
    row = row_of(run, scope, threshold)
    assert row[measure] == pytest.approx(right.total() / n.total(), rel=1e-12)
    assert ends(row, measure) == pytest.approx(BinCounts(n, right).interval(), rel=1e-9)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_f1_and_average_recall_have_logit_jackknives(scope: tuple[str, ...], threshold: float) -> None:
    data, run = _case()
    counts = count_frames(run, scope, threshold, SCORE_THRESHOLD)
    group_of = groups_of(data.frames)
    row = row_of(run, scope, threshold)
    groups = occupied((counts.predictions, counts.labels), group_of)
    f1 = [each.f1 for each in replicates(counts, group_of, groups)]
    assert ends(row, "f1") == pytest.approx(logit_jackknife(counts.f1, f1), rel=1e-9)
    # Of all classes AR is the mean of the classes'.
    by_class = [count_frames(run, (each,), threshold, SCORE_THRESHOLD) for each in scope]
    whole = np.mean([each.average_recall for each in by_class])
    groups = occupied([counts.labels], group_of)
    left = [replicates(each, group_of, groups) for each in by_class]
    ar = [float(np.mean([each.average_recall for each in group])) for group in zip(*left, strict=True)]
    assert row["average_recall"] == pytest.approx(whole, rel=1e-12)
    assert ends(row, "average_recall") == pytest.approx(logit_jackknife(float(whole), ar), rel=1e-9)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("measure", RATES)
def test_other_resampling_units_have_jackknives(measure: str, scope: tuple[str, ...]) -> None:
    data, run = _case("sequence_id")
    counts = count_frames(run, scope, 0.75, SCORE_THRESHOLD)
    group_of = groups_of(data.frames, "sequence_id")
    left = replicates(counts, group_of, occupied([getattr(counts, RATES[measure][0])], group_of))
    expected = logit_jackknife(getattr(counts, measure), [getattr(each, measure) for each in left])
    assert ends(row_of(run, scope, 0.75), measure) == pytest.approx(expected, rel=1e-9)


def test_the_mean_over_thresholds_has_an_interval_of_average_recall_alone() -> None:
    data, run = _case()
    row, group_of = row_of(run, ("1",), None), groups_of(data.frames)
    by_threshold = [count_frames(run, ("1",), t, SCORE_THRESHOLD) for t in THRESHOLDS]
    groups = occupied([by_threshold[0].labels], group_of)
    left = [replicates(each, group_of, groups) for each in by_threshold]
    ar = [float(np.mean([each.average_recall for each in group])) for group in zip(*left, strict=True)]
    whole = float(np.mean([each.average_recall for each in by_threshold]))
    assert ends(row, "average_recall") == pytest.approx(logit_jackknife(whole, ar), rel=1e-9)
    assert row["precision_reason"] == row["recall_reason"] == row["f1_reason"] == "mean_over_thresholds"


def test_the_summary_has_the_intervals_of_all_classes() -> None:
    _, run = _case()
    summary = {row["measure"]: row for row in run.table("summary").to_pylist()}
    chosen = row_of(run, CLASSES, 0.75)
    measures = {"precision": "precision", "recall": "recall", "F1": "f1", "mAR": "average_recall"}
    for measure, column in (*measures.items(), ("mAP", "average_precision")):
        row = summary[measure]
        assert (row["low"], row["high"]) == ends(chosen, column), measure
        assert row["low"] < row["value"] < row["high"] and row["reason"] is None, measure
    at_half = row_of(run, CLASSES, 0.5)
    assert (summary["AP50"]["low"], summary["AP50"]["high"]) == ends(at_half, "average_precision")


def test_why_there_is_no_interval() -> None:
    _, run = _case()
    measures = ("average_precision", "average_recall", "precision", "recall", "f1")
    small = row_of(run, CLASSES, 0.5, "small")
    assert {small[f"{measure}_reason"] for measure in measures} == {"area_range"}
    data = make_data_set(90)
    dominated = _reasons(data, resampling_unit="sequence_id")  # one of nine sequences
    assert {dominated[measure] for measure in measures} == {"dominated_by_unit"}
    off = _reasons(data, intervals=False)
    assert {off[measure] for measure in measures} == {"not_requested"}
    without = data.predictions[data.predictions["class_id"] != 10]
    empty = _reasons(DataSet(data.frames, data.labels, without), class_id="10")
    assert empty["precision"] == "no_predictions" and empty["recall"] is None
    assert empty["f1"] == "few_units" and empty["average_recall"] == "insufficient_support"
    unlabelled = DataSet(data.frames, data.labels[data.labels["class_id"] != 10], data.predictions)
    empty = _reasons(unlabelled, class_id="10", unlisted_classes="evaluate")
    assert empty["recall"] == empty["average_recall"] == empty["average_precision"] == "no_labels"


def _reasons(data: DataSet, class_id: str | None = None, **options: Any) -> dict[str, Any]:
    run = evaluate(
        frames=data.frames, labels=data.labels, predictions=data.predictions, metrics=["none"], **options
    )
    row = row_of(run, CLASSES if class_id is None else (class_id,), 0.5)
    return {name.removesuffix("_reason"): row[name] for name in row if name.endswith("_reason")}
