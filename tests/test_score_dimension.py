"""Scores in the tables: what stands beside every label equals a naive look at the predictions."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core import evaluate
from emqa_core.storage.runs import Run
from tests.oracles.synthetic import make_data_set

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
