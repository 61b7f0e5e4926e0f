"""Delta tables of an output location: opened, grown by a commit, freed of rows that no run owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from emqa_core.errors import StorageError
from emqa_core.schema import RUN_ID, TABLES
from emqa_core.storage.location import Location
from emqa_core.storage.parts import Part
from emqa_core.storage.repetition import pause_s, repeat_s, repeated
from emqa_core.storage.store_errors import explain_errors, may_pass
from emqa_core.storage.stored_columns import union_schema

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

_ATTEMPTS = 20
_LONGEST_WAIT_S = 1.0
_SHORTEST_S = 1.0  # for a request at the end of a commit's time


class _ConflictError(Exception):
    """Another transaction came first."""


def open_table(location: Location, table_name: str) -> DeltaTable | None:
    """The newest version of a table; None where there is none yet."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    folder = location.child(table_name)
    if folder.store == "file" and not Path(folder.path, "_delta_log").is_dir():
        return None  # a tenth of what it takes Delta to find nothing

    def newest() -> DeltaTable | None:
        try:
            return DeltaTable(folder.delta_url, storage_options=folder.delta_options())
        except TableNotFoundError:
            return None

    with explain_errors(folder):
        return repeated(newest, repeat_s(folder.storage), may_pass)


def table_schema(table: DeltaTable) -> pa.Schema:
    """The columns of a table's version."""
    return pa.schema(table.schema())


def run_files(table: DeltaTable, run_id: str | None = None) -> list[str]:
    """Files that a table's version holds, of one run or all, relative to the table, in path order."""
    filters = None if run_id is None else [(RUN_ID.name, "=", run_id)]
    uris = table.file_uris(file_pruning_predicate=filters)
    return sorted("/".join(uri.rsplit("/", 2)[-2:]) for uri in uris)


def file_sizes(table: DeltaTable, run_id: str | None = None) -> dict[str, int]:
    """Bytes of the files that `run_files` gives, by path, as the log knows them."""
    adds = pa.table(table.get_add_actions(flatten=True))
    sizes = dict(zip(adds["path"].to_pylist(), adds["size_bytes"].to_pylist(), strict=True))
    return {path: sizes[path] for path in run_files(table, run_id)}


def nobody_else() -> None:
    """For commits of runs that no lease guards: one process commits them."""


def commit_table(
    location: Location,
    table_name: str,
    run_id: str,
    parts: Sequence[Part],
    schema: pa.Schema,
    opened: DeltaTable | None,
    require: Callable[[], None] = nobody_else,
) -> None:
    """Make a run's parts the run's rows of a table, in one transaction that also adds new columns.

    schema: the run's stored columns. opened: the version that the columns were checked against, None where
    there was no table. require: as in `commit_run`. After a conflict with another run, or a request that
    failed, the table is read again. Raises SchemaError where another run has just brought a column of another
    type, StorageError where the table stays contended or the store does not answer.
    """
    folder = location.child(table_name)
    timeout_s = location.storage.timeout_s
    answered = time.monotonic()
    conflicts = 0
    table = opened
    for attempt in count(1):
        require()
        try:
            with explain_errors(folder):
                if table is None:
                    _create(folder, table_name, run_id, parts, schema)
                else:
                    _replace_rows(table, table_name, run_id, parts, schema)
            return
        except _ConflictError as conflict:
            answered = time.monotonic()
            conflicts += 1
            if conflicts == _ATTEMPTS:
                raise _contended(location, table_name, conflict) from conflict
        except StorageError as error:
            # A put whose answer was lost may have arrived. The table knows, and what it holds is not
            # committed again; a put that arrives even later finds its version taken.
            silent_s = time.monotonic() - answered
            if not may_pass(error.__cause__) or silent_s > repeat_s(location.storage):
                raise
        time.sleep(pause_s(attempt, _LONGEST_WAIT_S))
        silent_s = time.monotonic() - answered
        hasty = location.within(max(timeout_s - silent_s, _SHORTEST_S))
        folder, table = hasty.child(table_name), open_table(hasty, table_name)


