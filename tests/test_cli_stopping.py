"""Real signals to the real program: it ends at once, says how to go on, and going on works."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from emqa_core.cli.stopping import Stopped, stop_on_signals
from tests.coco_files import write_set
from tests.command import EMQA, emqa_program
from tests.processes import running, wait_until

N_FRAMES = 120


def command(folder: Path, out: Path, *more: str) -> list[str]:
    labels, predictions = write_set(folder, N_FRAMES)
    inputs = ["--labels", str(labels), "--predictions", str(predictions), "--output", str(out)]
    # A partition per frame: slow enough to be met in the middle.
    return [str(EMQA), "run", *inputs, "--set", f"cluster.partitions={N_FRAMES}", *more]


def parts_written(out: Path) -> bool:
    return len(list(out.glob("prediction/*/*.parquet"))) > 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_stopped_run_is_no_run_and_the_same_command_goes_on(
    number: signal.Signals, code: int, name: str, tmp_path: Path
) -> None:
    out, log = tmp_path / "eval", tmp_path / "log"
    words = command(tmp_path, out, "--json")
    with running(words, log) as process:
        wait_until(lambda: parts_written(out), process)
        os.kill(process.pid, number)
        assert process.popen.wait(20) == code
    lines = log.read_text().splitlines()
    assert f"error: stopped by {name}" in lines
    assert any("run the same command again" in line for line in lines)
    assert "Traceback" not in log.read_text()
    error = json.loads(next(line for line in lines if line.startswith("{")))["error"]
    assert (error["kind"], error["exit_code"]) == ("Stopped", code)
    assert emqa_program("runs", out, "--json").json == {"runs": []}

    done = emqa_program(*words[1:])
    assert done.code == 0, done.err
    (run,) = done.json["runs"]
    assert (run["n_frames"], run["committed_before"]) == (N_FRAMES, False)
    assert len(emqa_program("runs", out, "--json").json["runs"]) == 1


@pytest.mark.slow
@pytest.mark.cluster
def test_ctrl_c_on_a_terminal_ends_the_workers_of_a_local_cluster_in_silence(tmp_path: Path) -> None:
    out, log = tmp_path / "eval", tmp_path / "log"
    with running(command(tmp_path, out, "--cluster", "local"), log) as process:
        wait_until(lambda: parts_written(out), process)
        process.interrupt()  # to the whole process group, workers too
        assert process.popen.wait(40) == 130
    assert "Traceback" not in log.read_text()
    assert "error: stopped by Ctrl-C" in log.read_text()


def test_after_the_first_signal_the_next_one_ends_the_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals():
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGTERM)
        assert stopped.value.exit_code == 143
        # The system's own handling: a second signal cannot be held up by anything of ours.
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
