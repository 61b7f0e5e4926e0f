"""Metrics counted in sections of the partitions give the rows that they give counted at once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from emqa_core.config import config_from
from emqa_core.pipeline import stages
from emqa_core.pipeline.count_sections import sections_of
from emqa_core.pipeline.execute import InProcessExecutor
from emqa_core.pipeline.held_runs import hold_runs
from emqa_core.pipeline.open_inputs import InputTables
from emqa_core.pipeline.plan import plan_run
from emqa_core.pipeline.progress import SilentProgress
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set


class ManyWorkers(InProcessExecutor):
    """Plans for as many workers as it is told, and leaves states as for a cluster; runs them one by one."""

    description = "local"

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers


def run_with(n_workers: int, output: Path) -> dict[str, pa.Table]:
    data = make_data_set(60, crowds=True)
    given = InputTables.of(data.labels, data.predictions, data.frames)
    config = config_from(
        {
            "output": str(output),
            "run_date": "2026-03-01",
            "iou_thresholds": [0.5, 0.75],
            "cluster": {"partitions": 7},
            **given.paths(),
        }
    )
    progress = SilentProgress()
    plan = plan_run(config, progress, given)
    executor = ManyWorkers(n_workers)
    with hold_runs(plan, progress) as held:
        finished = stages.prepare_output(plan, executor, progress)
        evaluated = stages.evaluate_partitions(plan, finished, executor, progress)
        ranked = stages.reduce_scores(plan, evaluated, executor, progress)
        counted = stages.count_metrics(plan, evaluated, ranked, executor, progress)
        finalized = stages.finalize_tables(plan, evaluated, ranked, counted, progress)
        return tables_of(stages.commit_runs(held, finalized)[0])


@pytest.mark.parametrize("n_workers", [20, 500])
def test_sections_of_the_partitions_give_the_same_rows(n_workers: int, tmp_path: Path) -> None:
    whole = run_with(1, tmp_path / "whole")
    assert whole["metric_importance"].num_rows > 0
    assert differences(run_with(n_workers, tmp_path / "sections"), whole) == []


def test_there_are_two_tasks_for_every_worker_where_there_are_partitions() -> None:
    assert sections_of(21, 1000, 1) == 1
    assert sections_of(21, 1000, 10) == 1
    assert sections_of(21, 1000, 50) == 5
    assert sections_of(21, 3, 50) == 3
    assert sections_of(0, 3, 50) == 3
