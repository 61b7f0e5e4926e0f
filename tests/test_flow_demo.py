"""What `make demo` runs, on four labels: a server of its own, the flow, the page, and nothing left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emqa_core.storage.runs import read_run
from tests.data import ROOT
from tests.flow_inputs import write_tiny
from tests.processes import answers

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(400)]


def test_the_demo_runs_the_flow_and_prints_the_result(tmp_path: Path) -> None:
    config, home = write_tiny(tmp_path), tmp_path / "prefect"
    call = f"main({str(config)!r}, Path({str(home)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from flows.demo import Path, main; sys.exit({call})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = read_run(str(tmp_path / "eval"))
    assert run.run_id in done.stdout
    assert re.search(r"recall +0\.750", done.stdout)
    assert f"{tmp_path}/eval" in done.stdout
    [port] = set(re.findall(r"http://127\.0\.0\.1:(\d+)/", done.stdout + done.stderr))
    assert not answers(int(port))  # the server went with the program
