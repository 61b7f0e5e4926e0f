"""Frames that stay on storage: Parquet whose good frames ascend by id and by order.

What is kept of them grows with their row groups, not with their number: a position is found by reading the
ids of the one row group that it lies in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import combine_quarantine
from emqa_core.ingest.validate import validate_frames
from emqa_core.objects import Array
from emqa_core.pipeline.frame_rows import (
    NO_ENDS,
    VIDEO_COLUMNS,
    ids_ascend,
    lack_size,
    largest_frame_px,
    search_ids,
    stretches_of,
    values_of,
    video_ends,
    without_size,
)
from emqa_core.pipeline.inputs import HeldSlice, RowSlice, Stretch

_CHECKED = ("frame_id", "frame_order", "width_px", "height_px")  # what may make a frame a bad one


@dataclass(frozen=True)
class StoredFrames:
    """Row groups on storage whose good frames ascend by id and by order.

    start (g + 1,) int64: good frames before each row group. has_bad (g,) bool. lowest, highest: ids of each
    row group, None where no frame is good.
    """

    source: ParquetSource
    start: Array
    has_bad: Array
    lowest: tuple[Any, ...]
    highest: tuple[Any, ...]
    largest_px: float
    has_no_size: bool
    _last_read: dict[int, pa.Array] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, source: ParquetSource) -> tuple[StoredFrames, pa.Table] | None:
        """Frames that stay where they are, and the quarantine rows of bad ones; None if they must be sorted.

        Reads what may make a frame a bad one, a row group at a time.
        """
        if not source.reads_alike(source.schema.names):
            return None
        start, has_bad, bad = [0], [], []
        lowest: list[Any] = []
        highest: list[Any] = []
        largest_px, has_no_size = 0.0, True
        last: tuple[Any, Any] | None = None
        last_read: dict[int, pa.Array] = {}
        for index, group in enumerate(source.row_groups):
            table = source.read([index], _CHECKED)
            good, quarantine = validate_frames(table, _rows_of(source, index))
            bad.append(quarantine)
            has_bad.append(good.num_rows < group.n_rows)
            largest_px = max(largest_px, largest_frame_px(good))
            has_no_size &= lack_size(good)
            start.append(start[-1] + good.num_rows)
            ids = combined(good["frame_id"])
            order = combined(good["frame_order"]) if "frame_order" in good.column_names else ids
            if not (ids_ascend(ids) and (order is ids or ids_ascend(order))):
                return None
            ends = [(ids[row].as_py(), order[row].as_py()) for row in (0, -1)] if len(ids) else []
            if ends and last is not None and not (last[0] < ends[0][0] and last[1] < ends[0][1]):
                return None
            last = ends[1] if ends else last
            lowest.append(ends[0][0] if ends else None)
            highest.append(ends[1][0] if ends else None)
            last_read = {index: ids}
        stored = cls(
            source,
            np.array(start),
            np.array(has_bad, bool),
            tuple(lowest),
            tuple(highest),
            largest_px,
            has_no_size,
            last_read,
        )
        return stored, combine_quarantine(bad)

    @property
    def n_frames(self) -> int:
        return int(self.start[-1])

    @property
    def id_type(self) -> pa.DataType:
        return self.source.schema.field("frame_id").type

    @property
    def ascend(self) -> bool:
        return True

    def video_ends(self) -> Array:
        if not set(self.source.schema.names) >= VIDEO_COLUMNS:
            return NO_ENDS
        groups = range(len(self.source.row_groups))
        return video_ends(self._read([group], (*_CHECKED, *sorted(VIDEO_COLUMNS))) for group in groups)

    def find(self, ids: pa.ChunkedArray) -> tuple[pa.Array, Array]:
        named = pc.unique(ids).drop_null()
        named = named.take(pc.array_sort_indices(named))
        position, is_there = self.search(values_of(named))
        return named.filter(pa.array(is_there)), position[is_there]

    def search(self, ids: Sequence[Any] | Array) -> tuple[Array, Array]:
        position = np.full(len(ids), self.n_frames, np.int64)
        is_there = np.zeros(len(ids), bool)
        wanted = np.array(ids, np.int64 if pa.types.is_integer(self.id_type) else object)
        for group, rows in self._by_group(wanted):
            below, is_there[rows] = search_ids(values_of(self._ids_of(group)), wanted[rows])
            position[rows] = self.start[group] + below
        return position, is_there

    def _by_group(self, ids: Array) -> Iterator[tuple[int, Array]]:
        """Row groups, and which of the ids lie in them or between them and the one before."""
        filled = [group for group, highest in enumerate(self.highest) if highest is not None]
        if not filled or not len(ids):
            return
        highest = np.array([self.highest[group] for group in filled], ids.dtype)
        at = np.searchsorted(highest, ids, side="left")
        order = np.argsort(at, kind="stable")
        ends = np.flatnonzero(np.diff(at[order], append=len(filled) + 1)) + 1
        for first, end in zip(np.append(0, ends[:-1]).tolist(), ends.tolist(), strict=True):
            if at[order[first]] < len(filled):
                yield filled[at[order[first]]], order[first:end]

    def _ids_of(self, group: int) -> pa.Array:
        """Ids of a row group's good frames; those read last are kept."""
        if group not in self._last_read:
            ids = combined(self._read([group], _CHECKED)["frame_id"])
            self._last_read.clear()
            self._last_read[group] = ids
        return self._last_read[group]

    def _read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        return _good(self.source.only(groups), self.has_bad[list(groups)], columns)

    def stretches(self, bounds: Array) -> list[Stretch]:
        inner = []
        for bound in bounds[1:-1].tolist():
            group = int(np.searchsorted(self.start, bound, side="right")) - 1
            within = bound - int(self.start[group])
            inner.append(self._ids_of(group)[within].as_py() if within else self.lowest[group])
        return stretches_of(bounds, inner)

    def cut(self, stretch: Stretch) -> RowSlice:
        if stretch.first == stretch.last:
            return HeldSlice(_with_order(self.source.schema.empty_table(), 0))
        first = int(np.searchsorted(self.start, stretch.first, side="right")) - 1
        end = int(np.searchsorted(self.start, stretch.last, side="left"))
        groups = [group for group in range(first, end) if self.start[group + 1] > self.start[group]]
        skipped = stretch.first - int(self.start[first])
        return StoredFrameSlice(
            self.source.only(groups),
            tuple(self.has_bad[groups].tolist()),
            stretch.first,
            skipped,
            stretch.last - stretch.first,
        )

    def column_types(self) -> pa.Schema:
        columns = _with_order(self.source.schema.empty_table(), 0).schema
        return without_size(columns) if self.has_no_size else columns


