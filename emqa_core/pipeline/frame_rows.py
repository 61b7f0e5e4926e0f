"""The frames of a run in frame order: held here; those that stay on storage are in stored_frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.objects import Array
from emqa_core.pipeline.inputs import HeldSlice, RowSlice, Stretch
from emqa_core.pipeline.rows import float_array, runs_of_equal
from emqa_core.pixels.video import video_frame

NO_ENDS = np.empty(0, np.int64)
VIDEO_COLUMNS = {"sequence_id", "image_uri"}


class FrameRows(Protocol):
    """All good frames of a run, in frame order."""

    @property
    def n_frames(self) -> int: ...

    @property
    def id_type(self) -> pa.DataType: ...

    @property
    def ascend(self) -> bool:
        """Whether their ids ascend strictly, so that a stretch of frames is a stretch of ids."""

    @property
    def largest_px(self) -> float:
        """Pixels of the largest frame, infinite where a frame's size is not known."""

    def video_ends(self) -> Array:
        """Positions at which another sequence begins, (k,) int64 ascending; none unless of videos."""

    def find(self, ids: pa.ChunkedArray) -> tuple[pa.Array, Array]:
        """The ids of at least those frames that are among `ids`, which have their type, and where they stand.

        The positions (k,) int64 ascend.
        """

    def search(self, ids: Sequence[Any] | Array) -> tuple[Array, Array]:
        """How many have a lower id, (n,) int64, and whether one has it, (n,) bool. Frames must `ascend`."""

    def stretches(self, bounds: Array) -> list[Stretch]:
        """The frames bounds[p]:bounds[p + 1] of each partition, (P,)."""

    def cut(self, stretch: Stretch) -> RowSlice: ...

    def column_types(self) -> pa.Schema:
        """The columns of the frames; without those of a size that no frame has."""


@dataclass(frozen=True)
class HeldFrames:
    """The frame table in memory, in frame order."""

    table: pa.Table

    @classmethod
    def of(cls, table: pa.Table) -> HeldFrames:
        """By frame_order, on which the order of equal scores rests; ties by frame_id."""
        order = combined(table["frame_order"]).to_numpy(zero_copy_only=False)
        if not np.all(order[1:] > order[:-1]):
            table = table.sort_by([("frame_order", "ascending"), ("frame_id", "ascending")])
        return cls(table)

    @property
    def n_frames(self) -> int:
        return self.table.num_rows

    @cached_property
    def ids(self) -> pa.Array:
        return combined(self.table["frame_id"])

    @property
    def id_type(self) -> pa.DataType:
        return self.table.schema.field("frame_id").type

    @cached_property
    def ascend(self) -> bool:
        return ids_ascend(self.ids)

    @property
    def largest_px(self) -> float:
        return largest_frame_px(self.table)

    def video_ends(self) -> Array:
        return video_ends([self.table]) if set(self.table.column_names) >= VIDEO_COLUMNS else NO_ENDS

    def find(self, _ids: pa.ChunkedArray) -> tuple[pa.Array, Array]:
        return self.ids, np.arange(self.n_frames)

    def search(self, ids: Sequence[Any] | Array) -> tuple[Array, Array]:
        return search_ids(values_of(self.ids), ids)

    def stretches(self, bounds: Array) -> list[Stretch]:
        inner = self.ids.take(pa.array(bounds[1:-1])).to_pylist() if self.ascend else None
        return stretches_of(bounds, inner)

    def cut(self, stretch: Stretch) -> RowSlice:
        return HeldSlice(self.table.slice(stretch.first, stretch.last - stretch.first))

    def column_types(self) -> pa.Schema:
        return without_size(self.table.schema) if lack_size(self.table) else self.table.schema


def video_ends(tables: Iterable[pa.Table]) -> Array:
    """Where the next frame is of another sequence, table by table; none once a frame is no video's."""
    ends: list[Array] = []
    first, last = 0, None
    for table in tables:
        if not table.num_rows:
            continue
        if video_frame(str(table["image_uri"][0].as_py())) is None:
            return NO_ENDS
        starts, values = runs_of_equal(combined(table["sequence_id"]).fill_null(""))
        ends.append(first + (starts if first and values[0].as_py() != last else starts[1:]))
        first, last = first + table.num_rows, values[-1].as_py()
    return np.concatenate([*ends, [first]]).astype(np.int64) if first else NO_ENDS


def lack_size(frames: pa.Table) -> bool:
    return all(
        name not in frames.column_names or frames[name].null_count == frames.num_rows
        for name in ("width_px", "height_px")
    )


def without_size(columns: pa.Schema) -> pa.Schema:
    """Columns of the size are there for every reader of the table, even where they are null throughout."""
    return pa.schema([field for field in columns if field.name not in ("width_px", "height_px")])


def largest_frame_px(frames: pa.Table) -> float:
    if not {"width_px", "height_px"} <= set(frames.column_names):
        return np.inf
    pixels = float_array(frames, "width_px") * float_array(frames, "height_px")
    return float(np.where(np.isnan(pixels), np.inf, pixels).max(initial=0.0))


def ids_ascend(ids: pa.Array) -> bool:
    """Whether each is higher than the one before; text by code points."""
    if pa.types.is_integer(ids.type):
        values = ids.to_numpy()
        return bool(np.all(values[1:] > values[:-1]))
    if len(ids) < 2:
        return True
    return bool(pc.all(pc.greater(ids.slice(1), ids.slice(0, len(ids) - 1))).as_py())


def values_of(ids: pa.Array) -> Array:
    return ids.to_numpy(zero_copy_only=False)


def search_ids(ascending: Array, ids: Sequence[Any] | Array) -> tuple[Array, Array]:
    wanted = np.array(ids, ascending.dtype)
    below = np.searchsorted(ascending, wanted, side="left")
    is_there = below < len(ascending)
    is_there[is_there] = ascending[below[is_there]] == wanted[is_there]
    return below, is_there


def stretches_of(bounds: Array, inner: list[Any] | None) -> list[Stretch]:
    """inner: the id of the first frame of each partition but the first, where ids ascend."""
    ends = [None] * len(bounds) if inner is None else [None, *inner, None]
    positions = bounds.tolist()
    return [Stretch(*positions[p : p + 2], *ends[p : p + 2]) for p in range(len(positions) - 1)]
