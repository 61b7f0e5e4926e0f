"""A program that starts a run several times and kills itself, with SIGKILL, after one stage more each time.

    python -m tests.killed_runs FOLDER

leaves the attempt that died after stage NAME in FOLDER/NAME.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from emqa_core.config import config_from
from emqa_core.pipeline import stages
from emqa_core.pipeline.execute import InProcessExecutor
from emqa_core.pipeline.held_runs import hold_runs
from emqa_core.pipeline.open_inputs import InputTables
from emqa_core.pipeline.plan import plan_run
from emqa_core.pipeline.progress import SilentProgress
from emqa_core.storage import commit
from tests.oracles.synthetic import make_data_set

STAGES = ("prepare", "evaluate", "count", "finalize", "commit_first_table", "commit_all_but_run")
OPTIONS: dict[str, Any] = {
    "run_date": "2026-03-01",
    "iou_thresholds": [0.5, 0.75],
    "cluster": {"partitions": 3},
}


def inputs() -> InputTables:
    data = make_data_set(40, crowds=True)
    return InputTables.of(data.labels, data.predictions, data.frames)


def run_until(stage: str, output: str) -> None:
    """Run the stages, and die after the one that is named."""

    def die_after(name: str) -> None:
        if stage == name:
            os.kill(os.getpid(), signal.SIGKILL)

    executor, progress = InProcessExecutor(), SilentProgress()
    plan = plan_run(config_from({**OPTIONS, "output": output}), progress, inputs())
    held = hold_runs(plan, progress)
    finished = stages.prepare_output(plan, executor, progress)
    die_after("prepare")
    evaluated = stages.evaluate_partitions(plan, finished, executor, progress)
    die_after("evaluate")
    ranked = stages.reduce_scores(plan, evaluated, executor, progress)
    counted = stages.count_metrics(plan, evaluated, ranked, executor, progress)
    die_after("count")
    finalized = stages.finalize_tables(plan, evaluated, ranked, counted, progress)
    die_after("finalize")
    commit_table = commit.commit_table

    def commit_and_die(location: Any, table_name: str, *rest: Any) -> None:
        if table_name == "run":
            die_after("commit_all_but_run")
        commit_table(location, table_name, *rest)
        die_after("commit_first_table")

    commit.commit_table = commit_and_die
    stages.commit_runs(held, finalized)


def main(folder: Path) -> None:
    for stage in STAGES:
        # A child of a process that has run nothing yet: no thread of a library is lost in the fork.
        child = os.fork()
        if child == 0:
            run_until(stage, str(folder / stage))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"the run that should die after {stage} ended with {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
