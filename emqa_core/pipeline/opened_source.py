"""One source of labels or predictions: read, or known by the footers of its Parquet files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.config import EvaluationConfig
from emqa_core.errors import InputError, PlanError
from emqa_core.ingest.class_columns import classes_of
from emqa_core.ingest.columns import Kind
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine, empty_quarantine
from emqa_core.ingest.validate import VALIDATE_OBJECTS
from emqa_core.pipeline.inputs import HeldRows, ParquetRows, RowSource, UnclusteredRows

_HELD_FACTOR = 3  # rows as they were read, a partition's share of them in order, and the arrays made from it


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

    def frame_ids(self) -> pa.Array:
        """Distinct frame ids of the rows."""
        if self.table is not None:
            column = self.table["frame_id"]
        else:
            assert self.parquet is not None
            column = self.parquet.read(columns=["frame_id"])["frame_id"]
        return pc.unique(column).drop_null()

    def rows(self, frame_ids: pa.Array, config: EvaluationConfig) -> RowSource:
        """The source, cut by frame. Held rows are checked here; those of Parquet when they are read."""
        if self.parquet is not None:
            if self._stays_on_storage(frame_ids):
                return ParquetRows(self.parquet, frame_ids)
            if self._is_shuffled(config):
                return UnclusteredRows(self.parquet, frame_ids)
            self.table = self.parquet.read()
        assert self.table is not None
        table, bad = VALIDATE_OBJECTS[self.kind](
            _with_ids_of(self.table, frame_ids.type, self.name), frame_ids
        )
        self.quarantine = combine_quarantine([self.quarantine, bad])
        check_quarantine_share(
            self.quarantine.num_rows, self.n_rows, self.name, config.max_quarantine_share, self.quarantine
        )
        return HeldRows.of(table, frame_ids)

    def _is_shuffled(self, config: EvaluationConfig) -> bool:
        """Whether the cluster brings the rows together.

        Raises PlanError where there is none and the rows are too many for this process.
        """
        assert self.parquet is not None
        size = sum(group.n_bytes for group in self.parquet.row_groups)
        if config.cluster.address != "none":
            return size > config.cluster.hold_below_mib << 20
        promised, needed = config.cluster.memory_per_worker_mib << 20, size * _HELD_FACTOR
        if needed > promised:
            raise PlanError(
                f"{self.name} are not clustered by frame and need about {needed / 2**30:.1f} GiB",
                expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
                next_step="sort the files by frame_id, or run on a cluster, which shuffles them",
            )
        return False

    def _stays_on_storage(self, frame_ids: pa.Array) -> bool:
        """Whether partitions are stretches of the row groups: both ascend by frame id."""
        assert self.parquet is not None
        if not self.parquet.is_clustered or self.parquet.schema.field("frame_id").type != frame_ids.type:
            return False
        ids = frame_ids.to_numpy(zero_copy_only=False)
        return bool(np.all(ids[1:] > ids[:-1]))


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