@dataclass(frozen=True)
class StoredFrameSlice:
    """Consecutive frames among the good ones of some row groups, read by whoever needs them.

    has_bad: of each row group. first: position of the first frame; skipped: good frames before it there.
    """

    source: ParquetSource
    has_bad: tuple[bool, ...]
    first: int
    skipped: int
    n_frames: int
    is_checked: bool = True

    def read(self) -> pa.Table:
        good = _good(self.source, self.has_bad, None)
        return _with_order(good.slice(self.skipped, self.n_frames), self.first)


def _good(source: ParquetSource, has_bad: Sequence[bool] | Array, columns: Sequence[str] | None) -> pa.Table:
    """The good frames of all row groups of a source. has_bad: of each."""
    if not any(has_bad):
        return source.read(columns=columns)
    tables = [source.read([index], columns) for index in range(len(source.row_groups))]
    return pa.concat_tables(
        [
            validate_frames(table, _rows_of(source, index))[0] if has_bad[index] else table
            for index, table in enumerate(tables)
        ]
    ).unify_dictionaries()


def _rows_of(source: ParquetSource, index: int) -> Array:
    group = source.row_groups[index]
    return np.arange(group.first_row, group.first_row + group.n_rows)


def _with_order(frames: pa.Table, first: int) -> pa.Table:
    """With frame_order: where ids are text and none is given, their rank, which is their position here."""
    if "frame_order" in frames.column_names:
        return frames
    return frames.add_column(1, "frame_order", pa.array(np.arange(first, first + frames.num_rows)))
