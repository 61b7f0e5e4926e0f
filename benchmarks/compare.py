"""Ours against other evaluators, in alternating fresh processes on the same data.

    python -m benchmarks.compare --size M --rounds 5
    python -m benchmarks.compare --evaluators emqa-rows ultrafast --rounds 1

Prints a Markdown table of medians and of ratios paired by round, writes
benchmarks/results/compare-<size>.json with every measurement, and prints docs/benchmarks.md anew. Ends with
an error where the twelve numbers of two evaluators differ by over 1e-12.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.evaluators import DEFAULT, EVALUATORS, ONCE, ROUNDS
from benchmarks.fresh import run_fresh
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.ours import TWELVE
from benchmarks.results import save

TOLERANCE = 1e-12

Round = dict[str, dict]  # measurements by evaluator


def check_agreement(measurements: list[dict]) -> None:
    first = measurements[0]
    for other in measurements[1:]:
        for measure_name, one, two in zip(TWELVE, first["twelve"], other["twelve"], strict=True):
            if not abs(one - two) <= TOLERANCE:
                sys.exit(f"{measure_name}: {first['evaluator']} {one!r}, {other['evaluator']} {two!r}")


def measured_rounds(names: list[str], folder: Path, n_rounds: int) -> list[Round]:
    """Every evaluator once a round, each in a process of its own."""
    for name in names:
        if EVALUATORS[name].is_ours:
            # Compiles what is not cached yet.
            run_fresh("benchmarks.measure", name, write("XS", folder.parent, as_json=()))
    rounds: list[Round] = []
    for index in range(n_rounds):
        wanted = [name for name in names if index == 0 or name not in ONCE]
        rounds.append({name: run_fresh("benchmarks.measure", name, folder) for name in wanted})
        check_agreement([rounds[0][names[0]], *rounds[-1].values()])
        print(f"round {index + 1} of {n_rounds}", file=sys.stderr)
    return rounds


def ratio_to_best_peer(rounds: list[Round], name: str) -> float | None:
    """CPU seconds of the quickest peer of a round over this evaluator's, the median of the rounds."""
    ratios = []
    for row in rounds:
        peers = [found["cpu_s"] for other, found in row.items() if not EVALUATORS[other].is_ours]
        if peers and name in row:
            ratios.append(min(peers) / row[name]["cpu_s"])
    return statistics.median(ratios) if ratios else None


def markdown(result: dict) -> str:
    rounds, n = result["rounds"], result["n_predictions"]
    lines = [
        (
            "| evaluator | per-row tables | metrics, importance | nearest neighbour | intervals | commit |"
            " CPU s | µs per prediction | wall s | peak MiB | best peer / this |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in rounds[0]:
        evaluator = EVALUATORS[name]
        cpu, wall, peak = (
            statistics.median(row[name][key] for row in rounds if name in row)
            for key in ("cpu_s", "wall_s", "peak_mib")
        )
        was_on = [
            "yes" if on else "no"
            for on in (evaluator.metrics, evaluator.nearest_neighbour, evaluator.intervals, evaluator.commit)
        ]
        ratio = ratio_to_best_peer(rounds, name)
        cells = [
            f"`{name}`: {evaluator.what}", evaluator.rows, *was_on, f"{cpu:.3f}", f"{cpu / n * 1e6:.2f}",
            f"{wall:.3f}", f"{peak:,.0f}", "" if ratio is None else f"{ratio:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    times = "one round" if len(rounds) == 1 else f"medians of {len(rounds)} rounds"
    return "\n".join([f"{result['size']}: {n:,} predictions, {times}.", "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="S")
    parser.add_argument("--rounds", type=int, help=f"default by size: {ROUNDS}")
    parser.add_argument("--clustered", action="store_true", help="labels in frame order")
    parser.add_argument("--evaluators", nargs="+", choices=EVALUATORS, help="default by size")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the generated data")
    options = parser.parse_args()
    import pyarrow.parquet as pq

    from benchmarks.page import print_page

    names = list(options.evaluators or DEFAULT[options.size])
    needed = tuple({file for name in names for file in EVALUATORS[name].json})
    folder = write(options.size, options.data, as_json=needed, clustered=options.clustered)
    rounds = measured_rounds(names, folder, options.rounds or ROUNDS[options.size])
    result = {
        "size": folder.name,
        "n_predictions": pq.read_metadata(folder / "prediction.parquet").num_rows,
        "rounds": rounds,
    }
    command = f"benchmarks.compare --size {options.size} --rounds {len(rounds)}"
    if options.evaluators:
        command += f" --evaluators {' '.join(names)}"
    save("compare", folder.name, command + (" --clustered" if options.clustered else ""), result)
    print(f"The twelve numbers agree to {TOLERANCE:g}. One thread.\n")
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
