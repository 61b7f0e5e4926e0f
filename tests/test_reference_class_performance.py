"""class_performance beyond AP, the frame table and class co-occurrence equal plain counting."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from emqa_core import evaluate, keys
from tests.oracles.class_performance import (
    average_precision_all_point,
    average_precision_voc07,
    best_f1,
    judge,
    rates,
)
from tests.oracles.pycocotools_oracle import CocoResult, run_pycocotools
from tests.oracles.synthetic import DataSet, make_data_set

THRESHOLDS = (0.5, 0.75, 0.9)
AREAS = ("all", "small", "medium", "large")
CLASSES = (1, 2, 10)
SCORE_THRESHOLD = 0.25
N_GROUPS = 20


@cache
def _case() -> tuple[DataSet, Any, CocoResult]:
    data = make_data_set(80, crowds=True)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        iou_threshold=0.75,
        iou_thresholds=list(THRESHOLDS),
        score_threshold=SCORE_THRESHOLD,
        metrics=["none"],
    )
    expected = run_pycocotools(
        data.frames, data.labels, data.predictions, iou_thresholds=THRESHOLDS, classes=CLASSES
    )
    return data, run, expected


def _row(run: Any, class_id: int | None, threshold: float | None, area: str) -> dict[str, Any]:
    rows = run.table("class_performance").to_pandas().astype({"area_range": object, "scope": object})
    rows = rows[rows["area_range"] == area]
    if threshold is None:
        rows = rows[rows["iou_threshold"].isna()]
    else:
        rows = rows[np.isclose(rows["iou_threshold"], threshold, rtol=0, atol=1e-9)]
    if class_id is None:
        rows = rows[rows["scope"] == "all"]
    else:
        rows = rows[rows["class_id"].astype(object) == str(class_id)]
    assert len(rows) == 1
    return {name: None if pd.isna(value) else value for name, value in rows.iloc[0].items()}


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("class_id", [*CLASSES, None])
def test_counts_and_rates_of_a_class(class_id: int | None, threshold: float, area: str) -> None:
    data, run, expected = _case()
    row = _row(run, class_id, threshold, area)
    classes = CLASSES if class_id is None else [class_id]
    judged = judge(
        data.labels, data.predictions, expected, classes, THRESHOLDS.index(threshold), AREAS.index(area)
    )
    for name, value in rates(judged, SCORE_THRESHOLD).items():
        assert row[name] == (None if value is None else pytest.approx(value, rel=1e-12)), name
    assert row["best_f1"] == pytest.approx(best_f1(judged), rel=1e-12)
    assert judged.f1(row["best_score_threshold"]) == pytest.approx(row["best_f1"], rel=1e-12)
    at_best = rates(judged, row["best_score_threshold"])
    assert row["best_precision"] == pytest.approx(at_best["precision"], rel=1e-12)
    assert row["best_recall"] == pytest.approx(at_best["recall"], rel=1e-12)
    if class_id is not None:
        assert row["average_precision_voc07"] == pytest.approx(average_precision_voc07(judged), rel=1e-9)
        assert row["average_precision_all_point"] == pytest.approx(
            average_precision_all_point(judged), rel=1e-9
        )


@pytest.mark.parametrize("area", AREAS)
def test_all_holds_means_of_measures(area: str) -> None:
    _, run, _ = _case()
    for threshold in (*THRESHOLDS, None):
        of_all = _row(run, None, threshold, area)
        of_classes = [_row(run, class_id, threshold, area) for class_id in CLASSES]
        means = {
            "average_precision": "average_precision",
            "average_recall": "average_recall",
            "average_precision_voc07": "average_precision_voc07",
            "average_precision_all_point": "average_precision_all_point",
        }
        if threshold is not None:
            means |= {f"macro_{name}": name for name in ("precision", "recall", "f1")}
        for name, of_class in means.items():
            values = [row[of_class] for row in of_classes if row[of_class] is not None]
            assert of_all[name] == pytest.approx(np.mean(values), rel=1e-12), name


def test_mean_over_thresholds_is_the_mean() -> None:
    _, run, _ = _case()
    for class_id in (*CLASSES, None):
        for name in ("average_precision", "average_recall"):
            values = [_row(run, class_id, threshold, "all")[name] for threshold in THRESHOLDS]
            assert _row(run, class_id, None, "all")[name] == pytest.approx(np.mean(values), rel=1e-12)


def test_summary_holds_the_measures_at_the_chosen_threshold() -> None:
    _, run, _ = _case()
    summary = run.table("summary").to_pandas().set_index("measure")["value"]
    of_all = _row(run, None, 0.75, "all")
    assert summary["mAP"] == of_all["average_precision"]
    assert summary["mAR"] == of_all["average_recall"]


def _groups(frames: pd.DataFrame) -> np.ndarray:
    return keys.group_of(keys.hash_column(pa.array(frames["frame_id"].tolist(), pa.int64())), N_GROUPS)


@cache
def _replicates() -> list[CocoResult]:
    """pycocotools without the frames of each jackknife group."""
    data, _, _ = _case()
    group = _groups(data.frames)
    results = []
    for left_out in range(N_GROUPS):
        kept = set(data.frames["frame_id"][group != left_out])
        results.append(
            run_pycocotools(
                data.frames[group != left_out],
                data.labels[data.labels["frame_id"].isin(kept)],
                data.predictions[data.predictions["frame_id"].isin(kept)],
                iou_thresholds=THRESHOLDS,
                classes=CLASSES,
            )
        )
    return results


@pytest.mark.parametrize("class_id", CLASSES)
def test_intervals_of_average_precision_are_logit_jackknives(class_id: int) -> None:
    data, run, expected = _case()
    k, t = CLASSES.index(class_id), THRESHOLDS.index(0.75)
    row = _row(run, class_id, 0.75, "all")
    whole = expected.precision[t, :, k, 0, -1].mean()
    labels = data.labels[(data.labels["class_id"] == class_id)]
    counting = labels[~(labels["is_crowd"] | labels["is_ignored"])]
    group_of_frame = dict(zip(data.frames["frame_id"], _groups(data.frames), strict=True))
    # The groups that hold a label of the class; no class here has all its labels in one.
    with_label = sorted({group_of_frame[frame_id] for frame_id in counting["frame_id"]})
    theta = np.array([_replicates()[group].precision[t, :, k, 0, -1].mean() for group in with_label])
    low, high = _logit_interval(whole, theta)
    assert (row["average_precision_low"], row["average_precision_high"]) == pytest.approx(
        (low, high), rel=1e-9
    )


def test_the_interval_of_map_is_the_jackknife_of_the_mean() -> None:
    data, run, expected = _case()
    t = THRESHOLDS.index(0.75)
    whole = expected.precision[t, :, :, 0, -1].mean()
    # Every group that holds a frame holds labels here, and every class has labels without any group.
    occupied = np.unique(_groups(data.frames))
    theta = np.array([_replicates()[group].precision[t, :, :, 0, -1].mean() for group in occupied])
    interval = pytest.approx(_logit_interval(whole, theta), rel=1e-9)
    row = _row(run, None, 0.75, "all")
    assert (row["average_precision_low"], row["average_precision_high"]) == interval
    summary = run.table("summary").to_pandas().set_index("measure")
    assert tuple(summary.loc["mAP", ["low", "high"]]) == interval


def _logit_interval(whole: float, theta: np.ndarray) -> tuple[float, float]:
    """expit(logit AP ± t·se / (AP (1 - AP)))."""
    n = len(theta)
    error = np.sqrt((n - 1) / n * np.sum((theta - theta.mean()) ** 2))
    half = stats.t.ppf(0.975, n - 1) * error / (whole * (1 - whole))
    logit = np.log(whole / (1 - whole))
    return float(1 / (1 + np.exp(-(logit - half)))), float(1 / (1 + np.exp(-(logit + half))))


def test_too_few_labels_have_no_interval() -> None:
    data = make_data_set(30)
    # Class 10 in five frames only.
    frames = data.labels.loc[data.labels["class_id"] == 10, "frame_id"].unique()[:5]
    kept = (data.labels["class_id"] != 10) | data.labels["frame_id"].isin(frames)
    run = evaluate(
        frames=data.frames, labels=data.labels[kept], predictions=data.predictions, metrics=["none"]
    )
    row = _row(run, 10, 0.5, "all")
    assert row["average_precision_low"] is None and row["average_precision_high"] is None
    assert row["average_precision_reason"] == "insufficient_support"


def test_frame_table_counts_rows() -> None:
    data, run, _ = _case()
    frames = run.table("frame").to_pandas().set_index("frame_id")
    assert list(frames.index) == [str(frame_id) for frame_id in data.frames["frame_id"]]
    prediction = run.table("prediction").to_pandas().astype({"frame_id": object, "outcome": object})
    label = run.table("label").to_pandas().astype({"frame_id": object, "outcome": object})
    for frame_id, row in frames.iterrows():
        of_predictions = prediction.loc[prediction["frame_id"] == frame_id, "outcome"].tolist()
        of_labels = label.loc[label["frame_id"] == frame_id, "outcome"].tolist()
        n_true = of_predictions.count("true_positive")
        n_false = of_predictions.count("false_positive")
        n_found, n_missed = of_labels.count("found"), of_labels.count("missed")
        assert row["n_true_positive"] == n_true and row["n_false_positive"] == n_false
        assert row["n_predictions"] == n_true + n_false and row["n_labels"] == n_found + n_missed
        assert row["n_missed"] == n_missed
        n = n_true + n_false + n_found + n_missed
        _same(row["precision"], n_true / (n_true + n_false) if n_true + n_false else None)
        _same(row["recall"], n_found / (n_found + n_missed) if n_found + n_missed else None)
        _same(row["f1"], 2 * n_true / n if n else None)


def _same(value: float, expected: float | None) -> None:
    if expected is None:
        assert pd.isna(value)
    else:
        assert value == pytest.approx(expected, rel=1e-12)


def test_class_cooccurrence_counts_pairs() -> None:
    _, run, _ = _case()
    table = run.table("class_cooccurrence").to_pandas()
    for source in ("prediction", "label"):
        rows = run.table(source).to_pandas().astype({"frame_id": object, "class_id": object})
        rows = rows[rows["outcome"].astype(object) != "ignored"]
        per_frame = pd.crosstab(rows["frame_id"], rows["class_id"])
        expected = per_frame.T @ per_frame
        ours = table[table["source"].astype(object) == source]
        found = {
            (str(row["class_id"]), str(row["other_class_id"])): row["sum_product"]
            for _, row in ours.iterrows()
        }
        wanted = {
            (a, b): int(expected.loc[a, b])
            for a in expected.index
            for b in expected.columns
            if expected.loc[a, b]
        }
        assert {pair: count for pair, count in found.items() if count} == wanted


def test_absent_classes_count_as_zero_on_request() -> None:
    data = make_data_set(30)
    # Class 10 keeps its predictions and loses its labels but one crowd.
    labels = data.labels.copy()
    of_ten = labels["class_id"] == 10
    labels = labels[~of_ten | (labels["label_id"] == labels.loc[of_ten, "label_id"].iloc[0])]
    labels.loc[labels["class_id"] == 10, "is_crowd"] = True
    values = {}
    for absent in ("exclude", "zero"):
        run = evaluate(
            frames=data.frames,
            labels=labels,
            predictions=data.predictions,
            absent_classes=absent,
            metrics=["none"],
        )
        values[absent] = run.table("summary").to_pandas().set_index("measure")["value"]
    for measure in ("AP", "AP50", "mAP", "mAR", "AR100"):
        assert values["zero"][measure] == pytest.approx(values["exclude"][measure] * 2 / 3, rel=1e-12)
