"""Runs of the `emqa` command under a fault, and what must hold of them afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from emqa_core import evaluate, read_run
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs
from tests.command import Answer
from tests.faults.polling_reader import PollingReader
from tests.oracles.same_run import KEYS, differences, tables_of
from tests.oracles.synthetic import make_data_set

N_PARTITIONS = 4
MEMORY_MIB = 768
BLOCK = 4096  # bytes that a file takes at least
ROWS_TOGETHER = 50  # few, so that a shuffle is one
NAMES = ("labels", "predictions", "frames")
NIGHT = "2026-03-01"
IOU_THRESHOLDS = [0.5, 0.75]


@dataclass(frozen=True)
class FaultInputs:
    """A small data set as Parquet files, its rows in no order, in a folder by its path or URL."""

    folder: Path | str

    @classmethod
    def write(cls, folder: Path) -> FaultInputs:
        data = make_data_set(40, crowds=True)
        for name in NAMES:
            getattr(data, name).to_parquet(folder / f"{name}.parquet", row_group_size=ROWS_TOGETHER)
        return cls(folder)

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}.parquet"

    def command(self, output: str, *more: str, model: str = "detector") -> list[str]:
        """The words of `emqa run`."""
        words = [
            "run",
            "--labels",
            self.path("labels"),
            "--predictions",
            f"{model}={self.path('predictions')}",
        ]
        words += ["--frames", self.path("frames"), "--output", output, "--run-date", NIGHT, "--quiet"]
        options = [f"iou_thresholds={IOU_THRESHOLDS}", f"cluster.partitions={N_PARTITIONS}", *more]
        # A run is whole without its page; what happens to pages is not what these tests are about.
        return words + [word for option in (*options, "report=false") for word in ("--set", option)]

    def on_cluster(self, output: Path, address: str, *more: str) -> list[str]:
        """The words of `emqa run` with small workers, which may take their time to be replaced."""
        options = (f"cluster.address={address}", f"cluster.memory_per_worker_mib={MEMORY_MIB}")
        return self.command(str(output), *options, "cluster.timeout_s=180", *more)


@dataclass(frozen=True)
class Undisturbed:
    """The tables of a run that nothing disturbed, and the room that its files take on a disk."""

    tables: dict[str, pa.Table] = field(repr=False)
    n_bytes: int

    @classmethod
    def of(cls, inputs: FaultInputs, folder: Path) -> Undisturbed:
        run = evaluate(
            labels=inputs.path("labels"),
            predictions={"detector": inputs.path("predictions")},
            frames=inputs.path("frames"),
            output=str(folder),
            run_date=NIGHT,
            iou_thresholds=IOU_THRESHOLDS,
            cluster={"partitions": N_PARTITIONS},
            report=False,
        )["detector"]
        assert isinstance(run, Run)
        blocks = [-(-size // BLOCK) for size in Location.of(folder).sizes().values()]
        return cls(tables_of(run), sum(blocks) * BLOCK)

    @property
    def rows(self) -> dict[str, int]:
        return {name: self.tables[name].num_rows for name in KEYS}

    def differences(self, output: str) -> list[str]:
        """What the one run of a location has otherwise, or twice, or beside its rows."""
        location = Location.of(output)
        if (n_runs := list_runs(location).num_rows) != 1:
            return [f"{n_runs} runs"]
        run = read_run(location)
        left = [url for url in location.list() if "/_emqa/" in url or "/." in url.removeprefix(location.url)]
        return differences(tables_of(run), self.tables) + [f"left behind: {url}" for url in left]


@dataclass
class Injection:
    """What is done to a run while it works, in a thread of its own."""

    act: Callable[[], None]
    failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.act()
        except BaseException as failure:  # noqa: BLE001 it is the test's, raised in its thread
            self.failure = failure


@contextmanager
def injected(act: Callable[[], None]) -> Iterator[None]:
    """Do something to what runs in the block; what fails in it fails the test."""
    injection = Injection(act)
    thread = threading.Thread(target=injection.run, daemon=True)
    thread.start()
    yield
    thread.join(180)
    if injection.failure is not None:
        raise injection.failure
    assert not thread.is_alive(), "the fault was not injected"


def assert_finished(answer: Answer, output: str, undisturbed: Undisturbed, reader: PollingReader) -> None:
    """The run is there, whole and once, and was never there in part."""
    assert answer.code == 0, answer.err
    differing = undisturbed.differences(output)
    assert differing == [], differing
    assert reader.problems(output, n_runs=1) == []


def assert_one_error(answer: Answer, code: int, *fragments: str) -> None:
    """The command ended with one error in words."""
    assert answer.code == code, answer.err
    lines = answer.err.splitlines()
    assert lines[0].startswith("error: "), answer.err
    assert len(lines) <= 2, answer.err
    for fragment in fragments:
        assert fragment in answer.err
