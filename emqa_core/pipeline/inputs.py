"""The inputs of a run as sources of rows that can be cut by frame.

A source held in memory gives slices of its table; a Parquet source clustered by frame gives row groups
for the workers to read. Everything else (JSON, CSV, data frames, unclustered Parquet) is held.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.ingest.parquet import ParquetSource, RowGroup
from emqa_core.objects import Array
from emqa_core.pipeline.partitioning import PartitionRows, RowDensity
from emqa_core.pipeline.rows import evaluation_order, frame_of_rows

if TYPE_CHECKING:
    from emqa_core.pipeline.frame_rows import FrameRows


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames: the positions first:last in frame order.

    first_id, end_id: where ids ascend, the frames with first_id <= id < end_id; None at the outer ends,
    which also take the ids below and above every known frame, and where ids are in no order.
    """

    first: int
    last: int
    first_id: int | str | None
    end_id: int | str | None


class RowSlice(Protocol):
    """The rows of some frames: small until read. Picklable."""

    @property
    def is_checked(self) -> bool:
        """Whether bad rows are out already."""

    def read(self) -> pa.Table: ...


@dataclass(frozen=True)
class HeldSlice:
    """Checked rows in memory, in evaluation order once read.

    rows (n,) int64: which rows of the table, None for all of them as they stand.
    """

    table: pa.Table
    rows: Array | None = None
    is_checked: bool = True

    def read(self) -> pa.Table:
        return self.table if self.rows is None else self.table.take(pa.array(self.rows))


@dataclass(frozen=True)
class ParquetSlice:
    """Row groups, and the ids of the frames wanted from them: first_id <= id < end_id; None: no bound."""

    source: ParquetSource
    first_id: int | str | None
    end_id: int | str | None
    is_checked: bool = False

    def read(self) -> pa.Table:
        table = self.source.read()
        if self.first_id is None and self.end_id is None:
            return table
        ids = combined(table["frame_id"])
        if (stretch := _stretch(ids, self.first_id, self.end_id)) is not None:
            return table.slice(stretch.start, stretch.stop - stretch.start)
        wanted = _between(ids, self.first_id, self.end_id)
        if ids.null_count:
            wanted = pc.if_else(ids.is_valid(), wanted, pa.array(self._takes_nulls()))
        positions = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
        if len(positions) and positions[-1] - positions[0] + 1 == len(positions):
            return table.slice(int(positions[0]), len(positions))  # text ids in order: no copy either
        return table.take(pa.array(positions))

    def _takes_nulls(self) -> Array:
        """Which rows of the row groups are wanted even without an id: those of groups that begin here."""
        groups = self.source.row_groups
        begins = [
            (self.first_id is None or group.frame_min >= self.first_id)  # type: ignore[operator]
            and (self.end_id is None or group.frame_min < self.end_id)  # type: ignore[operator]
            for group in groups
        ]
        return np.repeat(begins, [group.n_rows for group in groups])


def _stretch(ids: pa.Array, first_id: int | str | None, end_id: int | str | None) -> slice | None:
    """Where the rows with first_id <= id < end_id stand, if the ids are numbers that never descend."""
    if not pa.types.is_integer(ids.type) or ids.null_count:
        return None
    values = ids.to_numpy()
    if not np.all(values[1:] >= values[:-1]):
        return None
    first = 0 if first_id is None else int(np.searchsorted(values, first_id))
    return slice(first, len(values) if end_id is None else int(np.searchsorted(values, end_id)))


