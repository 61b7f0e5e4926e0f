"""Class codes of rows that know their classes by id, by name, or both."""

from __future__ import annotations

import pyarrow as pa
import pytest

from emqa_core.classes import ClassList
from emqa_core.ingest.class_columns import class_codes, classes_of, with_class_names

LISTED = ClassList.of([(10, "cat"), (9, "dog")])


def test_integer_ids() -> None:
    table = pa.table({"class_id": [9, 10, 11, 9], "class_name": ["x"] * 4})
    assert class_codes(table, LISTED).tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize(
    "ids",
    [[1, 2, 3], [-3, 0, 70], [5], [0, 1 << 40], [-(1 << 63), (1 << 63) - 1], [(1 << 63) - 3, (1 << 63) - 1]],
)
def test_integer_ids_however_far_apart(ids: list[int]) -> None:
    listed = ClassList.of([(class_id, str(class_id)) for class_id in ids])
    ends = [-(1 << 63), (1 << 63) - 1]
    rows = [*ends, *(near for class_id in ids for near in (class_id - 1, class_id, class_id + 1)), 0]
    rows = [row for row in rows if ends[0] <= row <= ends[1]]
    for table in (pa.table({"class_id": rows}), pa.table({"class_id": [*rows, None]})):
        expected = [listed.ids.index(str(row)) if row in ids else -1 for row in table["class_id"].to_pylist()]
        assert class_codes(table, listed).tolist() == expected


def test_ids_of_the_other_kind() -> None:
    assert class_codes(pa.table({"class_id": ["10", "010"]}), LISTED).tolist() == [1, -1]
    by_text = ClassList.of([("10", "cat"), ("9", "dog")])
    assert class_codes(pa.table({"class_id": [9, 10, 8]}), by_text).tolist() == [1, 0, -1]


def test_names_where_there_are_no_ids() -> None:
    names = pa.array(["dog", "cow", "cat", None])
    for column in (names, names.dictionary_encode()):
        assert class_codes(pa.table({"class_name": column}), LISTED).tolist() == [0, -1, 1, -1]
    only_names = ClassList.of([("cat", "cat"), ("dog", "dog")])
    both = pa.table({"class_id": [1, 2], "class_name": ["dog", "cat"]})
    assert class_codes(both, only_names).tolist() == [1, 0]


def test_chunks_and_slices() -> None:
    ids = pa.chunked_array([pa.array([9]), pa.array([], pa.int64()), pa.array([1, 10, 9]).slice(1)])
    assert class_codes(pa.table({"class_id": ids}), LISTED).tolist() == [0, 1, 0]
    names = pa.chunked_array(
        [pa.array(["dog"]).dictionary_encode(), pa.array(["cat", "dog"]).dictionary_encode()]
    )
    assert class_codes(pa.table({"class_name": names}), LISTED).tolist() == [0, 1, 0]
    assert class_codes(pa.table({"class_id": pa.array([], pa.int64())}), LISTED).tolist() == []


def test_classes_of_rows() -> None:
    table = pa.table({"class_id": [7, 3, None, 7], "class_name": ["dog", "cat", "owl", "dog"]})
    assert classes_of(table) == [(3, "cat"), (7, "dog")]
    assert classes_of(pa.table({"class_name": ["b", "a"]})) == [("a", "a"), ("b", "b")]


def test_names_of_unlisted_ids_are_the_ids() -> None:
    table = with_class_names(pa.table({"class_id": [3, 5, 3]}), [(3, "cat")])
    assert table["class_name"].to_pylist() == ["cat", "5", "cat"]
    assert table.column_names == ["class_id", "class_name"]
