"""The driver dies at every stage; what it had finished is not done again, and the tables are the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from emqa_core.pipeline import partitioning
from emqa_core.storage.location import Location
from emqa_core.storage.runs import list_runs
from tests.command import emqa
from tests.data import ROOT
from tests.faults.faulty_runs import DONE_BEFORE, STAGES
from tests.faults.nights import N_PARTITIONS, Night, files_of_no_run, left_over, the_run, write_night
from tests.oracles.same_run import differences, tables_of

SIGNALS = {"term": signal.SIGTERM, "kill": signal.SIGKILL}
CASES = [(stage, name, True) for stage in STAGES for name in SIGNALS]
CASES += [(stage, "kill", False) for stage in ("evaluate", "between-tables")]
# What a driver that died at a stage leaves finished, by its own progress.
FINISHED = {"plan": 0, "prepare": 0, "evaluate": DONE_BEFORE} | dict.fromkeys(STAGES[3:], N_PARTITIONS)

TEN_YEARS_S = 10 * 365 * 86_400
SPARE = ("recut", "torn", "reblocked", "clocks")


def folder_of(stage: str, name: str, is_stored: bool) -> str:
    return f"{stage}-{name}-{'stored' if is_stored else 'held'}"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return write_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def undisturbed(night: Night, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    from emqa_core.cli import main

    output = tmp_path_factory.mktemp("whole") / "eval"
    assert main(night.words(output, "--quiet")) == 0
    return tables_of(the_run(output))


def die(jobs: list[dict[str, Any]], folder: Path) -> list[int]:
    """Exit statuses of runs that meet a signal."""
    path = folder / "jobs.json"
    path.write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.faulty_runs", str(path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=170,
    )
    return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def attempts(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of attempts that died, one folder for each case."""
    folder = tmp_path_factory.mktemp("dead")
    jobs = [
        {
            "words": night.words(folder / folder_of(*case), "--quiet"),
            "stage": case[0],
            "signal": SIGNALS[case[1]],
            "is_stored": case[2],
        }
        for case in CASES
    ]
    statuses = die(jobs, folder)
    expected = {"term": 128 + signal.SIGTERM, "kill": -signal.SIGKILL}
    assert statuses == [expected[case[1]] for case in CASES]
    for spare in SPARE:
        shutil.copytree(folder / folder_of("finalize", "kill", True), folder / spare)
    return folder


@pytest.fixture
def stored_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch beside the output although it would fit the memory, as the attempts that died had it."""
    monkeypatch.setattr(partitioning, "_SCRATCH_SHARE", 0.0)


def reused(stderr: str) -> int:
    """How many partitions a restart says it did not evaluate again."""
    found = re.search(r"reusing (\d+) of (\d+) finished partitions", stderr)
    if found is None:
        return 0
    assert int(found[2]) == N_PARTITIONS
    return int(found[1])


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "name"), [case[:2] for case in CASES if case[2]])
def test_a_restart_takes_over_what_was_finished(
    attempts: Path,
    night: Night,
    undisturbed: dict[str, pa.Table],
    stored_scratch: None,
    stage: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = attempts / folder_of(stage, name, True)
    assert list_runs(Location.of(output)).num_rows == 0
    # SIGTERM releases the lease; after SIGKILL it lies there and its process is seen to be gone.
    assert any((output / "_emqa").glob("leases/*/claim-*")) == (name == "kill" and stage != "plan")
    before = {path: path.stat().st_mtime_ns for path in output.glob("prediction/*/*.parquet")}
    assert len(before) == FINISHED[stage]
    done = emqa(capsys, *night.words(output, "--json"))
    assert done.code == 0, done.err
    assert reused(done.err) == FINISHED[stage]
    after = {path: path.stat().st_mtime_ns for path in output.glob("prediction/*/*.parquet")}
    assert before.items() <= after.items()
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


@pytest.mark.slow
@pytest.mark.parametrize("stage", [case[0] for case in CASES if not case[2]])
def test_a_run_that_fits_the_memory_begins_anew(
    attempts: Path,
    night: Night,
    undisturbed: dict[str, pa.Table],
    stage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = attempts / folder_of(stage, "kill", False)
    done = emqa(capsys, *night.words(output, "--json"))
    assert done.code == 0, done.err
    assert "reusing" not in done.err
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


def tear_part(output: Path) -> None:
    file = min(output.glob("label/*/part-00001-*.parquet"))
    file.write_bytes(file.read_bytes()[:-7])


def lose_array(output: Path) -> None:
    min(output.glob("_emqa/work/*/*/score-runs-00002*")).unlink()


def tear_state(output: Path) -> None:
    file = min(output.glob("_emqa/work/*/*/state-00003.zip"))
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as held:
        largest = max(held.infolist(), key=lambda member: member.compress_size)
    names = int.from_bytes(data[largest.header_offset + 26 : largest.header_offset + 28], "little")
    extra = int.from_bytes(data[largest.header_offset + 28 : largest.header_offset + 30], "little")
    # In the middle of an array: a byte between two of them says nothing.
    data[largest.header_offset + 30 + names + extra + largest.compress_size // 2] ^= 0xFF
    file.write_bytes(data)


def empty_state(output: Path) -> None:
    min(output.glob("_emqa/work/*/*/state-00004.zip")).write_bytes(b"")


@pytest.mark.slow
def test_partitions_with_torn_files_are_done_again(
    attempts: Path,
    night: Night,
    undisturbed: dict[str, pa.Table],
    stored_scratch: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = attempts / "torn"
    for tear in (tear_part, lose_array, tear_state, empty_state):
        tear(output)
    done = emqa(capsys, *night.words(output, "--json"))
    assert done.code == 0, done.err
    assert reused(done.err) == N_PARTITIONS - 4
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["cut", "blocks"])
def test_partitions_of_another_cut_or_other_blocks_are_done_again(
    attempts: Path,
    night: Night,
    undisturbed: dict[str, pa.Table],
    stored_scratch: None,
    changed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = attempts / {"cut": "recut", "blocks": "reblocked"}[changed]
    words = night.words(output, "--json")
    if changed == "cut":
        words += ["--set", f"cluster.partitions={N_PARTITIONS - 2}"]
    else:
        words += ["--set", "cluster.reduce_predictions=100000"]
    done = emqa(capsys, *words)
    assert done.code == 0, done.err
    assert "reusing" not in done.err
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []
    assert files_of_no_run(output) == set()


@pytest.mark.slow
def test_clocks_that_are_years_off_change_nothing(
    attempts: Path,
    night: Night,
    undisturbed: dict[str, pa.Table],
    stored_scratch: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What lies there was written by a machine whose clock runs ten years ahead, or behind."""
    output = attempts / "clocks"
    now = time.time()
    for number, path in enumerate(sorted(output.rglob("*"))):
        other = now + (-1) ** number * TEN_YEARS_S
        os.utime(path, (other, other))
    (claim,) = output.glob("_emqa/leases/*/claim-*")
    said = json.loads(claim.read_text())
    claim.write_text(json.dumps({**said, "since": "2099-01-01T00:00:00+00:00"}))
    done = emqa(capsys, *night.words(output, "--json"))
    assert done.code == 0, done.err
    assert reused(done.err) == N_PARTITIONS
    assert differences(tables_of(the_run(output)), undisturbed) == []
    assert left_over(output) == []
