"""Real processes for tests: started on free ports, stopped by their id, their output kept in a file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.data import ROOT

BIN = Path(sys.executable).parent
_QUIET = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


@dataclass(frozen=True)
class Process:
    """A running process; `log` has what it wrote."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """End it and the processes that it started, those too that left its process group."""
        if self.is_running():
            started = psutil.Process(self.pid).children(recursive=True)
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
            for process in started:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def interrupt(self) -> None:
        """What Ctrl-C sends to a program on a terminal: SIGINT to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A process in a group of its own, ended with its children at the end of the block."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.kill()


def wait_until(holds: Callable[[], bool], process: Process, timeout_s: float = 180.0) -> None:
    """Until `holds()`; AssertionError with the process's output when it ends or time runs out."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert process.is_running(), f"{process.popen.args} has ended:\n{process.log.read_text()}"
        assert time.monotonic() < deadline, f"{process.popen.args} is late:\n{process.log.read_text()}"
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class DaskProcesses:
    """A scheduler and its workers; `tls` names ca.pem, node.pem and node.key's folder."""

    address: str
    scheduler: Process
    workers: tuple[Process, ...]
    tls: Path | None = None


@contextmanager
def dask_processes(
    folder: Path,
    n_workers: int = 2,
    tls: Path | None = None,
    worker_options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[DaskProcesses]:
    """`dask scheduler` and `dask worker` as infra/README.md starts them, one thread to a worker."""
    port = free_port()
    protocol = "tcp" if tls is None else "tls"
    address = f"{protocol}://127.0.0.1:{port}"
    with ExitStack() as stack:
        scheduler = stack.enter_context(dask_scheduler(folder, port, tls, env))
        workers = tuple(
            stack.enter_context(
                dask_worker(address, folder / f"worker-{number}.log", tls, worker_options, env)
            )
            for number in range(n_workers)
        )
        for worker in workers:
            wait_until_registered(worker)
        yield DaskProcesses(address, scheduler, workers, tls)


@contextmanager
def dask_scheduler(
    folder: Path, port: int, tls: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """`dask scheduler` on a port, as soon as it listens."""
    host = ["--host", f"{'tcp' if tls is None else 'tls'}://127.0.0.1", "--port", str(port)]
    command = [BIN / "dask", "scheduler", *host, *_QUIET, "--no-show", *_security(tls)]
    with running(command, folder / "scheduler.log", env) as scheduler:
        wait_until(lambda: answers(port), scheduler)
        yield scheduler


def dask_worker(
    address: str,
    log: Path,
    tls: Path | None = None,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> AbstractContextManager[Process]:
    """`dask worker` with a nanny and one thread; `wait_until_registered` says when it takes tasks."""
    command = [BIN / "dask", "worker", address, "--nthreads", "1", *_QUIET]
    own = [] if "--local-directory" in options else ["--local-directory", log.parent]
    return running([*command, *own, *_security(tls), *options], log, env)


def wait_until_registered(worker: Process) -> None:
    wait_until(lambda: "Registered to" in worker.log.read_text(), worker)


def _security(tls: Path | None) -> list[str | Path]:
    if tls is None:
        return []
    return ["--tls-ca-file", tls / "ca.pem", "--tls-cert", tls / "node.pem", "--tls-key", tls / "node.key"]


@contextmanager
def prefect_server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server with its own home; yields the environment that its clients need."""
    port = free_port()
    env = {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_PROMPT": "false",
    }
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with running(command, folder / "server.log", env) as server:
        wait_until(lambda: _is_healthy(port), server, timeout_s=120)
        yield env


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
