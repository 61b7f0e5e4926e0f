"""Ours against other evaluators, in alternating fresh processes on the same data.

    python -m benchmarks.compare --size M --rounds 5
    python -m benchmarks.compare --evaluators emqa ultrafast hotcoco pycocotools --rounds 1

Prints a Markdown table of medians and of ratios paired by round, and writes benchmarks/results/<size>.json
with every measurement. Ends with an error where the twelve numbers of two evaluators differ by over 1e-12.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.measure import EVALUATORS, THREADS, TWELVE

RESULTS = Path(__file__).parent / "results"
TOLERANCE = 1e-12
PACKAGES = (
    "emqa",
    "numba",
    "numpy",
    "pyarrow",
    "deltalake",
    "ultrafast-pycocotools",
    "hotcoco",
    "pycocotools",
)
WHAT = {
    "emqa-rows": "Parquet in; tables of predictions, labels and frames written; twelve numbers; "
    "no quality metrics, no intervals",
    "emqa": "the same, and every other file of a run: curves, class tables, summary",
    "emqa-committed": "the same, and committed to twelve new Delta tables",
    "emqa-metrics": "committed, with the whole catalogue, performance by metric, importance, intervals",
    "ultrafast": "ultrafast-pycocotools, prediction arrays; twelve numbers",
    "hotcoco": "hotcoco, arrays; twelve numbers",
    "pycocotools": "pycocotools, JSON; twelve numbers",
}


def measure(name: str, folder: Path) -> dict:
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", name, str(folder)],
        env=environment, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    if finished.returncode:
        sys.exit(f"{name} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def check_agreement(measurements: list[dict]) -> None:
    first = measurements[0]
    for other in measurements[1:]:
        for measure_name, one, two in zip(TWELVE, first["twelve"], other["twelve"], strict=True):
            if abs(one - two) > TOLERANCE:
                sys.exit(f"{measure_name}: {first['evaluator']} {one!r}, {other['evaluator']} {two!r}")


def ratios(rounds: list[dict[str, dict]], peer: str, ours: str) -> list[float]:
    """Peer's CPU seconds / ours, round by round."""
    return [row[peer]["cpu_s"] / row[ours]["cpu_s"] for row in rounds]


def markdown(rounds: list[dict[str, dict]], n_predictions: int) -> str:
    names = list(rounds[0])
    ours = [name for name in names if name.startswith("emqa")]
    lines = [
        "| evaluator | CPU s | µs per prediction | wall s | peak MiB | "
        + " | ".join(f"/ {o}" for o in ours)
        + " |",
        "|---|" + "---|" * (4 + len(ours)),
    ]
    for name in names:
        cpu, wall, peak = (
            statistics.median(row[name][key] for row in rounds) for key in ("cpu_s", "wall_s", "peak_mib")
        )
        paired = " | ".join(f"{statistics.median(ratios(rounds, name, o)):.2f}" for o in ours)
        lines.append(
            f"| {name}: {WHAT[name]} | {cpu:.3f} | {cpu / n_predictions * 1e6:.2f} | {wall:.3f} | {peak:.0f} "
            f"| {paired} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="S")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clustered", action="store_true", help="labels in frame order")
    parser.add_argument(
        "--evaluators",
        nargs="+",
        choices=EVALUATORS,
        default=["emqa-rows", "emqa", "emqa-committed", "ultrafast", "hotcoco", "emqa-metrics"],
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the generated data")
    options = parser.parse_args()
    import pyarrow.parquet as pq

    folder = write(options.size, options.data, clustered=options.clustered)
    n_predictions = pq.read_metadata(folder / "prediction.parquet").num_rows
    for name in options.evaluators:
        if name.startswith("emqa"):
            measure(name, write("XS", options.data, with_json=False))  # compiles what is not cached yet
    rounds = []
    for index in range(options.rounds):
        row = {name: measure(name, folder) for name in options.evaluators}
        check_agreement(list(row.values()))
        rounds.append(row)
        print(f"round {index + 1} of {options.rounds}", file=sys.stderr)
    table = markdown(rounds, n_predictions)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "size": folder.name,
        "n_predictions": n_predictions,
        "machine": {"cpu": cpu_model(), "cores": os.cpu_count(), "python": platform.python_version()},
        "packages": {name: version(name) for name in PACKAGES},
        "load_average": os.getloadavg(),
        "rounds": rounds,
    }
    (RESULTS / f"{folder.name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{folder.name}: {n_predictions:,} predictions, medians of {options.rounds} rounds, one thread")
    print(
        f"The twelve numbers agree to {TOLERANCE:g}. Last columns: CPU seconds over ours, paired by round.\n"
    )
    print(table)


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


if __name__ == "__main__":
    main()
