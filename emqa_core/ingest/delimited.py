"""CSV: ids and further columns by what the whole file holds, numbers parsed while reading."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
from pyarrow import csv

from emqa_core.errors import InputError
from emqa_core.ingest.arrow_columns import unified
from emqa_core.ingest.columns import Kind, canonical_names, content_of

_BLOCK_BYTES = 1 << 20
_NULLS = ["", "NA", "N/A", "null", "NULL", "None"]  # nan is a number of its own
_INFERRED = (pa.int64(), pa.float64(), pa.bool_())


def read_csv(
    open_blocks: Callable[[], Iterator[bytes]], kind: Kind, mapping: Mapping[str, str], source: str
) -> pa.Table:
    """A CSV file with a header as an Arrow table; text stays where a cell is not what its column holds.

    open_blocks: starts reading the file, a second time if a cell does not fit. Raises InputError for a
    file without a header or with a row of another length.
    """
    header = _header(open_blocks(), source)
    types: dict[str, pa.DataType] = {}
    for name, canonical in canonical_names(kind, header, mapping, source).items():
        content = content_of(kind, canonical)
        if content is not None:
            types[name] = pa.float64() if content == "number" else pa.string()
    try:
        return _read(open_blocks(), source, types)
    except pa.ArrowInvalid:
        # A cell does not fit: everything as text, converted later with the misfits counted.
        table = _read(open_blocks(), source, dict.fromkeys(header, pa.string()))
    columns = {name: table[name] if name in types else _inferred(table[name]) for name in header}
    return pa.table(columns)


def ids_from_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as int64 if each id is a whole number as it is written; `007` stays text."""
    try:
        whole = column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
    return whole if whole.cast(pa.string()).equals(column) else column


def concatenated(tables: list[pa.Table]) -> pa.Table:
    """Tables of several files as one; a column that one of them lacks is null there."""
    if len(tables) == 1:
        return tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    columns = {}
    for name in names:
        parts = [
            chunk
            for table in tables
            for chunk in (table[name].chunks if name in table.column_names else [pa.nulls(table.num_rows)])
        ]
        columns[name] = unified(parts)
    return pa.table(columns)


def _header(blocks: Iterator[bytes], source: str) -> list[str]:
    text = b""
    for block in blocks:
        text += block
        if b"\n" in text.strip():
            break
    if not text.strip():
        raise InputError(f"{source} is empty", expected="a header line", next_step="write the columns' names")
    first_line = text.lstrip().partition(b"\n")[0] + b"\n"
    header: list[str] = _read(iter([first_line]), source, {}).column_names
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise InputError(f"{source} has two columns {twice[0]!r}", next_step="rename one of them")
    return header


def _read(blocks: Iterator[bytes], source: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    try:
        return csv.read_csv(
            pa.PythonFile(_BlockFile(blocks), mode="r"),
            read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict(types), null_values=_NULLS, strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        if "conversion error" in str(error).lower():
            raise
        raise InputError(
            f"{source} is not a whole CSV file: {error}",
            expected="rows of one length, in UTF-8",
            next_step="correct the row or write the file again",
        ) from None


class _BlockFile(io.RawIOBase):
    """Blocks of bytes as a file that is read once, forwards."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest += block
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _inferred(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for type_ in _INFERRED:
        try:
            return column.cast(type_)
        except pa.ArrowInvalid:
            continue
    return column
