"""Parquet by footers: what is known before a row is read, and what reading row groups gives."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from emqa_core.config import StorageConfig
from emqa_core.errors import InputError
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.source import read_labels, read_predictions
from emqa_core.storage.location import FileAccess
from tests.ingest.sources import CONFIG, FILES


def _table(frames: list[Any], **columns: list[Any]) -> pa.Table:
    n = len(frames)
    base: dict[str, list[Any]] = {
        "frame_id": frames, "class_id": [1] * n, "score": [0.5] * n, "x": [1] * n, "y": [2.0] * n,
        "w": [3] * n, "h": [4.0] * n,
    }  # fmt: skip
    return pa.table({**base, **columns})


def _source(path: Path, *tables: pa.Table, rows: int = 2) -> ParquetSource:
    for number, table in enumerate(tables):
        pq.write_table(table, path / f"{number}.parquet", row_group_size=rows)
    return ParquetSource.open(str(path), "prediction", {}, FILES)


def test_footers_tell_rows_and_frames(tmp_path: Path) -> None:
    source = _source(tmp_path, _table([1, 1, 1, 2, 5]), _table([5, 6]))
    assert source.n_rows == 7
    assert [
        (g.file, g.index, g.first_row, g.n_rows, g.frame_min, g.frame_max) for g in source.row_groups
    ] == [
        (0, 0, 0, 2, 1, 1),
        (0, 1, 2, 2, 1, 2),
        (0, 2, 4, 1, 5, 5),
        (1, 0, 5, 2, 5, 6),
    ]
    assert source.is_clustered
    assert source.n_bytes_stored == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([1, 1, 2, 2, 3, 3], True),
        ([2, 1, 3, 2, 3, 4], True),
        ([1, 3, 2, 4, 5, 6], False),
        ([3, 4, 1, 2, 5, 6], False),
        (["10", "10", "9", "9"], True),
        (["9", "9", "10", "10"], False),
        (["a", "é", "é", "𝄞"], True),
        ([], True),
    ],
)
def test_clustered_means_row_groups_that_ascend(tmp_path: Path, frames: list[Any], expected: bool) -> None:
    assert _source(tmp_path, _table(frames)).is_clustered is expected


def test_without_statistics_nothing_is_clustered(tmp_path: Path) -> None:
    pq.write_table(_table([1, 2]), tmp_path / "p.parquet", write_statistics=False)
    source = ParquetSource.open(str(tmp_path), "prediction", {}, FILES)
    assert not source.is_clustered
    assert source.row_groups[0].frame_min is None


def test_row_groups_are_read_with_the_rows_of_the_whole_source(tmp_path: Path) -> None:
    source = _source(tmp_path, _table([1, 1, 2, 2, 3]), _table([3, 4]))
    part = source.read([1, 3])
    assert part["frame_id"].to_pylist() == [2, 2, 3, 4]
    assert part["input_index"].to_pylist() == [2, 3, 5, 6]
    assert part["prediction_id"].to_pylist() == [2, 3, 5, 6]
    assert source.read([1], ["score", "input_index"]).to_pydict() == {
        "score": [0.5, 0.5],
        "input_index": [2, 3],
    }
    assert source.read([]).num_rows == 0
    assert source.read([]).schema == source.read().schema == source.schema
    whole = pa.concat_tables([source.read([index]) for index in range(4)])
    assert whole.equals(source.read())
    assert whole.drop_columns("input_index").equals(
        read_predictions(str(tmp_path), CONFIG, FILES).prediction.drop_columns("input_index")
    )


def test_a_source_travels_to_workers(tmp_path: Path) -> None:
    _source(tmp_path, _table([1, 1, 2]))
    source = ParquetSource.open(str(tmp_path), "prediction", {}, FileAccess(StorageConfig()))
    there = pickle.loads(pickle.dumps(source))  # noqa: S301 - what was pickled the line before
    assert there.read([1]).equals(source.read([1]))


def test_a_given_input_index_and_columns_of_few_files_are_kept(tmp_path: Path) -> None:
    source = _source(tmp_path, _table([1, 2], input_index=[9, 8]), _table([3], input_index=[7], blur=[0.5]))
    table = source.read()
    assert table["input_index"].to_pylist() == [9, 8, 7]
    assert table["blur"].to_pylist() == [None, None, 0.5]
    assert source.read([0]).schema == table.schema


def test_files_of_different_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different columns"):
        _source(tmp_path, _table([1], blur=["high"]), _table([2], blur=[0.5]))


def test_masks_and_lists_are_not_read(tmp_path: Path) -> None:
    source = _source(tmp_path, _table([1], segmentation=["abc"], corners=[[1, 2]]))
    assert not {"segmentation", "corners"} & set(source.schema.names)


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    first, same, other = (tmp_path / name for name in ("first", "same", "other"))
    for path in (first, same, other):
        path.mkdir()
    digest = _source(first, _table([1, 2])).digest
    assert _source(same, _table([1, 2])).digest == digest
    assert _source(other, _table([1, 3])).digest != digest


@pytest.mark.parametrize("length", [0, 3, 200, -1])
def test_a_cut_file_is_refused(tmp_path: Path, length: int) -> None:
    pq.write_table(_table([1, 2]), tmp_path / "p.parquet")
    path = tmp_path / "p.parquet"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="is no whole Parquet file") as caught:
        read_predictions(str(path), CONFIG, FILES)
    assert str(path) in str(caught.value)


def test_bytes_damaged_inside_are_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(_table(list(range(5000))), path, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[40:4000] = bytes(3960)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet cannot be read"):
        read_predictions(str(path), CONFIG, FILES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"score": ["0.5"]},
            "'score' has the wrong type throughout; expected numbers; found Arrow type string",
        ),
        ({"w": [True]}, "'w' has the wrong type"),
        ({"frame_id": [True]}, "'frame_id' has the wrong type"),
        ({"bbox": ["1"], "x": None}, "'bbox' has the wrong type"),
    ],
)
def test_a_wrong_type_is_refused_by_the_footer(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    table = _table([1])
    for name, values in changes.items():
        if name in table.column_names:
            table = table.drop_columns(name)
        if values is not None:
            table = table.append_column(name, pa.array(values))
    with pytest.raises(InputError, match=words):
        _source(tmp_path, table)


def test_classes_are_found_in_the_rows_or_in_the_metadata(tmp_path: Path) -> None:
    labels = _table([1, 1, 2], class_id=[7, 3, 7]).drop_columns("score")
    plain, listed, broken = (tmp_path / f"{name}.parquet" for name in ("plain", "listed", "broken"))
    pq.write_table(labels, plain)
    pq.write_table(
        labels.replace_schema_metadata({"emqa.classes": '[[3, "cat"], [7, "dog"], [9, "owl"]]'}), listed
    )
    pq.write_table(labels.replace_schema_metadata({"emqa.classes": "[3]"}), broken)
    assert ParquetSource.open(str(plain), "label", {}, FILES).read_classes() == [(3, "3"), (7, "7")]
    assert read_labels(str(plain), CONFIG, FILES).classes == [(3, "3"), (7, "7")]
    classes = [(3, "cat"), (7, "dog"), (9, "owl")]
    assert ParquetSource.open(str(listed), "label", {}, FILES).read_classes() == classes
    read = read_labels(str(listed), CONFIG, FILES)
    assert read.classes == classes
    assert read.label["class_name"].to_pylist() == ["dog", "cat", "dog"]
    with pytest.raises(InputError, match="list of classes"):
        read_labels(str(broken), CONFIG, FILES)
