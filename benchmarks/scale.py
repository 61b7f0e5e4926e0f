"""`emqa run` against a Dask scheduler with one worker, then two: wall by stage, CPU, memory, longest task.

    python -m benchmarks.scale --size XL
    python -m benchmarks.scale --size S --partitions 10 100 1000

Scheduler and workers are processes of their own, new for each run, one thread each; the driver is the
command as it is typed. Without --partitions the frames are cut as by default, on one and on two workers;
with it, into so many partitions, on two. Every metric and interval. Writes
benchmarks/results/scale-<size>.json (or partitions-<size>.json) and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cluster import cluster, usage_of
from benchmarks.fresh import BIN, one_thread
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.page import print_page
from benchmarks.results import save

STAGES = ("evaluate", "reduce", "count", "slices", "finalize", "report")
_DONE = re.compile(r"\] (\w+): done \((?:\d+ steps, )?([\d.]+) s\)")


def measure(data: Path, n_workers: int, partitions: int | None, settings: list[str]) -> dict:
    """One run on a new cluster. The driver's use is what the system counts for its process."""
    from distributed import Client, get_task_stream

    with (
        cluster(n_workers) as processes,
        tempfile.TemporaryDirectory(prefix="emqa-bench-") as output,
        Client(processes.address, set_as_default=False) as client,
        get_task_stream(client=client) as stream,
    ):
        command = [
            BIN / "emqa",
            "run",
            "--labels",
            data / "label.parquet",
            "--frames",
            data / "frame.parquet",
        ]
        command += ["--predictions", data / "prediction.parquet", "--output", output]
        command += ["--cluster", processes.address, "--json"]
        for setting in [*settings, *([f"cluster.partitions={partitions}"] if partitions else [])]:
            command += ["--set", setting]
        begun = time.perf_counter()
        driver = subprocess.Popen(
            [str(part) for part in command],
            env=one_thread(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert driver.stderr is not None
        told = driver.stderr.read()
        _, status, used = os.wait4(driver.pid, 0)
        wall_s = time.perf_counter() - begun
        driver.returncode = os.waitstatus_to_exitcode(status)
        if driver.returncode:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{told}")
        scheduler, workers = usage_of(processes.scheduler), [usage_of(each) for each in processes.workers]
    return {
        "n_workers": n_workers,
        "n_partitions": sum(_function(task) == "evaluate_partition" for task in stream.data),
        "wall_s": wall_s,
        "stages_s": {stage: float(seconds) for stage, seconds in _DONE.findall(told)},
        "driver": {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024},
        "scheduler": vars(scheduler),
        "workers": [vars(worker) for worker in workers],
        "tasks": tasks_by_function(stream.data),
    }


def tasks_by_function(tasks: list[dict]) -> dict[str, dict[str, float]]:
    """Number, longest and sum of the computing seconds of each function's tasks."""
    found: dict[str, dict[str, float]] = {}
    for task in tasks:
        seconds = sum(
            each["stop"] - each["start"] for each in task["startstops"] if each["action"] == "compute"
        )
        of = found.setdefault(_function(task), {"n": 0, "longest_s": 0.0, "sum_s": 0.0})
        of["n"] += 1
        of["longest_s"] = max(of["longest_s"], seconds)
        of["sum_s"] += seconds
    return found


def _function(task: dict) -> str:
    from distributed.utils import key_split

    return key_split(task["key"])


def markdown(result: dict) -> str:
    stages = " | ".join(f"{stage} s" for stage in STAGES)
    lines = [
        (
            f"| workers | partitions | wall s | {stages} | CPU s: driver, scheduler, workers |"
            " peak MiB: driver, scheduler, largest worker | longest task s, share of the wall time |"
        ),
        "|---|---|---|" + "---|" * (len(STAGES) + 3),
    ]
    for run in result["runs"]:
        driver, scheduler, workers = run["driver"], run["scheduler"], run["workers"]
        peaks = driver["peak_mib"], scheduler["peak_mib"], max(w["peak_mib"] for w in workers)
        name, longest = max(run["tasks"].items(), key=lambda item: item[1]["longest_s"])
        cells = [
            str(run["n_workers"]), f"{run['n_partitions']:,}", f"{run['wall_s']:.1f}",
            *(f"{run['stages_s'].get(stage, 0):.1f}" for stage in STAGES),
            f"{driver['cpu_s']:.1f}, {scheduler['cpu_s']:.1f}, {sum(w['cpu_s'] for w in workers):.1f}",
            ", ".join(f"{peak:,.0f}" for peak in peaks),
            f"{longest['longest_s']:.1f} (`{name}`), {longest['longest_s'] / run['wall_s']:.0%}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [f"{result['data']}: {result['n_predictions']:,} predictions, one run each.", "", *lines]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="M")
    parser.add_argument("--workers", nargs="+", type=int, help="default: 1 2; with --partitions 2")
    parser.add_argument(
        "--partitions", nargs="+", type=int, help="numbers of partitions to cut the frames into"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="options of the run")
    options = parser.parse_args()
    import pyarrow.parquet as pq

    data = write(options.size, DATA, as_json=())
    workers = options.workers or ([2] if options.partitions else [1, 2])
    cases = [(n, partitions) for n in workers for partitions in options.partitions or [None]]
    runs = []
    for n_workers, partitions in cases:
        runs.append(measure(data, n_workers, partitions, options.set))
        print(f"run {len(runs)} of {len(cases)}: {runs[-1]['wall_s']:.1f} s", file=sys.stderr)
    result = {
        "data": options.size,
        "n_predictions": pq.read_metadata(data / "prediction.parquet").num_rows,
        "runs": runs,
    }
    name = "partitions" if options.partitions else "scale"
    save(name, options.size, f"benchmarks.scale {' '.join(sys.argv[1:])}", result)
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
