"""Rows that are not clustered by frame are brought together by Dask's own shuffle, once, before the stages.

Dask's peer-to-peer shuffle keeps rows on the workers' disks, so that its memory does not grow with the
source. Each row is sent by the partition of its frame; the partitions' rows are then left beside the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from emqa_core.combined import combined
from emqa_core.errors import ClusterError
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.objects import Array
from emqa_core.pipeline.execute import DaskExecutor
from emqa_core.pipeline.inputs import HeldSlice, RowSlice, Stretch, UnclusteredRows
from emqa_core.pipeline.rows import frame_of_rows
from emqa_core.pipeline.staging import StagedSlice, stage
from emqa_core.storage.location import Location
from emqa_core.storage.staged_tables import write_staged

if TYPE_CHECKING:
    import pandas as pd

_PARTITION = "__partition"
_ROWS_PER_READ = 500_000


@dataclass(frozen=True)
class FrameHomes:
    """The partition of each frame's rows; those of unknown frames go where they may.

    begins: where ids ascend, the id of the first frame of each partition but the first. Else listed: the
    frames in frame order, and bounds (P + 1,) int64 as in the plan.
    """

    begins: pa.Array
    listed: RowSlice | None
    bounds: Array

    @property
    def n_partitions(self) -> int:
        return len(self.bounds) - 1

    def partition_of(self, ids: pa.Array) -> Array:
        """Of rows with these frame ids, (n,) int64."""
        if self.listed is not None:
            frame = frame_of_rows(ids, combined(self.listed.read()["frame_id"]))
            partition = np.searchsorted(self.bounds, frame, side="right") - 1
        else:
            begins = self.begins.to_numpy(zero_copy_only=False)
            known = ids.drop_null().cast(self.begins.type).to_numpy(zero_copy_only=False)
            partition = np.zeros(len(ids), np.int64)
            partition[ids.is_valid().to_numpy(zero_copy_only=False)] = np.searchsorted(
                begins, known, side="right"
            )
        return np.clip(partition, 0, self.n_partitions - 1)


def frame_homes(
    rows: UnclusteredRows, stretches: Sequence[Stretch], location: Location, run_id: str
) -> FrameHomes:
    """Where the rows of a source belong, for workers: frames in no order are left beside the output."""
    bounds = np.array([stretches[0].first, *(stretch.last for stretch in stretches)])
    if rows.frame_ids is None:
        begins = pa.array(
            [stretch.first_id for stretch in stretches[1:]], rows.source.schema.field("frame_id").type
        )
        return FrameHomes(begins, None, bounds)
    listed = HeldSlice(pa.table({"frame_id": rows.frame_ids}))
    return FrameHomes(pa.array([]), stage(listed, location, run_id, "input-frames"), bounds)


@dataclass(frozen=True)
class _Destination:
    """Where shuffled rows are left, and the columns they have."""

    location: Location
    run_id: str
    prefix: str
    schema: pa.Schema


def shuffle_rows(
    rows: UnclusteredRows,
    homes: FrameHomes,
    executor: DaskExecutor,
    location: Location,
    run_id: str,
    prefix: str,
) -> list[RowSlice]:
    """The rows of each partition, left beside the output; unchecked. Raises
    ClusterError when a row was lost on the way or a worker's disk is full.
    """
    import dask.dataframe as dd

    schema = _plain_schema(rows.source.schema)
    target = _Destination(location, run_id, prefix, schema)
    n_partitions = homes.n_partitions
    groups = _stretches(rows)
    meta = _as_pandas(schema.empty_table()).assign(**{_PARTITION: np.zeros(0, np.int64)})
    sources = [rows.source.only(each) for each in groups]
    read = dd.from_map(_read, sources, homes=homes, schema=schema, meta=meta)
    # Named: without a default client Dask would take its shuffle for one machine, over a folder of that one.
    n_shuffled = min(n_partitions, max(len(groups), 1))
    shuffled = read.shuffle(on=_PARTITION, npartitions=n_shuffled, shuffle_method="p2p")
    counted = shuffled.map_partitions(
        _write, target, meta={_PARTITION: np.int64, "n": np.int64}, enforce_metadata=False
    )
    written = _computed(counted, executor)
    n_written = int(written["n"].sum())
    if n_written != rows.n_rows:
        raise ClusterError(
            "the shuffle lost rows",
            expected=f"{rows.n_rows:,}",
            found=f"{n_written:,}",
            next_step="run again",
        )
    filled = set(written[_PARTITION].tolist())
    return [
        StagedSlice(location, run_id, _name(prefix, index), is_checked=False)
        if index in filled
        else HeldSlice(schema.empty_table())
        for index in range(n_partitions)
    ]


def _computed(counted: Any, executor: DaskExecutor) -> Any:
    try:
        return executor.compute(counted)
    except Exception as error:
        if type(error).__name__ != "P2POutOfDiskError":  # Dask keeps the class to itself
            raise
        raise ClusterError(
            f"a worker of {executor.description} cannot keep the rows that it shuffles: its disk is full",
            next_step="free space in the workers' --local-directory, or start more workers, then run again",
        ) from error


def _stretches(rows: UnclusteredRows) -> list[tuple[int, ...]]:
    """Row groups that are read together, up to half a million rows each."""
    stretches: list[tuple[int, ...]] = []
    held: list[int] = []
    n_held = 0
    for index, group in enumerate(rows.source.row_groups):
        held.append(index)
        n_held += group.n_rows
        if n_held >= _ROWS_PER_READ:
            stretches.append(tuple(held))
            held, n_held = [], 0
    return [*stretches, tuple(held)] if held else stretches


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """Dictionaries as their values: pandas would make categories of them, which differ between partitions."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields)


def _as_pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def _read(source: ParquetSource, homes: FrameHomes, schema: pa.Schema) -> Any:
    table = source.read().cast(schema)
    partition = homes.partition_of(combined(table["frame_id"]))
    return _as_pandas(table).assign(**{_PARTITION: partition})


def _write(frame: pd.DataFrame, target: _Destination) -> pd.DataFrame:
    """Leave the rows of each partition in `frame` under its name; how many there were."""
    import pandas as pd

    counts = {}
    for partition in np.unique(frame[_PARTITION].to_numpy()).tolist():
        columns = frame[frame[_PARTITION] == partition].drop(columns=_PARTITION)
        table = pa.Table.from_pandas(columns, schema=target.schema, preserve_index=False)
        # Workers send rows in no order; input_index brings it back.
        table = table.sort_by("input_index").replace_schema_metadata()
        write_staged(target.location, target.run_id, _name(target.prefix, partition), table)
        counts[partition] = table.num_rows
    return pd.DataFrame({_PARTITION: list(counts), "n": list(counts.values())}, dtype=np.int64)


def _name(prefix: str, partition: int) -> str:
    return f"{prefix}-{partition:05d}"
