"""Protocol best_iou: one pass of matching answers every threshold as direct matching at it would."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core.matching.best_iou import match_best_iou
from emqa_core.matching.matches import MatchOptions
from tests.oracles.best_iou import attach, outcomes_at
from tests.oracles.coco_tables import partition_of
from tests.oracles.fuzz import N_SETS, make_set

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
