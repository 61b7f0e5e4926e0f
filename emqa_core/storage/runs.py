"""Runs read back. A run exists when its row in `run` does: reading starts there, and writes nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emqa_core.config import StorageConfig
from emqa_core.errors import RunNotFoundError, SchemaError
from emqa_core.objects import Array
from emqa_core.schema import RUN, RUN_ID, TABLES
from emqa_core.storage.delta import file_sizes, open_table, table_schema
from emqa_core.storage.location import Location
from emqa_core.storage.parts import read_parquet
from emqa_core.storage.repetition import repeat_s, repeated
from emqa_core.storage.row_groups import read_row_groups, rows_of_frames, slices
from emqa_core.storage.side_by_side import side_by_side
from emqa_core.storage.store_errors import explain_errors, may_pass

if TYPE_CHECKING:
    import pandas as pd
    from deltalake import DeltaTable

_LISTED = 10


def list_runs(location: Location) -> pa.Table:
    """The rows of `run`, newest first: by run_date, then finished_at. No rows where nothing was evaluated."""
    table = open_table(location, RUN.name)
    if table is None:
        return RUN.arrow().empty_table()
    stored = set(table_schema(table).names)
    with explain_errors(location.child(RUN.name)):
        # A file for each night: deltalake reads them side by side in a tenth of the time.
        names = [name for name in RUN.arrow().names if name in stored]
        rows = repeated(lambda: table.to_pyarrow_table(columns=names), repeat_s(location.storage), may_pass)
    columns = [
        rows[field.name].cast(field.type) if field.name in stored else pa.nulls(rows.num_rows, field.type)
        for field in RUN.arrow()
    ]
    found = pa.Table.from_arrays(columns, schema=RUN.arrow()).unify_dictionaries().combine_chunks()
    newest_first = [(name, "descending") for name in ("run_date", "finished_at", "run_id")]
    return found.sort_by(newest_first)


def find_run(location: Location, run: str | None = None) -> str:
    """The run_id of the newest run, or of the one run that `run` names: its run_id or a beginning of it.

    Raises RunNotFoundError naming the runs that exist.
    """
    known = [str(run_id) for run_id in list_runs(location)["run_id"].to_pylist()]
    if not known:
        raise RunNotFoundError(
            f"there is no run in {location.where}",
            next_step="check the location, or evaluate with this output first",
        )
    if run is None:
        return known[0]
    if run in known:
        return run
    begun = [run_id for run_id in known if run_id.startswith(run)]
    if len(begun) == 1:
        return begun[0]
    shown = begun or difflib.get_close_matches(run, known, n=_LISTED, cutoff=0.0)
    more = f" and {len(known) - _LISTED} more" if not begun and len(known) > _LISTED else ""
    raise RunNotFoundError(
        f"{run!r} names {len(begun)} runs in {location.where}" if begun else f"there is no run {run!r}",
        expected="one of " + ", ".join(shown[:_LISTED]) + more,
    )


def read_run(url: str | Location, run: str | None = None, storage: StorageConfig | None = None) -> Run:
    """A run of an output location: the newest, or the one that `run` names."""
    location = url if isinstance(url, Location) else Location.of(url, storage)
    return Run(find_run(location, run), location)


@dataclass(frozen=True)
class Run:
    """One evaluation's tables, in a location or in memory."""

    run_id: str
    location: Location | None = None
    held: Mapping[str, pa.Table] = field(default_factory=dict, repr=False)

    @classmethod
    def in_memory(cls, run_id: str, tables: Mapping[str, pa.Table]) -> Run:
        """A run that was not stored."""
        return cls(run_id, None, dict(tables))

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that there are."""
        if self.location is None:
            return tuple(self.held)
        location = self.location
        return tuple(name for name in TABLES if location.child(name, "_delta_log").exists())

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The run's rows of a table, run_id included, all columns that the run has or those asked for.

        A column that only other runs have is null. Raises SchemaError for an unknown table or column.
        """
        if self.location is None:
            return self._held_table(name, columns)
        delta, schema = self._stored(name, columns)
        sizes = file_sizes(delta, self.run_id)
        files = _read_files(self.location, name, sizes, schema, keep_absent=columns is not None)
        if not files:
            own = TABLES[name].arrow().names if columns is None else schema.names
            return pa.schema([each for each in schema if each.name in own]).empty_table()
        return pa.concat_tables(files, promote_options="default").unify_dictionaries()

    def batches(
        self, name: str, columns: Sequence[str], frame_orders: Array | None = None
    ) -> Iterator[pa.Table]:
        """The run's rows of a table a stretch at a time: of a table of any length one row group is in memory.

        frame_orders (n,) int64 ascending: the rows of these frames alone; columns then names frame_order.
        Raises as `table`.
        """
        if self.location is None:
            held = self._held_table(name, columns)
            yield from slices(held if frame_orders is None else rows_of_frames(held, frame_orders))
            return
        delta, schema = self._stored(name, columns)
        in_file = _without_run_id(schema)
        for path, n_bytes in file_sizes(delta, self.run_id).items():
            file = self.location.child(name, path)
            for rows in read_row_groups(file, in_file, n_bytes=n_bytes, frame_orders=frame_orders):
                yield _with_run_id(rows, schema, self.run_id)

    def to_pandas(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The same as a pandas data frame."""
        return self.table(name, columns).to_pandas()

    def row(self) -> dict[str, Any]:
        """The run's row of `run`."""
        rows: list[dict[str, Any]] = self.table(RUN.name).to_pylist()
        return rows[0]

    def _stored(self, name: str, columns: Sequence[str] | None) -> tuple[DeltaTable, pa.Schema]:
        """The stored table, and the columns asked for in the types they have in memory."""
        assert self.location is not None
        delta = open_table(self.location, name) if name in TABLES else None
        if delta is None:
            raise _unknown("table", name, self.tables)
        stored = table_schema(delta)
        for column in columns or ():
            if column not in stored.names:
                raise _unknown(f"column in table {name!r}", column, stored.names)
        return delta, _memory_schema(name, stored, columns)

    def _held_table(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        if name not in self.held:
            raise _unknown("table", name, self.tables)
        table = self.held[name]
        if RUN_ID.name not in table.column_names:
            table = table.add_column(0, RUN_ID.field, _constant(self.run_id, table.num_rows))
        for column in columns or ():
            if column not in table.column_names:
                raise _unknown(f"column in table {name!r}", column, table.column_names)
        return table if columns is None else table.select(list(columns))


def _memory_schema(name: str, stored: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """Stored columns in the types that `schema/` declares, in its order."""
    declared = TABLES[name].arrow()
    if columns is None:
        names = [column for column in declared.names if column in stored.names]
        names += [column for column in stored.names if column not in declared.names]
    else:
        names = list(columns)
    return pa.schema(
        [
            pa.field(column, (declared if column in declared.names else stored).field(column).type)
            for column in names
        ]
    )


def _read_files(
    location: Location, name: str, sizes: Mapping[str, int], schema: pa.Schema, *, keep_absent: bool = True
) -> list[pa.Table]:
    """Files of a table by their paths within it, in path order, with the run_id that the path says."""
    in_file = _without_run_id(schema)

    def read(path: str) -> pa.Table:
        file = location.child(name, path)
        rows = read_parquet(file, in_file, n_bytes=sizes[path], keep_absent=keep_absent)
        return _with_run_id(rows, schema, path.partition("/")[0].partition("=")[2])

    return side_by_side(read, sizes, location)


def _without_run_id(schema: pa.Schema) -> pa.Schema:
    return pa.schema([each for each in schema if each.name != RUN_ID.name])


def _with_run_id(rows: pa.Table, schema: pa.Schema, run_id: str) -> pa.Table:
    """Rows of a file with the run_id that its path says, where `schema` has it."""
    if RUN_ID.name not in schema.names:
        return rows
    return rows.add_column(schema.names.index(RUN_ID.name), RUN_ID.field, _constant(run_id, rows.num_rows))


def _constant(run_id: str, n_rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(run_id, RUN_ID.type), n_rows)


def _unknown(kind: str, name: str, known: Sequence[str]) -> SchemaError:
    near = difflib.get_close_matches(name, known, n=1)
    return SchemaError(
        f"there is no {kind} {name!r}" if kind == "table" else f"there is no {kind} called {name!r}",
        expected="one of " + ", ".join(known),
        next_step=f"did you mean {near[0]!r}?" if near else None,
    )
