"""Where a run's time goes: CPU nanoseconds per prediction by stage, in fresh warm processes on one thread.

    python -m benchmarks.stages --size M

Functions of the pipeline are wrapped from outside; a stage's time is without the stages that it calls, so
that they add up to the whole. Writes benchmarks/results/stages-<size>.json and prints docs/benchmarks.md
anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from benchmarks.fresh import hold_arrow, run_fresh
from benchmarks.generate import DATA, FRAMES_OF_SIZE, write
from benchmarks.ours import evaluation, options_for, output_folder
from benchmarks.results import save
from benchmarks.timers import Timers

P, Q, A = "emqa_core.pipeline", "emqa_core.quality", "emqa_core.analysis"
IN_EVALUATE = f"{P}.evaluate_partition"
# Stage, function, and the one module in which it belongs to that stage. In the order of a run.
STAGES: tuple[tuple[str, str, str | None], ...] = (
    ("plan", f"{P}.plan:plan_run", None),
    ("probe and hold the output", f"{P}.held_runs:hold_runs", None),
    ("probe and hold the output", f"{P}.stages:prepare_output", None),
    ("read", f"{P}.inputs:ParquetSlice.read", None),
    ("check, look up, order", f"{P}.partition_side:PartitionSide.read", None),
    ("arrays", f"{P}.partition_side:PartitionSide.labels", None),
    ("arrays", f"{P}.partition_side:PartitionSide.predictions", None),
    ("metrics: box", f"{Q}.geometry:box_metrics", None),
    ("metrics: overlap", "emqa_core.geometry.boxes:highest_iou_within_class", None),
    ("metrics: occlusion", "emqa_core.geometry.coverage:covered_areas", None),
    ("metrics: random control", f"{Q}.controls:random_control", None),
    ("metrics: frame", f"{Q}.geometry:count_classes", None),
    ("metrics: density", "emqa_core.geometry.coverage:union_areas", None),
    ("metrics: as columns", f"{Q}.compute:compute_label_metrics", None),
    ("metrics: as columns", f"{Q}.compute:compute_prediction_metrics", None),
    ("metrics: as columns", f"{Q}.compute:compute_frame_metrics", None),
    ("match", "emqa_core.matching.coco:match_coco", None),
    ("outcomes", "emqa_core.matching.matches:Matches.prediction_outcomes", None),
    ("outcomes", "emqa_core.matching.matches:Matches.label_outcomes", None),
    ("error types", "emqa_core.matching.near_pairs:NearPairs.of", None),
    ("error types", "emqa_core.matching.error_types:error_types", None),
    ("error types", "emqa_core.matching.any_class:match_any_class", None),
    ("error types", "emqa_core.matching.error_types:count_errors", None),
    ("make fact tables", f"{P}.id_text:id_text", None),
    ("make fact tables", f"{P}.partition_side:PartitionSide.as_stored", None),
    ("make fact tables", f"{P}.fact_tables:prediction_table", None),
    ("make fact tables", f"{P}.fact_tables:label_table", None),
    ("make fact tables", f"{P}.fact_tables:frame_table", None),
    ("write fact tables", "emqa_core.storage.parts:write_part", IN_EVALUATE),
    ("count outcomes", "emqa_core.reductions.class_counts:count_labels", None),
    ("count outcomes", "emqa_core.reductions.class_counts:count_predictions", None),
    ("count outcomes", "emqa_core.reductions.class_pairs:ClassPairs.of", None),
    ("sample", f"{P}.metric_rows:sample_state", None),
    ("leave for later stages", f"{P}.metric_rows:leave_rows", None),
    ("leave for later stages", "emqa_core.matching.matches:Matches.score_runs", None),
    ("leave for later stages", f"{P}.class_curves:write_runs", None),
    ("evaluate, the rest", f"{P}.stages:evaluate_partitions", None),
    ("count", f"{P}.count_metrics:count", None),
    ("count", f"{P}.count_metrics:count_pairs", None),
    ("measure", f"{P}.metric_results:measure", None),
    ("performance and bin tables", f"{A}.metric_tables:metric_performance_table", None),
    ("performance and bin tables", f"{A}.metric_tables:metric_bin_table", None),
    ("bins and tasks of the count", f"{P}.stages:count_metrics", None),
    ("slices", f"{P}.find_slices:find_slices", None),
    ("reduce", f"{P}.reduce_scores:reduce_scores", None),
    ("finalize", f"{P}.stages:finalize_tables", None),
    ("commit", f"{P}.stages:commit_runs", None),
)


def measure(data: Path, options: dict[str, object]) -> dict:
    """One run on `data` after one on XS, in this process: nanoseconds by stage, and of all of it."""
    output, timers = output_folder(), Timers()
    evaluation(options_for(write("XS", data.parent, as_json=()), output / "warm", **options))
    for stage, name, only_in in STAGES:
        timers.install(stage, name, only_in)
    begun = time.process_time_ns()
    evaluation(options_for(data, output / "measured", **options))
    total = time.process_time_ns() - begun
    return {"total": total, "stages": {stage: timers.ns[stage] for stage, _, _ in STAGES}}


def markdown(result: dict) -> str:
    n, kinds = result["n_predictions"], result["rounds"]
    lines = [f"| stage | {' | '.join(kinds)} |", "|---|" + "---|" * len(kinds)]

    def row(name: str, values: list[float]) -> str:
        return f"| {name} | {' | '.join(f'{value / n:.1f}' for value in values)} |"

    for stage in dict.fromkeys(stage for stage, _, _ in STAGES):
        values = [statistics.median(row["stages"][stage] for row in rounds) for rounds in kinds.values()]
        if any(value / n >= 0.05 for value in values):
            lines.append(row(stage, values))
    lines.append(row("**whole run**", [statistics.median(r["total"] for r in rs) for rs in kinds.values()]))
    n_rounds = min(map(len, kinds.values()))
    return "\n".join(
        [f"{result['size']}: {n:,} predictions, ns per prediction, medians of {n_rounds} rounds.", "", *lines]
    )


KINDS: dict[str, dict[str, object]] = {
    "no metrics": {"metrics": ["none"], "intervals": False},
    "every metric": {"metrics": ["all"], "intervals": False},
    "and intervals": {"metrics": ["all"], "intervals": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=FRAMES_OF_SIZE, default="M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, help="measure this once, in this process, and print JSON")
    options = parser.parse_args()
    data = write(options.size, DATA, as_json=())
    if options.kind:
        hold_arrow()
        print(json.dumps(measure(data, KINDS[options.kind])))
        return
    import pyarrow.parquet as pq

    from benchmarks.page import print_page

    rounds: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, found in rounds.items():
            found.append(run_fresh("benchmarks.stages", "--size", options.size, "--kind", kind))
    result = {
        "size": options.size,
        "n_predictions": pq.read_metadata(data / "prediction.parquet").num_rows,
        "rounds": rounds,
    }
    save("stages", options.size, f"benchmarks.stages --size {options.size} --rounds {options.rounds}", result)
    print(markdown(result))
    print_page()


if __name__ == "__main__":
    main()
