"""Commits runs in a process of its own, which may be told to die on the way.

python -m tests.storage_program URL RUN_ID[,RUN_ID...] [--die-at STEP] [--wait-for FILE]
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from emqa_core.storage import commit
from emqa_core.storage.commit import remove_unfinished
from emqa_core.storage.location import Location
from emqa_core.storage.parts import write_arrays
from tests.storage_rows import store_run

DEATHS = ("before-tables", "between-tables", "before-run-part", "before-run-row", "after-run-row")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("runs")
    parser.add_argument("--die-at", choices=DEATHS)
    parser.add_argument("--wait-for", type=Path)
    options = parser.parse_args()
    location = Location.of(options.url)
    while options.wait_for and not options.wait_for.exists():
        time.sleep(0.005)
    for run_id in options.runs.split(","):
        remove_unfinished(location, run_id)
        write_arrays(location, run_id, "state", {"counts": np.arange(3)})
        if options.die_at:
            die_at(options.die_at)
        store_run(location, run_id, **{f"metric_{run_id}": pa.array(np.arange(7, dtype=np.float32))})


def die_at(step: str) -> None:
    """Put a SIGKILL into the commit, where a machine might lose its power."""
    commit_table, write_part, remove_work = commit.commit_table, commit.write_part, commit.remove_work

    def dying(function: Callable[..., Any], dies: Callable[..., bool], *, after: bool) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            if dies(*values) and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*values)
            if dies(*values):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    if step == "before-tables":
        commit.commit_table = dying(commit_table, lambda *_: True, after=False)
    elif step == "between-tables":
        commit.commit_table = dying(commit_table, lambda *values: values[1] == "label", after=True)
    elif step == "before-run-part":
        commit.write_part = dying(write_part, lambda *_: True, after=False)
    elif step == "before-run-row":
        commit.commit_table = dying(commit_table, lambda *values: values[1] == "run", after=False)
    else:
        commit.remove_work = dying(remove_work, lambda *_: True, after=False)


if __name__ == "__main__":
    main()
