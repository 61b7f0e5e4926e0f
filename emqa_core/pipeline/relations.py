"""What an object or frame is to others of the whole data set: along its track, and among embeddings.

A stage before the evaluation, where a chosen metric needs it. Partitions leave rows by track in buckets, and
vectors; a task puts each bucket, or a source's vectors, in relation and leaves values by partition. So a
sequence may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import keys
from emqa_core.combined import combined
from emqa_core.errors import InputError
from emqa_core.ingest.columns import EMBEDDING
from emqa_core.objects import Array
from emqa_core.pipeline.inputs import RowSlice
from emqa_core.pipeline.partition_side import ClassChoice, PartitionSide
from emqa_core.pipeline.row_sources import FRAME, LABEL, level_of, model_of
from emqa_core.pipeline.scratch import Scratch
from emqa_core.quality.neighbours import (
    N_NEAREST,
    NearestIndex,
    Vectors,
    blocks,
    check_fits,
    label_agreement,
    measured_recall,
    training_sample,
    uniqueness,
    unit_vectors,
)
from emqa_core.quality.tracks import N_TRACK_METRICS, track_keys, track_metrics

_BOX = ("x", "y", "width", "height")
_VECTOR_COLUMNS = ("vectors", "row", "code", "key")
_TRACK_ROWS = 2_000_000  # rows of a bucket, about


@dataclass(frozen=True)
class Relations:
    """Which sources are put in relation, and where values are left.

    tracks: sources of objects whose tracks are followed; vectors: sources whose embeddings are compared:
    `frame`, `label`, `prediction:MODEL`. n_buckets: of tracks.
    """

    tracks: tuple[str, ...]
    vectors: tuple[str, ...]
    n_buckets: int
    scratch: Scratch

    def __bool__(self) -> bool:
        return bool(self.tracks or self.vectors)

    @classmethod
    def n_buckets_for(cls, n_rows: int) -> int:
        return max(1, -(-n_rows // _TRACK_ROWS))

    def tracks_of(self, source: str, index: int, n_rows: int) -> Array:
        """Track metrics of a partition's rows, (n, 4) float32; (0, 0) where no metric needs them."""
        if source not in self.tracks:
            return np.empty((0, 0), np.float32)
        values = np.full((n_rows, N_TRACK_METRICS), np.nan, np.float32)
        for bucket in range(self.n_buckets):
            left = self.scratch.get(_tracked(self.place(source), bucket, index))
            values[left["row"]] = left["values"]
        return values

    def neighbours_of(self, source: str, index: int, n_rows: int) -> Array:
        """What the nearest embeddings tell of a partition's rows, (n,) float32; (0,) if not needed."""
        if source not in self.vectors:
            return np.empty(0, np.float32)
        values = np.full(n_rows, np.nan, np.float32)
        left = self.scratch.get(_near(self.place(source), index))
        values[left["row"]] = left["values"]
        return values

    def place(self, source: str) -> int:
        """A number for a source, of which file names are made: models may be called anything."""
        return [*dict.fromkeys((FRAME, LABEL, *self.tracks, *self.vectors))].index(source)


@dataclass(frozen=True)
class RelationTask:
    """One partition, of which rows by track and vectors are left."""

    index: int
    frames: RowSlice
    labels: RowSlice
    predictions: Mapping[str, RowSlice]
    classes: ClassChoice
    relations: Relations


@dataclass(frozen=True)
class TrackTask:
    """One bucket of one source's tracks over all partitions."""

    source: str
    bucket: int
    n_partitions: int
    relations: Relations


@dataclass(frozen=True)
class NeighbourTask:
    """The vectors of one source over all partitions. max_bytes: memory for them."""

    source: str
    n_partitions: int
    relations: Relations
    max_bytes: float


def leave_rows_to_relate(task: RelationTask) -> None:
    """Leave a partition's rows by track, and its vectors."""
    frames = task.frames.read()
    frame_ids = combined(frames["frame_id"])
    frame_hash = keys.hash_column(frames["frame_id"])
    relations = task.relations
    if FRAME in relations.vectors:
        _leave_vectors(relations, FRAME, task.index, frames, np.zeros(len(frame_ids), np.int32), frame_hash)
    for source in dict.fromkeys((*relations.tracks, *relations.vectors)):
        if source == FRAME:
            continue
        kind = level_of(source)
        rows = task.labels if source == LABEL else task.predictions[model_of(source)]
        side = PartitionSide.read(kind, rows, frame_ids, task.classes)
        if source in relations.tracks:
            _leave_tracks(relations, source, task.index, frames, side)
        if source in relations.vectors:
            object_hash = keys.hash_column(side.rows.table[f"{kind}_id"])
            key = keys.hash_objects(frame_hash, side.rows.frame, object_hash)
            _leave_vectors(relations, source, task.index, side.rows.table, side.class_code, key)


