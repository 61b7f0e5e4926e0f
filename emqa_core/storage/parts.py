"""One file of a table, and the arrays that stages leave for one another.

Part names are computed by the caller, so that a task that runs twice writes the same file twice. A file
appears whole or not at all.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from emqa_core.errors import StorageError
from emqa_core.schema import RUN_ID
from emqa_core.storage.location import Location
from emqa_core.storage.store_errors import explain_errors
from emqa_core.storage.stored_columns import check_columns, decoded, stored_type

if TYPE_CHECKING:
    import pyarrow.parquet as pq

# Readers skip by these; on every column statistics cost a fifth of the writing.
_SKIP_COLUMNS = ("frame_order", "score")
# Row numbers take no room so, and a frame's order, the same for a stretch of rows, hardly more. What is left
# of the others gets hardly smaller (flags, dictionary indices, floats) or costs more to compress than to
# store (ids: 12 ns a row for 5 bytes; scores: 3 ns for 1 byte).
_ENCODINGS = {pa.int64(): "DELTA_BINARY_PACKED"}
_REPEATED = "frame_order"
# Few values in many rows: the night, the thresholds and recall points of the curves.
_FEW_VALUES = {
    "precision_recall": ("run_date", "iou_threshold", "recall"),
}
_OF_THE_RUN = ("run_date",)
# Engines read row groups in parallel; smaller ones cost nothing measurable to write.
_ROW_GROUP_ROWS = 131_072
# One request for the whole file costs less than three for its end, its footer and its columns.
_SMALL_BYTES = 1 << 20
_WRITTEN_AT_ONCE = 1 << 20  # Parquet writes each page's header by itself
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_WORK = ("_emqa", "work")


@dataclass(frozen=True)
class Part:
    """A written file of a table.

    path is relative to the output. schema: the columns in memory, without run_id. statistics: Delta's
    JSON of the file's row count and value ranges.
    """

    table: str
    path: str
    n_rows: int
    n_bytes: int
    schema: pa.Schema
    statistics: str


def partition_location(location: Location, table_name: str, run_id: str) -> Location:
    """The folder of a run's parts of a table."""
    return location.child(table_name, f"{RUN_ID.name}={_plain(run_id)}")


def write_part(location: Location, table_name: str, run_id: str, part_name: str, table: pa.Table) -> Part:
    """Write rows of a run as `<output>/<table>/run_id=<run_id>/<part_name>.parquet`.

    Raises SchemaError where the rows do not fit the table's declaration, StorageError where the store
    refuses.
    """
    import pyarrow.parquet as pq

    table = check_columns(table_name, table)
    in_memory = pa.schema([field.with_type(decoded(field.type)) for field in table.schema])
    target = partition_location(location, table_name, run_id).child(f"{_plain(part_name)}.parquet")
    footers: list[pq.FileMetaData] = []
    table = _as_stored(table_name, table)
    options = {
        "compression": {name: "lz4" if name == _REPEATED else "none" for name in table.schema.names},
        "use_dictionary": [
            field.name
            for field in in_memory
            if pa.types.is_dictionary(field.type) or field.name in _FEW_VALUES.get(table_name, _OF_THE_RUN)
        ],
        "column_encoding": {
            field.name: _ENCODINGS[field.type]
            for field in table.schema
            if field.type in _ENCODINGS and field.name != _REPEATED
        },
        "write_statistics": [name for name in _SKIP_COLUMNS if name in in_memory.names],
        "row_group_size": _ROW_GROUP_ROWS,
        "write_batch_size": _ROW_GROUP_ROWS,  # a thousand rows, the default, cost a twentieth more
        # Without Arrow's own schema inside, every reader sees the types that Delta declares.
        "store_schema": False,
        "coerce_timestamps": "us",
        "metadata_collector": footers,
    }
    if location.store == "file":
        with (
            explain_errors(target),
            target.local_replacement() as file,
            pa.BufferedOutputStream(file, _WRITTEN_AT_ONCE) as buffered,
        ):
            pq.write_table(table, buffered, **options)
            n_bytes = buffered.tell()
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **options)
        data = sink.getvalue()
        n_bytes = data.size
        target.write_bytes(memoryview(data))
    path = target.url[len(location.url) + 1 :]
    return Part(table_name, path, table.num_rows, n_bytes, in_memory, _statistics(table.num_rows, footers[0]))


