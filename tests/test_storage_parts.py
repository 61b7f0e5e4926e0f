from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emqa_core.errors import SchemaError, StorageError
from emqa_core.schema import TABLES
from emqa_core.storage.location import Location
from emqa_core.storage.parts import read_arrays, read_part, remove_work, write_arrays, write_part
from tests.storage_rows import declared_rows


@pytest.mark.parametrize("table_name", TABLES)
def test_rows_come_back_as_they_were(output: Location, table_name: str) -> None:
    rows = declared_rows(table_name, 10, "r1")
    part = write_part(output, table_name, "r1", "part-00003", rows)
    found = read_part(output, part)
    assert found.to_pylist() == rows.drop_columns(["run_id"]).to_pylist()
    assert found.schema.types == [column.type for column in TABLES[table_name].arrow()][1:]
    assert part.path == f"{table_name}/run_id=r1/part-00003.parquet"
    assert output.sizes() == {f"{output.url}/{part.path}": part.n_bytes}
    assert part.n_rows == 10


def test_some_columns_in_the_order_asked_for(output: Location) -> None:
    rows = declared_rows("prediction", 10, "r1", contrast=pa.array(range(10), pa.float32()))
    part = write_part(output, "prediction", "r1", "p", rows)
    found = read_part(output, part, ["contrast", "frame_id", "score"])
    assert found.to_pylist() == rows.select(["contrast", "frame_id", "score"]).to_pylist()


def test_an_empty_part(output: Location) -> None:
    part = write_part(output, "quarantine", "r1", "p", declared_rows("quarantine", 0, "r1"))
    assert read_part(output, part).num_rows == 0
    assert read_part(output, part).schema.names == TABLES["quarantine"].arrow().names[1:]


def test_writing_again_replaces_the_file_by_equal_bytes(output: Location) -> None:
    write_part(output, "frame", "r1", "p", declared_rows("frame", 9, "r1"))
    first = output.child("frame", "run_id=r1", "p.parquet").read_bytes()
    write_part(output, "frame", "r1", "p", declared_rows("frame", 9, "r1"))
    assert output.child("frame", "run_id=r1", "p.parquet").read_bytes() == first
    assert len(output.list()) == 1


def test_the_file_says_what_delta_says(tmp_path: Path) -> None:
    """Plain strings outside, no Arrow schema, dictionaries and statistics where they pay."""
    rows = declared_rows("prediction", 8, "r1", contrast=pa.array([1.0] * 7 + [None], pa.float32()))
    part = write_part(Location.of(tmp_path), "prediction", "r1", "p", rows)
    file = tmp_path / part.path
    assert pq.read_schema(file).field("frame_id").type == pa.string()
    footer = pq.read_metadata(file)
    chunks = {
        chunk.path_in_schema: chunk for chunk in map(footer.row_group(0).column, range(footer.num_columns))
    }
    assert "run_id" not in chunks
    compressed = {name for name, chunk in chunks.items() if chunk.compression == "LZ4"}
    assert compressed == {"frame_order"}
    assert {name for name, chunk in chunks.items() if chunk.is_stats_set} == {"frame_order", "score"}
    dictionaries = {name for name, chunk in chunks.items() if chunk.has_dictionary_page}
    declared = TABLES["prediction"].arrow()
    texts = {field.name for field in declared if pa.types.is_dictionary(field.type)}
    assert dictionaries == texts | {"run_date"}
    assert json.loads(part.statistics) == {
        "numRecords": 8,
        "minValues": {"frame_order": 0, "score": 0.5},
        "maxValues": {"frame_order": 7, "score": 7.5},
        "nullCount": {"frame_order": 0, "score": 0},
    }


def test_types_that_delta_has_not_become_those_that_it_has(output: Location) -> None:
    further = {
        "small": pa.array([1, 2], pa.uint8()),
        "wide": pa.array([1, 2], pa.uint32()),
        "half": pa.array(np.array([0.5, 2], np.float16)),
        "text": pa.array(["a", "b"], pa.large_string()),
    }
    part = write_part(output, "frame", "r1", "p", declared_rows("frame", 2, "r1", **further))
    rows = pq.read_table(output.child(part.path).open(), partitioning=None)
    stored = {name: rows.schema.field(name).type for name in further}
    assert stored == {"small": pa.int16(), "wide": pa.int64(), "half": pa.float32(), "text": pa.string()}
    assert read_part(output, part, ["small", "half"]).to_pydict() == {"small": [1, 2], "half": [0.5, 2.0]}


@pytest.mark.parametrize(
    ("table_name", "change", "problem"),
    [
        ("frame", lambda rows: rows.drop_columns(["n_labels"]), "'n_labels'.*found none"),
        (
            "frame",
            lambda rows: set_column(rows, "n_labels", pa.array(["x"] * 3)),
            "'n_labels'.*int64.*string",
        ),
        ("frame", lambda rows: set_column(rows, "n_labels", pa.nulls(3, pa.int64())), "'n_labels'.*3 nulls"),
        ("summary", lambda rows: rows.append_column("more", pa.array([1, 2, 3])), "'more'.*only declared"),
        ("frame", lambda rows: rows.append_column("boxes", pa.array([[1]] * 3)), "'boxes'.*list"),
        ("frame", lambda rows: rows.append_column("F1", pa.array([1, 2, 3])), "'f1' and 'F1'.*case"),
    ],
    ids=["missing", "type", "null", "closed", "list", "case"],
)
def test_rows_that_do_not_fit_are_not_written(
    tmp_path: Path, table_name: str, change: object, problem: str
) -> None:
    rows = change(declared_rows(table_name, 3, "r1"))  # type: ignore[operator]
    with pytest.raises(SchemaError, match=problem):
        write_part(Location.of(tmp_path), table_name, "r1", "p", rows)
    assert list(tmp_path.iterdir()) == []


def set_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


@pytest.mark.parametrize("run_id", ["a/b", "a b", "..", "ä", "a%20b", "", "-a"])
def test_names_that_readers_would_escape_are_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(StorageError, match="letters, digits"):
        write_part(Location.of(tmp_path), "frame", run_id, "p", declared_rows("frame", 1, "r1"))


ARRAYS = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_/]{0,8}[a-z]", fullmatch=True),
    hnp.arrays(
        st.one_of(
            hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(), hnp.boolean_dtypes()
        ),
        hnp.array_shapes(min_dims=0, min_side=0, max_dims=3),
    ),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(arrays=ARRAYS)
def test_any_arrays_come_back_to_the_bit(
    arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    location = Location.of(tmp_path_factory.getbasetemp() / "arrays")
    write_arrays(location, "r1", "states/part-1", arrays)
    found = read_arrays(location, "r1", "states/part-1")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_some_arrays(output: Location) -> None:
    write_arrays(output, "r1", "s", {"a": np.arange(5), "b": np.zeros((2, 3), np.float32, order="F")})
    assert list(read_arrays(output, "r1", "s", ["b"])) == ["b"]
    assert read_arrays(output, "r1", "s", ["b"])["b"].shape == (2, 3)
    remove_work(output, "r1")
    assert output.list() == []
    with pytest.raises(FileNotFoundError):
        read_arrays(output, "r1", "s")


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays(Location.of(tmp_path), "r1", "s", {"a": np.array([{}], object)})
    assert Location.of(tmp_path).list() == []
