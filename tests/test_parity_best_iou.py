"""Protocol best_iou: one pass of matching answers every threshold as direct matching at it would."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core import evaluate
from emqa_core.matching.best_iou import match_best_iou
from emqa_core.matching.matches import MatchOptions
from tests.oracles.best_iou import attach, outcomes_at
from tests.oracles.coco_tables import partition_of
from tests.oracles.fuzz import N_SETS, make_set
from tests.oracles.synthetic import make_data_set

IOU_THRESHOLDS = tuple(step / 20 for step in range(21))
BLOCK = 40


@pytest.mark.parametrize("first", range(0, N_SETS, BLOCK))
def test_intervals_equal_direct_matching_at_each_threshold(first: int) -> None:
    for seed in range(first, first + BLOCK):
        one = make_set(seed)
        max_dets = one.max_dets
        _, labels, predictions, label_rows, prediction_rows = partition_of(
            one.frames, one.labels, one.predictions, one.classes
        )
        options = MatchOptions(
            np.array(IOU_THRESHOLDS), np.array([[0.0, 1e10]]), max_dets, seed % 21, -np.inf
        )
        matches = match_best_iou(labels, predictions, len(one.classes), options)
        attached = attach(one.labels, one.predictions, max_dets[-1])
        for threshold in IOU_THRESHOLDS:
            direct = outcomes_at(threshold, attached)
            outcome = np.array(direct.prediction, object)[prediction_rows]
            counts = outcome != "ignored"
            ours = (matches.iou_duplicate < threshold) & (threshold <= matches.iou)
            np.testing.assert_array_equal(
                ours[counts], (outcome == "true_positive")[counts], err_msg=f"set {seed}, T {threshold}"
            )
            label_outcome = np.array(direct.label, object)[label_rows]
            counts = label_outcome != "ignored"
            np.testing.assert_array_equal(
                (matches.iou_max < threshold)[counts],
                (label_outcome == "missed")[counts],
                err_msg=f"set {seed}, T {threshold}",
            )


@pytest.mark.parametrize("seed", [11, 13, 17])
def test_average_precision_follows_the_outcomes(seed: int) -> None:
    """101 points from the true positives at each threshold; ignored predictions are left out."""
    data = make_data_set(40, crowds=True, seed=seed)
    thresholds = (0.0, 0.3, 0.5, 0.9)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        matching="best_iou",
        iou_thresholds=thresholds,
        metrics=["none"],
    )
    rows = run.table("class_performance").to_pylist()
    attached = attach(data.labels, data.predictions)
    for class_id in (1, 2, 10):
        of_predictions = (data.predictions["class_id"] == class_id).to_numpy()
        of_labels = (data.labels["class_id"] == class_id).to_numpy()
        for threshold in thresholds:
            direct = outcomes_at(threshold, attached)
            outcome = np.array(direct.prediction, object)
            counts = of_predictions & (outcome != "ignored")
            score = data.predictions["score"].to_numpy()[counts]
            frame = data.predictions["frame_id"].to_numpy()[counts]
            order = np.lexsort((np.arange(len(score)), frame, -score))
            n_labels = int((np.array(direct.label, object)[of_labels] != "ignored").sum())
            expected = _average_precision((outcome[counts] == "true_positive")[order], n_labels)
            (row,) = (
                row
                for row in rows
                if row["class_id"] == str(class_id)
                and row["iou_threshold"] == threshold
                and row["area_range"] == "all"
            )
            assert row["average_precision"] == pytest.approx(expected, abs=1e-12)


def _average_precision(right: np.ndarray, n_labels: int) -> float:
    """Mean over recalls 0, 0.01, ..., 1 of the highest precision at that recall or more."""
    true = np.cumsum(right)
    recall = true / n_labels
    precision = true / np.arange(1, len(right) + 1)
    points = np.linspace(0, 1, 101)
    return float(np.mean([precision[recall >= point].max(initial=0.0) for point in points]))
