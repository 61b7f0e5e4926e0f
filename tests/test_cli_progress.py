"""How far a run is: bars on a terminal, lines elsewhere, nothing when asked."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from emqa_core.cli import progress as module
from emqa_core.cli.progress import BarProgress, LineProgress
from tests.coco_files import write_set
from tests.command import EMQA


def test_lines_say_what_is_done_and_now_and_then_how_far(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.start("evaluate", 3)
    progress.advance("evaluate")  # too soon for a line
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    progress.advance("evaluate")
    progress.finish("evaluate")
    progress.note("all is well")
    without_times = [re.sub(r"\d+\.\d s", "T", line) for line in stream.getvalue().splitlines()]
    assert [re.sub(r"\[ *T\]", "[T]", line) for line in without_times] == [
        "[T] evaluate: 2 of 3",
        "[T] evaluate: done (3 steps, T)",
        "[T] all is well",
    ]


def test_a_name_in_a_note_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    bars = Bars(console=Console(file=stream, force_terminal=True, width=80), disable=True)
    for progress in (LineProgress(stream), BarProgress(bars)):
        progress.note("column \x1b]0;owned\x07: 3 categories")
    assert stream.getvalue().count("column \ufffd]0;owned\ufffd: 3 categories\n") == 2
    assert not set(stream.getvalue()) & {"\x1b", "\x07"}


@pytest.mark.slow
def test_bars_on_a_terminal_leave_stdout_alone(tmp_path: Path) -> None:
    labels, predictions = write_set(tmp_path)
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = [EMQA, "run", "--labels", labels, "--predictions", predictions, "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=its_end, text=True) as process:
        os.close(its_end)
        shown = b""
        # Reading a terminal whose other end is closed is an error on Linux.
        try:
            while piece := os.read(terminal, 65536):
                shown += piece
        except OSError:
            pass
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0
    assert out.startswith('{"output":null,"runs":[{')
    text = shown.decode()
    assert "━" in text
    for stage in ("read", "evaluate", "reduce", "count", "finalize"):
        assert stage in text
    assert " s] " not in text  # no lines between the bars
