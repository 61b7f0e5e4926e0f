"""What was planted in the demo data comes out at the top of the importance table."""

from __future__ import annotations

import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.demo import DemoPaths
from emqa_core.storage.runs import Run

pytestmark = pytest.mark.slow

SIZE = {"object_area_px2", "object_area_relative", "object_width_px", "object_height_px"}
CROWDING = {"object_occlusion", "object_overlap", "frame_density"}
CONTRAST, BLUR = "frame_digit_contrast", "frame_blur_px"
# Of a prediction also the shape says something: digits that touch are found as one wide object. And where
# contrast is low or digits touch, the detector counts fewer or more objects.
CONSEQUENCES = {"object_aspect_ratio", "frame_prediction_count", "confidence"}


@pytest.fixture(scope="module")
def run(demo: DemoPaths) -> Run:
    return evaluate(labels=str(demo.labels), predictions=str(demo.predictions))


@pytest.fixture(scope="module")
def importance(run: Run) -> pd.DataFrame:
    table = run.to_pandas("metric_importance")
    return table[
        (table["scope"] == "all") & (table["iou_threshold"] == 0.5) & (table["score_threshold"] == 0)
    ]


def _of(importance: pd.DataFrame, target: str) -> pd.DataFrame:
    return importance[importance["target"] == target].set_index("metric")


def test_what_was_planted_outranks_everything_else_for_labels(importance: pd.DataFrame) -> None:
    labels = _of(importance, "label")["importance"]
    others = labels.drop([*SIZE, *CROWDING, *CONSEQUENCES, CONTRAST, BLUR], errors="ignore")
    assert len(others) > 8
    for planted in ("object_occlusion", "object_area_px2", CONTRAST, BLUR):
        assert labels[planted] > 3 * others.max(), planted
    leading = labels.drop(sorted(CONSEQUENCES & set(labels.index))).nlargest(7)
    assert set(leading.index) == SIZE | {"object_occlusion", CONTRAST, BLUR}


def test_size_contrast_and_blur_lead_for_predictions(importance: pd.DataFrame) -> None:
    predictions = _of(importance, "prediction")["importance"]
    others = predictions.drop([*SIZE, *CROWDING, *CONSEQUENCES, CONTRAST, BLUR], errors="ignore")
    for planted in ("object_area_px2", CONTRAST, BLUR):
        assert predictions[planted] > 2 * others.max(), planted


def test_contrast_and_blur_lead_for_frames(importance: pd.DataFrame) -> None:
    # The number of labels has importance too, without direction: it decides which values F1 can take.
    frames = _of(importance, "frame").drop(["frame_label_count", "frame_prediction_count"])
    assert set(frames["importance"].nlargest(2).index) == {CONTRAST, BLUR}
    assert set(frames["correlation"].abs().nlargest(2).index) == {CONTRAST, BLUR}
    assert frames.loc[[CONTRAST, BLUR], "is_significant"].all()


@pytest.mark.parametrize(
    ("metric", "sign"),
    [("object_area_px2", 1), ("object_occlusion", -1), (CONTRAST, 1), (BLUR, -1)],
)
def test_directions_are_as_planted(importance: pd.DataFrame, metric: str, sign: int) -> None:
    row = _of(importance, "label").loc[metric]
    assert row["is_significant"]
    assert row["importance_low"] > row["noise_floor"]
    assert sign * row["correlation_low"] > 0
    assert sign * row["correlation_high"] > 0


@pytest.mark.parametrize("target", ["label", "prediction", "frame"])
def test_controls_and_texture_stay_in_the_noise(importance: pd.DataFrame, target: str) -> None:
    table = _of(importance, target)
    for metric in {"object_random", "frame_random", "frame_texture"} & set(table.index):
        assert not table.loc[metric, "is_significant"], metric
        assert table.loc[metric, "importance"] < 0.02, metric


def test_what_was_planted_is_what_is_recommended(run: Run) -> None:
    table = run.to_pandas("recommendation")
    of_all = table[table["scope"] == "all"]
    assert set(of_all["kind"]) == {
        *("filter_predictions", "confidence_by_metric", "weak_range", "confounded"),
    }
    # The smallest false alarms are dropped, at a gain that both halves of the frames show.
    filters = of_all[of_all["kind"] == "filter_predictions"]
    assert set(filters["metric"]) <= SIZE and filters["lower"].notna().all() and filters["upper"].isna().all()
    assert (filters["gain_low"] > 0).all() and (filters["p_value"] < 0.05).all()
    weak = of_all[(of_all["kind"] == "weak_range") & (of_all["target"] == "label")]
    assert {CONTRAST, BLUR, "object_occlusion"} < set(weak["metric"]) and SIZE & set(weak["metric"])
    small = weak[weak["metric"] == "object_area_px2"].iloc[0]
    assert small["rate"] < small["rate_rest"] / 1.5 and "raise the input resolution" in small["text"]
    assert weak.set_index("metric").loc["object_occlusion", "upper"] != weak["upper"].max()
    assert not {"frame_texture", "object_random", "frame_random"} & set(table["metric"])
