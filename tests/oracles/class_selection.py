"""What a reader knows of a selection of classes from the tables of a run with all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.oracles.class_intervals import N_GROUPS, logit_jackknife
from tests.oracles.performance_by_metric import Z

Ends = tuple[float, float]


def measures_of(run: Any, class_ids: Collection[str], threshold: float) -> dict[str, tuple[float, Ends]]:
    """Value and interval of mAP, mAR, F1, precision and recall; the last two at the chosen threshold."""
    values = {
        row["class_id"]: row
        for row in run.table("class_performance").to_pylist()
        if row["class_id"] in class_ids and row["iou_threshold"] == threshold and row["area_range"] == "all"
    }
    groups = {
        (row["class_id"], row["group"]): row
        for row in run.table("class_group").to_pylist()
        if row["class_id"] in class_ids and row["iou_threshold"] == threshold
    }
    assert sum(row["n_frames_with_label"] for row in values.values()) >= 10
    found = {
        name: _of_means(values, groups, column)
        for name, column in (("mAP", "average_precision"), ("mAR", "average_recall"))
    }
    true = sum(row["n_true_positive"] for row in values.values())
    n = {side: sum(row[side] for row in values.values()) for side in ("n_predictions", "n_labels")}
    replicates = []
    for group in range(N_GROUPS):
        own = [row for (_, number), row in groups.items() if number == group]
        rows = sum(row["n_predictions"] + row["n_labels"] for row in own)
        if rows:
            left = true - sum(row["n_true_positive"] for row in own)
            replicates.append(2 * left / (sum(n.values()) - rows))
    f1 = 2 * true / sum(n.values())
    found["F1"] = f1, logit_jackknife(f1, replicates)
    precision, ends = (
        true / n["n_predictions"],
        _wilson(run, class_ids, "prediction", n["n_predictions"], true),
    )
    found["precision"] = precision, ends
    low, high = _wilson(run, class_ids, "label", n["n_labels"], n["n_labels"] - true)
    found["recall"] = true / n["n_labels"], (1 - high, 1 - low)
    return found


def _of_means(
    values: dict[str, dict[str, Any]], groups: dict[tuple[str, int], dict[str, Any]], column: str
) -> tuple[float, Ends]:
    present = {class_id: row[column] for class_id, row in values.items() if row[column] is not None}
    value = sum(present.values()) / len(present)
    replicates = []
    for group in range(N_GROUPS):
        if sum(groups[class_id, group]["n_labels"] for class_id in values):
            left = [groups[class_id, group][f"{column}_without"] for class_id in present]
            kept = [whole if own is None else own for whole, own in zip(present.values(), left, strict=True)]
            replicates.append(sum(kept) / len(kept))
    return value, logit_jackknife(value, replicates)


def _wilson(run: Any, class_ids: Collection[str], source: str, n: int, y: int) -> Ends:
    nn = ny = yy = m = 0
    for row in run.table("class_cooccurrence").to_pylist():
        if row["source"] == source and row["class_id"] in class_ids and row["other_class_id"] in class_ids:
            nn += row["sum_product"]
            ny += row["sum_product_ny"]
            yy += row["sum_product_yy"]
            if row["class_id"] == row["other_class_id"]:
                m = max(m, row["n_frames"])
    p = y / n
    delta = m / (m - 1) * (yy - 2 * p * ny + p * p * nn) / (n * p * (1 - p))
    effective = n / max(1.0, delta)
    square = Z * Z / effective
    centre = (p + square / 2) / (1 + square)
    half = Z / (1 + square) * (p * (1 - p) / effective + square / (4 * effective)) ** 0.5
    return centre - half, centre + half
