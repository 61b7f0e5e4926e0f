"""`emqa run`: plan, evaluate, commit, and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emqa_core.cli.machine import json_text
from emqa_core.cli.progress import open_progress
from emqa_core.cli.stopping import Stopped
from emqa_core.report.view import plain_rows

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig
    from emqa_core.pipeline.progress import Progress
    from emqa_core.storage.runs import Run

GO_ON = (
    "run the same command again: runs that are committed stay and are not evaluated again, partitions that"
    " are finished are taken over where scratch is stored, the rest is made anew"
)


def run_evaluation(config: EvaluationConfig, *, as_json: bool, quiet: bool) -> None:
    """Evaluate what the configuration names and print the runs."""
    with open_progress(quiet=quiet) as progress:
        try:
            runs, before = _evaluate(config, progress)
        except Stopped as stopped:
            stopped.next_step = GO_ON if config.output is not None else "nothing was to be kept"
            raise
    if as_json:
        print(
            json_text({"output": config.output, "runs": [_described(run, before) for run in runs.values()]})
        )
        return
    from rich.console import Console

    from emqa_core.report.run_list import print_models
    from emqa_core.report.terminal import print_run, print_whereabouts

    console = Console()
    for model in sorted(before):
        console.print(
            f"{runs[model].run_id} was committed before: nothing to do.", highlight=False, soft_wrap=True
        )
    if before:
        console.print()
    shown = list(runs.values())
    if len(shown) == 1:
        print_run(shown[0], console)
    else:
        shown = print_models(console, shown)
    print_whereabouts(console, shown, config.output)


def _evaluate(config: EvaluationConfig, progress: Progress) -> tuple[Mapping[str, Run], frozenset[str]]:
    """Runs by model, and the models whose run was committed before."""
    from emqa_core.pipeline.evaluate import evaluate, evaluate_plan
    from emqa_core.pipeline.plan import plan_run

    if config.output is None:
        found = evaluate(config, progress=progress)
        runs = found if isinstance(found, dict) else {next(iter(config.predictions)): found}
        return runs, frozenset()
    plan = plan_run(config, progress)
    return evaluate_plan(plan, progress), plan.committed


def _described(run: Run, before: frozenset[str]) -> dict[str, Any]:
    row = plain_rows(run.table("run"))[0]
    return {
        **row,
        "committed_before": row["model"] in before,
        "summary": plain_rows(run.table("summary", columns=["measure", "value", "low", "high", "reason"])),
    }
