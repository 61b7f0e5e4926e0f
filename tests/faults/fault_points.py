"""Places in the middle of each stage where a worker can be made to die or to wait: a preload for workers.

    dask worker ... --preload tests.faults.fault_points

A point is armed by a file in the folder that FAULT_POINTS names, `reduce.kill` for instance. The first worker
that comes there takes the file, so that one worker does it once, whatever is run again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.data import ROOT
from tests.processes import Process, wait_until

STAGES = ("evaluate", "count", "reduce")
WORKER_OPTIONS = ("--preload", "tests.faults.fault_points", "--memory-limit", "768MiB")
_FOLDER = "FAULT_POINTS"


def worker_env(folder: Path) -> dict[str, str]:
    """What a worker with the points needs to be told."""
    return {_FOLDER: str(folder), "PYTHONPATH": str(ROOT)}


def arm(folder: Path, stage: str, action: str) -> None:
    """Let the next worker in the middle of a stage die (`kill`) or wait there until it is killed (`hold`)."""
    (folder / f"{stage}.{action}").touch()


def reached(folder: Path, stage: str) -> int | None:
    """The process that came to an armed point."""
    for path in folder.glob(f"{stage}.reached.*"):
        return int(path.name.rpartition(".")[2])
    return None


def disarm(folder: Path) -> None:
    """Forget what was armed and reached."""
    for path in folder.iterdir():
        path.unlink()


def wait_until_reached(folder: Path, stage: str, process: Process) -> int:
    """The process that came to an armed point, as soon as one did; `process` must live until then."""
    wait_until(lambda: reached(folder, stage) is not None, process)
    found = reached(folder, stage)
    assert found is not None
    return found


def dask_setup(worker: object) -> None:
    """What a worker of a local cluster does first, and the points."""
    from emqa_core.pipeline import shuffle, worker_process
    from emqa_core.pipeline.partition_states import RecordedScratch
    from emqa_core.pipeline.scratch import StoredScratch

    worker_process.dask_setup(worker)
    folder = Path(os.environ[_FOLDER])
    # Evaluate leaves arrays for the stages that follow, after its tables' parts; these read them.
    put, get, get_words = RecordedScratch.put, StoredScratch.get, StoredScratch.get_words
    write_staged = shuffle.write_staged

    def put_and_come(scratch: RecordedScratch, name: str, *values: Any) -> None:
        put(scratch, name, *values)
        _come(folder, "evaluate")

    def get_and_come(scratch: StoredScratch, name: str, *values: Any) -> Any:
        arrays = get(scratch, name, *values)
        _come(folder, "count")
        return arrays

    def get_words_and_come(scratch: StoredScratch, *values: Any) -> Any:
        words = get_words(scratch, *values)
        _come(folder, "reduce")
        return words

    RecordedScratch.put = put_and_come  # type: ignore[method-assign, assignment]
    StoredScratch.get = get_and_come  # type: ignore[method-assign, assignment]
    StoredScratch.get_words = get_words_and_come  # type: ignore[method-assign, assignment]
    shuffle.write_staged = _and_come(write_staged, folder, "shuffle")


def _and_come(function: Callable[..., Any], folder: Path, stage: str) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        result = function(*values)
        _come(folder, stage)
        return result

    return call


def _come(folder: Path, stage: str) -> None:
    pid = os.getpid()
    for action in ("kill", "hold"):
        try:
            (folder / f"{stage}.{action}").rename(folder / f"{stage}.reached.{pid}")
        except FileNotFoundError:
            continue
        if action == "kill":
            os.kill(pid, signal.SIGKILL)
        while True:
            time.sleep(60)
