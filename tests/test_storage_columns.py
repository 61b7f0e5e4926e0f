from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emqa_core.errors import SchemaError
from emqa_core.schema import TABLES
from emqa_core.storage.stored_columns import stored_schema, stored_type, union_schema

TYPES = [pa.string(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.date32()]


def schemas(types: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.Schema]:
    names = st.text("abcdefgh", min_size=1, max_size=2)
    return st.dictionaries(names, types, max_size=6).map(pa.schema)


@given(st.lists(schemas(st.just(pa.float32())), max_size=4))
def test_a_union_keeps_every_column_where_it_was(parts: list[pa.Schema]) -> None:
    union = union_schema("t", parts)
    assert set(union.names) == {name for part in parts for name in part.names}
    assert len(union.names) == len(set(union.names))
    if parts:
        assert union.names[: len(parts[0].names)] == parts[0].names
    assert union_schema("t", [union, *parts]) == union


@given(schemas(st.sampled_from(TYPES)), schemas(st.sampled_from(TYPES)))
def test_a_union_exists_exactly_when_no_type_changes(old: pa.Schema, new: pa.Schema) -> None:
    clashes = [
        name for name in old.names if name in new.names and old.field(name).type != new.field(name).type
    ]
    if clashes:
        with pytest.raises(SchemaError) as caught:
            union_schema("t", [old, new])
        name = next(name for name in new.names if name in clashes)
        for word in ("'t'", repr(name), str(old.field(name).type), str(new.field(name).type)):
            assert word in str(caught.value)
    else:
        union = union_schema("t", [old, new])
        assert all(union.field(name) == old.field(name) for name in old.names)
        assert all(union.field(name) == new.field(name) for name in new.names)


@pytest.mark.parametrize("table_name", TABLES)
def test_every_declared_column_can_be_stored(table_name: str) -> None:
    stored = stored_schema(table_name, TABLES[table_name].arrow())
    assert stored.names == TABLES[table_name].arrow().names
    assert not any(pa.types.is_dictionary(type_) for type_ in stored.types)
    assert all(field.nullable for field in stored)


@pytest.mark.parametrize(
    "type_",
    [pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), pa.binary(), pa.timestamp("us"), pa.null()],
)
def test_other_types_are_refused(type_: pa.DataType) -> None:
    with pytest.raises(SchemaError, match="'c' of table 't'"):
        stored_type("t", "c", type_)
