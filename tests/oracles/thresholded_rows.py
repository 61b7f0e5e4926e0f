"""What a score threshold would give, one row at a time, from the fact tables of a run without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from emqa_core import schema


def shown_levels(score: pd.Series, *thresholds: float) -> list[float]:
    """Twenty steps of 0..1, or of the scores' own range, and the thresholds."""
    if score.min() >= 0 and score.max() <= 1:
        steps = [k / 20 for k in range(20)]
    else:
        low, high = float(score.min()), float(score.max())
        steps = [low * (1 - k / 20) + high * (k / 20) for k in range(20)]
    return sorted({*steps, *thresholds})


def score_performance_row(
    prediction: pd.DataFrame, label: pd.DataFrame, class_id: str | None, score: float
) -> dict[str, Any]:
    """Counts and rates at the chosen T of a class, or of all (None), of predictions with at least a score."""
    if class_id is not None and not pd.isna(class_id):
        prediction = prediction[prediction["class_id"].astype(str) == class_id]
        label = label[label["class_id"].astype(str) == class_id]
    n = n_true = 0
    for row in prediction.to_dict("records"):
        if row["score"] >= score and row["outcome"] != "ignored":
            n += 1
            n_true += row["outcome"] == "true_positive"
    n_labels = int((label["outcome"].astype(str) != "ignored").sum())
    return {
        "n_predictions": n,
        "n_true_positive": n_true,
        "n_labels": n_labels,
        "precision": n_true / n if n else None,
        "recall": n_true / n_labels if n_labels else None,
        "f1": 2 * n_true / (n + n_labels) if n + n_labels else None,
    }


def tables_at(
    prediction: pd.DataFrame, label: pd.DataFrame, iou_threshold: float, score: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fact tables as a run with this score threshold would have them at the chosen T.

    From those of a run with a lower one: predictions below it are gone, labels that they found are missed.
    """
    found = schema.found_column(iou_threshold)
    is_found = label[found].to_numpy(bool) & (label["score"].to_numpy(float) >= score)
    label = label.assign(**{found: is_found})
    return prediction[prediction["score"] >= score].reset_index(drop=True), label


def metric_score_rows(
    prediction: pd.DataFrame | None,
    label: pd.DataFrame | None,
    metric: str,
    bins: dict[str, np.ndarray],
    levels: list[float],
) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """n_predictions, n_true_positive and n_found by (class_id or None, bin, score_lower).

    bins: of each side, -1 for rows without the metric; class_id None keeps 50, classes have them by fives.
    """
    cells: dict[tuple[Any, ...], list[int]] = {}

    def level_of(score: float) -> float:
        return max(level for level in levels if level <= score)

    for side, rows in (("prediction", prediction), ("label", label)):
        for row, at in zip([] if rows is None else rows.to_dict("records"), bins.get(side, ()), strict=True):
            if row["outcome"] == "ignored" or at < 0 or (side == "label" and row["outcome"] != "found"):
                continue
            for key in ((None, int(at)), (str(row["class_id"]), int(at) // 5)):
                cell = cells.setdefault((*key, level_of(row["score"])), [0, 0, 0])
                if side == "label":
                    cell[2] += 1
                else:
                    cell[0] += 1
                    cell[1] += row["outcome"] == "true_positive"
    return {key: (cell[0], cell[1], cell[2]) for key, cell in cells.items()}
