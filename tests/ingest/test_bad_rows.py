"""Bad rows go to quarantine with row, reason and value, whatever the format; the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from emqa_core.errors import InputError, QuarantineError
from emqa_core.ingest import quarantine
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine
from emqa_core.ingest.source import predictions_from_frame, read_labels, read_predictions
from emqa_core.ingest.validate import validate_labels, validate_predictions
from tests.ingest.sources import (
    CONFIG,
    FILES,
    annotation,
    instances,
    prediction,
    write,
    write_json,
    write_lines,
)

NAN, INFINITY = float("nan"), float("inf")
N_GOOD = 3000  # several blocks: a bad row must not harm its neighbours, typed before and after
BAD_AT = 2345

# case: changes of a prediction, reason, column, value
BAD_PREDICTIONS: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    "score missing": ({"score": ...}, quarantine.SCORE_MISSING, "score", None),
    "score null": ({"score": None}, quarantine.SCORE_MISSING, "score", None),
    "score text": ({"score": "high"}, quarantine.SCORE_NOT_A_NUMBER, "score", "high"),
    "score list": ({"score": [0.5]}, quarantine.SCORE_NOT_A_NUMBER, "score", "[0.5]"),
    "score true": ({"score": True}, quarantine.SCORE_NOT_A_NUMBER, "score", "true"),
    "score NaN": ({"score": NAN}, quarantine.SCORE_NOT_A_NUMBER, "score", "nan"),
    "score infinite": ({"score": INFINITY}, quarantine.SCORE_NOT_FINITE, "score", "inf"),
    "box missing": ({"bbox": ...}, quarantine.GEOMETRY_MISSING, "x_px", None),
    "box null": ({"bbox": None}, quarantine.GEOMETRY_MISSING, "x_px", None),
    "null in box": ({"bbox": [1, 2, None, 4]}, quarantine.GEOMETRY_MISSING, "width_px", None),
    "NaN in box": ({"bbox": [1, NAN, 3, 4]}, quarantine.GEOMETRY_NOT_FINITE, "y_px", "nan"),
    "infinity in box": ({"bbox": [-INFINITY, 2, 3, 4]}, quarantine.GEOMETRY_NOT_FINITE, "x_px", "-inf"),
    "infinite height": ({"bbox": [1, 2, 3, INFINITY]}, quarantine.GEOMETRY_NOT_FINITE, "height_px", "inf"),
    "negative width": ({"bbox": [1, 2, -3, 4]}, quarantine.NEGATIVE_SIZE, "width_px", "-3"),
    "negative height": ({"bbox": [1, 2, 3, -0.5]}, quarantine.NEGATIVE_SIZE, "height_px", "-0.5"),
    "three numbers": ({"bbox": [1, 2, 3]}, quarantine.GEOMETRY_WRONG_TYPE, "box", "[1, 2, 3]"),
    "five numbers": ({"bbox": [1, 2, 3, 4, 5]}, quarantine.GEOMETRY_WRONG_TYPE, "box", "[1, 2, 3, 4, 5]"),
    "text in box": ({"bbox": [1, 2, 3, "4"]}, quarantine.GEOMETRY_WRONG_TYPE, "box", '[1, 2, 3, "4"]'),
    "box is text": ({"bbox": "1 2 3 4"}, quarantine.GEOMETRY_WRONG_TYPE, "box", "1 2 3 4"),
    "unknown frame": ({"image_id": 99}, quarantine.UNKNOWN_FRAME, "frame_id", "99"),
    "no frame": ({"image_id": ...}, quarantine.FRAME_ID_MISSING, "frame_id", None),
    "frame is a list": ({"image_id": [1]}, quarantine.WRONG_TYPE, "frame_id", "[1]"),
    "no class": ({"category_id": None}, quarantine.CLASS_MISSING, "class_id", None),
    "class is half": ({"category_id": 1.5}, quarantine.WRONG_TYPE, "class_id", "1.5"),
}


def _rows(changes: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [prediction(1 + index % 2, score=index / N_GOOD) for index in range(N_GOOD)]
    return [*rows[:BAD_AT], prediction(1, **changes), *rows[BAD_AT:]]


def _check(table: pa.Table, unread: pa.Table, reason: str, column: str, value: str | None) -> None:
    good, bad = validate_predictions(table, pa.array([1, 2]))
    bad = combine_quarantine([unread, bad])
    assert bad.num_rows == 1
    found = bad.to_pylist()[0]
    assert (found["source"], found["row"]) == ("prediction", BAD_AT)
    assert (found["reason"], found["column"], found["value"]) == (reason, column, value)
    indexes = [*range(BAD_AT), *range(BAD_AT + 1, N_GOOD + 1)]
    assert good["input_index"].to_pylist() == indexes
    assert good["score"].to_pylist() == [index / N_GOOD for index in range(N_GOOD)]


@pytest.mark.parametrize("case", BAD_PREDICTIONS)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_one_bad_prediction_in_json(tmp_path: Path, case: str, suffix: str) -> None:
    changes, reason, column, value = BAD_PREDICTIONS[case]
    writer: Callable[..., str] = write_json if suffix == "json" else write_lines
    read = read_predictions(writer(tmp_path / f"p.{suffix}", _rows(changes)), CONFIG, FILES)
    assert read.n_rows == N_GOOD + 1
    _check(read.prediction, read.quarantine, reason, column, value)


# In text and in data frames there are no lists, and an empty cell is a missing value.
FLAT = {
    "score missing": ({"score": ""}, quarantine.SCORE_MISSING, "score", None),
    "score text": ({"score": "high"}, quarantine.SCORE_NOT_A_NUMBER, "score", "high"),
    "score nan": ({"score": "nan"}, quarantine.SCORE_NOT_A_NUMBER, "score", "nan"),
    "score inf": ({"score": "-inf"}, quarantine.SCORE_NOT_FINITE, "score", "-inf"),
    "x missing": ({"x": ""}, quarantine.GEOMETRY_MISSING, "x_px", None),
    "x text": ({"x": "left"}, quarantine.GEOMETRY_WRONG_TYPE, "x_px", "left"),
    "y NaN": ({"y": "NaN"}, quarantine.GEOMETRY_NOT_FINITE, "y_px", "nan"),
    "width inf": ({"w": "inf"}, quarantine.GEOMETRY_NOT_FINITE, "width_px", "inf"),
    "height negative": ({"h": "-4"}, quarantine.NEGATIVE_SIZE, "height_px", "-4"),
    "unknown frame": ({"frame_id": "99"}, quarantine.UNKNOWN_FRAME, "frame_id", "99"),
    "no frame": ({"frame_id": ""}, quarantine.FRAME_ID_MISSING, "frame_id", None),
    "no class": ({"class_id": ""}, quarantine.CLASS_MISSING, "class_id", None),
}


def _flat_rows(changes: dict[str, Any]) -> list[dict[str, Any]]:
    keys = ("frame_id", "class_id", "x", "y", "w", "h", "score")
    rows = [(1 + index % 2, 3, 1.5, 2.0, 30.25, 40.0, index / N_GOOD) for index in range(N_GOOD)]
    flat = [dict(zip(keys, row, strict=True)) for row in rows]
    return [*flat[:BAD_AT], {**flat[0], **changes}, *flat[BAD_AT:]]


@pytest.mark.parametrize("case", FLAT)
def test_one_bad_prediction_in_csv(tmp_path: Path, case: str) -> None:
    changes, reason, column, value = FLAT[case]
    rows = _flat_rows(changes)
    lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
    read = read_predictions(write(tmp_path / "p.csv", "\n".join(lines)), CONFIG, FILES)
    _check(read.prediction, read.quarantine, reason, column, value)


@pytest.mark.parametrize("case", FLAT)
def test_one_bad_prediction_in_pandas(case: str) -> None:
    import pandas as pd

    changes, reason, column, value = FLAT[case]
    typed = {
        key: {"": None, "nan": NAN, "NaN": NAN, "-4": -4}.get(cell, cell) for key, cell in changes.items()
    }
    if case == "score nan":  # among objects NaN is a missing value; a column of floats is the other case
        reason, value = quarantine.SCORE_MISSING, None
    if case == "y NaN":
        reason, value = quarantine.GEOMETRY_NOT_FINITE, "nan"
    frame = pd.DataFrame(_flat_rows(typed))
    if case == "score nan":
        frame["score"] = frame["score"].astype(object)
    read = predictions_from_frame(frame, CONFIG)
    if case in ("score missing", "x missing"):  # pandas makes NaN of a missing number itself
        reason = quarantine.SCORE_NOT_A_NUMBER if column == "score" else quarantine.GEOMETRY_NOT_FINITE
        value = "nan"
    _check(read.prediction, read.quarantine, reason, column, value)


def test_what_is_no_object_is_listed(tmp_path: Path) -> None:
    rows: list[Any] = [prediction(1, score=0.1 * index) for index in range(5)]
    read = read_predictions(write_json(tmp_path / "p.json", [*rows, None, 7, *rows]), CONFIG, FILES)
    assert read.quarantine.select(["row", "reason", "value"]).to_pylist() == [
        {"row": 5, "reason": "not_an_object", "value": None},
        {"row": 6, "reason": "not_an_object", "value": "7"},
    ]
    assert read.prediction["input_index"].to_pylist() == [*range(5), *range(7, 12)]


def test_a_broken_line_is_a_bad_row_and_a_cut_last_one_an_error(tmp_path: Path) -> None:
    lines = [json.dumps(prediction(1, score=score)) for score in (0.1, 0.2, 0.3)]
    text = "\n".join([lines[0], lines[1][:20], "", lines[2]])
    read = read_predictions(write(tmp_path / "p.jsonl", text), CONFIG, FILES)
    assert read.prediction["score"].to_pylist() == [0.1, 0.3]
    assert read.quarantine["value"].to_pylist() == [lines[1][:20]]
    with pytest.raises(InputError, match="last line"):
        read_predictions(write(tmp_path / "q.jsonl", text[:-5]), CONFIG, FILES)


def test_annotations_of_unlisted_categories_and_without_boxes_are_listed(tmp_path: Path) -> None:
    rows = [
        annotation(1),
        annotation(2, category_id=99),
        annotation(3, bbox=..., segmentation=[[1, 1, 2, 2, 3, 3]]),
        annotation(4, area=None),
        annotation(5, area="large"),
        annotation(6, iscrowd=2),
    ]
    read = read_labels(write_json(tmp_path / "labels.json", instances(rows)), CONFIG, FILES)
    good, bad = validate_labels(read.label, pa.array([1, 2]))
    assert good["label_id"].to_pylist() == [1, 4]
    listed = combine_quarantine([read.quarantine, bad]).sort_by("row")
    assert listed.select(["row", "object_id", "reason", "column", "value"]).to_pylist() == [
        {"row": 1, "object_id": "2", "reason": "unknown_class", "column": "class_id", "value": "99"},
        {"row": 2, "object_id": "3", "reason": "geometry_missing", "column": "x_px", "value": None},
        {"row": 4, "object_id": "5", "reason": "wrong_type", "column": "area_px2", "value": "large"},
        {"row": 5, "object_id": "6", "reason": "wrong_type", "column": "is_crowd", "value": "2"},
    ]


def test_bad_frames_are_listed(tmp_path: Path) -> None:
    labels = instances([], (1, 2, 1, 3, 4, 5))
    labels["images"][3]["width"] = -1
    labels["images"][4]["height"] = NAN
    labels["images"][5]["width"] = "wide"
    read = read_labels(write_json(tmp_path / "labels.json", labels), CONFIG, FILES)
    assert read.frame is not None
    assert read.frame["frame_id"].to_pylist() == [1, 2]
    assert read.quarantine.select(["source", "row", "frame_id", "reason"]).to_pylist() == [
        {"source": "frame", "row": 5, "frame_id": "5", "reason": "geometry_wrong_type"},
        {"source": "frame", "row": 2, "frame_id": "1", "reason": "duplicate_id"},
        {"source": "frame", "row": 3, "frame_id": "3", "reason": "negative_size"},
        {"source": "frame", "row": 4, "frame_id": "4", "reason": "geometry_not_finite"},
    ]


def test_too_many_bad_rows_fail_with_their_reasons() -> None:
    bad = quarantine.BadRows("prediction")
    for row in range(3):
        bad.add(row, quarantine.SCORE_MISSING, "score", None, 7)
    bad.add(9, quarantine.UNKNOWN_FRAME, "frame_id", 12, 12)
    check_quarantine_share(4, 400, "predictions of model a", 0.01, bad.table())
    with pytest.raises(QuarantineError) as caught:
        check_quarantine_share(4, 399, "predictions of model a", 0.01, bad.table())
    for words in (
        "predictions of model a: 4 of 399 rows are bad (1.00%)",
        "at most 1.00% (max_quarantine_share)",
        "score_missing 3, unknown_frame 1",
        "row 0, column 'score'",
        "frame 7",
    ):
        assert words in str(caught.value)


def test_no_rows_are_not_too_many_bad_rows() -> None:
    check_quarantine_share(0, 0, "labels", 0.0, quarantine.empty_quarantine())


def test_bad_rows_of_several_columns_are_listed_in_row_order() -> None:
    good = {"frame_id": 1, "class_id": 1, "score": "0.5", "x": "1", "y": "1", "w": "1", "h": "1"}
    rows = [{**good, "x": "left"}, {**good, "score": "high", "x": "left"}, good]
    read = predictions_from_frame(pa.Table.from_pylist(rows), CONFIG)
    assert read.quarantine.select(["row", "column"]).to_pylist() == [
        {"row": 0, "column": "x_px"},
        {"row": 1, "column": "score"},
    ]
