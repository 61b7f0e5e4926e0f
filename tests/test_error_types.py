"""Why predictions are false and labels missed: each type by itself, and against the definition's words."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from tests.command import emqa
from tests.data import data_folder
from tests.oracles.error_rows import expected_errors

FRAMES = pd.DataFrame({"frame_id": range(12), "width_px": 60.0, "height_px": 60.0})
TOGETHER = {"prediction": "false_positive", "label": "false_negative"}
BOX = ["x_px", "y_px", "width_px", "height_px"]


def run(labels: pd.DataFrame, predictions: pd.DataFrame, frames: pd.DataFrame = FRAMES, **options):
    return evaluate(
        labels=labels, predictions=predictions, frames=frames, metrics=["none"], intervals=False,
        **{"cluster": {"address": "none"}, **options},
    )  # fmt: skip


def objects(*rows: tuple, score: bool = False) -> pd.DataFrame:
    """Rows of frame, class, x, y, width, height, and of predictions a score."""
    names = ["frame_id", "class_id", *BOX]
    return pd.DataFrame(rows, columns=[*names, "score"] if score else names)


@pytest.mark.parametrize(
    ("prediction", "error", "label"),
    [
        ((0, 1, 0, 0, 10, 4), "localization", "localization"),  # IoU 0.4
        ((0, 2, 0, 0, 10, 10), "classification", "classification"),
        ((0, 1, 40, 40, 5, 5), "background", "missed"),
        ((0, 1, 0, 0, 10, 0.5), "background", "missed"),  # IoU 0.05
        ((0, 2, 0, 0, 10, 4), "classification_and_localization", "missed"),
        ((0, 1, 0, 0, 10, 1), "localization", "localization"),  # IoU 0.1, which both words would take
    ],
)
def test_each_type_alone(prediction: tuple, error: str, label: str) -> None:
    result = run(objects((0, 1, 0, 0, 10, 10), (1, 2, 0, 0, 9, 9)), objects((*prediction, 0.9), score=True))
    assert result.table("prediction")["error_type"].to_pylist() == [error]
    assert result.table("label")["error_type"].to_pylist() == [label, "missed"]


def test_a_duplicate_and_what_comes_before_it() -> None:
    labels = objects((0, 1, 0, 0, 10, 10), (0, 2, 0, 0, 10, 9))
    first, second = (0, 1, 0, 0, 10, 10, 0.9), (0, 1, 0, 0, 10, 8, 0.8)
    alone = run(labels.head(1), objects(first, second, score=True))
    assert alone.table("prediction")["error_type"].to_pylist() == [None, "duplicate"]
    assert alone.table("label")["error_type"].to_pylist() == [None]
    # A label of another class below it makes it an error of class, and names that label's cause.
    both = run(labels, objects(first, second, score=True))
    assert both.table("prediction")["error_type"].to_pylist() == [None, "classification"]
    assert both.table("label")["error_type"].to_pylist() == [None, "classification"]


def test_of_two_equal_labels_the_first_is_meant() -> None:
    twice = objects((0, 1, 0, 0, 10, 10), (0, 1, 0, 0, 10, 10))
    for wrong in ((0, 1, 0, 0, 10, 4, 0.9), (0, 2, 0, 0, 10, 10, 0.9)):
        labels = pd.concat([twice, objects((1, 2, 0, 0, 5, 5))])
        found = run(labels, objects(wrong, score=True)).table("label")["error_type"].to_pylist()
        assert found[0] in ("localization", "classification") and found[1:] == ["missed", "missed"]


def test_localization_outranks_classification_for_a_label() -> None:
    labels = objects((0, 1, 0, 0, 10, 10))
    wrong_class, wrong_place = (0, 2, 0, 0, 10, 10, 0.9), (0, 1, 0, 0, 10, 4, 0.8)
    for rows in ((wrong_class, wrong_place), (wrong_place, wrong_class)):
        result = run(pd.concat([labels, objects((1, 2, 0, 0, 5, 5))]), objects(*rows, score=True))
        assert result.table("label")["error_type"].to_pylist() == ["localization", "missed"]


def random_data(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)

    def boxes(n: int) -> pd.DataFrame:
        values = np.column_stack([rng.integers(0, 30, (n, 2)), rng.integers(1, 25, (n, 2))]).astype(float)
        rows = pd.DataFrame(values, columns=BOX)
        return rows.assign(frame_id=rng.integers(0, 12, n), class_id=rng.integers(0, 3, n))

    labels = boxes(60).assign(is_crowd=rng.uniform(size=60) < 0.1, is_ignored=rng.uniform(size=60) < 0.1)
    near = labels.sample(80, replace=True, random_state=seed)[[*BOX, "frame_id", "class_id"]]
    near = near.assign(
        x_px=near["x_px"] + rng.integers(-6, 7, 80),
        class_id=np.where(rng.uniform(size=80) < 0.2, 0, near["class_id"]),
    )
    predictions = pd.concat([near, boxes(60)]).assign(score=lambda rows: rng.uniform(size=len(rows)).round(1))
    return labels, predictions


@pytest.mark.parametrize("protocol", ["coco", "best_iou"])
@pytest.mark.parametrize("seed", range(8))
def test_every_row_equals_the_definition(seed: int, protocol: str) -> None:
    labels, predictions = random_data(seed)
    threshold = (0.5, 0.75)[seed % 2]
    result = run(
        labels, predictions, matching=protocol, iou_threshold=threshold, score_threshold=0.2 * (seed % 3),
        cluster={"address": "none", "partitions": 1 + seed % 4},
    )  # fmt: skip
    rows = [result.table(name).to_pylist() for name in ("prediction", "label")]
    of_predictions, of_labels = expected_errors(*rows, threshold)
    assert [row["error_type"] for row in rows[0]] == of_predictions
    assert [row["error_type"] for row in rows[1]] == of_labels

    counts = {
        (row["source"], row["class_id"], row["error_type"]): (row["n"], row["share"])
        for row in result.table("error_type").to_pylist()
    }
    for source, side in zip(("prediction", "label"), rows, strict=True):
        for class_id in (None, "0", "1", "2"):
            wrong = [r["error_type"] for r in side if r["error_type"] and class_id in (None, r["class_id"])]
            for name, n in Counter(wrong).items():
                assert counts[source, class_id, name] == (n, pytest.approx(n / len(wrong)))
            listed = {name: n for (s, c, name), (n, _) in counts.items() if (s, c) == (source, class_id)}
            together = listed.pop(TOGETHER[source])
            assert together == sum(listed.values()) == len(wrong)


def test_they_may_be_left_out() -> None:
    labels, predictions = random_data(1)
    result = run(labels, predictions, error_types=False)
    assert result.table("error_type").num_rows == 0
    assert result.table("prediction")["error_type"].null_count == len(predictions)


def test_the_terminal_shows_their_shares(capsys, tmp_path) -> None:
    labels = objects((0, 1, 0, 0, 10, 10), (1, 1, 0, 0, 9, 9))
    rows = objects((0, 1, 0, 0, 10, 4, 0.9), (0, 1, 40, 40, 5, 5, 0.8), (1, 1, 30, 30, 5, 5, 0.7), score=True)
    run(labels, rows, output=str(tmp_path / "eval"))
    text = " ".join(emqa(capsys, "show", tmp_path / "eval").out.split())
    assert "false positives background 67% · localization 33%" in text
    assert "missed labels missed 50% · localization 50%" in text
    # With its place right the first one finds one of two labels, which reaches 51 of 101 recall points.
    # Without the label that was missed nothing is found yet.
    assert "costs in AP localization 0.505" in text
    at_other = emqa(capsys, "show", tmp_path / "eval", "--iou-threshold", 0.75).out
    assert "background" not in at_other


@pytest.mark.data
@pytest.mark.slow
def test_real_detections_equal_the_definition() -> None:
    """On coco446, and every false positive and missed label has one."""
    folder = data_folder("coco446")
    result = evaluate(
        labels=str(folder / "labels.json.gz"), predictions=str(folder / "predictions_yolox_nano.json.gz"),
        metrics=["none"], iou_thresholds=[0.5], intervals=False, cluster={"address": "none"},
    )  # fmt: skip
    predictions, labels = result.to_pandas("prediction"), result.to_pandas("label")
    assert (predictions["error_type"].notna() == (predictions["outcome"] == "false_positive")).all()
    assert (labels["error_type"].notna() == (labels["outcome"] == "missed")).all()
    # The boxes as they were given: tables keep them as float32.
    given = {
        name: json.loads(gzip.decompress((folder / f"{file}.json.gz").read_bytes()))
        for name, file in (("label", "labels"), ("prediction", "predictions_yolox_nano"))
    }
    frames = set(predictions["frame_id"].unique()[:60])
    rows = [
        _with_given_boxes(table[table["frame_id"].isin(frames)], boxes)
        for table, boxes in ((predictions, given["prediction"]), (labels, given["label"]["annotations"]))
    ]
    for side, expected in zip(rows, expected_errors(*rows, 0.5), strict=True):
        found = [row["error_type"] if isinstance(row["error_type"], str) else None for row in side]
        assert len(set(found)) > 3 and found == expected


def _with_given_boxes(table: pd.DataFrame, given: list[dict]) -> list[dict]:
    rows = table.to_dict("records")
    return [{**row, **dict(zip(BOX, given[row["input_index"]]["bbox"], strict=True))} for row in rows]
