"""Runs `emqa` in processes that meet a signal at a stage of their own choice.

    python -m tests.faults.faulty_runs JOBS

JOBS is a JSON file: a list of objects with `words` of the command, `stage`, `signal` and `is_stored` (scratch
beside the output, as on a cluster and for large runs). Prints the exit statuses as JSON, the negative number
of the signal where one ended the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Imported by a run on its way: once here, not in every child.
import deltalake  # noqa: F401
import fsspec.implementations.local  # noqa: F401
import pandas as pd  # noqa: F401
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

import emqa_core.cli.evaluating
import emqa_core.report.terminal  # noqa: F401
from emqa_core.cli import main as emqa
from emqa_core.pipeline import evaluate, held_runs, partitioning
from emqa_core.storage import commit, delta

STAGES = ("plan", "prepare", "evaluate", "count", "finalize", "commit", "between-tables", "before-row")
DONE_BEFORE = 3  # partitions that the driver knows to be finished when the stage `evaluate` meets its signal


def signal_at(stage: str, number: int) -> None:
    """Have this process send itself a signal when it comes to a stage."""

    def meet() -> None:
        os.kill(os.getpid(), number)

    if stage in ("plan", "prepare"):
        _before(evaluate, {"plan": "hold_runs", "prepare": "prepare_output"}[stage], lambda *_: True, meet)
    elif stage in ("count", "finalize"):
        _before(held_runs.HeldProgress, "start", lambda _, name, *__: name == stage, meet)
    elif stage == "evaluate":
        seen: list[str] = []

        def is_late(_: Any, name: str, *__: Any) -> bool:
            seen.append(name)
            return seen.count("evaluate") == DONE_BEFORE

        _before(held_runs.HeldProgress, "advance", is_late, meet)
    elif stage == "within-row":
        # After the last look at the lease, with the transaction of `run` ready to be sent.
        transactions: list[str] = []

        def is_row(parts: Any, *_: Any) -> bool:
            transactions.extend(path for path in parts if "/run-" in path)
            return len(transactions) == 1 and bool(parts)

        _before(delta, "_add_actions", is_row, meet)
    else:
        tables: list[str] = []

        def is_turn(_: Any, table: str, *__: Any) -> bool:
            tables.append(table)
            return {"commit": len(tables) == 1, "between-tables": len(tables) == 5}.get(stage, table == "run")

        _before(commit, "commit_table", is_turn, meet)


def _before(owner: Any, name: str, is_turn: Callable[..., bool], meet: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def call(*values: Any) -> Any:
        if is_turn(*values):
            meet()
        return original(*values)

    setattr(owner, name, call)


def run(job: dict[str, Any]) -> int:
    if job["is_stored"]:
        partitioning._SCRATCH_SHARE = 0.0
    signal_at(job["stage"], job["signal"])
    return emqa(job["words"])


def main(jobs: list[dict[str, Any]]) -> list[int]:
    statuses = []
    for job in jobs:
        # A child of a process that has run nothing yet: no thread of a library is lost in the fork.
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = run(job)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        statuses.append(os.waitstatus_to_exitcode(status))
    return statuses


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
