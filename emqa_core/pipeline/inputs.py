"""The inputs of a run as sources of rows that can be cut by frame.

A source held in memory gives slices of its table; a Parquet source clustered by frame gives row groups
for the workers to read. Everything else (JSON, CSV, data frames, unclustered Parquet) is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.ingest.parquet import ParquetSource, RowGroup
from emqa_core.objects import Array
from emqa_core.pipeline.rows import evaluation_order, frame_of_rows


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
    """Row groups of a Parquet source, and the ids of the frames wanted from them.

    The wanted ids are first_id <= id < end_id; None: no bound.
    """

    source: ParquetSource
    row_groups: tuple[int, ...]
    first_id: int | str | None
    end_id: int | str | None
    is_checked: bool = False

    def read(self) -> pa.Table:
        table = self.source.read(self.row_groups)
        if self.first_id is None and self.end_id is None:
            return table
        ids = combined(table["frame_id"])
        if (stretch := _stretch(ids, self.first_id, self.end_id)) is not None:
            return table.slice(stretch.start, stretch.stop - stretch.start)
        wanted = pa.array(np.ones(len(ids), bool))
        if self.first_id is not None:
            wanted = pc.and_(wanted, pc.greater_equal(ids, pa.scalar(self.first_id, ids.type)))
        if self.end_id is not None:
            wanted = pc.and_(wanted, pc.less(ids, pa.scalar(self.end_id, ids.type)))
        if ids.null_count:
            wanted = pc.if_else(ids.is_valid(), wanted, pa.array(self._takes_nulls()))
        positions = np.flatnonzero(wanted.to_numpy(zero_copy_only=False))
        if len(positions) and positions[-1] - positions[0] + 1 == len(positions):
            return table.slice(int(positions[0]), len(positions))  # text ids in order: no copy either
        return table.take(pa.array(positions))

    def _takes_nulls(self) -> Array:
        """Which rows of the row groups are wanted even without an id: those of groups that begin here."""
        groups = [self.source.row_groups[index] for index in self.row_groups]
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

    known: every frame's id for the one slice that also takes the rows of unknown frames, else None.
    """

    source: ParquetSource
    wanted: pa.Array
    known: pa.Array | None
    is_checked: bool = False

    def read(self) -> pa.Table:
        tables = []
        for index in range(len(self.source.row_groups)):
            table = self.source.read([index])
            ids = combined(table["frame_id"])
            keep = pc.is_in(ids.cast(self.wanted.type), value_set=self.wanted)
            if self.known is not None:
                keep = pc.or_(keep, pc.invert(pc.is_in(ids.cast(self.known.type), value_set=self.known)))
            tables.append(table.filter(keep))
        return pa.concat_tables([self.source.schema.empty_table(), *tables], promote_options="permissive")


class RowSource(Protocol):
    """All rows of a source, to be cut by frame."""

    @property
    def n_rows(self) -> int: ...

    def rows_per_frame(self) -> Array:
        """Rows of each frame, (F,) float64; an estimate where rows were not read."""

    def cut(self, first: int, last: int) -> RowSlice:
        """The rows of the frames first:last."""

    def column_types(self) -> pa.Schema: ...


@dataclass(frozen=True)
class HeldRows:
    """Rows in memory as they came; each cut is put in evaluation order by itself.

    order (n,) int64: the rows in evaluation order, None where they stand so. frame_start (F + 1,) int64.
    """

    table: pa.Table
    order: Array | None
    frame_start: Array

    @classmethod
    def of(cls, table: pa.Table, frame_ids: pa.Array) -> HeldRows:
        """From checked rows, every one of a known frame."""
        frame = frame_of_rows(combined(table["frame_id"]), frame_ids)
        return cls(table, *evaluation_order(table, frame, len(frame_ids)))

    @property
    def n_rows(self) -> int:
        return self.table.num_rows

    def rows_per_frame(self) -> Array:
        return np.diff(self.frame_start).astype(np.float64)

    def cut(self, first: int, last: int) -> RowSlice:
        rows = slice(int(self.frame_start[first]), int(self.frame_start[last]))
        if self.order is None:
            return HeldSlice(self.table.slice(rows.start, rows.stop - rows.start))
        return HeldSlice(self.table, self.order[rows])

    def column_types(self) -> pa.Schema:
        return self.table.schema


@dataclass(frozen=True)
class UnclusteredRows:
    """Row groups on storage in any order: the cluster shuffles them into partitions before they are cut."""

    source: ParquetSource
    frame_ids: pa.Array

    @property
    def n_rows(self) -> int:
        return self.source.n_rows

    def rows_per_frame(self) -> Array:
        """As if every frame had as many."""
        n_frames = len(self.frame_ids)
        return np.full(n_frames, self.n_rows / max(n_frames, 1))

    def cut(self, first: int, last: int) -> RowSlice:
        """Every row group, for a dry run; an evaluation takes the shuffled rows instead."""
        wanted = self.frame_ids.slice(first, last - first)
        return ScanSlice(self.source, wanted, self.frame_ids if first == 0 else None)

    def column_types(self) -> pa.Schema:
        return self.source.schema


@dataclass(frozen=True)
class ParquetRows:
    """Row groups on storage, ascending by frame_id; frame_ids (F,) ascending too."""

    source: ParquetSource
    frame_ids: pa.Array

    @property
    def n_rows(self) -> int:
        return self.source.n_rows

    @property
    def _filled(self) -> list[RowGroup]:
        return [group for group in self.source.row_groups if group.n_rows]

    def row_group_ends(self) -> Array:
        """Position after the last frame of each row group, (g,) int64."""
        return np.unique(self._frames_of_groups()[1] + 1)

    def _frames_of_groups(self) -> tuple[Array, Array]:
        """First and last frame of each row group, (g,) int64 each."""
        groups = self._filled
        bounds = [group.frame_min for group in groups], [group.frame_max for group in groups]
        ids = self.frame_ids.to_numpy(zero_copy_only=False)
        first = np.searchsorted(ids, np.array(bounds[0], ids.dtype), side="left")
        last = np.searchsorted(ids, np.array(bounds[1], ids.dtype), side="right") - 1
        return first, np.maximum(last, first)

    def rows_per_frame(self) -> Array:
        """A row group's rows spread evenly over its frames."""
        n_frames = len(self.frame_ids)
        per_frame = np.zeros(n_frames + 1)
        for group, first, last in zip(self._filled, *self._frames_of_groups(), strict=True):
            if first < n_frames:
                end = min(int(last), n_frames - 1) + 1
                per_frame[first:end] += group.n_rows / max(end - first, 1)
        return per_frame[:n_frames]

    def cut(self, first: int, last: int) -> RowSlice:
        """Frames first:last. The first and last cut also take ids below and above every known frame."""
        n_frames = len(self.frame_ids)
        first_id = None if first == 0 else self.frame_ids[first].as_py()
        end_id = None if last == n_frames else self.frame_ids[last].as_py()
        wanted = [
            index
            for index, group in enumerate(self.source.row_groups)
            if group.n_rows
            and (first_id is None or group.frame_max >= first_id)
            and (end_id is None or group.frame_min < end_id)
        ]
        return ParquetSlice(self.source, tuple(wanted), first_id, end_id)

    def column_types(self) -> pa.Schema:
        return self.source.schema