def _leave_tracks(
    relations: Relations, source: str, index: int, frames: pa.Table, side: PartitionSide
) -> None:
    rows, track, frame_index = track_keys(frames, side.rows.frame, side.rows.table["track_id"])
    boxes = {name: column[rows] for name, column in side.boxes().items()}
    of_bucket = track % np.uint64(relations.n_buckets)
    for bucket in range(relations.n_buckets):
        chosen = np.flatnonzero(of_bucket == bucket)
        arrays = {"row": rows[chosen], "track": track[chosen], "frame_index": frame_index[chosen]}
        arrays |= {name: column[chosen] for name, column in boxes.items()}
        relations.scratch.put(_to_track(relations.place(source), bucket, index), arrays)


def _leave_vectors(
    relations: Relations, source: str, index: int, table: pa.Table, code: Array, key: Array
) -> None:
    found = unit_vectors(_matrix(combined(table[EMBEDDING]), source), code, key)
    arrays = {name: getattr(found, name) for name in _VECTOR_COLUMNS}
    arrays["length"] = np.array([found.vectors.shape[1] if len(found) else 0])
    relations.scratch.put(_vectors(relations.place(source), index), arrays)


def _matrix(column: pa.Array, source: str) -> Array:
    """Lists as (n, d) float32, NaN for null and empty ones. Raises InputError where they differ in length."""
    length = pc.fill_null(pc.list_value_length(column), 0)
    lengths = [found for found in pc.unique(length).to_pylist() if found]
    if len(lengths) > 1:
        raise _unequal(source, lengths)
    d = lengths[0] if lengths else 0
    is_there = pc.greater(length, 0)
    values = np.full((len(column), d), np.nan, np.float32)
    if d:
        flat = column.filter(is_there).flatten().cast(pa.float32())
        values[np.asarray(is_there)] = flat.to_numpy(zero_copy_only=False).reshape(-1, d)
    return values


def _unequal(source: str, lengths: Collection[int]) -> InputError:
    return InputError(
        f"embeddings of {source} differ in length",
        expected="vectors of one model, all of the same length",
        found=" and ".join(f"{length:,}" for length in sorted(lengths)[:3]),
        next_step="correct the column, or leave the group `embeddings` out of metrics",
    )


def follow_tracks(task: TrackTask) -> None:
    """Measure whole tracks, and leave the values for each partition."""
    relations, place = task.relations, task.relations.place(task.source)
    left = [relations.scratch.get(_to_track(place, task.bucket, p)) for p in range(task.n_partitions)]
    joined = {name: np.concatenate([each[name] for each in left]) for name in ("track", "frame_index", *_BOX)}
    # Frames are whole in a partition, so that rows of all partitions together are in order within a frame.
    order = np.arange(len(joined["track"]))
    values = track_metrics(
        joined["track"], joined["frame_index"], order, *(joined[name].astype(np.float64) for name in _BOX)
    )
    start = 0
    for index, each in enumerate(left):
        end = start + len(each["row"])
        arrays = {"row": each["row"], "values": values[start:end]}
        relations.scratch.put(_tracked(place, task.bucket, index), arrays)
        start = end


def find_neighbours(task: NeighbourTask) -> float:
    """Compare the vectors of a source, leave values for each partition; the index's recall."""
    relations, place = task.relations, task.relations.place(task.source)

    def batches() -> Iterator[Vectors]:
        for index in range(task.n_partitions):
            yield Vectors(**relations.scratch.get(_vectors(place, index), _VECTOR_COLUMNS))

    def column(name: str) -> list[Array]:
        return [
            relations.scratch.get(_vectors(place, index), [name])[name] for index in range(task.n_partitions)
        ]

    lengths = {int(length) for length in np.concatenate(column("length")) if length}
    if len(lengths) > 1:
        raise _unequal(task.source, lengths)
    codes, rows = np.concatenate(column("code")), column("row")
    n, d = len(codes), max(lengths, default=0)
    if n < 2:
        for index in range(task.n_partitions):
            nothing: dict[str, Array] = {"row": np.empty(0, np.int64), "values": np.empty(0, np.float32)}
            relations.scratch.put(_near(place, index), nothing)
        return 1.0
    check_fits(n, d, task.max_bytes)
    training = training_sample((batch for batch in batches() if len(batch)), n)
    nearest_index = NearestIndex(n, d, training)
    for batch in batches():
        nearest_index.add(batch.vectors)
    k = 1 if task.source == FRAME else N_NEAREST
    values, first = np.empty(n, np.float32), 0
    for block in blocks(batch.vectors for batch in batches()):
        nearest, end = nearest_index.nearest(block, first, k), first + len(block)
        if task.source == FRAME:
            values[first:end] = uniqueness(nearest)
        else:
            values[first:end] = label_agreement(nearest, codes[first:end], codes)
        first = end
    first = 0
    for index, of_partition in enumerate(rows):
        end = first + len(of_partition)
        relations.scratch.put(_near(place, index), {"row": of_partition, "values": values[first:end]})
        first = end
    return measured_recall(nearest_index, batches, n, k)


def _to_track(place: int, bucket: int, index: int) -> str:
    return f"track-{place}-{bucket:04d}-{index:05d}"


def _tracked(place: int, bucket: int, index: int) -> str:
    return f"tracked-{place}-{bucket:04d}-{index:05d}"


def _vectors(place: int, index: int) -> str:
    return f"vectors-{place}-{index:05d}"


def _near(place: int, index: int) -> str:
    return f"near-{place}-{index:05d}"
