"""Reading and writing the columns of predictions: ns per prediction, and for each metric column more.

    python -m benchmarks.columns --size M

The tables are those that a run on the data makes: they are taken as it hands them to `write_part`, and read
back with `read_part`; the input is read as its partitions read it. Writes
benchmarks/results/columns-<size>.json and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping

from benchmarks.fresh import hold_arrow, run_fresh
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.ours import ALL_METRICS, options_for, output_folder
from benchmarks.results import save

AIM = {"fixed": 100, "metric": 5}
REPEATS = 5


def measure(size: str) -> dict:
    """CPU ns per prediction, turn by turn, each over all partitions of the data."""
    from emqa_core.config import config_from
    from emqa_core.pipeline import evaluate_partition, stages
    from emqa_core.pipeline.execute import InProcessExecutor
    from emqa_core.pipeline.partition_tasks import partition_tasks
    from emqa_core.pipeline.plan import plan_run
    from emqa_core.pipeline.progress import SilentProgress
    from emqa_core.pipeline.scratch import MemoryScratch
    from emqa_core.storage.parts import read_part, write_part

    data, output = write(size, DATA, as_json=()), output_folder()
    config = config_from(options_for(data, output / "run", **ALL_METRICS))
    plan = plan_run(config)
    handed_over = []

    def keep(location, table_name, run_id, part_name, table):
        if table_name == "prediction":
            handed_over.append((part_name, table))
        return write_part(location, table_name, run_id, part_name, table)

    evaluate_partition.write_part = keep
    try:
        stages.evaluate_partitions(plan, {}, InProcessExecutor(), SilentProgress())
    finally:
        evaluate_partition.write_part = write_part
    n = sum(table.num_rows for _, table in handed_over)
    metrics = [metric.name for metric in plan.metrics["model"].at("prediction")]

    every = range(plan.n_partitions)
    tasks = partition_tasks(plan, InProcessExecutor(), {"model": MemoryScratch()}, SilentProgress(), every)
    sources = [task.predictions["model"] for task in tasks]

    def write_all(columns: list[str]) -> list:
        return [
            write_part(plan.location, "prediction", "timed", name, table.select(columns))
            for name, table in handed_over
        ]

    names = handed_over[0][1].column_names
    fixed = [name for name in names if name not in metrics]
    parts = write_all(names)
    runs = {
        "read input": lambda: [source.read() for source in sources],
        "write fixed": lambda: write_all(fixed),
        "write all": lambda: write_all(names),
        "read metrics": lambda: [
            read_part(plan.location, part, [name]) for name in metrics for part in parts
        ],
    }
    return {"n_predictions": n, "n_fixed": len(fixed), "n_metrics": len(metrics), "ns": _per_row(runs, n)}


def _per_row(runs: Mapping[str, Callable[[], object]], n_rows: int) -> dict[str, list[float]]:
    """CPU nanoseconds per row of each run, in turn; a first turn does not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(REPEATS + 1):
        for name, run in runs.items():
            begun = time.process_time_ns()
            run()
            if turn:
                times[name].append((time.process_time_ns() - begun) / n_rows)
    return times


def markdown(result: dict) -> str:
    turns = [
        dict(zip(found["ns"], values, strict=True))
        for found in result["rounds"]
        for values in zip(*found["ns"].values(), strict=True)
    ]
    first = result["rounds"][0]
    n_metrics = first["n_metrics"]
    read, written, read_metric, written_metric = (
        statistics.median(values)
        for values in zip(
            *(
                (
                    turn["read input"],
                    turn["write fixed"],
                    turn["read metrics"] / n_metrics,
                    (turn["write all"] - turn["write fixed"]) / n_metrics,
                )
                for turn in turns
            ),
            strict=True,
        )
    )
    return "\n".join(
        [
            (
                f"{result['size']}: {first['n_predictions']:,} predictions, CPU ns per prediction, medians of"
                f" {len(turns)} turns in {len(result['rounds'])} processes."
            ),
            "",
            "| columns | read | write | together | aim |",
            "|---|---|---|---|---|",
            (
                f"| the input's columns read, the {first['n_fixed']} fixed columns of `prediction` written |"
                f" {read:.1f} | {written:.1f} | {read + written:.1f} | {AIM['fixed']} |"
            ),
            (
                f"| each metric column more (of {n_metrics}) | {read_metric:.1f} | {written_metric:.1f} |"
                f" {read_metric + written_metric:.1f} | {AIM['metric']} |"
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", action="store_true", help="measure in this process, and print JSON")
    options = parser.parse_args()
    write(options.size, DATA, as_json=())
    if options.once:
        hold_arrow()
        print(json.dumps(measure(options.size)))
        return
    from benchmarks.page import print_page

    rounds = [
        run_fresh("benchmarks.columns", "--size", options.size, "--once") for _ in range(options.rounds)
    ]
    result = {"size": options.size, "rounds": rounds}
    save(
        "columns", options.size, f"benchmarks.columns --size {options.size} --rounds {options.rounds}", result
    )
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
