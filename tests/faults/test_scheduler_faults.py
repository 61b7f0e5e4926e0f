"""A scheduler that is killed in the middle of a run ends it with one error; the next start finishes it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from emqa_core.errors import ClusterError
from tests.command import emqa
from tests.faults.fault_points import WORKER_OPTIONS, arm, wait_until_reached, worker_env
from tests.faults.faulted_runs import FaultInputs, Undisturbed, assert_finished, assert_one_error, injected
from tests.faults.polling_reader import PollingReader
from tests.processes import dask_scheduler, dask_worker, free_port, wait_until_registered

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.usefixtures("small_reads")
def test_a_scheduler_killed_and_started_again(
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    points: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its workers end with it, as Dask's do: whoever starts the scheduler starts them too.

    In the middle of a shuffle, which Dask does as a whole; tests of executors lose one between tasks.
    """
    output, port = tmp_path / "eval", free_port()
    address = f"tcp://127.0.0.1:{port}"
    words = inputs.on_cluster(output, address, "cluster.hold_below_mib=0")
    reader.watch(str(output), undisturbed.rows)
    with ExitStack() as stack:

        def start_worker(name: str) -> None:
            log = tmp_path / f"{name}.log"
            worker = dask_worker(address, log, None, WORKER_OPTIONS, worker_env(points))
            wait_until_registered(stack.enter_context(worker))

        scheduler = stack.enter_context(dask_scheduler(tmp_path, port))
        start_worker("first")

        def kill_and_start() -> None:
            wait_until_reached(points, "shuffle", scheduler)
            scheduler.kill()
            stack.enter_context(dask_scheduler(tmp_path, port))

        arm(points, "shuffle", "hold")
        with injected(kill_and_start):
            answer = emqa(capsys, *words)
        assert_one_error(answer, ClusterError.exit_code, address, "was lost", "run again")
        assert reader.problems(str(output), n_runs=0) == []

        reader.watch(str(output), undisturbed.rows)
        start_worker("second")
        assert_finished(emqa(capsys, *words), str(output), undisturbed, reader)
