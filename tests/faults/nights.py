"""The night that the fault tests evaluate: every kind of column, bad rows, several partitions."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from emqa_core.errors import RunNotFoundError
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs, read_run
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set
from tests.processes import Process

N_PARTITIONS = 5


@dataclass(frozen=True)
class Night:
    """Input files, and the tables of an undisturbed run of them."""

    labels: Path
    predictions: Path
    frames: Path

    def words(self, output: object, *more: str) -> list[str]:
        """The words of the command."""
        inputs = ["--labels", self.labels, "--predictions", self.predictions, "--frames", self.frames]
        options = ["--set", f"cluster.partitions={N_PARTITIONS}", "--set", "max_quarantine_share=0.1"]
        thresholds = ["--set", "iou_thresholds=[0.5,0.75]", "--set", "run_date=2026-03-01"]
        return ["run", *map(str, [*inputs, "--output", output, *options, *thresholds, *more])]


def write_night(folder: Path, n_frames: int = 40) -> Night:
    data = make_data_set(n_frames, crowds=True)
    predictions = data.predictions.copy()
    predictions.loc[[5, 17], "width_px"] = -1.0  # two bad rows, for the quarantine
    paths = [folder / f"{name}.parquet" for name in ("labels", "predictions", "frames")]
    tables = (
        data.labels.sort_values("frame_id", kind="stable"),
        predictions.sort_values("frame_id", kind="stable"),
        data.frames,
    )
    for path, table in zip(paths, tables, strict=True):
        table.to_parquet(path, index=False)
    return Night(*paths)


def the_run(output: object) -> Run:
    """The one run of an output; AssertionError where there is none, or more."""
    location = Location.of(str(output))
    assert list_runs(location).num_rows == 1
    return read_run(location)


def left_over(output: object) -> list[str]:
    """Files of emqa's own that a finished run should not leave."""
    return [url.partition("/_emqa/")[2] for url in Location.of(str(output)).child("_emqa").list()]


def files_of_no_run(output: object) -> set[str]:
    """Data files that no table knows: counted by readers of plain Parquet."""
    location = Location.of(str(output))
    run = read_run(location)
    lying = {url for url in location.list() if url.endswith(".parquet") and "run_id=" in url}
    from emqa_core.storage.delta import open_table, run_files

    known = set()
    for name in run.tables:
        table = open_table(location, name)
        assert table is not None
        known |= {location.child(name, path).url for path in run_files(table)}
    return {url for url in lying if "/_delta_log/" not in url} - known


@dataclass
class Reader:
    """Looks at an output again and again, as a dashboard does, starting from the table `run`."""

    output: object
    expected: dict[str, pa.Table]
    n_looks: int = 0
    n_found: int = 0

    def look(self) -> None:
        """A run that is there must be whole."""
        self.n_looks += 1
        with suppress(RunNotFoundError):
            run = read_run(Location.of(str(self.output)))
            self.n_found += 1
            assert differences(tables_of(run), self.expected) == []

    def until_ended(self, processes: Sequence[Process], timeout_s: float = 120.0) -> None:
        self.until(lambda: not any(process.is_running() for process in processes), timeout_s)

    def until(self, holds: Callable[[], bool], timeout_s: float = 120.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline
            self.look()
            time.sleep(0.2)
        self.look()


def stop(process: Process) -> None:
    """Suspend a process, as a laptop that is closed or a paused machine does."""
    os.kill(process.pid, signal.SIGSTOP)


def go_on(process: Process) -> None:
    os.kill(process.pid, signal.SIGCONT)
