"""Validation against a plain loop over rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.ingest import quarantine as q
from emqa_core.ingest.source import labels_from_frame, predictions_from_frame
from emqa_core.ingest.validate import validate_frames, validate_labels, validate_predictions
from tests.ingest.sources import CONFIG

KNOWN = pa.array([1, 2, 3])
TYPES = {
    "prediction_id": pa.int64(),
    "frame_id": pa.int64(),
    "input_index": pa.int64(),
    "class_id": pa.int64(),
    "score": pa.float64(),
    "x_px": pa.float64(),
    "y_px": pa.float64(),
    "width_px": pa.float64(),
    "height_px": pa.float64(),
}


def _reasons(rows: list[dict[str, Any]]) -> list[str | None]:
    """The reason to leave out each row, by the rules one after the other; None for a good row."""
    found: list[str | None] = [_reason(row) for row in rows]
    seen = set()
    for index in sorted(range(len(rows)), key=lambda index: rows[index]["input_index"]):
        key = (rows[index]["frame_id"], rows[index]["prediction_id"])
        if found[index] is None:
            found[index] = q.DUPLICATE_ID if key in seen else None
            seen.add(key)
    return found


def _reason(row: dict[str, Any]) -> str | None:
    if row["frame_id"] is None:
        return q.FRAME_ID_MISSING
    if row["frame_id"] not in KNOWN.to_pylist():
        return q.UNKNOWN_FRAME
    if row["class_id"] is None:
        return q.CLASS_MISSING
    if row["score"] is None:
        return q.SCORE_MISSING
    if math.isnan(row["score"]):
        return q.SCORE_NOT_A_NUMBER
    if math.isinf(row["score"]):
        return q.SCORE_NOT_FINITE
    for name in ("x_px", "y_px", "width_px", "height_px"):
        if row[name] is None:
            return q.GEOMETRY_MISSING
        if not math.isfinite(row[name]):
            return q.GEOMETRY_NOT_FINITE
        if name.startswith(("width", "height")) and row[name] < 0:
            return q.NEGATIVE_SIZE
    return q.OBJECT_ID_MISSING if row["prediction_id"] is None else None


def _mostly(good: st.SearchStrategy[Any], *bad: Any) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, good, st.sampled_from(bad))


_nan, _inf = float("nan"), float("inf")
sizes = _mostly(st.floats(0, 1e6), _nan, _inf, -_inf, -1.0, None)
places = _mostly(st.floats(-1e6, 1e6), _nan, _inf, -_inf, None)
row = st.fixed_dictionaries(
    {
        "prediction_id": _mostly(st.integers(0, 9), None),
        "frame_id": _mostly(st.sampled_from([1, 2, 3]), 4, None),
        "class_id": _mostly(st.integers(0, 5), None),
        "score": _mostly(st.floats(-1, 2), _nan, _inf, None),
        "x_px": places,
        "y_px": places,
        "width_px": sizes,
        "height_px": sizes,
    }
)


@settings(deadline=None)
@given(st.lists(row, max_size=40), st.randoms(use_true_random=False))
def test_any_rows_are_told_apart_as_a_loop_tells_them(rows: list[dict[str, Any]], random: Any) -> None:
    indexes = list(range(len(rows)))
    random.shuffle(indexes)
    rows = [{**row, "input_index": index} for row, index in zip(rows, indexes, strict=True)]
    table = pa.Table.from_pylist(rows, pa.schema(TYPES.items()))
    good, bad = validate_predictions(table, KNOWN)
    reasons = _reasons(rows)
    assert good["input_index"].to_pylist() == [
        row["input_index"] for row, reason in zip(rows, reasons, strict=True) if reason is None
    ]
    expected = {row["input_index"]: reason for row, reason in zip(rows, reasons, strict=True) if reason}
    assert dict(zip(bad["row"].to_pylist(), bad["reason"].to_pylist(), strict=True)) == expected
    assert bad["row"].to_pylist() == sorted(expected)
    assert bad.schema == q.SCHEMA


def test_ordinary_rows_are_passed_untouched() -> None:
    rows = [
        {"frame_id": 1, "class_id": 1, "score": 7.0, "x": -50.0, "y": 9000.0, "w": 0.0, "h": 1e5},
        {"frame_id": 3, "class_id": 9, "score": -0.1, "x": 0.0, "y": 0.0, "w": 3.0, "h": 0.0},
    ]
    table = predictions_from_frame(pa.Table.from_pylist(rows), CONFIG).prediction
    good, bad = validate_predictions(table, KNOWN)
    assert good is table
    assert bad.num_rows == 0


@pytest.mark.parametrize("text", [False, True])
def test_the_same_id_may_stand_in_two_frames_but_not_twice_in_one(text: bool) -> None:
    ids: list[Any] = [1, 1, 2, 1]
    frames: list[Any] = [1, 2, 1, 1]
    if text:
        ids, frames = [f"é{i}" for i in ids], [str(f) for f in frames]
    table = pa.table(
        {"label_id": ids, "frame_id": frames, "class_id": [1] * 4, "x": [1] * 4, "y": [1] * 4, "w": [1] * 4,
         "h": [1] * 4}
    )  # fmt: skip
    label = labels_from_frame(table, CONFIG).label
    good, bad = validate_labels(label, None)
    assert good["input_index"].to_pylist() == [0, 1, 2]
    assert bad.select(["row", "reason", "object_id", "frame_id"]).to_pylist() == [
        {"row": 3, "reason": "duplicate_id", "object_id": str(ids[3]), "frame_id": str(frames[3])}
    ]
    # The first by input_index stays, wherever it lies in the table.
    good, bad = validate_labels(label.take(pa.array([3, 2, 1, 0])), None)
    assert bad["row"].to_pylist() == [3]


def test_a_bad_row_does_not_make_a_good_one_a_duplicate() -> None:
    rows = [
        {"id": 1, "frame_id": 1, "class_id": 1, "score": float("nan"), "x": 1, "y": 1, "w": 1, "h": 1},
        {"id": 1, "frame_id": 1, "class_id": 1, "score": 0.5, "x": 1, "y": 1, "w": 1, "h": 1},
    ]
    table = predictions_from_frame(pa.Table.from_pylist(rows), CONFIG).prediction
    good, bad = validate_predictions(table, KNOWN)
    assert good["input_index"].to_pylist() == [1]
    assert bad["reason"].to_pylist() == ["score_not_a_number"]


def test_integer_frames_are_known_to_text_predictions_and_the_other_way_round() -> None:
    row = {"class_id": 1, "score": 0.5, "x": 1, "y": 1, "w": 1, "h": 1}
    table = pa.Table.from_pylist([{**row, "frame_id": frame} for frame in ("1", "01", "3")])
    good, _ = validate_predictions(predictions_from_frame(table, CONFIG).prediction, KNOWN)
    assert good["frame_id"].to_pylist() == ["1", "3"]
    numbers = pa.Table.from_pylist([{**row, "frame_id": frame} for frame in (1, 5)])
    good, _ = validate_predictions(predictions_from_frame(numbers, CONFIG).prediction, pa.array(["1", "2"]))
    assert good["frame_id"].to_pylist() == [1]


def test_no_frame_is_known_where_there_are_none() -> None:
    table = pa.Table.from_pylist([{"frame_id": 1, "class_id": 1, "x": 1, "y": 1, "w": 1, "h": 1}])
    good, bad = validate_labels(labels_from_frame(table, CONFIG).label, pa.array([], pa.int64()))
    assert (good.num_rows, bad["reason"].to_pylist()) == (0, ["unknown_frame"])


@pytest.mark.parametrize("n", [0, 1])
def test_few_rows(n: int) -> None:
    table = pa.table({name: pa.array([1] * n, type_) for name, type_ in TYPES.items()})
    assert validate_predictions(table, KNOWN)[0].num_rows == n


def test_frames() -> None:
    table = pa.table(
        {
            "frame_id": pa.array(["a", "b", None, "a", "c", "d"]),
            "frame_order": pa.array([1, 2, 3, 4, None, 5]),
            "width_px": pa.array([640.0, None, 1.0, 1.0, 1.0, -1.0]),
            "height_px": pa.array([0.0, 3.0, 1.0, 1.0, 1.0, float("inf")]),
        }
    )
    good, bad = validate_frames(table, np.arange(10, 16))
    assert good["frame_id"].to_pylist() == ["a", "b"]
    assert good.column_names == table.column_names
    assert dict(zip(bad["row"].to_pylist(), bad["reason"].to_pylist(), strict=True)) == {
        12: "frame_id_missing",
        13: "duplicate_id",
        14: "frame_order_missing",
        15: "negative_size",
    }