@dataclass(frozen=True)
class ScanSlice:
    """The rows of some frames of an unclustered source, found by reading all of it.

    frame_ids: of all frames, where they are in no order; the first slice then takes rows of unknown ones.
    """

    source: ParquetSource
    stretch: Stretch
    frame_ids: pa.Array | None
    is_checked: bool = False

    def read(self) -> pa.Table:
        tables = [self._wanted_of(self.source.read([index])) for index in range(len(self.source.row_groups))]
        return pa.concat_tables([self.source.schema.empty_table(), *tables], promote_options="permissive")

    def _wanted_of(self, table: pa.Table) -> pa.Table:
        ids, known = combined(table["frame_id"]), self.frame_ids
        if known is None:
            wanted = _between(ids, self.stretch.first_id, self.stretch.end_id)
            return table.filter(pc.fill_null(wanted, self.stretch.first == 0))
        ids = ids.cast(known.type)
        wanted = pc.is_in(
            ids, value_set=known.slice(self.stretch.first, self.stretch.last - self.stretch.first)
        )
        if self.stretch.first == 0:
            wanted = pc.or_(wanted, pc.invert(pc.is_in(ids, value_set=known)))
        return table.filter(wanted)


def _between(ids: pa.Array, first_id: int | str | None, end_id: int | str | None) -> pa.Array:
    """Whether first_id <= id < end_id, null for an id that is null."""
    wanted = pc.if_else(ids.is_valid(), pa.scalar(True), pa.scalar(None, pa.bool_()))
    if first_id is not None:
        wanted = pc.and_(wanted, pc.greater_equal(ids, pa.scalar(first_id, ids.type)))
    if end_id is not None:
        wanted = pc.and_(wanted, pc.less(ids, pa.scalar(end_id, ids.type)))
    return wanted


class RowSource(Protocol):
    """All rows of a source, to be cut by frame."""

    @property
    def n_rows(self) -> int: ...

    def density(self) -> RowDensity:
        """Where in the frames the rows lie; an estimate where they were not read."""

    def in_partitions(self, bounds: Array) -> PartitionRows:
        """How many rows lie, and how much is read for them, in the frames bounds[p]:bounds[p + 1]."""

    @property
    def bytes_held(self) -> int:
        """Memory that they take in this process."""

    def cut(self, stretch: Stretch) -> RowSlice:
        """The rows of some frames."""

    def column_types(self) -> pa.Schema: ...


@dataclass(frozen=True)
class HeldRows:
    """Rows in memory as they came; each cut is put in evaluation order by itself.

    order (n,) int64: the rows in evaluation order, None where they stand so. frame (k,) int64: positions of
    frames, ascending; row_start (k + 1,) int64: where the rows of each begin in that order.
    """

    table: pa.Table
    order: Array | None
    frame: Array
    row_start: Array

    @classmethod
    def of(cls, table: pa.Table, frame_ids: pa.Array, frame: Array) -> HeldRows:
        """From checked rows, every one of a frame in frame_ids; frame (k,) int64: the positions of these."""
        place = frame_of_rows(combined(table["frame_id"]), frame_ids)
        order, row_start = evaluation_order(table, place, len(frame_ids))
        return cls(table, order, frame, row_start)

    @property
    def n_rows(self) -> int:
        return self.table.num_rows

    def density(self) -> RowDensity:
        ends = np.unique(np.concatenate([self.frame, self.frame + 1]))
        return RowDensity(ends, self._rows_before(ends).astype(np.float64))

    def in_partitions(self, bounds: Array) -> PartitionRows:
        n_rows = np.diff(self._rows_before(bounds)).astype(np.float64)
        return PartitionRows(n_rows, n_rows * (self.table.nbytes / max(self.n_rows, 1)))

    @property
    def bytes_held(self) -> int:
        order = 0 if self.order is None else self.order.nbytes
        return int(self.table.nbytes + order + self.row_start.nbytes + self.frame.nbytes)

    def _rows_before(self, frames: Array) -> Array:
        return self.row_start[np.searchsorted(self.frame, frames, side="left")]

    def cut(self, stretch: Stretch) -> RowSlice:
        first, last = self._rows_before(np.array([stretch.first, stretch.last])).tolist()
        if self.order is None:
            return HeldSlice(self.table.slice(first, last - first))
        return HeldSlice(self.table, self.order[first:last])

    def column_types(self) -> pa.Schema:
        return self.table.schema


