"""Commands as they are typed, each in a new process: wall and CPU seconds, imports and all.

    python -m benchmarks.startup

`emqa --help`, and `emqa run` on S with every metric, without the nearest-neighbour estimate, with and
without intervals, as text. Kernels are compiled and files cached by a first run that does not count; one
thread. Writes benchmarks/results/startup-S.json and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fresh import BIN, one_thread
from benchmarks.generate import DATA, write
from benchmarks.page import print_page
from benchmarks.results import save

SIZE = "S"


def commands(data: Path) -> dict[str, tuple[list[str], float | None]]:
    """The arguments of `emqa` by what they do, with the aim in CPU seconds. The output comes last."""
    run = ["run", "--labels", data / "label.parquet", "--frames", data / "frame.parquet"]
    run += ["--predictions", data / "prediction.parquet", "--set", "nearest_neighbour=false"]
    run = [str(part) for part in run]
    return {
        "emqa --help": (["--help"], 0.3),
        "emqa run, no metrics, no intervals": (
            [*run, "--set", "metrics=[none]", "--set", "intervals=false"],
            None,
        ),
        "emqa run, every metric, no intervals": ([*run, "--set", "intervals=false"], 1.5),
        "emqa run, every metric and interval": (run, None),
    }


def timed(arguments: list[str]) -> dict:
    """Wall and CPU seconds and peak memory of one command, as the system counts them for the process."""
    with tempfile.TemporaryDirectory(prefix="emqa-bench-") as folder:
        if arguments[0] == "run":
            arguments = [*arguments, "--output", folder]
        return timed_process(arguments)


def timed_process(arguments: list[str]) -> dict:
    """The same of a command that needs no output of its own."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [BIN / "emqa", *arguments],
        env=one_thread(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"emqa {' '.join(arguments)} failed:\n{errors.decode()}")
    return {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}


def markdown(result: dict) -> str:
    lines = ["| command | CPU s | wall s | peak MiB | aim, CPU s |", "|---|---|---|---|---|"]
    for name, found in result["commands"].items():
        cpu, wall, peak = (
            statistics.median(row[key] for row in found["rounds"]) for key in ("cpu_s", "wall_s", "peak_mib")
        )
        aim = "" if found["aim_s"] is None else f"{found['aim_s']:g}"
        lines.append(f"| `{name}` | {cpu:.2f} | {wall:.2f} | {peak:,.0f} | {aim} |")
    n_rounds = min(len(found["rounds"]) for found in result["commands"].values())
    return "\n".join([f"{result['size']}, medians of {n_rounds} processes.", "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    wanted = commands(write(SIZE, DATA, as_json=()))
    rounds: dict[str, list[dict]] = {name: [] for name in wanted}
    for turn in range(options.rounds + 1):
        for name, (arguments, _) in wanted.items():
            found = timed(arguments)
            if turn:
                rounds[name].append(found)
    result = {
        "commands": {name: {"aim_s": aim, "rounds": rounds[name]} for name, (_, aim) in wanted.items()},
    }
    save("startup", SIZE, f"benchmarks.startup --rounds {options.rounds}", result)
    print(markdown({"size": SIZE, **result}))
    print_page()


if __name__ == "__main__":
    main()
