"""Tables that are already in memory: pandas, Arrow, and whatever speaks Arrow's stream interface."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from emqa_core.errors import InputError
from emqa_core.ingest.json_values import scalar_array


def arrow_table(frame: Any, name: str) -> pa.Table:
    """A data frame as an Arrow table, its index left out; columns of mixed Python objects become text.

    Raises InputError for anything that is not a table.
    """
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    raise InputError(
        f"{name} is not a table",
        expected="a pandas data frame, an Arrow table or one with __arrow_c_stream__, or a path",
        found=type(frame).__name__,
    )


def table_digest(table: pa.Table) -> str:
    """SHA-256 over the names, types and values of a table, however it is chunked."""
    digest = hashlib.sha256(str([(field.name, str(field.type)) for field in table.schema]).encode())
    for column in table.columns:
        # The stream format writes the values of a slice alone, not the buffers that it shares.
        sink = pa.BufferOutputStream()
        batch = pa.record_batch([column.combine_chunks()], names=["column"])
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _from_pandas(frame: Any) -> pa.Table:
    columns = {}
    for name in frame.columns:
        series = frame[name]
        try:
            # NaN is a missing value among Python objects only; among floats it is a bad number.
            columns[str(name)] = pa.array(series, from_pandas=series.dtype == object)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[str(name)] = scalar_array([_plain(value) for value in series.tolist()])
    return pa.table(columns)


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)