def read_part(location: Location, part: Part, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a part in the types they were written with, all columns or some in the order given."""
    schema = part.schema if columns is None else pa.schema([part.schema.field(name) for name in columns])
    return read_parquet(location.child(part.path), schema, n_bytes=part.n_bytes)


def read_parquet(
    file: Location, schema: pa.Schema, *, n_bytes: int | None = None, keep_absent: bool = True
) -> pa.Table:
    """Columns of one Parquet file, cast to the types of `schema`.

    n_bytes: the file's size, which saves a request. A column that the file has not is null, or left out
    unless keep_absent.
    """
    with explain_errors(file), opened_parquet(file, schema, n_bytes) as reader:
        return _read_columns(reader, schema, keep_absent)


@contextmanager
def opened_parquet(file: Location, schema: pa.Schema, n_bytes: int | None = None) -> Iterator[pq.ParquetFile]:
    """A Parquet file open for reading, columns that are dictionaries in `schema` as such.

    n_bytes: the file's size, which saves a request.
    """
    import pyarrow.parquet as pq

    dictionaries = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    if file.store == "file":
        with pq.ParquetFile(file.path, memory_map=True, read_dictionary=dictionaries) as reader:
            yield reader
    elif n_bytes is not None and n_bytes <= _SMALL_BYTES:
        with pq.ParquetFile(pa.BufferReader(file.read_bytes()), read_dictionary=dictionaries) as reader:
            yield reader
    else:
        # One range request for each column chunk or run of neighbours, none for what is not asked for.
        with (
            file.open_ranges("none", n_bytes) as source,
            pq.ParquetFile(source, pre_buffer=True, read_dictionary=dictionaries) as reader,
        ):
            yield reader


def write_arrays(location: Location, run_id: str, name: str, arrays: Mapping[str, np.ndarray]) -> int:
    """Leave arrays for a later stage of the same attempt, under a name computed beforehand; bytes written.

    A zip of .npy members, uncompressed; arrays of objects are refused, nothing is pickled.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as container:
        for key, array in arrays.items():
            # Without the time of day: a task that runs twice leaves the same bytes.
            with container.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    with buffer.getbuffer() as data:
        array_file(location, run_id, name).write_bytes(data)
        return data.nbytes


def read_arrays(
    location: Location, run_id: str, name: str, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays left under a name, all or some."""
    with (
        array_file(location, run_id, name).open("rb") as file,
        zipfile.ZipFile(file) as container,
    ):
        keys = names if names is not None else [entry.removesuffix(".npy") for entry in container.namelist()]
        arrays = {}
        for key in keys:
            with container.open(f"{key}.npy") as member:
                arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
        return arrays


def write_words(location: Location, run_id: str, name: str, words: np.ndarray) -> int:
    """Leave one array of uint64 for a later stage, of which stretches can be read; bytes written."""
    data = words.astype("<u8", copy=False).view(np.uint8).data
    words_file(location, run_id, name).write_bytes(data)
    return data.nbytes


def read_words(
    location: Location, run_id: str, stretches: Sequence[tuple[str, int, int]]
) -> list[np.ndarray]:
    """Words start:stop of arrays, from (name, start, stop): one request each, several at a time."""
    found = location.read_ranges(
        [(words_file(location, run_id, name).path, 8 * start, 8 * stop) for name, start, stop in stretches]
    )
    return [np.frombuffer(data, "<u8") for data in found]


def work_location(location: Location, run_id: str) -> Location:
    """The folder of a run's scratch arrays."""
    return location.child(*_WORK, _plain(run_id))


def remove_work(location: Location, run_id: str) -> None:
    """Remove a run's scratch arrays, and the folders above that are then empty."""
    folder = work_location(location, run_id)
    folder.remove()
    if location.store == "file":
        for above in list(Path(folder.path).parents)[: len(_WORK)]:
            with suppress(OSError):
                above.rmdir()


def array_file(location: Location, run_id: str, name: str) -> Location:
    """The file of the arrays left under a name."""
    return _work_file(location, run_id, name, ".zip")


def _work_file(location: Location, run_id: str, name: str, suffix: str) -> Location:
    steps = [_plain(step) for step in name.split("/")]
    return work_location(location, run_id).child(*steps[:-1], f"{steps[-1]}{suffix}")


def words_file(location: Location, run_id: str, name: str) -> Location:
    """The file of the words left under a name."""
    return _work_file(location, run_id, name, ".words")


def _plain(name: str) -> str:
    # Delta escapes other characters in paths, Hive in other ways, and readers disagree on both.
    if not _PLAIN_NAME.fullmatch(name):
        raise StorageError(
            f"{name!r} cannot name a folder of a table", expected="letters, digits and . _ + - only"
        )
    return name


def _as_stored(table_name: str, table: pa.Table) -> pa.Table:
    fields, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        stored = field.type
        if not pa.types.is_dictionary(stored):
            stored = stored_type(table_name, field.name, stored)
        # What is never null in a file need not say so for each row: a fifth of what flags cost.
        fields.append(pa.field(field.name, stored, column.null_count > 0))
        columns.append(column if stored == field.type else column.cast(stored))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _read_columns(reader: pq.ParquetFile, schema: pa.Schema, keep_absent: bool) -> pa.Table:
    present = set(reader.schema_arrow.names)
    rows = reader.read([name for name in schema.names if name in present])
    if not keep_absent:
        schema = pa.schema([field for field in schema if field.name in present])
    return cast_columns(rows, schema)


def cast_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema` in its types, null where `rows` has none."""
    present = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type) if field.name in present else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _statistics(n_rows: int, footer: pq.FileMetaData) -> str:
    lowest: dict[str, float] = {}
    highest: dict[str, float] = {}
    nulls: dict[str, int] = {}
    for group in range(footer.num_row_groups):
        row_group = footer.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            if chunk.path_in_schema in _SKIP_COLUMNS and chunk.is_stats_set and chunk.statistics.has_min_max:
                name, found = chunk.path_in_schema, chunk.statistics
                lowest[name] = min(lowest.get(name, found.min), found.min)
                highest[name] = max(highest.get(name, found.max), found.max)
                nulls[name] = nulls.get(name, 0) + found.null_count
    return json.dumps({"numRecords": n_rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls})
