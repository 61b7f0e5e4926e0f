"""Work that is timed in a fresh process, every library held to one thread."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
THREADS = (
    "ARROW_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
)


def one_thread() -> dict[str, str]:
    """The environment with one thread for each library that asks it: most do when they load.

    Python keeps its bytecode, as it does unless it is told not to: a run that compiles 2,000 modules anew is
    not a warm one.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **dict.fromkeys(THREADS, "1")}


def run_fresh(module: str, *arguments: object) -> dict:
    """What `python -m module arguments` prints as its last line, one JSON object. Ends where that fails."""
    finished = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=one_thread(), capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if finished.returncode:
        sys.exit(f"{module} {' '.join(map(str, arguments))} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def hold_arrow() -> None:
    """Arrow's own pools, which some of its calls use whatever the environment says."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
