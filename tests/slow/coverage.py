"""How often 95% intervals hold the truth, and how often noise is called significant, over many data sets.

    python -m tests.slow.coverage [DATA_SETS]

prints the tables of docs/intervals.md anew. The truth is what a data set of 160,000 frames says.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emqa_core.analysis.intervals import wilson_interval
from tests.oracles.clustered import CLASSES, evaluate_clustered

N_FRAMES = 300
N_FRAMES_OF_TRUTH = 160_000
DATA_SETS = 600
NOISE = ("noise", "frame_noise")
METRICS = ("x", "frame_z", *NOISE)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "intervals.md"
START, END = "<!-- coverage, printed by `python -m tests.slow.coverage` -->", "<!-- end -->"

Estimate = tuple[float | None, float | None, float | None]  # value, low, high
Key = tuple[str, str]  # what a line of the table is, and which of its numbers


@dataclass
class Line:
    """Of one kind of interval: how many there were, held the truth, or were null."""

    n: int = 0
    n_held: int = 0
    n_null: int = 0

    @property
    def coverage(self) -> float:
        return self.n_held / self.n

    def count(self, low: float | None, high: float | None, truth: float) -> None:
        if low is None or high is None:
            self.n_null += 1
        else:
            self.n += 1
            self.n_held += low <= truth <= high


@dataclass
class Alarms:
    """Of one metric without effect and one target: tests, those with p < 0.05, those called significant."""

    n: int = 0
    n_low_p: int = 0
    n_significant: int = 0


@dataclass
class Coverage:
    lines: dict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    row_wise: dict[str, Line] = field(default_factory=lambda: defaultdict(Line))
    alarms: dict[str, Alarms] = field(default_factory=lambda: defaultdict(Alarms))


def measure_coverage(n_data_sets: int, progress: Callable[[int], None] = lambda _: None) -> Coverage:
    """Coverage over so many data sets of 300 frames."""
    large = evaluate_clustered(N_FRAMES_OF_TRUTH, 0, intervals=False)
    truth = {key: value for key, (value, _, _) in estimates(large)}
    found = Coverage()
    for seed in range(1, n_data_sets + 1):
        run = evaluate_clustered(N_FRAMES, seed)
        for key, (_, low, high) in estimates(run):
            true = truth[key]
            assert true is not None, key
            found.lines[key[0]].count(low, high, true)
        for key, (low, high) in _row_wise(run):
            true = truth[key]
            assert true is not None
            found.row_wise[key[0]].count(low, high, true)
        _count_alarms(run, found.alarms)
        progress(seed)
    return found


def estimates(run: Any) -> Iterator[tuple[Key, Estimate]]:
    """Every number of a run that has an interval."""
    for row in run.table("summary").to_pylist():
        if row["measure"] in ("mAP", "mAR", "precision", "recall", "F1"):
            yield (f"{row['measure']} of all", ""), (row["value"], row["low"], row["high"])
    for row in run.table("class_performance").to_pylist():
        if row["class_id"] in CLASSES and row["area_range"] == "all" and row["iou_threshold"] is not None:
            kind = "rare class" if row["class_id"] == "rare" else "class"
            for name, words in (
                ("average_precision", "AP"),
                ("average_recall", "AR"),
                ("precision", "precision"),
                ("recall", "recall"),
                ("f1", "F1"),
            ):
                ends = (row[f"{name}_low"], row[f"{name}_high"])
                yield (f"{words} of a {kind}", row["class_id"]), (row[name], *ends)
    for row in _bins(run):
        for name in ("tpr", "fnr"):
            level = "frame" if row["metric"].startswith("frame_") else "object"
            ends = (row[f"{name}_low"], row[f"{name}_high"])
            yield (f"{name} by a metric of {level}s", f"{row['metric']} {row['bin']}"), (row[name], *ends)
    for row in run.table("metric_importance").to_pylist():
        if row["scope"] != "all" or row["score_threshold"] > 0 or row["metric"] not in METRICS:
            continue
        kind = "without effect" if row["metric"] in NOISE else "with effect"
        kind = f"{'a frame' if row['level'] == 'frame' else 'an object'} metric {kind}"
        key = f"{row['metric']} {row['target']}"
        target = "frames" if row["target"] == "frame" else "objects"
        # The finite data set that tells the truth has a little of everything by chance.
        importance = 0.0 if row["metric"] in NOISE else row["importance"]
        ends = (row["importance_low"], row["importance_high"])
        yield (f"importance for {target} of {kind}", key), (importance, *ends)
        for name in ("correlation", "correlation_spearman", "correlation_partial"):
            ends = (row[f"{name}_low"], row[f"{name}_high"])
            yield (f"{name} of {kind}", key), (row[name], *ends)


def _bins(run: Any) -> list[dict[str, Any]]:
    columns = [
        *("metric", "scope", "resolution", "bin", "tpr", "tpr_low", "tpr_high", "fnr", "fnr_low", "fnr_high"),
        *("n_predictions", "n_true_positive", "n_labels", "n_missed"),
    ]
    # Where a bin lies among 50 is the sample's; its value is the population's.
    bins = run.table("metric_bin", ["metric", "bin_50", "mean"]).to_pylist()
    value_of = {(row["metric"], row["bin_50"]): row["mean"] for row in bins}
    return [
        row | {"bin": value_of[row["metric"], row["bin"]]}
        for row in run.table("metric_performance", columns).to_pylist()
        if row["scope"] == "all" and row["resolution"] == 50 and row["metric"] in ("x", "frame_z")
    ]


def _row_wise(run: Any) -> Iterator[tuple[Key, tuple[float, float]]]:
    """Wilson's interval as if rows were independent."""
    for row in _bins(run):
        if row["metric"] == "frame_z":
            for name, n, right in (
                ("tpr", row["n_predictions"], row["n_true_positive"]),
                ("fnr", row["n_labels"], row["n_missed"]),
            ):
                low, high = wilson_interval(np.array(n), np.array(right), np.array(1.0))
                yield (f"{name} by a metric of frames", f"frame_z {row['bin']}"), (float(low), float(high))


