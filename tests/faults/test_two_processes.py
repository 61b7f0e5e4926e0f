"""Two processes, one run: one evaluates it, neither harms the other, readers see it whole or not."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from emqa_core.cli import main
from emqa_core.errors import RunBusyError
from emqa_core.pipeline import partitioning
from emqa_core.storage.location import Location
from emqa_core.storage.runs import list_runs, read_run
from tests.command import EMQA, emqa
from tests.faults.nights import (
    N_PARTITIONS,
    Night,
    Reader,
    files_of_no_run,
    go_on,
    left_over,
    stop,
    the_run,
    write_night,
)
from tests.oracles.same_run import differences, tables_of
from tests.processes import Process, running, wait_until
from tests.seaweed import S3Store

pytestmark = pytest.mark.slow
QUICK_LEASE = ("--set", "storage.lease_s=3")
BUSY = RunBusyError.exit_code
EARLIER = ("--set", "run_date=2026-02-28")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return write_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def earlier(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output that holds the run of another night."""
    output = tmp_path_factory.mktemp("earlier") / "eval"
    assert main([*night.words(output, "--quiet", "--json"), *EARLIER]) == 0
    return output


@pytest.fixture(scope="module")
def undisturbed(night: Night, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    output = tmp_path_factory.mktemp("whole") / "eval"
    assert main(night.words(output, "--quiet", "--json")) == 0
    return tables_of(the_run(output))


def claimed(output: Path) -> bool:
    return any(output.glob("_emqa/leases/*/claim-*"))


def test_the_second_of_two_runs_ends_with_the_holder_s_name(
    night: Night, undisturbed: dict[str, pa.Table], tmp_path: Path
) -> None:
    output = tmp_path / "eval"
    words = [EMQA, *night.words(output, *QUICK_LEASE)]
    reader = Reader(output, undisturbed)
    with running(words, tmp_path / "first.log") as first:
        wait_until(lambda: claimed(output), first)
        # Suspended and woken, so that it surely is at work while the second one looks; it never is silent
        # for as long as it may be.
        stop(first)
        with running(words, tmp_path / "second.log") as second:
            wait_until(lambda: "is claimed by" in second.log.read_text(), second)
            go_on(first)
            reader.until_ended([first, second])
        assert (first.popen.returncode, second.popen.returncode) == (0, BUSY)
    said = second.log.read_text()
    assert f"process {first.pid} on " in said and "by its clock" in said
    assert "error: another process evaluates run 2026-03-01-predictions" in said
    assert "Traceback" not in said
    assert reader.n_found > 0
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


@pytest.mark.s3
def test_two_runs_that_start_at_once_in_a_store(
    s3: S3Store, night: Night, undisturbed: dict[str, pa.Table], tmp_path: Path
) -> None:
    output = s3.folder()
    words = [EMQA, *night.words(output)]
    reader = Reader(output, undisturbed)
    with ExitStack() as stack:
        pair = [stack.enter_context(running(words, tmp_path / f"{number}.log")) for number in range(2)]
        reader.until_ended(pair)
        codes = [process.popen.returncode for process in pair]
    logs = [process.log.read_text() for process in pair]
    assert 0 in codes and set(codes) <= {0, BUSY}, logs
    assert not any("Traceback" in log for log in logs)
    if codes == [0, 0]:  # the second one came when the first had ended
        assert any("already complete" in log or "nothing to do" in log for log in logs)
    reader.look()
    assert reader.n_found > 0
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


@pytest.mark.parametrize(
    ("stage", "n_partitions"),
    [("evaluate", N_PARTITIONS - 2), ("between-tables", N_PARTITIONS - 2), ("within-row", N_PARTITIONS)],
)
def test_a_run_that_slept_notices_that_another_process_took_over(
    stage: str,
    n_partitions: int,
    night: Night,
    earlier: Path,
    undisturbed: dict[str, pa.Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It sleeps, at the latest with the row of `run` ready to be sent; it wakes when the other has ended."""
    output = tmp_path / "eval"
    shutil.copytree(earlier, output)
    words = night.words(output, "--json", *QUICK_LEASE)
    jobs = tmp_path / "jobs.json"
    jobs.write_text(
        json.dumps([{"words": words, "stage": stage, "signal": signal.SIGSTOP, "is_stored": True}])
    )
    monkeypatch.setattr(partitioning, "_SCRATCH_SHARE", 0.0)
    with running([sys.executable, "-m", "tests.faults.faulty_runs", jobs], tmp_path / "log") as sleeper:
        wait_until(asleep(sleeper), sleeper)
        assert list_runs(Location.of(output)).num_rows == 1
        done = emqa(capsys, *words, "--set", f"cluster.partitions={n_partitions}")
        assert done.code == 0, done.err
        assert re.search(r"is claimed by process \d+ on ", done.err)
        assert ("reusing" in done.err) == (n_partitions == N_PARTITIONS)
        row = read_run(Location.of(output)).row()
        psutil.Process(sleeper.pid).children()[0].send_signal(signal.SIGCONT)
        sleeper.popen.wait(60)
    log = sleeper.log.read_text()
    assert log.splitlines()[-1] == f"[{BUSY}]", log
    assert "lost run 2026-03-01-predictions" in log
    assert list_runs(Location.of(output)).num_rows == 2
    run = read_run(Location.of(output))
    assert run.row() == row
    assert differences(tables_of(run), undisturbed) == []
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


def asleep(parent: Process) -> Callable[[], bool]:
    """Whether the child of a process has stopped."""

    def holds() -> bool:
        return any(child.status() == psutil.STATUS_STOPPED for child in psutil.Process(parent.pid).children())

    return holds
