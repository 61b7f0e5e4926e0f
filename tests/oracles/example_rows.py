"""The worst objects and frames of a run, looked for row by row in its tables."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

CONTROLS = ("object_random", "frame_random", "confidence")
WRONG = {"prediction": ("false_positive", "score"), "label": ("missed", "area_px2")}
Key = tuple[str, str, int]  # source, frame_id, input_index


def important_metrics(run: Any, n: int) -> list[str]:
    """Ranked by the better of their two importances for predictions and labels; significant ones first."""
    chosen = run.row()["iou_threshold"]
    best: dict[str, tuple[bool, float]] = {}
    for row in run.to_pandas("metric_importance").to_dict("records"):
        if row["scope"] != "all" or abs(row["iou_threshold"] - chosen) > 1e-6 or row["target"] == "frame":
            continue
        if row["score_threshold"] != run.row()["score_threshold"]:
            continue
        if row["metric"] in CONTROLS or pd.isna(row["importance"]):
            continue
        figure = (row["is_significant"] is not False, row["importance"])
        best[row["metric"]] = max(best.get(row["metric"], (False, -1.0)), figure)
    return sorted(best, key=lambda metric: (not best[metric][0], -best[metric][1], metric))[:n]


def range_of(value: Any, bins: list[dict[str, Any]]) -> int | None:
    """Number of the range that a value falls in: a fifth of the bins, or a category's own bin."""
    if bins[0]["category"] is not None:
        text = str(value).lower() if isinstance(value, bool | np.bool_) else value
        return next((row["bin_50"] for row in bins if row["category"] == text), None)
    if pd.isna(value):
        return None
    inside = [row for row in bins if value <= row["upper"]]
    return (inside[0] if inside else bins[-1])["bin_50"] // 10


def worst_objects(run: Any, metrics: list[str], n: int) -> dict[Key, set[tuple[str, int, int]]]:
    """(metric, range, place) of each object that is among the n worst of its source there."""
    frames = run.to_pandas("frame").set_index("frame_id")
    bins = run.to_pandas("metric_bin").sort_values(["metric", "bin"]).astype(object)
    bins = bins.where(bins.notna(), None)
    found: dict[Key, set[tuple[str, int, int]]] = defaultdict(set)
    for source, (wrong, value) in WRONG.items():
        rows = [row for row in run.to_pandas(source).to_dict("records") if row["outcome"] == wrong]
        rows.sort(key=lambda row: (-row[value], row["frame_order"], row["input_index"]))
        for metric in metrics:
            of_metric = bins[bins["metric"] == metric].to_dict("records")
            taken: dict[int, int] = defaultdict(int)
            for row in rows:
                at = frames.loc[row["frame_id"]] if metric in frames.columns else row
                if metric not in at:
                    continue
                number = range_of(at[metric], of_metric)
                if number is not None and taken[number] < n:
                    found[source, row["frame_id"], row["input_index"]].add((metric, number, taken[number]))
                    taken[number] += 1
    return dict(found)


def worst_of_values(run: Any, column: str, n: int) -> set[Key]:
    """The n worst objects of each value of a column and each source."""
    found = set()
    for source, (wrong, value) in WRONG.items():
        rows = run.to_pandas(source)
        rows = rows[(rows["outcome"] == wrong) & rows[column].notna()]
        for name in set(rows[column]):
            some = rows[rows[column] == name].sort_values(
                [value, "frame_order", "input_index"], ascending=[False, True, True]
            )
            found |= {(source, row["frame_id"], row["input_index"]) for row in some[:n].to_dict("records")}
    return found


def worst_frames(run: Any, n: int) -> list[str]:
    """frame_id of the n frames of the lowest F1, of equal ones by most errors."""
    rows = [
        (row["f1"], -(row["n_false_positive"] + row["n_missed"]), row["frame_order"], row["frame_id"])
        for row in run.to_pandas("frame").to_dict("records")
        if row["n_false_positive"] + row["n_missed"] > 0
    ]
    return [frame_id for _, _, _, frame_id in sorted(rows)[:n]]
