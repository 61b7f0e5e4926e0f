"""The stages of a run as Prefect tasks: one task a stage, never one a partition."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun

from emqa_core.errors import EmqaError, StorageError
from emqa_core.pipeline import held_runs, plan, stages
from emqa_core.pipeline import write_pages as pages
from flows import artifacts

P = ParamSpec("P")
R = TypeVar("R")

# A store that restarts or throttles is back within a few minutes; the night is long enough to wait.
RETRY_DELAYS_S = (5.0, 30.0, 120.0)


def may_pass(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt can help: after trouble with the store, not after a wrong input or option."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, EmqaError) or isinstance(error, StorageError)


def as_task(name: str, function: Callable[P, R], retry_delays_s: tuple[float, ...] = ()) -> Callable[P, R]:
    """A stage that Prefect runs, times and, where told to, repeats.

    Prefect gets the call as one opaque value: it would look through every plan and state for values of
    other tasks, and hash and keep what it finds.
    """

    @task(
        name=name,
        description=(function.__doc__ or "").partition("\n")[0],
        retries=len(retry_delays_s),
        retry_delay_seconds=list(retry_delays_s),
        retry_jitter_factor=0.2 if retry_delays_s else None,
        retry_condition_fn=may_pass,
        persist_result=False,
        cache_policy=NO_CACHE,
    )
    def run_stage(call: Callable[[], R]) -> R:
        return call()

    @functools.wraps(function)
    def stage(*args: P.args, **kwargs: P.kwargs) -> R:
        return run_stage(functools.partial(function, *args, **kwargs))

    return stage


plan_run = as_task("plan", plan.plan_run)
hold_runs = as_task("take leases", held_runs.hold_runs, RETRY_DELAYS_S)
prepare_output = as_task("prepare output", stages.prepare_output, RETRY_DELAYS_S)
evaluate_partitions = as_task("evaluate partitions", stages.evaluate_partitions)
reduce_scores = as_task("reduce scores", stages.reduce_scores)
count_metrics = as_task("count metrics", stages.count_metrics)
finalize_tables = as_task("finalize tables", stages.finalize_tables, RETRY_DELAYS_S)
commit_runs = as_task("commit runs", stages.commit_runs, RETRY_DELAYS_S)
read_runs = as_task("read complete runs", stages.read_runs, RETRY_DELAYS_S)
write_pages = as_task("write pages", pages.write_pages, RETRY_DELAYS_S)
publish_results = as_task("publish results", artifacts.publish_results, RETRY_DELAYS_S)
