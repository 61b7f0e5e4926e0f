"""Held rows go to workers through storage, not through the scheduler."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from emqa_core.pipeline.inputs import HeldSlice, RowSlice
from emqa_core.storage.location import Location
from emqa_core.storage.staged_tables import read_staged, write_staged


@dataclass(frozen=True)
class StagedSlice:
    """Checked and sorted rows of a partition, left beside the output by the driver."""

    location: Location
    run_id: str
    name: str
    is_checked: bool = True

    def read(self) -> pa.Table:
        return read_staged(self.location, self.run_id, self.name)


def stage(rows: RowSlice, location: Location, run_id: str, name: str) -> RowSlice:
    """Rows as a worker can read them."""
    if not isinstance(rows, HeldSlice):
        return rows
    write_staged(location, run_id, name, rows.read())
    return StagedSlice(location, run_id, name)
