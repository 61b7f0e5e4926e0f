"""Small tables with the columns that `schema/` declares, and the writing of a whole run of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import pyarrow as pa

from emqa_core.schema import RUN, TABLES
from emqa_core.storage.commit import commit_run
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, write_part

NIGHT = datetime.date(2026, 3, 1)


def declared_rows(table_name: str, n_rows: int, run_id: str, **columns: pa.Array) -> pa.Table:
    """Rows of a table, values made from the row number; `columns` replace or add to the declared ones."""
    schema = TABLES[table_name].arrow()
    values = {
        field.name: columns.pop(field.name, _values(field, n_rows))
        for field in schema
        if field.name != "run_id"
    }
    values["run_id"] = pa.array([run_id] * n_rows, pa.string())
    ordered = {name: values[name] for name in schema.names}
    return pa.table({**ordered, **columns})


def _values(field: pa.Field, n_rows: int) -> pa.Array:
    type_ = field.type
    if field.name == "run_date":
        return pa.array([NIGHT] * n_rows, type_)
    if pa.types.is_timestamp(type_):
        midnight = datetime.datetime.combine(NIGHT, datetime.time(), datetime.UTC)
        return pa.array([midnight + datetime.timedelta(seconds=row) for row in range(n_rows)], type_)
    if pa.types.is_boolean(type_):
        return pa.array([row % 2 == 0 for row in range(n_rows)], type_)
    if pa.types.is_integer(type_):
        return pa.array(range(n_rows), type_)
    if pa.types.is_floating(type_):
        # Every third value missing where that may be: nulls must come back as nulls.
        return pa.array(
            [None if field.nullable and row % 3 == 0 else row + 0.5 for row in range(n_rows)], type_
        )
    texts = [None if field.nullable and row % 3 == 0 else f"{field.name} {row % 4}" for row in range(n_rows)]
    strings = pa.array(texts, pa.string())
    return strings.dictionary_encode() if pa.types.is_dictionary(type_) else strings


def run_row(run_id: str, **columns: pa.Array) -> pa.Table:
    """The one row of `run`."""
    status = pa.array(["complete"], pa.string())
    return declared_rows(RUN.name, 1, run_id, status=status, **columns)


def write_run_parts(
    location: Location, run_id: str, sizes: Mapping[str, tuple[int, ...]], **columns: pa.Array
) -> dict[str, list[Part]]:
    """Parts of several sizes for the tables named; `columns` are further columns of `prediction`."""
    parts: dict[str, list[Part]] = {}
    for table_name, counts in sizes.items():
        for index, n_rows in enumerate(counts):
            further = {name: values[:n_rows] for name, values in columns.items()}
            rows = declared_rows(
                table_name, n_rows, run_id, **(further if table_name == "prediction" else {})
            )
            parts.setdefault(table_name, []).append(
                write_part(location, table_name, run_id, f"part-{index:05d}", rows)
            )
    return parts


SIZES = {"prediction": (7, 5), "label": (4,), "frame": (3,), "summary": (2,)}


def store_run(
    location: Location,
    run_id: str,
    sizes: Mapping[str, tuple[int, ...]] = SIZES,
    row: pa.Table | None = None,
    **columns: pa.Array,
) -> dict[str, list[Part]]:
    """Write and commit a whole run: every table of `schema/`, most of them empty."""
    parts = write_run_parts(location, run_id, sizes, **columns)
    schemas = {name: table.arrow() for name, table in TABLES.items() if name != RUN.name}
    commit_run(location, run_id, parts, schemas, run_row(run_id) if row is None else row)
    return parts
