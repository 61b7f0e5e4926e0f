"""Importance, correlation and bins of 20 metrics over a million predictions, one target: CPU seconds.

    python -m benchmarks.importance

The data are generated: a million predictions of 80 classes in 20,000 frames, ten IoU thresholds, with 18
columns more that depend on outcome and class by little or not at all; the other two metrics are area, which
partial correlation controls for, and the random control, which every run has. Both are metrics of labels
too: 147,000 rows more. `stages.count_metrics` alone is timed. Writes benchmarks/results/importance-1M.json
and prints docs/benchmarks.md anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

from benchmarks.fresh import cpu_seconds, hold_arrow, peak_mib, run_fresh
from benchmarks.generate import DATA, are_written, make_tables, write_tables
from benchmarks.ours import options_for, output_folder
from benchmarks.results import save

SIZE = "1M"
N_FRAMES, WARM_FRAMES = 20_000, 500
FURTHER = tuple(f"column_{index:02d}" for index in range(18))
CATALOGUE = ("object_area_px2", "object_random")
SEED = 20_171_000
AIM_S = 2.0
KINDS = {"no intervals": False, "intervals": True}


def write_data(n_frames: int, root: Path = DATA) -> Path:
    """Data with the further columns, unless they are there; returns the folder."""
    folder = root / f"importance-{n_frames}"
    if are_written(folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    tables = make_tables(n_frames)
    rng, prediction = np.random.default_rng(SEED), tables["prediction"]
    score, n = prediction["score"].to_numpy(), prediction.num_rows
    for index, name in enumerate(FURTHER):
        # Smooth, skewed and whole-numbered values in turn; the smooth ones depend on nothing.
        values = (index % 3) * 0.3 * score + rng.normal(size=n)
        values = (values, np.exp(values), np.round(10 * values))[index % 3]
        prediction = prediction.append_column(name, [values.astype(np.float32)])
    write_tables(folder, {**tables, "prediction": prediction})
    return folder


def measure(*, intervals: bool) -> dict:
    """CPU seconds of the count in this process, after one on a few frames."""
    from emqa_core.config import config_from
    from emqa_core.pipeline import stages
    from emqa_core.pipeline.execute import InProcessExecutor
    from emqa_core.pipeline.plan import plan_run
    from emqa_core.pipeline.progress import SilentProgress

    output, progress, executor = output_folder(), SilentProgress(), InProcessExecutor()
    measured = {}
    for n_frames in (WARM_FRAMES, N_FRAMES):
        options = options_for(
            write_data(n_frames), output / str(n_frames), metrics=[*FURTHER, *CATALOGUE], intervals=intervals
        )
        plan = plan_run(config_from(options))
        evaluated = stages.evaluate_partitions(plan, {}, executor, progress)
        ranked = stages.reduce_scores(plan, evaluated, executor, progress)
        begun = cpu_seconds()
        counted = stages.count_metrics(plan, evaluated, ranked, executor, progress)
        measured = {
            "cpu_s": cpu_seconds() - begun,
            "peak_mib": peak_mib(),
            "n_predictions": plan.inputs.predictions["model"].n_rows,
            "n_labels": plan.inputs.labels.n_rows,
            "n_metrics": len(counted.measured["model"].metrics),
        }
    return measured


def markdown(result: dict) -> str:
    first = next(iter(result["rounds"].values()))[0]
    n, n_metrics = first["n_predictions"], first["n_metrics"]
    lines = [
        (
            f"{n_metrics} metrics, {n:,} predictions, medians of"
            f" {min(map(len, result['rounds'].values()))} processes."
        ),
        "",
        "| | CPU s | ns per metric and prediction | peak MiB | aim, CPU s |",
        "|---|---|---|---|---|",
    ]
    for kind, rounds in result["rounds"].items():
        cpu, peak = (statistics.median(row[key] for row in rounds) for key in ("cpu_s", "peak_mib"))
        lines.append(f"| {kind} | {cpu:.2f} | {cpu / n / n_metrics * 1e9:.1f} | {peak:,.0f} | {AIM_S:g} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, help="measure this once, in this process, and print JSON")
    options = parser.parse_args()
    if options.kind:
        hold_arrow()
        print(json.dumps(measure(intervals=KINDS[options.kind])))
        return
    from benchmarks.page import print_page

    for n_frames in (WARM_FRAMES, N_FRAMES):
        write_data(n_frames)
    rounds: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, found in rounds.items():
            found.append(run_fresh("benchmarks.importance", "--kind", kind))
    result = {"rounds": rounds}
    save("importance", SIZE, f"benchmarks.importance --rounds {options.rounds}", result)
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
