"""One evaluator on one data set in this process: CPU seconds without imports, peak memory, results.

    python -m benchmarks.measure ultrafast bench-data/S

Prints one JSON object. Every evaluator has a set-up that is not on the clock (imports, first use of what
loads late) and a run that is. Peers start from what they take fastest: arrays from the same Parquet files
where they have an entry for arrays, JSON where they have none.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

THREADS = (
    "ARROW_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
)
TWELVE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
BOX = ("x_px", "y_px", "width_px", "height_px")

Run = Callable[[], list[float]]


def read_arrays(folder: Path, name: str) -> dict:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / f"{name}.parquet", use_threads=False)
    return {column: table[column].to_numpy() for column in table.column_names}


def prediction_rows(folder: Path):
    """The (n, 7) array that COCO's loadRes takes: image, x, y, width, height, score, category."""
    import numpy as np

    rows = read_arrays(folder, "prediction")
    return np.column_stack(
        [rows[name].astype(np.float64) for name in ("frame_id", *BOX, "score", "class_id")]
    )


def evaluated(evaluation) -> list[float]:
    """The three steps of the COCO API; its printing is kept off the terminal."""
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats[:12]]


def pycocotools(folder: Path) -> Run:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def run() -> list[float]:
        labels = COCO(str(folder / "labels.json"))
        predictions = labels.loadRes(str(folder / "predictions.json"))
        return evaluated(COCOeval(labels, predictions, "bbox"))

    return run


def ultrafast(folder: Path) -> Run:
    import pyarrow.parquet as pq
    from ultrafast_pycocotools import COCO, COCOeval

    pq.read_table(folder / "frame.parquet")  # loads what Arrow loads late

    def run() -> list[float]:
        labels = COCO(str(folder / "labels.json"))  # it has no entry for label arrays
        return evaluated(COCOeval(labels, labels.loadRes(prediction_rows(folder)), "bbox"))

    return run


def hotcoco(folder: Path) -> Run:
    import numpy as np
    import pyarrow.parquet as pq
    from hotcoco import COCO, COCOeval

    pq.read_table(folder / "frame.parquet")
    categories = [{"id": index + 1, "name": f"class {index + 1}"} for index in range(80)]

    def run() -> list[float]:
        frame, label = read_arrays(folder, "frame"), read_arrays(folder, "label")
        columns = (frame["frame_id"], frame["width_px"].astype(int), frame["height_px"].astype(int))
        images = [
            {"id": frame_id, "width": width, "height": height}
            for frame_id, width, height in zip(*(column.tolist() for column in columns), strict=True)
        ]
        labels = COCO.from_arrays(
            images,
            categories,
            label["frame_id"],
            label["class_id"],
            np.column_stack([label[name] for name in BOX]),
            ids=label["label_id"],
            area=label["area_px2"],
            iscrowd=label["is_crowd"].astype(np.uint8),
        )
        return evaluated(COCOeval(labels, labels.load_res(prediction_rows(folder)), "bbox"))

    return run


def twelve_of(summary) -> list[float]:
    values = {row["measure"]: row["value"] for row in summary.to_pylist()}
    return [values[measure] for measure in TWELVE]


def emqa(folder: Path, metrics: str, until: Literal["rows", "files", "commit"]) -> Run:
    """Parquet in, and a run's Parquet files out; the twelve numbers from the rows of `summary`.

    until: `rows`, the tables of predictions, labels and frames are written and the twelve numbers known;
    `files`, every file of the run is written; `commit`, with the transaction that adds the files to the
    Delta tables, and the summary read back from there. Nobody else stores anything.
    """
    from benchmarks.generate import write
    from emqa_core.analysis.class_performance import ClassPerformance
    from emqa_core.analysis.summary import summary_table
    from emqa_core.config import config_from
    from emqa_core.pipeline import stages
    from emqa_core.pipeline.cluster import open_executor
    from emqa_core.pipeline.finalize import reduce_scores
    from emqa_core.pipeline.held_runs import hold_runs
    from emqa_core.pipeline.plan import plan_run
    from emqa_core.pipeline.progress import SilentProgress
    from emqa_core.storage.parts import read_part

    output = Path(tempfile.mkdtemp(prefix="emqa-bench-"))
    progress = SilentProgress()

    def run_on(data: Path, name: str) -> list[float]:
        config = config_from(
            {
                "labels": str(data / "label.parquet"),
                "predictions": {"model": str(data / "prediction.parquet")},
                "frames": str(data / "frame.parquet"),
                "output": str(output / name),
                "metrics": [metrics],
                "intervals": metrics != "none",
                "run_date": "2026-01-01",
                "cluster": {"address": "none"},
            }
        )
        plan = plan_run(config, progress)
        with hold_runs(plan, progress) as held, open_executor(plan.config.cluster) as executor:
            finished = stages.prepare_output(plan, executor, progress)
            evaluated = stages.evaluate_partitions(plan, finished, executor, progress)
            if until == "rows":
                state, scratch = evaluated.states["model"], evaluated.scratch["model"]
                reduced = reduce_scores(plan, state, scratch, executor)
                curves = reduced.curves, reduced.pooled, reduced.replicates
                performance = ClassPerformance(plan.classes, plan.config, state.counts, *curves)
                return twelve_of(summary_table(performance, 0))
            counted = stages.count_metrics(plan, evaluated, executor, progress)
            finalized = stages.finalize_tables(plan, evaluated, counted, executor, progress)
            if until == "commit":
                summary = stages.commit_runs(held, finalized)[0].table("summary")
            else:
                (part,) = finalized.parts["model"]["summary"]
                summary = read_part(plan.location, part)
        return twelve_of(summary)

    # A first evaluation of a hundredth of S loads what is loaded on first use.
    run_on(write("XS", folder.parent, with_json=False), "warm")

    atexit.register(shutil.rmtree, output)
    return lambda: run_on(folder, "measured")


EVALUATORS: dict[str, Callable[[Path], Run]] = {
    "emqa-rows": lambda folder: emqa(folder, "none", "rows"),
    "emqa": lambda folder: emqa(folder, "none", "files"),
    "emqa-committed": lambda folder: emqa(folder, "none", "commit"),
    "emqa-metrics": lambda folder: emqa(folder, "all", "commit"),
    "ultrafast": ultrafast,
    "hotcoco": hotcoco,
    "pycocotools": pycocotools,
}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, folder: Path) -> dict:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run = EVALUATORS[name](folder)
        before = {"setup_cpu_s": cpu_seconds(), "setup_peak_mib": peak_mib()}
        cpu, wall = cpu_seconds(), time.perf_counter()
        twelve = run()
    return {
        "evaluator": name,
        "cpu_s": cpu_seconds() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_mib": peak_mib(),
        **before,
        "twelve": twelve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("evaluator", choices=EVALUATORS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):
        # Libraries read these when they are loaded, some before this line: start again with them set.
        import subprocess
        import sys

        environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
        sys.exit(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.measure", options.evaluator, str(options.folder)],
                env=environment,
                check=False,
            ).returncode
        )
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    print(json.dumps(measure(options.evaluator, options.folder)))


if __name__ == "__main__":
    main()
