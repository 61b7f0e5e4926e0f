"""Workers that are killed in the middle of a stage: the run goes on, or says that nobody is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from emqa_core.errors import ClusterError
from emqa_core.pipeline import cluster as cluster_module
from tests.command import emqa
from tests.faults import fault_points
from tests.faults.fault_points import (
    STAGES,
    WORKER_OPTIONS,
    arm,
    disarm,
    reached,
    wait_until_reached,
    worker_env,
)
from tests.faults.faulted_runs import FaultInputs, Undisturbed, assert_finished, assert_one_error, injected
from tests.faults.polling_reader import PollingReader
from tests.processes import DaskProcesses, Process, dask_processes, dask_worker, wait_until_registered

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory, points: Path) -> Iterator[DaskProcesses]:
    folder = tmp_path_factory.mktemp("dask")
    with dask_processes(folder, 2, worker_options=WORKER_OPTIONS, env=worker_env(points)) as started:
        yield started


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("stage", ["shuffle", *STAGES])
def test_a_worker_killed_in_the_middle_of_a_stage(
    stage: str,
    dask: DaskProcesses,
    points: Path,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "eval"
    reader.watch(str(output), undisturbed.rows)
    arm(points, stage, "kill")
    # Held by the driver, rows need no shuffle.
    held = "cluster.hold_below_mib=0" if stage == "shuffle" else "cluster.hold_below_mib=512"
    answer = emqa(capsys, *inputs.on_cluster(output, dask.address, held))
    died = reached(points, stage)
    assert died is not None and not psutil.pid_exists(died)
    assert_finished(answer, str(output), undisturbed, reader)


def test_workers_of_a_local_cluster_killed_in_the_middle_of_every_stage(
    points: Path,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "eval"
    reader.watch(str(output), undisturbed.rows)
    monkeypatch.setattr(cluster_module, "WORKER_PRELOAD", fault_points.__name__)
    monkeypatch.setenv("FAULT_POINTS", str(points))
    disarm(points)
    for stage in STAGES:
        arm(points, stage, "kill")
    answer = emqa(capsys, *inputs.on_cluster(output, "local", "cluster.workers=1"))
    died = {reached(points, stage) for stage in STAGES}
    assert len(died) == len(STAGES) and None not in died
    assert_finished(answer, str(output), undisturbed, reader)


def test_nannies_killed_with_their_workers(
    dask: DaskProcesses,
    points: Path,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of two the other one finishes the run; without any it ends; with a new one it is done again.

    The last test of this file: it leaves the cluster without its workers.
    """
    first, second = tmp_path / "first", tmp_path / "second"

    def kill_the_one_in(stage: str) -> None:
        pid = wait_until_reached(points, stage, dask.scheduler)
        (nanny,) = [each for each in dask.workers if is_parent(each, pid)]
        nanny.kill()

    disarm(points)
    reader.watch(str(first), undisturbed.rows)
    arm(points, "evaluate", "hold")
    with injected(lambda: kill_the_one_in("evaluate")):
        answer = emqa(capsys, *inputs.on_cluster(first, dask.address))
    assert_finished(answer, str(first), undisturbed, reader)

    reader.watch(str(second), undisturbed.rows)
    arm(points, "count", "hold")
    with injected(lambda: kill_the_one_in("count")):
        answer = emqa(capsys, *inputs.on_cluster(second, dask.address, "cluster.timeout_s=1"))
    assert_one_error(answer, ClusterError.exit_code, dask.address, "has lost all its workers")
    assert reader.problems(str(second), n_runs=0) == []

    reader.watch(str(second), undisturbed.rows)
    with dask_worker(dask.address, tmp_path / "new.log", None, WORKER_OPTIONS, worker_env(points)) as new:
        wait_until_registered(new)
        answer = emqa(capsys, *inputs.on_cluster(second, dask.address))
    assert_finished(answer, str(second), undisturbed, reader)


def is_parent(process: Process, pid: int) -> bool:
    """Whether a process that runs has started the other one, or one that did."""
    if not process.is_running():
        return False
    return pid in {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
