"""Counts, rates, best F1 and the other average precisions of each class, from pycocotools' flags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tests.oracles.pycocotools_oracle import CocoResult


@dataclass(frozen=True)
class Judged:
    """The predictions that count in a scope, by score descending, and the number of labels that count."""

    score: np.ndarray
    true_positive: np.ndarray
    n_labels: int

    def counts(self, score_threshold: float) -> tuple[int, int]:
        """Predictions and true positives of at least this score."""
        kept = self.score >= score_threshold
        return int(kept.sum()), int(self.true_positive[kept].sum())

    def f1(self, score_threshold: float) -> float | None:
        n_predictions, n_true = self.counts(score_threshold)
        n = n_predictions + self.n_labels
        return 2 * n_true / n if n else None


def judge(
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    result: CocoResult,
    class_ids: Sequence[Any],
    threshold_index: int,
    area_index: int,
) -> Judged:
    """What counts of these classes at one threshold in one area range.

    Equal scores stand in frame order, here that of integer frame ids, then in input order.
    """
    counts = predictions["class_id"].isin(class_ids).to_numpy() & result.prediction_evaluated
    counts &= ~result.prediction_ignored[threshold_index, area_index]
    score = predictions["score"].to_numpy()[counts]
    right = result.prediction_matched[threshold_index, area_index][counts]
    order = np.lexsort((np.arange(len(score)), predictions["frame_id"].to_numpy()[counts], -score))
    label_counts = (
        labels["class_id"].isin(class_ids).to_numpy() & ~result.label_ignored[threshold_index, area_index]
    )
    return Judged(score[order], right[order], int(label_counts.sum()))


def rates(judged: Judged, score_threshold: float) -> dict[str, Any]:
    """The count and rate columns of class_performance."""
    n_predictions, n_true = judged.counts(score_threshold)
    return {
        "n_labels": judged.n_labels,
        "n_predictions": n_predictions,
        "n_true_positive": n_true,
        "n_false_positive": n_predictions - n_true,
        "n_missed": judged.n_labels - n_true,
        "precision": n_true / n_predictions if n_predictions else None,
        "recall": n_true / judged.n_labels if judged.n_labels else None,
        "f1": judged.f1(score_threshold),
    }


def best_f1(judged: Judged) -> float | None:
    """The highest F1 over all score thresholds at which something changes."""
    values = [judged.f1(float(score)) for score in np.unique(judged.score)]
    present = [value for value in values if value is not None]
    return max(present) if present else None


def average_precision_voc07(judged: Judged) -> float:
    """Mean over recalls 0, 0.1, ..., 1 of the highest precision at that recall or more."""
    recall, precision = _curve(judged)
    points = [step / 10 for step in range(11)]
    return math.fsum(max(precision[recall >= point], default=0.0) for point in points) / 11


def average_precision_all_point(judged: Judged) -> float:
    """Area under the curve of the highest precision at each recall or more."""
    recall, precision = _curve(judged)
    area, before = 0.0, 0.0
    for index, at in enumerate(recall):
        area += (at - before) * precision[index:].max()
        before = at
    return float(area)


def _curve(judged: Judged) -> tuple[np.ndarray, np.ndarray]:
    true = np.cumsum(judged.true_positive)
    return true / judged.n_labels, true / np.arange(1, len(true) + 1)
