"""A Dask scheduler and workers as processes of their own, and what each of them took."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.fresh import THREADS
from tests.processes import DaskProcesses, Process, dask_processes


@dataclass(frozen=True)
class Usage:
    """CPU seconds and peak memory of a process since it started."""

    cpu_s: float
    peak_mib: float


@contextmanager
def cluster(n_workers: int) -> Iterator[DaskProcesses]:
    """`dask scheduler` and `dask worker`s of one thread, stopped also where the benchmark is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    # Bytecode is kept, as by default; the tests' processes take the whole environment over.
    env = {**dict.fromkeys(THREADS, "1"), "PYTHONDONTWRITEBYTECODE": ""}
    with (
        tempfile.TemporaryDirectory(prefix="emqa-bench-") as folder,
        dask_processes(Path(folder), n_workers, env=env) as processes,
    ):
        yield processes


def usage_of(process: Process) -> Usage:
    """Of a process, or of the worker process that `dask worker` started: the largest of its children."""
    started = psutil.Process(process.pid).children(recursive=True)
    return max((_usage(each) for each in started or [psutil.Process(process.pid)]), key=lambda u: u.peak_mib)


def _usage(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    peak_kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    return Usage(times.user + times.system, peak_kib / 1024)
