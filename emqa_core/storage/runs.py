"""Runs read back. A run exists when its row in `run` does: reading starts there, and writes nothing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emqa_core.config import StorageConfig
from emqa_core.errors import RunNotFoundError, SchemaError
from emqa_core.schema import RUN, RUN_ID, TABLES
from emqa_core.storage.delta import open_table, run_files, table_schema
from emqa_core.storage.location import Location
from emqa_core.storage.parts import read_parquet

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 10


def list_runs(location: Location) -> pa.Table:
    """The rows of `run`, newest first: by run_date, then finished_at. No rows where nothing was evaluated."""
    table = open_table(location, RUN.name)
    if table is None:
        return RUN.arrow().empty_table()
    rows = [_read_file(location, RUN.name, path, RUN.arrow()) for path in run_files(table)]
    found = pa.concat_tables([RUN.arrow().empty_table(), *rows]).unify_dictionaries().combine_chunks()
    return found.sort_by(
        [("run_date", "descending"), ("finished_at", "descending"), ("run_id", "descending")]
    )


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
        delta = open_table(self.location, name) if name in TABLES else None
        if delta is None:
            raise _unknown("table", name, self.tables)
        stored = table_schema(delta)
        if columns is not None:
            for column in columns:
                if column not in stored.names:
                    raise _unknown(f"column in table {name!r}", column, stored.names)
        schema = _memory_schema(name, stored, columns)
        files = [
            _read_file(self.location, name, path, schema, keep_absent=columns is not None)
            for path in run_files(delta, self.run_id)
        ]
        if not files:
            own = TABLES[name].arrow().names if columns is None else schema.names
            return pa.schema([each for each in schema if each.name in own]).empty_table()
        return pa.concat_tables(files, promote_options="default").unify_dictionaries()

    def to_pandas(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The same as a pandas data frame."""
        return self.table(name, columns).to_pandas()

    def row(self) -> dict[str, Any]:
        """The run's row of `run`."""
        rows: list[dict[str, Any]] = self.table(RUN.name).to_pylist()
        return rows[0]

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
    """Stored columns in the types that `schema.py` declares, in its order."""
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


def _read_file(
    location: Location, name: str, path: str, schema: pa.Schema, *, keep_absent: bool = True
) -> pa.Table:
    """A file of a table by its path within the table, with the run_id that the path says."""
    in_file = pa.schema([each for each in schema if each.name != RUN_ID.name])
    rows = read_parquet(location.child(name, path), in_file, keep_absent=keep_absent)
    if RUN_ID.name not in schema.names:
        return rows
    run_id = path.partition("/")[0].partition("=")[2]
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
