"""Our evaluation as it is timed beside others: Parquet in, and as much of a run as a row of the table says.

Nobody else stores anything, so a run can end early here: `rows`, once the tables of predictions, labels and
frames are written and the twelve numbers known; `files`, once every file is written; `commit`, once the
files are in the Delta tables and the summary is read back from there.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from benchmarks.generate import write
from benchmarks.peers import Run

TWELVE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
NO_METRICS = {"metrics": ["none"], "intervals": False}
ALL_METRICS = {"metrics": ["all"], "intervals": False}


def options_for(data: Path, output: Path | None, **further: object) -> dict[str, object]:
    """The options of a run on generated data, in this process; without metrics without error types too."""
    return {
        "error_types": further.get("metrics") != ["none"],
        "labels": str(data / "label.parquet"),
        "predictions": {"model": str(data / "prediction.parquet")},
        "frames": str(data / "frame.parquet"),
        "output": str(output),
        "run_date": "2026-01-01",
        "cluster": {"address": "none"},
        **further,
    }


def evaluation(
    options: Mapping[str, object], until: Literal["rows", "files", "commit"] = "commit"
) -> list[float]:
    """Evaluate as `options` say, as far as `until`, and give the twelve numbers."""
    from emqa_core.config import config_from
    from emqa_core.pipeline import plan as planning

    return evaluation_of(planning.plan_run(config_from(options)), until)


def evaluation_of(plan, until: Literal["rows", "files", "commit"] = "commit") -> list[float]:
    """What follows a plan, in order as `emqa_core.pipeline.evaluate` has it."""
    from emqa_core.pipeline import stages
    from emqa_core.pipeline.cluster import open_executor
    from emqa_core.pipeline.held_runs import hold_runs
    from emqa_core.pipeline.progress import SilentProgress
    from emqa_core.storage.parts import read_part

    with hold_runs(plan, SilentProgress()) as held:
        plan, progress = held.plan, held.progress
        with open_executor(plan.config.cluster) as executor:
            finished = stages.prepare_output(plan, executor, progress)
            evaluated = stages.evaluate_partitions(plan, finished, executor, progress)
            if until == "rows":
                return _numbers_alone(plan, evaluated, executor)
            ranked = stages.reduce_scores(plan, evaluated, executor, progress)
            counted = stages.count_metrics(plan, evaluated, ranked, executor, progress)
            finalized = stages.finalize_tables(plan, evaluated, ranked, counted, progress)
        if until == "commit":
            return twelve_of(stages.commit_runs(held, finalized)[0].table("summary"))
        (part,) = finalized.parts["model"]["summary"]
        return twelve_of(read_part(plan.location, part))


def _numbers_alone(plan, evaluated, executor) -> list[float]:
    """The reduce and the summary, without the other tables of a run."""
    from emqa_core.analysis.class_performance import ClassPerformance
    from emqa_core.analysis.summary import summary_table
    from emqa_core.pipeline.reduce_scores import reduce_scores

    state, scratch = evaluated.states["model"], evaluated.scratch["model"]
    reduced = reduce_scores(plan, state, scratch, executor).reduced
    found = reduced.curves, reduced.pooled, reduced.replicates, state.groups, state.sample.units
    performance = ClassPerformance(plan.classes, plan.config, state.counts, *found)
    return twelve_of(summary_table(performance, 0))


def twelve_of(summary) -> list[float]:
    values = {row["measure"]: row["value"] for row in summary.to_pylist()}
    return [values[measure] for measure in TWELVE]


def output_folder() -> Path:
    """An empty folder that goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="emqa-bench-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def emqa(until: Literal["rows", "files", "commit"], options: Mapping[str, object]) -> Callable[[Path], Run]:
    """An evaluator as `peers` has them. A first evaluation of XS loads what is loaded on first use."""

    def start(folder: Path) -> Run:
        output = output_folder()
        warm = write("XS", folder.parent, as_json=())
        evaluation(options_for(warm, output / "warm", **options), until)
        return lambda: evaluation(options_for(folder, output / "measured", **options), until)

    return start
