"""The driver dies, its workers live on: the next driver takes over what they finished."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from emqa_core.cli import main
from tests.command import emqa
from tests.faults.nights import Night, Reader, files_of_no_run, left_over, the_run, write_night
from tests.oracles.same_run import differences, tables_of
from tests.processes import BIN, DaskProcesses, dask_processes, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
N_PARTITIONS = 30


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path_factory.mktemp("dask"), n_workers=1) as processes:
        yield processes


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return write_night(tmp_path_factory.mktemp("night"))


def test_a_driver_that_is_killed_leaves_the_next_one_what_its_workers_finished(
    night: Night, dask: DaskProcesses, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, output = tmp_path / "whole", tmp_path / "eval"
    assert main(night.words(whole, "--quiet", "--json")) == 0
    expected = tables_of(the_run(whole))
    cluster = {"address": dask.address, "partitions": N_PARTITIONS, "memory_per_worker_mib": 768}
    words = night.words(
        output, "--json", *(word for k, v in cluster.items() for word in ("--set", f"cluster.{k}={v}"))
    )
    reader = Reader(output, expected)
    with running([BIN / "emqa", *words], tmp_path / "log") as driver:
        wait_until(lambda: len(finished(output)) > 2, driver, timeout_s=150)
        os.kill(driver.pid, signal.SIGKILL)
        driver.popen.wait()
    reader.look()
    assert reader.n_found == 0
    n_finished = len(finished(output))
    assert n_finished < N_PARTITIONS
    done = emqa(capsys, *words)
    assert done.code == 0, done.err
    found = re.search(rf"reusing (\d+) of {N_PARTITIONS} finished partitions", done.err)
    # A worker ends the task that it has in hand.
    assert found and int(found[1]) >= n_finished
    (run,) = json.loads(done.out)["runs"]
    assert (run["n_partitions"], run["cluster"]) == (N_PARTITIONS, dask.address)
    reader.look()
    assert reader.n_found == 1
    assert differences(tables_of(the_run(output)), expected) == []
    assert files_of_no_run(output) == set()
    # Nor may what that task wrote late lie about.
    assert left_over(output) == []


def finished(output: Path) -> list[Path]:
    return list(output.glob("_emqa/work/*/*/state-*.zip"))
