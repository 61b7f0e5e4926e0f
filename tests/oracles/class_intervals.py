"""Counts of a selection of classes by frame, from the prediction and label tables, and intervals by loops."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from emqa_core.schema import found_column, true_positive_column

N_GROUPS = 20


@dataclass(frozen=True)
class FrameCounts:
    """Rows of some classes by frame at one threshold, without ignored rows.

    hits: true positives whatever the score.
    """

    predictions: Counter[str]
    true_positives: Counter[str]
    labels: Counter[str]
    found: Counter[str]
    hits: Counter[str]

    def without(self, frames: Collection[str]) -> FrameCounts:
        return FrameCounts(
            *(
                Counter({frame: n for frame, n in counter.items() if frame not in frames})
                for counter in (self.predictions, self.true_positives, self.labels, self.found, self.hits)
            )
        )

    @property
    def precision(self) -> float:
        return self.true_positives.total() / self.predictions.total()

    @property
    def recall(self) -> float:
        return self.found.total() / self.labels.total()

    @property
    def f1(self) -> float:
        return 2 * self.true_positives.total() / (self.predictions.total() + self.labels.total())

    @property
    def average_recall(self) -> float:
        return self.hits.total() / self.labels.total()


def count_frames(
    run: Any, class_ids: Collection[str], threshold: float, score_threshold: float
) -> FrameCounts:
    """Of a run without crowds, so that only the score leaves predictions out."""
    counts = FrameCounts(Counter(), Counter(), Counter(), Counter(), Counter())
    is_right, is_found = true_positive_column(threshold), found_column(threshold)
    columns = ["frame_id", "class_id", "score", is_right]
    for row in run.table("prediction", columns).to_pylist():
        if row["class_id"] not in class_ids:
            continue
        counts.hits[row["frame_id"]] += row[is_right]
        if row["score"] >= score_threshold:
            counts.predictions[row["frame_id"]] += 1
            counts.true_positives[row["frame_id"]] += row[is_right]
    for row in run.table("label", ["frame_id", "class_id", is_found]).to_pylist():
        if row["class_id"] in class_ids:
            counts.labels[row["frame_id"]] += 1
            counts.found[row["frame_id"]] += row[is_found]
    return counts


def logit_jackknife(value: float, replicates: Sequence[float]) -> tuple[float, float]:
    """expit(logit v ± t·se / (v (1 - v)))."""
    n = len(replicates)
    mean = sum(replicates) / n
    error = math.sqrt((n - 1) / n * sum((each - mean) ** 2 for each in replicates))
    half = float(stats.t.ppf(0.975, n - 1)) * error / (value * (1 - value))
    logit = math.log(value / (1 - value))
    return 1 / (1 + math.exp(half - logit)), 1 / (1 + math.exp(-half - logit))
