"""The whole evaluation in one call, with files or with tables in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from emqa_core.config import EvaluationConfig, config_from
from emqa_core.pipeline.cluster import open_executor
from emqa_core.pipeline.held_runs import hold_runs
from emqa_core.pipeline.open_inputs import InputTables
from emqa_core.pipeline.plan import Plan, plan_run
from emqa_core.pipeline.progress import Progress, SilentProgress
from emqa_core.pipeline.reused_memory import give_back_memory
from emqa_core.pipeline.stages import (
    commit_runs,
    count_metrics,
    evaluate_partitions,
    finalize_tables,
    prepare_output,
    read_runs,
    reduce_scores,
)
from emqa_core.pipeline.write_pages import write_pages
from emqa_core.storage.runs import Run


def evaluate(
    config: EvaluationConfig | Mapping[str, Any] | None = None,
    *,
    labels: Any = None,
    predictions: Any = None,
    frames: Any = None,
    progress: Progress | None = None,
    **options: Any,
) -> Run | dict[str, Run]:
    """Evaluate predictions against labels.

    config: the options, or give them as keywords. labels, frames: a path, a pandas data frame or an Arrow
    table; predictions: one of these, or a dict of them by model name. Returns the run, or for a dict of
    models a dict of runs. Without `output` nothing is stored: the run holds its tables in memory.
    Raises EmqaError for whatever a user can put right.
    """
    base = (
        config.model_dump(exclude_unset=True) if isinstance(config, EvaluationConfig) else dict(config or {})
    )
    base.update(options)
    several = isinstance(predictions, Mapping) or (
        predictions is None and len(base.get("predictions", {})) > 1
    )
    given = InputTables.of(labels, predictions, frames)
    resolved = config_from({**base, **given.paths()})
    try:
        runs = _stored_or_held(resolved, given, progress or SilentProgress())
    finally:
        give_back_memory()
    return runs if several else next(iter(runs.values()))


def _stored_or_held(config: EvaluationConfig, given: InputTables, progress: Progress) -> dict[str, Run]:
    if config.output is not None:
        return run_stages(config, given, progress)
    with tempfile.TemporaryDirectory(prefix="emqa-") as folder:
        stored = run_stages(config.model_copy(update={"output": folder, "report": False}), given, progress)
        return {
            model: Run.in_memory(run.run_id, {name: run.table(name) for name in run.tables})
            for model, run in stored.items()
        }


def run_stages(config: EvaluationConfig, given: InputTables, progress: Progress) -> dict[str, Run]:
    """All stages in order; runs by model."""
    plan = plan_run(config, progress, given)
    return evaluate_plan(plan, progress)


def evaluate_plan(plan: Plan, progress: Progress) -> dict[str, Run]:
    """What is left to do of a plan. A model whose digest is committed already is not evaluated again."""
    with hold_runs(plan, progress) as held:
        plan, progress = held.plan, held.progress
        if plan.pending:
            with open_executor(plan.config.cluster) as executor:
                finished = prepare_output(plan, executor, progress)
                evaluated = evaluate_partitions(plan, finished, executor, progress)
                ranked = reduce_scores(plan, evaluated, executor, progress)
                counted = count_metrics(plan, evaluated, ranked, executor, progress)
                finalized = finalize_tables(plan, evaluated, ranked, counted, progress)
            runs = commit_runs(held, finalized)
        else:
            progress.note("already complete: " + ", ".join(run.run_id for run in plan.runs.values()))
            runs = read_runs(plan)
    write_pages(plan, runs, progress)
    return dict(zip(plan.runs, runs, strict=True))
