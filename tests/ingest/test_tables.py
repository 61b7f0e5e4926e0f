"""The same rows in every format, in files and in memory, give the same input table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from emqa_core.errors import ConfigError, InputError
from emqa_core.ingest.source import (
    frames_from_frame,
    labels_from_frame,
    predictions_from_frame,
    read_frames,
    read_labels,
    read_predictions,
)
from tests.ingest.sources import CONFIG, FILES, config_with_columns, write, write_lines

ROWS = [
    {"prediction_id": "p1", "frame_id": "b", "class_id": 3, "score": 0.1 + 0.2, "x_px": -1.5, "y_px": 0.0,
     "width_px": 1e-3, "height_px": 7.25, "track_id": "t1", "blur": 0.5, "camera": "left", "night": True},
    {"prediction_id": "p2", "frame_id": "a", "class_id": 7, "score": 2.0, "x_px": 3.0, "y_px": 4.0,
     "width_px": 0.0, "height_px": 0.0, "track_id": None, "blur": None, "camera": None, "night": False},
]  # fmt: skip
FORMATS = ["csv", "csv.gz", "jsonl", "ndjson", "jsonl.gz", "json", "parquet"]


def _write(path: Path, rows: list[dict[str, Any]]) -> str:
    suffix = path.name.partition(".")[2]
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return str(path)
    if suffix == "json":
        return write(path, json.dumps(rows))
    if not suffix.startswith("csv"):
        return write_lines(path, rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return write(path, text.getvalue())


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    read = read_predictions(_write(tmp_path / f"p.{suffix}", ROWS), CONFIG, FILES)
    expected = [{**row, "input_index": index} for index, row in enumerate(ROWS)]
    assert read.n_rows == 2
    assert read.quarantine.num_rows == 0
    assert read.prediction.to_pylist() == [
        {name: row[name] for name in read.prediction.column_names} for row in expected
    ]
    assert set(read.prediction.column_names) == set(expected[0])


def _frames() -> list[Any]:
    import pandas as pd
    import polars as pl

    table = pa.Table.from_pylist(ROWS)
    return [table, table.to_batches()[0], pd.DataFrame(ROWS), pl.DataFrame(ROWS), table.to_reader()]


@pytest.mark.parametrize("number", range(5))
def test_tables_in_memory_give_the_same_rows(number: int) -> None:
    read = predictions_from_frame(_frames()[number], CONFIG)
    rows = read.prediction.to_pylist()
    for row, expected in zip(rows, ROWS, strict=True):
        for name, value in expected.items():
            is_missing = value is None and (row[name] is None or row[name] != row[name])
            assert is_missing or row[name] == value


@pytest.mark.parametrize("suffix", [name for name in FORMATS if name != "json"])
def test_frames_and_labels_come_in_every_format(tmp_path: Path, suffix: str) -> None:
    frames = [{"frame_id": "b", "width": 640, "height": 480, "blur": 0.25}, {"frame_id": "a", "blur": 0.5}]
    frames[1].update(width=None, height=None)
    read = read_frames(_write(tmp_path / f"f.{suffix}", frames), CONFIG, FILES)
    assert read.frame.to_pylist() == [
        {"frame_id": "b", "frame_order": 1, "width_px": 640.0, "height_px": 480.0, "blur": 0.25},
        {"frame_id": "a", "frame_order": 0, "width_px": None, "height_px": None, "blur": 0.5},
    ]
    label = {
        "frame_id": "b",
        "class_id": 2,
        "class_name": "cat",
        "x": 1,
        "y": 2,
        "w": 3,
        "h": 4,
        "is_crowd": 1,
    }
    labels = read_labels(_write(tmp_path / f"l.{suffix}", [label]), CONFIG, FILES)
    assert labels.frame is None
    assert labels.classes == [(2, "cat")]
    assert labels.label.to_pylist() == [
        {"label_id": 0, "frame_id": "b", "input_index": 0, "class_id": 2, "class_name": "cat", "x_px": 1.0,
         "y_px": 2.0, "width_px": 3.0, "height_px": 4.0, "area_px2": None, "is_crowd": True,
         "is_ignored": False},
    ]  # fmt: skip


def test_a_table_not_known_is_refused() -> None:
    with pytest.raises(InputError, match=r"prediction table is not a table.*found int"):
        predictions_from_frame(3, CONFIG)


def test_pandas_index_and_nullable_types() -> None:
    import pandas as pd

    frame = pd.DataFrame(ROWS, index=[5, 5])
    frame["class_id"] = frame["class_id"].astype("Int32")
    frame["camera"] = frame["camera"].astype("category")
    read = predictions_from_frame(frame, CONFIG)
    assert read.prediction["class_id"].type == pa.int64()
    assert read.prediction["input_index"].to_pylist() == [0, 1]


def test_the_digest_of_a_table_in_memory_is_of_its_rows() -> None:
    table = pa.Table.from_pylist(ROWS)
    longer = pa.concat_tables([table, table])
    digest = predictions_from_frame(table, CONFIG).digest
    assert predictions_from_frame(longer.slice(2), CONFIG).digest == digest
    assert (
        predictions_from_frame(pa.concat_tables([table.slice(0, 1), table.slice(1)]), CONFIG).digest == digest
    )
    assert predictions_from_frame(table.slice(1), CONFIG).digest != digest


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_can_be_mapped(tmp_path: Path, suffix: str) -> None:
    rows = [{"img": 4, "conf": 0.5, "label": "cat", "left": 1, "top": 2, "x": 3, "y": 4, "id": 9, "width": 8}]
    mapping = {"frame_id": "img", "score": "conf", "class_name": "label", "x_px": "left", "y_px": "top",
               "width_px": "x", "height_px": "y"}  # fmt: skip
    path = _write(tmp_path / f"p.{suffix}", rows)
    read = read_predictions(path, config_with_columns(prediction=mapping), FILES)
    assert read.prediction.to_pylist() == [
        {"prediction_id": 9, "frame_id": 4, "input_index": 0, "class_name": "cat", "score": 0.5, "x_px": 1.0,
         "y_px": 2.0, "width_px": 3.0, "height_px": 4.0, "width": 8},
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_mapping_to_nothing_is_refused(tmp_path: Path, suffix: str) -> None:
    path = _write(tmp_path / f"p.{suffix}", ROWS)
    with pytest.raises(
        InputError, match=r"no column 'conf', which columns\.prediction\.score names.*found .*blur"
    ):
        read_predictions(path, config_with_columns(prediction={"score": "conf"}), FILES)
    with pytest.raises(ConfigError, match=r"columns\.prediction\.scor is not a column.*did you mean 'score'"):
        read_predictions(path, config_with_columns(prediction={"scor": "score"}), FILES)
    with pytest.raises(InputError, match=r"column 'score' and the mapped columns\.prediction\.score clash"):
        read_predictions(path, config_with_columns(prediction={"score": "blur"}), FILES)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("column", ["frame_id", "class_id", "score", "x_px", "height_px"])
def test_a_missing_column_is_refused(tmp_path: Path, suffix: str, column: str) -> None:
    rows = [{name: value for name, value in row.items() if name != column} for row in ROWS]
    path = _write(tmp_path / f"p.{suffix}", rows)
    words = "no class column" if column == "class_id" else f"no column '{column}'"
    with pytest.raises(InputError, match=words) as caught:
        read_predictions(path, CONFIG, FILES)
    assert path in str(caught.value)
    assert caught.value.expected
    assert "blur" in str(caught.value.found)
    assert caught.value.next_step


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("column", ["score", "y_px"])
def test_a_column_of_the_wrong_type_throughout_is_refused(tmp_path: Path, suffix: str, column: str) -> None:
    path = _write(tmp_path / f"p.{suffix}", [{**row, column: "much"} for row in ROWS])
    with pytest.raises(
        InputError, match=rf"'{column}' has the wrong type throughout; expected numbers; found"
    ):
        read_predictions(path, CONFIG, FILES)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "jsonl"])
def test_empty_tables_are_ordinary(tmp_path: Path, suffix: str) -> None:
    header = "frame_id,class_id,score,x,y,w,h\n" if suffix.startswith("csv") else "\n"
    read = read_predictions(write(tmp_path / f"p.{suffix}", header), CONFIG, FILES)
    assert read.prediction.num_rows == 0
    assert {"prediction_id", "input_index", "score"} <= set(read.prediction.column_names)
    labels = read_labels(write(tmp_path / f"l.{suffix}", header), CONFIG, FILES)
    assert labels.classes == []


def test_a_csv_file_without_header_or_with_a_long_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        read_predictions(write(tmp_path / "a.csv", ""), CONFIG, FILES)
    with pytest.raises(InputError, match="is not a whole CSV file"):
        read_predictions(write(tmp_path / "b.csv", "frame_id,score\n1,2,3\n"), CONFIG, FILES)
    with pytest.raises(InputError, match="two columns 'score'"):
        read_predictions(write(tmp_path / "c.csv", "frame_id,score,score\n1,2,3\n"), CONFIG, FILES)


@pytest.mark.parametrize("suffix", ["csv.gz", "jsonl.gz"])
def test_a_truncated_table_is_refused(tmp_path: Path, suffix: str) -> None:
    path = Path(_write(tmp_path / f"p.{suffix}", ROWS))
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="is truncated or damaged") as caught:
        read_predictions(str(path), CONFIG, FILES)
    assert str(path) in str(caught.value)


def test_ids_in_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    template = "frame_id,class_id,score,x,y,w,h\n{},1,.5,1,2,3,4\n{},1,.5,1,2,3,4\n"
    for first, second, expected in [
        ("7", "10", [7, 10]),
        ("007", "10", ["007", "10"]),
        ("a", "10", ["a", "10"]),
        ("-3", "10", [-3, 10]),
        ("99999999999999999999", "1", ["99999999999999999999", "1"]),
    ]:
        path = write(tmp_path / "p.csv", template.format(first, second))
        assert read_predictions(path, CONFIG, FILES).prediction["frame_id"].to_pylist() == expected


def test_a_cell_that_does_not_fit_late_leaves_the_types_of_other_columns(tmp_path: Path) -> None:
    rows = [f"{index},1,0.5,1,2,3,4,{index},0.5,true,x" for index in range(60_000)]
    rows[59_999] = "7,1,bad,1,2,3,4,7,1,false,y"
    header = "frame_id,class_id,score,x,y,w,h,whole,half,flag,word"
    read = read_predictions(write(tmp_path / "p.csv", "\n".join([header, *rows])), CONFIG, FILES)
    assert read.quarantine.select(["row", "value"]).to_pylist() == [{"row": 59_999, "value": "bad"}]
    types = {name: str(read.prediction.schema.field(name).type) for name in ("whole", "half", "flag", "word")}
    assert types == {"whole": "int64", "half": "double", "flag": "bool", "word": "string"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_folder_numbers_its_rows_once_through(tmp_path: Path, suffix: str) -> None:
    for name, row in zip(("b", "a"), ROWS, strict=True):
        _write(tmp_path / f"{name}.{suffix}", [row])
    read = read_predictions(str(tmp_path), CONFIG, FILES)
    assert read.prediction.select(["frame_id", "input_index"]).to_pydict() == {
        "frame_id": ["a", "b"],
        "input_index": [0, 1],
    }


def test_boxes_may_be_lists(tmp_path: Path) -> None:
    row = {"frame_id": 1, "class_id": 1, "score": 0.5, "bbox": [1, 2.5, 3, 4]}
    tables = [
        predictions_from_frame(pa.Table.from_pylist([row] * 2), CONFIG).prediction,
        read_predictions(_write(tmp_path / "p.parquet", [row] * 2), CONFIG, FILES).prediction,
        read_predictions(_write(tmp_path / "p.jsonl", [row] * 2), CONFIG, FILES).prediction,
    ]
    for table in tables:
        assert table["y_px"].to_pylist() == [2.5, 2.5]
        assert table["height_px"].to_pylist() == [4.0, 4.0]
    bad = predictions_from_frame(
        pa.Table.from_pylist([row, {**row, "bbox": [1.0]}, {**row, "bbox": None}]), CONFIG
    )
    assert bad.quarantine["row"].to_pylist() == [1]
    assert bad.prediction["x_px"].to_pylist() == [1.0, None]


def test_labels_take_missing_names_from_ids_and_ids_from_names() -> None:
    box = {"frame_id": 1, "x": 1, "y": 2, "w": 3, "h": 4}
    by_id = labels_from_frame(pa.Table.from_pylist([{**box, "class_id": 10}, {**box, "class_id": 9}]), CONFIG)
    assert by_id.classes == [(9, "9"), (10, "10")]
    assert by_id.label["class_name"].to_pylist() == ["10", "9"]
    by_name = labels_from_frame(pa.Table.from_pylist([{**box, "class_name": "cat"}]), CONFIG)
    assert by_name.label.select(["class_id", "class_name"]).to_pylist() == [
        {"class_id": "cat", "class_name": "cat"}
    ]
    two_names = [{**box, "class_id": 1, "class_name": name} for name in ("cat", "dog")]
    with pytest.raises(InputError, match="class 1 has two names"):
        labels_from_frame(pa.Table.from_pylist(two_names), CONFIG)


def test_frames_of_integer_ids_are_ordered_by_them() -> None:
    read = frames_from_frame(pa.table({"frame_id": pa.array([10, 9], pa.int32())}), CONFIG)
    assert read.frame["frame_order"].to_pylist() == [10, 9]
    given_order = pa.table({"frame_id": ["x", "y"], "frame_order": [5, 4]})
    assert frames_from_frame(given_order, CONFIG).frame["frame_order"].to_pylist() == [5, 4]


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    ids=st.lists(texts.map(lambda text: f"id {text}"), min_size=1, max_size=6),
    numbers=st.lists(finite, min_size=6, max_size=6),
    suffix=st.sampled_from(FORMATS),
)
def test_any_text_and_any_finite_number_come_back(
    tmp_path: Path, ids: list[str], numbers: list[float], suffix: str
) -> None:
    rows = [
        {"frame_id": f"{frame}!", "class_name": "c", "score": value, "x": value, "y": 0.0, "w": 1.0, "h": 2.0}
        for frame, value in zip(ids, numbers, strict=False)
    ]
    read = read_predictions(_write(tmp_path / f"p.{suffix}", rows), CONFIG, FILES)
    assert read.prediction["frame_id"].to_pylist() == [row["frame_id"] for row in rows]
    assert read.prediction["x_px"].to_pylist() == [row["x"] for row in rows]
    assert read.prediction["score"].to_pylist() == [row["score"] for row in rows]
