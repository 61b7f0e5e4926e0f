"""One source of labels or predictions: read, or known by the footers of its Parquet files."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.config import EvaluationConfig
from emqa_core.errors import InputError, PlanError
from emqa_core.ingest.class_columns import classes_of
from emqa_core.ingest.columns import Kind
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine, empty_quarantine
from emqa_core.ingest.validate import VALIDATE_OBJECTS
from emqa_core.pipeline.choose_cluster import HELD_FACTOR, can_be_held
from emqa_core.pipeline.frame_rows import FrameRows
from emqa_core.pipeline.inputs import HeldRows, ParquetRows, RowSource, UnclusteredRows


@dataclass
class OpenedSource:
    """One source of objects: read, or known by its footers."""

    kind: Kind
    key: str
    name: str
    table: pa.Table | None
    parquet: ParquetSource | None
    quarantine: pa.Table
    n_rows: int
    digest: str
    bytes_read: int

    @classmethod
    def of_parquet(cls, source: ParquetSource, kind: Kind, key: str, name: str) -> OpenedSource:
        """A source whose rows stay where they are for now."""
        return cls(
            kind, key, name, None, source, empty_quarantine(), source.n_rows, source.digest,
            source.n_bytes_stored,
        )  # fmt: skip

    def classes(self) -> list[tuple[int | str, str]]:
        """Id and name of every class that the source lists, or that its rows name."""
        if self.parquet is not None and (self.table is None or self.parquet.classes is not None):
            return list(self.parquet.read_classes())
        assert self.table is not None
        return list(classes_of(self.table))

    def column_types(self) -> pa.Schema:
        """The columns as they are named here."""
        if self.table is not None:
            return self.table.schema
        assert self.parquet is not None
        return self.parquet.schema

    def frame_ids(self) -> pa.Array:
        """Distinct frame ids of the rows, a row group at a time."""
        if self.table is not None:
            return pc.unique(self.table["frame_id"]).drop_null()
        assert self.parquet is not None
        return combined(self.parquet.distinct(["frame_id"])["frame_id"]).drop_null()

    def rows(self, frames: FrameRows, config: EvaluationConfig) -> RowSource:
        """The source, cut by frame. Held rows are checked here; those of Parquet when they are read."""
        if self.parquet is not None:
            if self._stays_on_storage(frames):
                return ParquetRows.of(self.parquet, frames)
            if self._is_shuffled(config):
                listed = None if frames.ascend else frames.find(pa.chunked_array([], frames.id_type))[0]
                return UnclusteredRows(self.parquet, listed, frames.n_frames)
            self.table = self.parquet.read()
        assert self.table is not None
        table = _with_ids_of(self.table, frames.id_type, self.name)
        known, position = frames.find(table["frame_id"])
        table, bad = VALIDATE_OBJECTS[self.kind](table, known)
        self.quarantine = combine_quarantine([self.quarantine, bad])
        check_quarantine_share(
            self.quarantine.num_rows, self.n_rows, self.name, config.max_quarantine_share, self.quarantine
        )
        return HeldRows.of(table, known, position)

    @property
    def _parquet_bytes(self) -> int:
        return 0 if self.parquet is None else self.parquet.n_bytes

    def unclustered_bytes(self, frames: FrameRows) -> int:
        """Unpacked size of rows on storage that have to be brought together by frame; 0 of all others."""
        return 0 if self.parquet is None or self._stays_on_storage(frames) else self._parquet_bytes

    def _is_shuffled(self, config: EvaluationConfig) -> bool:
        """Whether the cluster brings the rows together.

        Raises PlanError where there is none and the rows are too many for this process.
        """
        assert self.parquet is not None
        size = self._parquet_bytes
        fits = can_be_held(size, config.cluster)
        if config.cluster.address != "none":
            return size > config.cluster.hold_below_mib << 20 or not fits
        promised, needed = config.cluster.memory_per_worker_mib << 20, size * HELD_FACTOR
        if not fits:
            raise PlanError(
                f"{self.name} are not clustered by frame and need about {needed / 2**30:.1f} GiB",
                expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
                next_step="sort the files by frame_id, or run on a cluster, which shuffles them",
            )
        return False

    def _stays_on_storage(self, frames: FrameRows) -> bool:
        """Whether partitions are stretches of the row groups: both ascend by frame id."""
        assert self.parquet is not None
        is_same_type = self.parquet.schema.field("frame_id").type == frames.id_type
        return self.parquet.is_clustered and is_same_type and frames.ascend


def _with_ids_of(table: pa.Table, type_: pa.DataType, name: str) -> pa.Table:
    """A table whose frame ids have the type of the frame table's."""
    position = table.schema.get_field_index("frame_id")
    column = table["frame_id"]
    if column.type == type_:
        return table
    try:
        return table.set_column(position, "frame_id", column.cast(type_))
    except pa.ArrowInvalid:
        found = pc.unique(column)[:3].to_pylist()
        raise InputError(
            f"{name}: column 'frame_id' does not fit the frames",
            expected="whole numbers, as in the frame table" if pa.types.is_integer(type_) else str(type_),
            found=f"{column.type}: {', '.join(map(repr, found))}, ...",
            next_step="give frames and objects the same ids",
        ) from None
