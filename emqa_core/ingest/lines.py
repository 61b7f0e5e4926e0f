"""JSON lines: one object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from emqa_core.errors import InputError
from emqa_core.ingest.json_rows import JsonRows
from emqa_core.ingest.json_stream import Block


def read_lines(blocks: Iterator[bytes], rows: JsonRows, source: str) -> None:
    """Take in a file. A line that is not JSON is a bad row; the last one, cut short, an InputError."""
    rows.begin(source)
    rest = b""
    for block in blocks:
        text, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            _add(text, rows)
    if rest.strip():
        try:
            json.loads(rest)
        except ValueError as error:
            raise InputError(
                f"{source} is truncated: its last line is not whole ({error})",
                found=rest[-60:].decode("utf-8", "replace"),
                next_step="write or copy the file again",
            ) from None
        _add(rest, rows)
    rows.end()


def _add(text: bytes, rows: JsonRows) -> None:
    text = text.strip()
    if not text:
        return
    try:
        # A line break inside a JSON string is escaped, so each one here ends a row.
        decoded = rows.decoder().decode(b"[" + text.replace(b"\n", b",") + b"]")
    except msgspec.DecodeError:
        loose = [_loose(line) for line in text.split(b"\n") if line.strip()]
        rows.add(Block(loose, False))
    else:
        rows.add(Block(decoded, True))


def _loose(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line.decode("utf-8", "replace")
