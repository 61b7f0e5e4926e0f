"""Different runs that begin and commit at the same moment into the same tables: all are there, and whole."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from emqa_core.storage.folders import make_folder
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs
from tests.faults.faulted_runs import FaultInputs, Undisturbed
from tests.faults.polling_reader import polling_reader
from tests.oracles.same_run import differences, tables_of
from tests.processes import running, wait_until

MODELS = ("detector", "challenger")
NIGHTS = ("2026-03-01", "2026-03-02", "2026-03-03")
OF_A_RUN = ("run_id", "run_date", "model", "digest", "configuration")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("output", ["local", pytest.param("s3", marks=pytest.mark.s3)], indirect=True)
def test_two_models_on_several_nights(
    output: Location, inputs: FaultInputs, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    nights = NIGHTS if output.store == "file" else NIGHTS[:2]
    (gate / "nights").write_text(" ".join(nights))
    with ExitStack() as stack:
        reader = stack.enter_context(polling_reader(tmp_path))
        reader.watch(str(output), undisturbed.rows)
        programs = []
        for model in MODELS:
            words = inputs.command(str(output), model=model)
            command = [sys.executable, "-m", "tests.faults.concurrent_runs", gate, model, *words]
            programs.append(stack.enter_context(running(command, tmp_path / f"{model}.log")))
        for night in nights:
            for model, program in zip(MODELS, programs, strict=True):
                wait_until(lambda ready=gate / f"{night}.{model}.ready": ready.exists(), program)  # type: ignore[misc]
            (gate / f"{night}.go").touch()
        for program in programs:
            assert program.popen.wait(300) == 0, program.log.read_text()
        assert reader.problems(str(output), n_runs=len(MODELS) * len(nights)) == []
    for run_id in list_runs(output)["run_id"].to_pylist():
        tables = tables_of(Run(run_id, output))
        assert differences(tables, undisturbed.tables, apart=OF_A_RUN) == []
    assert not output.child("_emqa").list()


def test_a_folder_is_made_while_others_remove_empty_ones(tmp_path: Path) -> None:
    """Runs share the folder of their attempts, and each removes it when it finds it empty."""
    work = tmp_path / "_emqa" / "work"
    script = (
        "import os, sys, time\n"
        "while True:\n"
        "    for folder in sys.argv[1:]:\n"
        "        try:\n"
        "            os.rmdir(folder)\n"
        "        except OSError:\n"
        "            pass\n"
        "    time.sleep(0.0002)\n"
    )
    with running([sys.executable, "-c", script, work, work.parent], tmp_path / "log"):
        for attempt in range(3_000):
            folder = work / str(attempt)
            make_folder(folder)
            folder.rmdir()
