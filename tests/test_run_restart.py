"""A run that was killed is started again: the same tables, no row twice, nothing visible before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from emqa_core import evaluate, read_run
from emqa_core.errors import RunNotFoundError
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs
from tests.killed_runs import OPTIONS, STAGES
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set


def run_into(output: Path) -> Run:
    data = make_data_set(40, crowds=True)
    run = evaluate(
        labels=data.labels, predictions=data.predictions, frames=data.frames, output=str(output), **OPTIONS
    )
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of attempts that were killed, one folder for each stage they got through."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-m", "tests.killed_runs", str(folder)], check=True, timeout=300)
    shutil.copytree(folder / "finalize", folder / "recut")
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    return tables_of(run_into(tmp_path_factory.mktemp("whole")))


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_started_again(attempts: Path, undisturbed: dict[str, pa.Table], stage: str) -> None:
    output = attempts / stage
    with pytest.raises(RunNotFoundError):
        read_run(str(output))
    run = run_into(output)
    assert differences(tables_of(run), undisturbed) == []
    assert list_runs(Location.of(output)).num_rows == 1
    assert not (output / "_emqa" / "work" / run.run_id).exists()


@pytest.mark.slow
def test_restart_with_another_cut(attempts: Path, undisturbed: dict[str, pa.Table]) -> None:
    """Parts of the dead attempt have names that the new one does not write: they must not count."""
    output = attempts / "recut"
    assert len(list((output / "prediction").glob("run_id=*/*.parquet"))) == 3
    data = make_data_set(40, crowds=True)
    options = {**OPTIONS, "cluster": {"partitions": 1}}
    run = evaluate(
        labels=data.labels, predictions=data.predictions, frames=data.frames, output=str(output), **options
    )
    assert isinstance(run, Run)
    assert differences(tables_of(run), undisturbed) == []
    assert len(list((output / "prediction").glob("run_id=*/*.parquet"))) == 1


def test_a_committed_run_is_not_evaluated_again(tmp_path: Path) -> None:
    first = run_into(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = run_into(tmp_path)
    assert again.run_id == first.run_id
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == written
