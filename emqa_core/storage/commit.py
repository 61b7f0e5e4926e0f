"""The commit of a run: every table once, the row in `run` last.

Delta has no transaction over several tables, so a run exists when its row in `run` does. An attempt that
dies earlier leaves files, and perhaps rows, that no reader counts; the next attempt removes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import pyarrow as pa

from emqa_core.errors import SchemaError, StorageError
from emqa_core.schema import RUN, TABLES
from emqa_core.storage.delta import (
    commit_table,
    fence_table,
    nobody_else,
    open_table,
    remove_rows,
    run_files,
    table_schema,
)
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part, partition_location, remove_work, work_location, write_part
from emqa_core.storage.side_by_side import side_by_side
from emqa_core.storage.stored_columns import stored_schema, union_schema

_LENGTH = 8


def is_committed(location: Location, run_id: str) -> bool:
    """Whether a run exists: it has its row in `run`."""
    table = open_table(location, RUN.name)
    return table is not None and bool(run_files(table, run_id))


def remove_unfinished(location: Location, run_id: str) -> None:
    """Remove what attempts of a run left that never committed: rows, files, scratch arrays.

    A run that exists keeps its files; only its scratch goes.
    """
    if not is_committed(location, run_id):
        left = files_left(location, run_id)
        remove_left(location, run_id, left, ())
    else:
        remove_work(location, run_id)


def remove_strays(location: Location, run_id: str) -> None:
    """Remove what a process that lost a run wrote after another one had committed it."""
    if is_committed(location, run_id):
        side_by_side(lambda name: _remove_unknown(location, name, run_id), TABLES, location)
        remove_work(location, run_id)


def _remove_unknown(location: Location, table_name: str, run_id: str) -> None:
    table = open_table(location, table_name)
    known = set() if table is None else {location.child(table_name, path).url for path in run_files(table)}
    folder = partition_location(location, table_name, run_id)
    folder.remove_files([url for url in folder.list() if url not in known])


def keep_others_out(location: Location) -> None:
    """Have a transaction fail with which a process that lost its run might still make the run visible."""
    fence_table(location, RUN.name, stored_schema(RUN.name, RUN.arrow()))


def files_left(location: Location, run_id: str) -> dict[str, int]:
    """Bytes of all files that attempts of a run left, parts and scratch, by URL."""
    folders = _folders(location, run_id)
    found = side_by_side(lambda folder: folder.sizes(), folders, location)
    return {url: n_bytes for sizes in found for url, n_bytes in sizes.items()}


def remove_left(location: Location, run_id: str, left: Iterable[str], kept: Collection[str]) -> None:
    """Remove an unfinished run's rows from every table, then the files that are left, except those kept."""
    tables = {url[len(location.url) + 1 :].partition("/")[0] for url in left}
    # Rows first: a log that names a file which is gone would break readers of the whole table.
    names = [name for name in TABLES if name in tables]
    side_by_side(lambda name: remove_rows(location, name, run_id), names, location)
    if kept:
        location.remove_files([url for url in left if url not in kept])
        return
    side_by_side(lambda folder: folder.remove(), _folders(location, run_id)[:-1], location)
    remove_work(location, run_id)


def _folders(location: Location, run_id: str) -> list[Location]:
    parts = [partition_location(location, name, run_id) for name in TABLES]
    return [*parts, work_location(location, run_id)]


def commit_run(
    location: Location,
    run_id: str,
    parts: Mapping[str, Sequence[Part]],
    schemas: Mapping[str, pa.Schema],
    run_row: pa.Table,
    require: Callable[[], None] = nobody_else,
) -> None:
    """Make a run exist: its parts become rows of their tables, then its row of `run` is written.

    parts: the files of each table. schemas: the columns in memory of each table, of those without rows
    too, so that every table exists. run_row: the one row of `run`. The call may be repeated: what is
    committed already stays, and the row of a run that exists is not written again. require: called before
    each transaction; raises where this process may not commit the run any more.

    Raises SchemaError, before anything is committed, where a column would change its type; StorageError
    where the store refuses or a part is gone.
    """
    stored = {name: _run_schema(name, schema, parts.get(name, ())) for name, schema in schemas.items()}
    stored[RUN.name] = stored_schema(RUN.name, run_row.schema)
    missing = sorted(set(parts) - set(stored))
    if missing:
        raise SchemaError(f"table {missing[0]!r} has parts but no schema")
    newest = side_by_side(lambda name: open_table(location, name), stored, location)
    opened = dict(zip(stored, newest, strict=True))
    for name, table in opened.items():
        if table is not None:
            union_schema(name, [table_schema(table), stored[name]])
    tables = [name for name in stored if name != RUN.name]
    side_by_side(lambda name: _check_parts(location, name, run_id, parts.get(name, ())), tables, location)

    side_by_side(
        lambda name: commit_table(
            location, name, run_id, parts.get(name, ()), stored[name], opened[name], require
        ),
        tables,
        location,
    )
    runs = opened[RUN.name]
    if runs is None or not run_files(runs, run_id):
        # A name of its own: another process that took over this run writes another row.
        row = write_part(location, RUN.name, run_id, f"run-{uuid.uuid4().hex[:_LENGTH]}", run_row)
        commit_table(location, RUN.name, run_id, [row], stored[RUN.name], runs, require)
    remove_work(location, run_id)


def _run_schema(table_name: str, schema: pa.Schema, parts: Sequence[Part]) -> pa.Schema:
    """The stored columns of a run's table, which its partitions may hold in part."""
    schemas = dict.fromkeys([schema, *(part.schema for part in parts)])
    return union_schema(table_name, [stored_schema(table_name, each) for each in schemas])


def _check_parts(location: Location, table_name: str, run_id: str, parts: Sequence[Part]) -> None:
    """Each part must lie there as it was written: another attempt of the run may have removed it."""
    if not parts:
        return
    sizes = partition_location(location, table_name, run_id).sizes()
    for part in parts:
        found = sizes.get(location.child(part.path).url)
        if found != part.n_bytes:
            raise StorageError(
                f"{part.path} of {location.where} is not the file that this attempt wrote",
                expected=f"{part.n_bytes} bytes",
                found="no file" if found is None else f"{found} bytes",
                next_step="see that only one process evaluates this run, then start it again",
            )
