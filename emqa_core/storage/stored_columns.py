"""The columns of a table as Parquet and Delta keep them, and how a table's columns grow.

In memory a text column of few values is a dictionary; in Delta it is a string. Every stored column may be
null, because runs before the column was there have no value for it; `check_columns` holds a run's own
rows to what `schema/` declares.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from emqa_core.errors import SchemaError
from emqa_core.schema import RUN_ID, TABLES

_STORED = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
}
_KEPT = frozenset(
    {
        pa.string(),
        pa.bool_(),
        pa.int8(),
        pa.int16(),
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
        pa.timestamp("us", tz="UTC"),
    }
)


def decoded(type_: pa.DataType) -> pa.DataType:
    """The type of the values where they may come as a dictionary that no table is declared to have."""
    is_coded = pa.types.is_dictionary(type_) and not pa.types.is_string(type_.value_type)
    return type_.value_type if is_coded else type_


def stored_type(table_name: str, column: str, type_: pa.DataType) -> pa.DataType:
    """The type that Delta keeps for a type in memory. Raises SchemaError for one that it has none for."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return pa.timestamp("us", tz="UTC")
    type_ = _STORED.get(type_, type_)
    if type_ not in _KEPT:
        raise SchemaError(
            f"column {column!r} of table {table_name!r} has a type that tables do not keep",
            expected="text, boolean, integer, float, date or a time with a zone",
            found=str(type_),
        )
    return type_


def stored_schema(table_name: str, schema: pa.Schema) -> pa.Schema:
    """A run's columns as Delta keeps them: run_id first, stored types, all nullable."""
    fields = [pa.field(RUN_ID.name, RUN_ID.type)]
    fields += [
        pa.field(field.name, stored_type(table_name, field.name, field.type))
        for field in schema
        if field.name != RUN_ID.name
    ]
    return pa.schema(fields)


def union_schema(table_name: str, schemas: Iterable[pa.Schema]) -> pa.Schema:
    """All columns of several stored schemas, those of the first in front.

    Raises SchemaError where a column changes its type, or where two names differ only in case (most SQL
    engines take them for one).
    """
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            present = fields.setdefault(field.name.lower(), field)
            if present.name != field.name:
                raise SchemaError(
                    f"columns {present.name!r} and {field.name!r} of {table_name!r} differ only in case",
                    next_step=f"rename {field.name!r} in the input, or use another output location",
                )
            if present.type != field.type:
                raise SchemaError(
                    f"column {field.name!r} of table {table_name!r} would change its type",
                    expected=f"{present.type}, as older runs have it",
                    found=str(field.type),
                    next_step="convert or rename the column in the input, or use another output location",
                )
    return pa.schema(list(fields.values()))


def check_columns(table_name: str, table: pa.Table) -> pa.Table:
    """A run's rows, held to the table's declaration; declared columns first, run_id left out.

    Raises SchemaError naming the column that is missing, of another type, null where it may not be, or
    not foreseen.
    """
    declared = TABLES[table_name]
    present = {field.name: (field, column) for field, column in zip(table.schema, table.columns, strict=True)}
    present.pop(RUN_ID.name, None)
    fields: list[pa.Field] = []
    columns: list[pa.ChunkedArray] = []
    for field in declared.arrow():
        if field.name == RUN_ID.name:
            continue
        if field.name not in present:
            raise _mismatch(table_name, field.name, f"a column of type {field.type}", "none")
        own, column = present.pop(field.name)
        if field.type not in (own.type, decoded(own.type)) and own.type != stored_type(
            table_name, field.name, field.type
        ):
            raise _mismatch(table_name, field.name, field.type, own.type)
        if not field.nullable and column.null_count:
            raise _mismatch(table_name, field.name, "no nulls", f"{column.null_count} nulls")
        fields.append(field if own.type == field.type else field.with_type(own.type))
        columns.append(column)
    further = [field for field, _ in present.values()]
    if further and not declared.open:
        raise _mismatch(table_name, further[0].name, "only declared columns", f"type {further[0].type}")
    for field in further:
        stored_type(table_name, field.name, field.type)
    fields += further
    columns += [column for _, column in present.values()]
    if len({field.name.lower() for field in fields}) < len(fields):
        union_schema(table_name, [pa.schema([field]) for field in fields])
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _mismatch(table_name: str, column: str, expected: object, found: object) -> SchemaError:
    return SchemaError(
        f"column {column!r} of table {table_name!r} does not fit its declaration",
        expected=expected,
        found=found,
    )
