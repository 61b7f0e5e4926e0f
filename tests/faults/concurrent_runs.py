"""Runs of one model on several nights into an output that others write too, all begun at once.

    python -m tests.faults.concurrent_runs GATE WORDS...

Before each night, a word of GATE/nights, it leaves GATE/<night>.<model>.ready and waits for GATE/<night>.go.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from emqa_core.cli import main as emqa


def main(gate: Path, model: str, words: list[str]) -> int:
    for night in (gate / "nights").read_text().split():
        (gate / f"{night}.{model}.ready").touch()
        while not (gate / f"{night}.go").exists():
            time.sleep(0.002)
        code = emqa([*words, "--run-date", night])
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
