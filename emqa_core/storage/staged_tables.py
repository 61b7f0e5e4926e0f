"""Input rows laid out for workers: a partition's slice of a source that only the driver has read."""

from __future__ import annotations

import pyarrow as pa

from emqa_core.storage.location import Location
from emqa_core.storage.parts import work_location


def write_staged(location: Location, run_id: str, name: str, table: pa.Table) -> None:
    """Leave rows in the folder of a run's attempt as an Arrow file."""
    sink = pa.BufferOutputStream()
    # A slice of a larger table must not drag the whole of its buffers along.
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    work_location(location, run_id).child(f"{name}.arrow").write_bytes(memoryview(sink.getvalue()))


def read_staged(location: Location, run_id: str, name: str) -> pa.Table:
    """The rows left under a name."""
    data = work_location(location, run_id).child(f"{name}.arrow").read_bytes()
    return pa.ipc.open_file(pa.py_buffer(data)).read_all()
