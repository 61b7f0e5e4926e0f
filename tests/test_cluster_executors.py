"""Tasks give the same results wherever they run, and what goes wrong with a cluster is told in words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from operator import add
from pathlib import Path

import dask
import numpy as np
import pytest

from emqa_core.config import ClusterConfig
from emqa_core.errors import ClusterError, ConfigError, InputError
from emqa_core.pipeline.cluster import open_executor
from emqa_core.pipeline.execute import Executor, InProcessExecutor
from infra.dask.make_certificates import make_certificates
from tests import cluster_tasks
from tests.cluster_tasks import Nap
from tests.data import ROOT
from tests.processes import DaskProcesses, Process, dask_processes, free_port

pytestmark = pytest.mark.cluster
MEMORY_MIB = 768


@pytest.fixture(scope="module")
def dask_plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    memory = ["--memory-limit", f"{MEMORY_MIB}MiB"]
    with dask_processes(tmp_path_factory.mktemp("dask"), worker_options=memory) as processes:
        yield processes


@pytest.fixture(scope="module")
def dask_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    folder = tmp_path_factory.mktemp("dask-tls")
    make_certificates(folder, ["127.0.0.1"])
    with dask_processes(folder, n_workers=1, tls=folder) as processes:
        yield processes


def cluster_config(dask: DaskProcesses, timeout_s: float = 20, **options: object) -> ClusterConfig:
    values: dict[str, object] = {
        "address": dask.address,
        "timeout_s": timeout_s,
        "memory_per_worker_mib": MEMORY_MIB,
    }
    if dask.tls is not None:
        values |= {
            "tls_ca_file": str(dask.tls / "ca.pem"),
            "tls_cert_file": str(dask.tls / "node.pem"),
            "tls_key_file": str(dask.tls / "node.key"),
        }
    return ClusterConfig.model_validate(values | options)


@pytest.fixture(scope="module", params=["none", "local", "tcp", "tls"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """The same tests over every way to run tasks."""
    if request.param in ("none", "local"):
        config = ClusterConfig(address=request.param, workers=2, memory_per_worker_mib=MEMORY_MIB)
    else:
        config = cluster_config(
            request.getfixturevalue(f"dask_{'plain' if request.param == 'tcp' else 'tls'}")
        )
    with open_executor(config) as opened:
        yield opened


def test_results_come_in_the_order_of_the_tasks(executor: Executor) -> None:
    naps = [Nap(number, 0.02 * (5 - number)) for number in range(6)]
    assert executor.map(cluster_tasks.sleep_and_square, naps) == [0, 1, 4, 9, 16, 25]


def test_results_add_up_in_the_order_of_the_tasks(executor: Executor) -> None:
    naps = [Nap(number, 0.02 * (5 - number)) for number in range(6)]
    reported: list[int] = []
    assert executor.combine(cluster_tasks.sleep_and_say, naps, add, reported.append) == "012345"
    assert sum(reported) == 6


def test_progress_counts_every_task_once(executor: Executor) -> None:
    reported: list[int] = []
    executor.map(cluster_tasks.sleep_and_square, [Nap(n, 0.0) for n in range(7)], reported.append)
    assert sum(reported) == 7


def test_no_tasks_give_no_results(executor: Executor) -> None:
    assert executor.map(cluster_tasks.worker_pid, []) == []


def test_an_expected_error_arrives_as_itself(executor: Executor) -> None:
    with pytest.raises(InputError) as caught:
        executor.map(cluster_tasks.fail_at_three, range(8))
    assert str(caught.value) == (
        "labels.json is truncated; expected a closing bracket; found its end; copy it again"
    )
    assert caught.value.next_step == "copy it again"
    assert executor.map(cluster_tasks.fail_at_three, [1, 2]) == [1, 2]  # and the executor goes on working


def test_an_unexpected_error_keeps_its_type_even_where_dask_uses_the_same(executor: Executor) -> None:
    with pytest.raises(TimeoutError, match=r"the store did not answer task 1"):
        executor.map(cluster_tasks.time_out, [1])


def test_a_task_runs_again_when_it_is_mapped_again(executor: Executor, tmp_path: Path) -> None:
    path = str(tmp_path / "runs")
    assert executor.map(cluster_tasks.count_up, [path]) == [1]
    assert executor.map(cluster_tasks.count_up, [path]) == [2]


def test_equal_tasks_are_separate_tasks(executor: Executor, tmp_path: Path) -> None:
    assert max(executor.map(cluster_tasks.count_up, [str(tmp_path / "runs")] * 3)) == 3


def test_states_travel_whole(executor: Executor) -> None:
    small, large = executor.map(cluster_tasks.state_of, [3, 2_000_000])
    assert np.array_equal(small, np.full(3, 7.0))
    assert large.shape == (2_000_000,)


def test_in_process_stays_here() -> None:
    executor = InProcessExecutor()
    assert {pid for _, pid in executor.map(cluster_tasks.worker_pid, range(3))} == {os.getpid()}
    assert (executor.n_workers, executor.description) == (1, "none")


@pytest.mark.parametrize("name", ["local", "tcp"])
def test_every_worker_works_with_one_thread(name: str, request: pytest.FixtureRequest) -> None:
    if name == "local":
        config = ClusterConfig(address="local", workers=2, memory_per_worker_mib=MEMORY_MIB)
    else:
        config = cluster_config(request.getfixturevalue("dask_plain"))
    with open_executor(config) as executor:
        pids = {pid for _, pid in executor.map(cluster_tasks.worker_pid, range(20))}
        threads = executor.map(cluster_tasks.threads_of_worker, range(4))
        assert executor.n_workers == 2
        assert executor.description == config.address
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {value for names in threads for value in names.values()} == {"1"}


def test_a_worker_that_dies_is_replaced_and_its_task_runs_again(tmp_path: Path) -> None:
    with open_executor(
        ClusterConfig(address="local", workers=1, memory_per_worker_mib=MEMORY_MIB)
    ) as executor:
        assert executor.map(cluster_tasks.end_own_process_once, [str(tmp_path / "died")]) == ["done"]


def test_a_task_that_kills_its_workers_is_named_with_the_usual_reason() -> None:
    config = ClusterConfig(address="local", workers=1, memory_per_worker_mib=MEMORY_MIB)
    with (
        # Dask's three further attempts would each wait for a new worker.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        open_executor(config) as executor,
        pytest.raises(ClusterError, match=r"died one after the other.*lower cluster.partition_predictions"),
    ):
        executor.map(cluster_tasks.end_own_process, [1])


def kill_soon(process: Process) -> None:
    threading.Timer(0.5, process.kill).start()


def test_a_lost_scheduler_is_named(tmp_path: Path) -> None:
    with dask_processes(tmp_path, n_workers=1) as processes:
        with open_executor(cluster_config(processes, timeout_s=5)) as executor:
            started = time.monotonic()
            kill_soon(processes.scheduler)
            with pytest.raises(
                ClusterError, match=r"connection to the cluster tcp://.* was lost; .* run again"
            ):
                executor.map(cluster_tasks.sleep_and_square, [Nap(1, 30), Nap(2, 30)])
        assert time.monotonic() - started < 20


def test_lost_workers_are_named(tmp_path: Path) -> None:
    with (
        dask_processes(tmp_path, n_workers=1) as processes,
        open_executor(cluster_config(processes, timeout_s=1)) as executor,
    ):
        kill_soon(processes.workers[0])
        with pytest.raises(ClusterError, match=r"has lost all its workers.*start workers"):
            executor.map(cluster_tasks.sleep_and_square, [Nap(1, 30), Nap(2, 30)])


def test_no_scheduler_is_named() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    config = ClusterConfig(address=address, timeout_s=1)
    with (
        pytest.raises(ClusterError, match=f"no connection to the Dask scheduler {address}.*check that"),
        open_executor(config),
    ):
        pass


def test_a_scheduler_without_workers_is_named(tmp_path: Path) -> None:
    with (
        dask_processes(tmp_path, n_workers=0) as processes,
        pytest.raises(ClusterError, match=f"{processes.address} has no workers.*dask worker"),
        open_executor(cluster_config(processes, timeout_s=1)),
    ):
        pass


def test_a_worker_with_too_little_memory_is_refused(dask_plain: DaskProcesses) -> None:
    with (
        pytest.raises(
            ClusterError,
            match=rf"too little memory.*{MEMORY_MIB + 1} MiB.*found {MEMORY_MIB} MiB for each of its 1 thr",
        ),
        open_executor(cluster_config(dask_plain, memory_per_worker_mib=MEMORY_MIB + 1)),
    ):
        pass


def test_a_worker_with_other_versions_is_refused(tmp_path: Path) -> None:
    # What importlib.metadata finds first on the worker's path is another emqa.
    metadata = tmp_path / "emqa-9.9.9.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: emqa\nVersion: 9.9.9\n")
    with (
        dask_processes(tmp_path, n_workers=1, env={"PYTHONPATH": str(tmp_path)}) as processes,
        pytest.raises(
            ClusterError, match=r"runs other versions.*found emqa 9\.9\.9; install from the same lock"
        ),
        open_executor(cluster_config(processes)),
    ):
        pass


def test_tls_needs_its_three_files(dask_tls: DaskProcesses, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"needs cluster.tls_key_file"),
        open_executor(cluster_config(dask_tls, tls_key_file=None)),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r"cluster.tls_ca_file; expected a PEM file"),
        open_executor(cluster_config(dask_tls, tls_ca_file=str(tmp_path / "absent.pem"))),
    ):
        pass


def test_a_certificate_of_another_authority_is_refused(dask_tls: DaskProcesses, tmp_path: Path) -> None:
    make_certificates(tmp_path, ["127.0.0.1"])
    stranger = {
        "tls_ca_file": str(tmp_path / "ca.pem"),
        "tls_cert_file": str(tmp_path / "node.pem"),
        "tls_key_file": str(tmp_path / "node.key"),
    }
    with (
        pytest.raises(ClusterError, match=r"no connection"),
        open_executor(cluster_config(dask_tls, timeout_s=3, **stranger)),
    ):
        pass


def test_a_plain_client_is_refused_by_a_scheduler_with_tls(dask_tls: DaskProcesses) -> None:
    address = dask_tls.address.replace("tls://", "tcp://")
    with (
        pytest.raises(ClusterError, match=r"no connection"),
        open_executor(ClusterConfig(address=address, timeout_s=3)),
    ):
        pass


def test_an_unknown_address_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match=r"expected none, local, tcp://host:port or tls://host:port"),
        open_executor(ClusterConfig(address="ssh://host")),
    ):
        pass


def test_a_script_without_a_guard_does_not_run_itself_again(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "print('started')\n"
        "from emqa_core.config import ClusterConfig\n"
        "from emqa_core.pipeline.cluster import open_executor\n"
        "from tests.cluster_tasks import fail_at_three\n"
        f"config = ClusterConfig(address='local', workers=2, memory_per_worker_mib={MEMORY_MIB})\n"
        "with open_executor(config) as executor:\n"
        "    print(executor.map(fail_at_three, range(3)))\n"
    )
    command = [sys.executable, script]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "started\n[0, 1, 2]\n"
    assert done.stderr == ""  # and Dask's log stays off the terminal
