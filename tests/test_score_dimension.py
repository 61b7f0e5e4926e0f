"""Scores in the tables: what stands beside every label equals a naive look at the predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.storage.runs import Run
from tests.oracles.synthetic import make_data_set
from tests.oracles.thresholded_rows import score_performance_row, shown_levels

PROTOCOLS = ("coco", "best_iou")


@pytest.fixture(scope="module", params=PROTOCOLS)
def run(request: pytest.FixtureRequest) -> Run:
    data = make_data_set(60, crowds=True)
    return evaluate(
        labels=data.labels,
        predictions=data.predictions,
        frames=data.frames,
        matching=request.param,
        score_threshold=0.3,
        iou_thresholds=[0.5, 0.75],
    )


def test_a_found_label_has_the_score_of_its_prediction(run: Run) -> None:
    label, prediction = run.to_pandas("label"), run.to_pandas("prediction")
    found = label["outcome"].astype(str) == "found"
    assert found.any() and (~found).any()
    assert label.loc[~found, "score"].isna().all()
    score_of = {
        (frame, name): score
        for frame, name, score in zip(
            prediction["frame_id"], prediction["prediction_id"], prediction["score"], strict=True
        )
    }
    held = label[found]
    expected = [score_of[key] for key in zip(held["frame_id"], held["prediction_id"], strict=True)]
    np.testing.assert_array_equal(held["score"], expected)
    assert held["score"].min() >= 0.3


def unthresholded(matching: str, scale: float = 1.0) -> Run:
    """The same data with all scores counted, as the oracles need them; scale: of the scores."""
    data = make_data_set(60, crowds=True)
    return evaluate(
        labels=data.labels,
        predictions=data.predictions.assign(score=data.predictions["score"] * scale),
        frames=data.frames,
        matching=matching,
        iou_thresholds=[0.5, 0.75],
    )


def best_score(run: Run) -> float:
    table = run.to_pandas("class_performance")
    is_meant = (table["scope"] == "all") & (table["area_range"] == "all") & (table["iou_threshold"] == 0.5)
    return float(table.loc[is_meant, "best_score_threshold"].iloc[0])


@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("matching", PROTOCOLS)
def test_score_performance_equals_a_count_of_the_rows(matching: str, scale: float) -> None:
    run = unthresholded(matching, scale)
    prediction, label = run.to_pandas("prediction"), run.to_pandas("label")
    table = run.to_pandas("score_performance")
    levels = shown_levels(prediction["score"], 0.0, best_score(run))
    assert sorted(table["score_threshold"].unique()) == levels
    assert len(table) == (3 + 1) * 2 * len(levels)
    for row in table[table["iou_threshold"] == 0.5].to_dict("records"):
        expected = score_performance_row(prediction, label, row["class_id"], row["score_threshold"])
        found = {name: None if pd.isna(row[name]) else row[name] for name in expected}
        assert found == expected, row


def test_score_performance_knows_scores_below_the_configured_threshold(run: Run) -> None:
    matching = str(run.row()["matching"])
    table = run.to_pandas("score_performance")
    whole = unthresholded(matching).to_pandas("score_performance")
    shared = table.merge(whole, on=["scope", "class_id", "iou_threshold", "score_threshold"])
    assert len(shared) == len(whole)  # 0.3 is a step of both
    np.testing.assert_array_equal(shared["n_true_positive_x"], shared["n_true_positive_y"])
    np.testing.assert_array_equal(shared["n_predictions_x"], shared["n_predictions_y"])


@pytest.mark.parametrize("matching", PROTOCOLS)
def test_a_row_of_score_performance_is_a_run_with_that_score_threshold(matching: str) -> None:
    data = make_data_set(60, crowds=True)
    at = evaluate(
        labels=data.labels, predictions=data.predictions, frames=data.frames, matching=matching,
        score_threshold=0.45, metrics=["none"], iou_thresholds=[0.5, 0.75],
    ).to_pandas("class_performance")  # fmt: skip
    at = at[(at["area_range"] == "all") & at["iou_threshold"].notna()]
    table = unthresholded(matching).to_pandas("score_performance")
    table = table[table["score_threshold"] == 0.45]
    key = ["scope", "class_id", "iou_threshold"]
    both = table.merge(at, on=key, suffixes=("", "_run"))
    assert len(both) == len(table) == len(at)
    for column in ("n_predictions", "n_true_positive", "n_labels", "precision", "recall", "f1"):
        np.testing.assert_array_equal(both[column], both[f"{column}_run"])
