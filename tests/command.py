"""The command line, called in this process or as the program that users start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emqa_core.cli import main

EMQA = Path(sys.executable).parent / "emqa"


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as strict JSON: one object, no NaN."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


def emqa(capsys: pytest.CaptureFixture[str], *words: object) -> Answer:
    """The command in this process."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)


def emqa_program(*words: object, **env: str) -> Answer:
    """The program, with its own start and exit."""
    done = subprocess.run(
        [EMQA, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", **env},
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