@dataclass(frozen=True)
class UnclusteredRows:
    """Row groups on storage in any order: the cluster shuffles them into partitions before they are cut.

    frame_ids: of all frames in frame order; None where they ascend, so that a stretch of ids will do.
    """

    source: ParquetSource
    frame_ids: pa.Array | None
    n_frames: int

    @property
    def n_rows(self) -> int:
        return self.source.n_rows

    def density(self) -> RowDensity:
        """As if every frame had as many."""
        return RowDensity(np.array([0, self.n_frames]), np.array([0.0, self.n_rows]))

    def in_partitions(self, bounds: Array) -> PartitionRows:
        n_rows = np.diff(self.density().before(bounds))
        return PartitionRows(n_rows, n_rows * (self.source.n_bytes / max(self.n_rows, 1)))

    @property
    def bytes_held(self) -> int:
        return 0

    def cut(self, stretch: Stretch) -> RowSlice:
        """Every row group, for a dry run; an evaluation takes the shuffled rows instead."""
        return ScanSlice(self.source, stretch, self.frame_ids)

    def column_types(self) -> pa.Schema:
        return self.source.schema


@dataclass(frozen=True)
class ParquetRows:
    """Row groups on storage, ascending by frame_id as the frames do.

    first, last (g,) int64: positions of the first and last frame of each row group that has rows.
    """

    source: ParquetSource
    first: Array
    last: Array
    n_frames: int

    @classmethod
    def of(cls, source: ParquetSource, frames: FrameRows) -> ParquetRows:
        """frames: ascending by id."""
        filled = [group for group in source.row_groups if group.n_rows]
        first, _ = frames.search([group.frame_min for group in filled])
        below, is_there = frames.search([group.frame_max for group in filled])
        return cls(source, first, np.maximum(below + is_there - 1, first), frames.n_frames)

    @property
    def n_rows(self) -> int:
        return self.source.n_rows

    def row_group_ends(self) -> Array:
        """Position after the last frame of each row group, (g,) int64."""
        return np.unique(self.last + 1)

    def density(self) -> RowDensity:
        """A row group's rows spread evenly over its frames."""
        n_rows = np.array([group.n_rows for group in self._filled], np.float64)
        known = self.first < self.n_frames
        first, n_rows = self.first[known], n_rows[known]
        end = np.minimum(self.last[known], self.n_frames - 1) + 1
        per_frame = n_rows / np.maximum(end - first, 1)
        position = np.unique(np.concatenate([[0, self.n_frames], first, end]))
        steps = np.zeros(len(position))
        np.add.at(steps, np.searchsorted(position, first), per_frame)
        np.add.at(steps, np.searchsorted(position, end), -per_frame)
        rows = np.cumsum(np.maximum(np.cumsum(steps)[:-1], 0) * np.diff(position))
        return RowDensity(position, np.append(0.0, rows))

    def in_partitions(self, bounds: Array) -> PartitionRows:
        """What is read is whole row groups."""
        n_bytes = np.cumsum([0, *(group.n_bytes for group in self._filled)])
        first = np.searchsorted(self.last, bounds[:-1], side="left")
        end = np.searchsorted(self.first, bounds[1:], side="left")
        read = n_bytes[np.maximum(end, first)] - n_bytes[first]
        return PartitionRows(np.diff(self.density().before(bounds)), read)

    @property
    def bytes_held(self) -> int:
        return 0

    @cached_property
    def _filled(self) -> list[RowGroup]:
        return [group for group in self.source.row_groups if group.n_rows]

    @cached_property
    def _bounds(self) -> tuple[list[int], list[Any], list[Any]]:
        """Index, lowest and highest id of each row group that has rows, ascending."""
        indices = [index for index, group in enumerate(self.source.row_groups) if group.n_rows]
        groups = self._filled
        return indices, [group.frame_min for group in groups], [group.frame_max for group in groups]

    def cut(self, stretch: Stretch) -> RowSlice:
        indices, lowest, highest = self._bounds
        first = 0 if stretch.first_id is None else bisect_left(highest, stretch.first_id)
        end = len(indices) if stretch.end_id is None else bisect_left(lowest, stretch.end_id)
        return ParquetSlice(self.source.only(indices[first:end]), stretch.first_id, stretch.end_id)

    def column_types(self) -> pa.Schema:
        return self.source.schema
