"""What a score threshold would give, one row at a time, from the fact tables of a run without one."""

from __future__ import annotations

from typing import Any

import pandas as pd


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
