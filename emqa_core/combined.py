"""A column as one array, without a copy where it is one already."""

from __future__ import annotations

import pyarrow as pa


def combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column's chunks as one array. Arrow's own `combine_chunks` copies a single chunk too."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column
