"""A disk that is full: one error that says so, nothing half is left, and with room again the run finishes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emqa_core.errors import ClusterError, StorageError
from emqa_core.storage.location import Location
from tests.command import emqa
from tests.faults.faulted_runs import MEMORY_MIB, FaultInputs, Undisturbed, assert_finished, assert_one_error
from tests.faults.polling_reader import PollingReader
from tests.faults.small_disk import SmallDisk, small_disk
from tests.processes import DaskProcesses, dask_processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZE_MIB = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", SIZE_MIB) as mounted:
        yield mounted


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.95])
def test_an_output_on_a_full_disk(
    share: float,
    disk: SmallDisk,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """share: of the room that the run needs; so the disk is full in one stage after the other."""
    output = disk.folder / "eval"
    output.mkdir()
    reader.watch(str(output), undisturbed.rows)
    words = inputs.command(str(output))
    disk.leave(int(share * undisturbed.n_bytes))
    full = emqa(capsys, *words)
    assert_one_error(full, StorageError.exit_code, str(output), "the disk is full", "free space")
    assert [url for url in Location.of(output).list() if "/." in url] == []
    assert reader.problems(str(output), n_runs=0) == []

    reader.watch(str(output), undisturbed.rows)
    disk.empty()
    assert_finished(emqa(capsys, *words), str(output), undisturbed, reader)


@pytest.mark.cluster
@pytest.mark.usefixtures("small_reads")
def test_a_worker_on_full_disks(
    disk: SmallDisk,
    inputs: FaultInputs,
    undisturbed: Undisturbed,
    reader: PollingReader,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The disk where Dask shuffles, then that of the output, then none."""
    local, output = tmp_path / "local", disk.folder / "eval"
    with small_disk(local, SIZE_MIB) as of_dask, worker_on(local, tmp_path) as dask:
        reader.watch(str(output), undisturbed.rows)
        words = inputs.on_cluster(output, dask.address, "cluster.hold_below_mib=0")
        of_dask.leave(0)
        full = emqa(capsys, *words)
        assert_one_error(full, ClusterError.exit_code, "disk is full", "--local-directory")
        of_dask.empty()
        disk.leave(undisturbed.n_bytes // 10)
        full = emqa(capsys, *words)
        assert_one_error(full, StorageError.exit_code, str(output), "the disk is full", "free space")
        assert reader.problems(str(output), n_runs=0) == []

        reader.watch(str(output), undisturbed.rows)
        disk.empty()
        assert_finished(emqa(capsys, *words), str(output), undisturbed, reader)


@contextmanager
def worker_on(folder: Path, logs: Path) -> Iterator[DaskProcesses]:
    """A cluster of one worker that has its own files in a folder."""
    options = ["--local-directory", str(folder), "--memory-limit", f"{MEMORY_MIB}MiB"]
    with dask_processes(logs, 1, worker_options=options) as started:
        yield started