def _contended(location: Location, table_name: str, conflict: _ConflictError) -> StorageError:
    return StorageError(
        f"table {table_name!r} in {location.where} could not be committed in {_ATTEMPTS} attempts",
        found=str(conflict),
        next_step="start the run again when fewer runs commit at once",
    )


def remove_rows(location: Location, table_name: str, run_id: str) -> None:
    """Take a run's rows out of a table, if it has any. The files stay."""
    table = open_table(location, table_name)
    if table is not None and run_files(table, run_id):
        commit_table(location, table_name, run_id, (), table_schema(table), table)


def fence_table(location: Location, table_name: str, schema: pa.Schema) -> None:
    """Commit nothing, so that every transaction which was made for an older version fails.

    schema: the stored columns of the table, in case there is none yet.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError

    folder = location.child(table_name)
    for _ in range(_ATTEMPTS):
        table = open_table(location, table_name)
        with explain_errors(folder), suppress(_ConflictError, CommitFailedError):
            if table is None:
                _create(folder, table_name, "", (), schema)
            else:
                table.create_write_transaction(
                    [],
                    "append",
                    table_schema(table),
                    partition_by=[RUN_ID.name],
                    commit_properties=CommitProperties(max_commit_retries=0),
                )
            return
        # A version that came between is as good, but it may have been the one that is to be kept out.
        time.sleep(pause_s(1, _LONGEST_WAIT_S))
    raise StorageError(f"table {table_name!r} in {location.where} could not be committed to")


def _create(folder: Location, table_name: str, run_id: str, parts: Sequence[Part], schema: pa.Schema) -> None:
    """The table's first version, with the run's rows: a third of the work of an empty one that grows."""
    from deltalake import CommitProperties, Schema
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import create_table_with_add_actions

    if folder.store == "file":
        Path(folder.path).mkdir(parents=True, exist_ok=True)
    try:
        create_table_with_add_actions(
            folder.delta_url,
            Schema.from_arrow(schema),
            _add_actions(_by_path(parts), run_id),
            mode="error",
            partition_by=[RUN_ID.name],
            name=table_name,
            description=f"A row is {TABLES[table_name].row}.",
            storage_options=folder.delta_options(),
            # With retries two runs that create the table at once both succeed, and the second one's
            # columns replace the first one's.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError as error:
        raise _ConflictError(str(error)) from error


def _by_path(parts: Sequence[Part]) -> dict[str, Part]:
    """Parts by their path within the table."""
    return {"/".join(part.path.rsplit("/", 2)[-2:]): part for part in parts}


def _add_actions(parts: Mapping[str, Part], run_id: str) -> list[AddAction]:
    from deltalake.transaction import AddAction

    now_ms = time.time_ns() // 1_000_000
    return [
        AddAction(path, part.n_bytes, {RUN_ID.name: run_id}, now_ms, True, part.statistics)
        for path, part in parts.items()
    ]


def _replace_rows(
    table: DeltaTable, table_name: str, run_id: str, parts: Sequence[Part], schema: pa.Schema
) -> None:
    """One transaction against one version of the table, or none where it holds these parts already."""
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError

    present = table_schema(table)
    union = union_schema(table_name, [present, schema])
    held = run_files(table, run_id)
    names = _by_path(parts)
    # Files that were written again since must be committed again, unless they are the same.
    written = {path: part.n_bytes for path, part in names.items()}
    if union == present and held == sorted(names) and (not held or file_sizes(table, run_id) == written):
        return
    actions = _add_actions(names, run_id)
    # A path that is removed and added in one transaction is in some readers' eyes gone.
    steps = [[], actions] if names.keys() & set(held) else [actions]
    try:
        for number, step in enumerate(steps):
            if number:
                table.update_incremental()
            table.create_write_transaction(
                step,
                "overwrite",
                union,
                partition_by=[RUN_ID.name],
                partition_filters=[(RUN_ID.name, "=", run_id)],
                # Delta would take a commit of its own whose answer was lost for another one's, and commit
                # the same files again in the next version; nor would it look at what came between:
                # another process may have taken over this run.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
    except CommitFailedError as error:
        raise _ConflictError(str(error)) from error
