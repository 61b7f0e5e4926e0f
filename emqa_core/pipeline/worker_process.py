"""What a worker process of a local cluster does before its first task; Dask calls `dask_setup` in it."""

from __future__ import annotations

import atexit
import os
import signal


def dask_setup(_worker: object) -> None:
    """Load the stages, ignore Ctrl-C, and end without ceremony."""
    # All workers load at the same time; otherwise one would load at its first task while others wait for it.
    import emqa_core.pipeline.stages  # noqa: F401

    # A terminal sends Ctrl-C to workers too; they end when the driver closes the cluster, not by themselves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the process has done lies in the store; taking down Numba, Arrow and pandas takes seconds.
    atexit.register(os._exit, 0)
