"""What a plan promises of a task's memory against what a worker process took at its peak.

    python -m benchmarks.memory --sizes S M

A run for each size and partition size, on a scheduler with one worker, both new. The projection must never
be below the peak and never more than three times it. Writes benchmarks/results/memory-all.json and prints
docs/benchmarks.md anew; exits with 1 where a projection is outside.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.cluster import cluster, usage_of
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.ours import evaluation_of, options_for, output_folder
from benchmarks.page import print_page
from benchmarks.results import save

PARTITION_PREDICTIONS = (25_000, 100_000, 500_000, 2_000_000)
MOST = 3.0


def measure(size: str, partition_predictions: int) -> dict:
    from emqa_core.config import config_from
    from emqa_core.pipeline.plan import plan_run

    data, output = write(size, DATA, as_json=()), output_folder()
    with cluster(1) as processes:
        options = options_for(
            data,
            output / "run",
            cluster={"address": processes.address, "partition_predictions": partition_predictions},
        )
        plan = plan_run(config_from(options))
        evaluation_of(plan)
        peak_mib = usage_of(processes.workers[0]).peak_mib
    return {
        "size": size,
        "partition_predictions": partition_predictions,
        "n_partitions": plan.n_partitions,
        "projected_mib": plan.projected_bytes / 2**20,
        "peak_mib": peak_mib,
    }


def is_kept(case: dict) -> bool:
    return case["peak_mib"] <= case["projected_mib"] <= MOST * case["peak_mib"]


def markdown(result: dict) -> str:
    lines = [
        (
            "| data | predictions a partition | partitions | projected MiB | peak MiB of the worker |"
            " projected / peak | within 1 to 3 |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for case in result["cases"]:
        ratio = case["projected_mib"] / case["peak_mib"]
        lines.append(
            f"| {case['size']} | {case['partition_predictions']:,} | {case['n_partitions']} |"
            f" {case['projected_mib']:,.0f} | {case['peak_mib']:,.0f} | {ratio:.2f} |"
            f" {'yes' if is_kept(case) else '**no**'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=FRAMES_OF_SIZE, default=["XS", "S", "M"])
    parser.add_argument("--partitions", nargs="+", type=int, default=PARTITION_PREDICTIONS)
    options = parser.parse_args()
    # A size that fits one partition has its first task at the next larger partition size again.
    cases: list[dict] = []
    for size in options.sizes:
        for wanted in sorted(options.partitions):
            cases.append(measure(size, wanted))
            print(markdown({"cases": cases[-1:]}).splitlines()[-1], file=sys.stderr)
            if cases[-1]["n_partitions"] == 1:
                break
    partitions = " ".join(map(str, options.partitions))
    command = f"benchmarks.memory --sizes {' '.join(options.sizes)} --partitions {partitions}"
    save("memory", "all", command, {"cases": cases})
    print(markdown({"cases": cases}))
    print_page()
    if not all(map(is_kept, cases)):
        sys.exit("a projection is below the peak, or more than three times it")


if __name__ == "__main__":
    main()