def _count_alarms(run: Any, alarms: dict[str, Alarms]) -> None:
    for row in run.table("metric_importance").to_pylist():
        if row["scope"] != "all" or row["score_threshold"] > 0:
            continue
        if row["metric"] in NOISE and row["p_value"] is not None:
            level = "frame" if row["level"] == "frame" else "object"
            own = alarms[f"{level} metric, target {row['target']}"]
            own.n += 1
            own.n_low_p += row["p_value"] < 0.05
            own.n_significant += bool(row["is_significant"])


def text_of(found: Coverage, n_data_sets: int) -> str:
    """The tables in Markdown."""
    lines = [
        f"Of {n_data_sets:,} data sets of {N_FRAMES} frames:",
        "",
        "| interval of | holds the truth | null | row by row, for comparison |",
        "|---|---|---|---|",
    ]
    for name, line in found.lines.items():
        plain = found.row_wise.get(name)
        null = line.n_null / (line.n + line.n_null)
        compared = "" if plain is None else f"{plain.coverage:.1%}"
        covered = "" if line.n == 0 else f"{line.coverage:.1%}"
        lines.append(f"| {name.replace('_', ' ')} | {covered} | {null:.1%} | {compared} |")
    lines += ["", "| no effect | p below 0.05 | called significant |", "|---|---|---|"]
    for name, alarm in found.alarms.items():
        lines.append(f"| {name} | {alarm.n_low_p / alarm.n:.1%} | {alarm.n_significant / alarm.n:.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Print the page's tables anew."""
    n_data_sets = int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS
    found = measure_coverage(n_data_sets, lambda n: print(f"\r{n}", end="", file=sys.stderr))
    text = text_of(found, n_data_sets)
    print(text)
    if PAGE.exists():
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        page = f"{before}{START}\n\n{text}\n\n{END}{rest.split(END)[1]}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
