"""Rows of a Parquet file a row group at a time: what a table of any length is looked through by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.objects import Array
from emqa_core.storage.location import Location
from emqa_core.storage.parts import cast_columns, opened_parquet
from emqa_core.storage.store_errors import explain_errors

if TYPE_CHECKING:
    import pyarrow.parquet as pq

ORDER = "frame_order"
HELD_ROWS = 131_072  # of a table in memory at once


def read_row_groups(
    file: Location, schema: pa.Schema, *, n_bytes: int | None = None, frame_orders: Array | None = None
) -> Iterator[pa.Table]:
    """The row groups of a file, columns and types as in `schema`; a column that the file has not is null.

    frame_orders (n,) int64 ascending: the rows of these frames alone; `schema` then names frame_order. A row
    group whose statistics say that it has none of them is not read.
    """
    with explain_errors(file), opened_parquet(file, schema, n_bytes) as reader:
        present = set(reader.schema_arrow.names)
        names = [name for name in schema.names if name in present]
        for group in range(reader.num_row_groups):
            if frame_orders is not None and not _may_hold(reader.metadata.row_group(group), frame_orders):
                continue
            rows = cast_columns(reader.read_row_group(group, names), schema)
            yield rows if frame_orders is None else rows_of_frames(rows, frame_orders)


def rows_of_frames(rows: pa.Table, frame_orders: Array) -> pa.Table:
    """The rows whose frame_order is one of frame_orders (n,) int64."""
    return rows.filter(pc.is_in(rows[ORDER], pa.array(frame_orders, pa.int64())))


def slices(table: pa.Table) -> Iterator[pa.Table]:
    """A table in memory in stretches of its rows."""
    for start in range(0, table.num_rows, HELD_ROWS):
        yield table.slice(start, HELD_ROWS)


def _may_hold(group: pq.RowGroupMetaData, frame_orders: Array) -> bool:
    for index in range(group.num_columns):
        chunk = group.column(index)
        if chunk.path_in_schema == ORDER:
            if not (chunk.is_stats_set and chunk.statistics.has_min_max):
                return True
            first = int(np.searchsorted(frame_orders, chunk.statistics.min))
            return first < len(frame_orders) and bool(frame_orders[first] <= chunk.statistics.max)
    return True
