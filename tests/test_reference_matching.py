"""The oracles themselves, on cases small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.oracles.best_iou import box_iou, match_directly
from tests.oracles.fuzz import N_SETS, FuzzSet, make_all, make_set
from tests.oracles.pycocotools_oracle import run_pycocotools

Box = tuple[float, float, float, float]


def _labels(*rows: Box, crowd: tuple[int, ...] = (), ignored: tuple[int, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "frame_id": 1,
            "class_id": 1,
            **_boxes(rows),
            "area_px2": np.nan,
            "is_crowd": [row in crowd for row in range(len(rows))],
            "is_ignored": [row in ignored for row in range(len(rows))],
        }
    )


def _predictions(*rows: Box, score: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"frame_id": 1, "class_id": 1, **_boxes(rows), "score": score})


def _boxes(rows: tuple[Box, ...]) -> dict[str, list[float]]:
    return {
        name: [row[index] for row in rows]
        for index, name in enumerate(("x_px", "y_px", "width_px", "height_px"))
    }


FRAMES = pd.DataFrame({"frame_id": [1], "width_px": [100.0], "height_px": [100.0]})


def test_coco_oracle_takes_the_later_label_on_equal_iou() -> None:
    labels = _labels((0, 0, 10, 10), (0, 0, 10, 10))
    result = run_pycocotools(FRAMES, labels, _predictions((0, 0, 10, 10), score=[0.5]))
    assert result.label_of_prediction[0, 0].tolist() == [1]
    assert result.label_found[:, 0].tolist() == [[False, True]] * 10
    # One of two labels found: recall 0.5, precision 1 up to it: 51 of 101 recall points.
    assert result.twelve_numbers()["AP"] == pytest.approx(51 / 101)
    assert result.twelve_numbers()["AR1"] == 0.5


def test_coco_oracle_lets_ignored_labels_through() -> None:
    # pycocotools itself would forget the flag and count the first label as missed.
    labels = _labels((0, 0, 10, 10), (50, 50, 10, 10), ignored=(0,))
    predictions = _predictions((0, 0, 10, 10), (50, 50, 10, 10), score=[0.9, 0.5])
    result = run_pycocotools(FRAMES, labels, predictions)
    assert result.label_ignored[0, 0].tolist() == [True, False]
    assert result.prediction_ignored[0, 0].tolist() == [True, False]
    assert result.twelve_numbers()["AP"] == pytest.approx(1.0)


def test_coco_oracle_counts_a_label_whose_id_was_zero() -> None:
    labels = _labels((0, 0, 10, 10)).assign(label_id=0)
    result = run_pycocotools(FRAMES, labels, _predictions((0, 0, 10, 10), score=[0.9]))
    assert result.twelve_numbers()["AP"] == pytest.approx(1.0)


def test_best_iou_gives_no_second_choice_and_prefers_score() -> None:
    labels = _labels((0, 0, 10, 10), (20, 0, 10, 10))
    predictions = _predictions(
        (0, 0, 10, 10), (1, 0, 10, 10), (20, 0, 10, 5), (60, 60, 5, 5), score=[0.6, 0.9, 0.4, 0.3]
    )
    # IoU 1, 9/11, 0.5, none; at 0.5 the higher score holds label 0.
    at_half = match_directly(labels, predictions, 0.5)
    assert at_half.prediction == [
        "false_positive", "true_positive", "true_positive", "false_positive"
    ]  # fmt: skip
    assert at_half.label == ["found", "found"]
    # At 0.9 the higher score no longer reaches T, and the other takes its place.
    at_high = match_directly(labels, predictions, 0.9)
    assert at_high.prediction == [
        "true_positive", "false_positive", "false_positive", "false_positive"
    ]  # fmt: skip
    assert at_high.label == ["found", "missed"]


def test_best_iou_ignores_what_is_attached_to_a_crowd() -> None:
    labels = _labels((0, 0, 10, 10), (0, 0, 10, 10), crowd=(0,))
    # Equal IoU: the first label. The crowd attaches like any other and takes no second prediction's chance.
    predictions = _predictions((0, 0, 10, 10), (5, 0, 10, 10), score=[0.9, 0.8])
    direct = match_directly(labels, predictions, 0.5)
    assert direct.prediction == ["ignored", "ignored"]
    assert direct.label == ["ignored", "missed"]


def test_best_iou_leaves_out_what_is_beyond_max_dets() -> None:
    labels = _labels((0, 0, 10, 10))
    predictions = _predictions((0, 0, 10, 9), (0, 0, 10, 10), score=[0.9, 0.8])
    direct = match_directly(labels, predictions, 0.95, max_dets=1)
    assert direct.prediction == ["false_positive", "ignored"]
    assert direct.label == ["missed"]


def test_fuzz_holds_the_cases_it_promises() -> None:
    sets = make_all()
    assert len(sets) == N_SETS >= 200
    labels = pd.concat([one.labels for one in sets])
    predictions = pd.concat([one.predictions for one in sets])
    label_area = labels["width_px"] * labels["height_px"]
    prediction_area = predictions["width_px"] * predictions["height_px"]
    cells = [
        one.predictions.groupby(["frame_id", "class_id"]).size().max() for one in sets if len(one.predictions)
    ]
    promised = {
        "tied IoUs": sum(_holds_tied_ious(one) for one in sets),
        "tied scores": sum(one.predictions["score"].duplicated().any() for one in sets),
        "crowds": labels["is_crowd"].sum(),
        "ignored labels": (labels["is_ignored"] & ~labels["is_crowd"]).sum(),
        "more than 100 predictions per cell": sum(size > 100 for size in cells),
        "empty frames": sum(
            bool(set(one.frames["frame_id"]) - set(one.labels["frame_id"]) - set(one.predictions["frame_id"]))
            for one in sets
        ),
        "frames without predictions": sum(
            bool(set(one.labels["frame_id"]) - set(one.predictions["frame_id"])) for one in sets
        ),
        "frames without labels": sum(
            bool(set(one.predictions["frame_id"]) - set(one.labels["frame_id"])) for one in sets
        ),
        "zero areas": (label_area == 0).sum(),
        "areas on a border": labels["area_px2"].isin([1024.0, 9216.0]).sum(),
        "boxes on a border": prediction_area.isin([1024.0, 9216.0]).sum(),
        "boxes outside the image": (labels["x_px"] < 0).sum(),
        "areas that are not the box's": (
            labels["area_px2"].notna() & (labels["area_px2"] != label_area)
        ).sum(),
        "classes without labels": sum(
            len(set(one.classes) - set(one.labels["class_id"])) > 0 for one in sets
        ),
        "unlisted classes": sum(len(set(one.predictions["class_id"]) - set(one.classes)) > 0 for one in sets),
        "string ids": sum(isinstance(one.classes[0], str) for one in sets),
        "sets without labels": sum(len(one.labels) == 0 for one in sets),
        "sets without predictions": sum(len(one.predictions) == 0 for one in sets),
        "scores equal in float32 alone": sum(
            one.predictions["score"].astype(np.float32).nunique() < one.predictions["score"].nunique()
            for one in sets
        ),
    }
    assert {name: count for name, count in promised.items() if count < 5} == {}


def _holds_tied_ious(one: FuzzSet) -> bool:
    """Whether some prediction has one IoU of at least 0.5 with two labels of its class."""
    labels = one.labels.to_dict("records")
    for prediction in one.predictions.to_dict("records"):
        ious = [
            box_iou(prediction, label)
            for label in labels
            if (label["frame_id"], label["class_id"]) == (prediction["frame_id"], prediction["class_id"])
        ]
        high = [iou for iou in ious if iou >= 0.5]
        if len(set(high)) < len(high):
            return True
    return False


def test_fuzz_is_decided_by_its_seed() -> None:
    again = make_set(17)
    pd.testing.assert_frame_equal(make_set(17).predictions, again.predictions)
    assert make_set(17).iou_thresholds == again.iou_thresholds
