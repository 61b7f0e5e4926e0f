"""The nightly evaluation as a Prefect flow.

    python -m flows.nightly --config configs/local.yaml --set labels=labels.json ...

runs it once; `prefect.yaml` deploys it on a schedule.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from emqa_core.config import EvaluationConfig, read_config
from emqa_core.errors import ConfigError, EmqaError
from emqa_core.pipeline.cluster import open_executor
from flows.artifacts import ArtifactProgress
from flows.tasks import (
    commit_runs,
    count_metrics,
    evaluate_partitions,
    finalize_tables,
    hold_runs,
    plan_run,
    prepare_output,
    publish_results,
    read_runs,
    reduce_scores,
    write_pages,
)


@flow(name="nightly", persist_result=False)
def nightly(
    config: str = "configs/local.yaml",
    overrides: list[str] | None = None,
    run_date: datetime.date | None = None,
) -> list[str]:
    """Evaluate every model of a configuration; the run_ids of its runs.

    config: a YAML file. overrides: `key=value`, over the file. run_date: the night the runs stand for;
    without one here and in the file, the date (UTC) for which the flow run was scheduled, so that a late
    or repeated run stands for the same night.
    """
    options = read_options(config, overrides or (), run_date, scheduled_date())
    progress = ArtifactProgress()
    plan = plan_run(options, progress)
    with hold_runs(plan, progress) as held:
        plan, watched = held.plan, held.progress
        if plan.pending:
            with open_executor(plan.config.cluster) as executor:
                finished = prepare_output(plan, executor, watched)
                evaluated = evaluate_partitions(plan, finished, executor, watched)
                ranked = reduce_scores(plan, evaluated, executor, watched)
                counted = count_metrics(plan, evaluated, ranked, executor, watched)
                finalized = finalize_tables(plan, evaluated, ranked, counted, watched)
            runs = commit_runs(held, finalized)
        else:
            progress.note("already complete: " + ", ".join(run.run_id for run in plan.runs.values()))
            runs = read_runs(plan)
    write_pages(plan, runs, progress)
    publish_results(runs)
    return [run.run_id for run in runs]


def read_options(
    path: str, overrides: Sequence[str], run_date: datetime.date | None, scheduled: datetime.date
) -> EvaluationConfig:
    """The configuration in a file with the flow's parameters over it. Raises ConfigError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {path}",
            found=error.strerror or str(error),
            next_step="give the path from the repository's root, or an absolute one",
        ) from error
    options = read_config(text, path, [*overrides, *([f"run_date={run_date}"] if run_date else [])])
    return options if options.run_date else options.model_copy(update={"run_date": scheduled})


def scheduled_date() -> datetime.date:
    """The UTC date for which this flow run was scheduled."""
    scheduled: datetime.datetime = flow_run.scheduled_start_time
    return scheduled.astimezone(datetime.UTC).date()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow once. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m flows.nightly", description="Run the nightly flow once.")
    parser.add_argument("--config", default="configs/local.yaml", help="YAML file with the options")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run-date", type=datetime.date.fromisoformat, metavar="YYYY-MM-DD")
    given = parser.parse_args(arguments)
    try:
        nightly(config=given.config, overrides=given.overrides, run_date=given.run_date)
    except EmqaError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
