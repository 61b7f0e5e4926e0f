"""Opening and closing what runs the tasks: nothing, a cluster on this machine, or a remote scheduler."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emqa_core.config import ClusterConfig
from emqa_core.errors import ClusterError, ConfigError
from emqa_core.pipeline.choose_cluster import Machine
from emqa_core.pipeline.execute import DaskExecutor, Executor, InProcessExecutor

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

COMPARED_PACKAGES = ("emqa", "numpy", "numba", "pyarrow", "distributed")
MEBIBYTE = 1 << 20
WORKER_PRELOAD = "emqa_core.pipeline.worker_process"


@contextmanager
def open_executor(cluster: ClusterConfig) -> Iterator[Executor]:
    """The executor that `cluster.address` names, closed at the end; a plan has decided what `auto` means.

    ConfigError: an address of another form, missing TLS files. ClusterError: no connection, no worker
    within `cluster.timeout_s`, workers with other versions or less memory than the plan counts on.
    """
    if cluster.address == "none":
        yield InProcessExecutor()
    elif cluster.address == "local":
        with _quiet_dask(), _local_executor(cluster) as executor:
            yield executor
    elif cluster.address.startswith(("tcp://", "tls://")):
        with _quiet_dask(), _remote_executor(cluster) as executor:
            yield executor
    else:
        raise ConfigError(
            "option 'cluster.address'",
            expected="none, local, tcp://host:port or tls://host:port",
            found=cluster.address,
        )


@contextmanager
def _quiet_dask() -> Iterator[None]:
    """Keep Dask's log from the terminal: what matters is told as a ClusterError."""
    import distributed  # noqa: F401 -- its import sets the levels, so it comes first

    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _local_executor(cluster: ClusterConfig) -> Iterator[Executor]:
    import dask
    from distributed import Client, LocalCluster, Nanny

    n_workers = cluster.workers or max(1, Machine.here().n_workers(cluster))
    # Dask dismisses a nanny whose new worker is not there after 15 s, or dies at that moment; nobody would
    # work then. How long there may be no worker is `timeout_s`.
    never = dask.config.set({"distributed.deploy.lost-worker-timeout": "10000 h"})
    with _main_module_hidden():
        # Worker processes rather than threads: each has its own memory limit, and a killed one is replaced.
        local = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            worker_class=Nanny,
            memory_limit=cluster.memory_per_worker_mib * MEBIBYTE,
            dashboard_address=None,
            # Dask opens an HTTP port in any case: a free one, and for this machine alone.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
            preload=[WORKER_PRELOAD],
        )
    with never, local, Client(local, set_as_default=False) as client:
        yield DaskExecutor(client, "local", n_workers, cluster.timeout_s)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Start worker processes that do not import the caller's main module.

    They never need it. A script without `if __name__ == "__main__"` would run itself again in each of
    them, and a flow would bring Prefect along, at two seconds a worker.
    """
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {
        name: vars(main).pop(name) for name in ("__spec__", "__file__") if name in vars(main)
    }
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


@contextmanager
def _remote_executor(cluster: ClusterConfig) -> Iterator[Executor]:
    from distributed import Client

    security = _security(cluster)
    try:
        client = Client(cluster.address, security=security, timeout=cluster.timeout_s, set_as_default=False)
    except OSError as error:
        raise ClusterError(
            f"no connection to the Dask scheduler {cluster.address}",
            expected=f"an answer within {cluster.timeout_s:g} s",
            found=str(error),
            next_step="check that the scheduler runs, its address and port, and that both sides use"
            " tcp:// or both tls://",
        ) from error
    with client:
        n_workers = _require_fit_workers(client, cluster)
        yield DaskExecutor(client, cluster.address, n_workers, cluster.timeout_s)


def _security(cluster: ClusterConfig) -> Security | None:
    if not cluster.address.startswith("tls://"):
        return None
    from distributed.security import Security

    files = {
        "tls_ca_file": cluster.tls_ca_file,
        "tls_cert_file": cluster.tls_cert_file,
        "tls_key_file": cluster.tls_key_file,
    }
    for option, path in files.items():
        if path is None:
            raise ConfigError(f"{cluster.address} needs cluster.{option}", next_step="name the PEM file")
        if not Path(path).is_file():
            raise ConfigError(f"cluster.{option}", expected="a PEM file", found=f"no file {path}")
    return Security(
        require_encryption=True,
        tls_ca_file=cluster.tls_ca_file,
        tls_client_cert=cluster.tls_cert_file,
        tls_client_key=cluster.tls_key_file,
    )


def _require_fit_workers(client: Client, cluster: ClusterConfig) -> int:
    """Number of tasks the workers run at a time. ClusterError when there are none, or unfit ones."""
    try:
        client.wait_for_workers(1, timeout=cluster.timeout_s)
    except TimeoutError as error:
        raise ClusterError(
            f"the scheduler {cluster.address} has no workers",
            expected=f"at least one within {cluster.timeout_s:g} s",
            next_step=f"start one: dask worker {cluster.address} --nthreads 1 --nworkers 1",
        ) from error
    n_workers = 0
    for address, worker in client.scheduler_info()["workers"].items():
        n_workers += worker["nthreads"]
        _require_memory(address, worker, cluster)
    here = package_versions()
    for address, there in client.run(package_versions, on_error="return").items():
        if isinstance(there, ImportError):
            raise ClusterError(
                f"worker {address} cannot import emqa",
                found=str(there),
                next_step="install emqa into the environment the worker runs in",
            )
        if isinstance(there, Exception):
            raise ClusterError(f"worker {address} does not answer", found=str(there)) from there
        different = [name for name in here if there[name] != here[name]]
        if different:
            raise ClusterError(
                f"worker {address} runs other versions than this process",
                expected=", ".join(f"{name} {here[name]}" for name in different),
                found=", ".join(f"{name} {there[name]}" for name in different),
                next_step="install from the same lock file on both sides and restart the worker",
            )
    return n_workers


def _require_memory(address: str, worker: dict[str, Any], cluster: ClusterConfig) -> None:
    limit = worker["memory_limit"]
    if not limit:
        return
    per_task = limit // worker["nthreads"] // MEBIBYTE
    if per_task < cluster.memory_per_worker_mib:
        raise ClusterError(
            f"worker {address} has too little memory for a task",
            expected=f"{cluster.memory_per_worker_mib} MiB as in cluster.memory_per_worker_mib",
            found=f"{per_task} MiB for each of its {worker['nthreads']} threads",
            next_step=f"set cluster.memory_per_worker_mib={per_task} or start workers with"
            " --nthreads 1 and a larger --memory-limit",
        )


def package_versions() -> dict[str, str]:
    """Versions that must agree on all machines for results to be equal to the bit."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in COMPARED_PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions
