"""Error types worked out object by object, from the words of the definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def iou(a: Row, b: Row) -> float:
    width = min(a["x_px"] + a["width_px"], b["x_px"] + b["width_px"]) - max(a["x_px"], b["x_px"])
    height = min(a["y_px"] + a["height_px"], b["y_px"] + b["height_px"]) - max(a["y_px"], b["y_px"])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a["width_px"] * a["height_px"] + b["width_px"] * b["height_px"] - shared)


def nearest(row: Row, labels: Sequence[Row]) -> tuple[float, Row | None]:
    """The highest IoU, and the first label that has it."""
    best, found = 0.0, None
    for label in labels:
        if (value := iou(row, label)) > best:
            best, found = value, label
    return best, found


def expected_errors(
    predictions: Sequence[Row], labels: Sequence[Row], threshold: float
) -> tuple[list[str | None], list[str | None]]:
    """Error types of rows of the tables `prediction` and `label`, in their order."""
    causes: dict[int, set[str]] = {}
    of_predictions: list[str | None] = []
    for row in predictions:
        if row["outcome"] != "false_positive":
            of_predictions.append(None)
            continue
        there = [
            each for each in labels if each["frame_id"] == row["frame_id"] and each["outcome"] != "ignored"
        ]
        s, s_label = nearest(row, [each for each in there if each["class_id"] == row["class_id"]])
        o, o_label = nearest(row, [each for each in there if each["class_id"] != row["class_id"]])
        if 0.1 <= s <= threshold:
            of_predictions.append("localization")
            causes.setdefault(id(s_label), set()).add("localization")
        elif o >= threshold:
            of_predictions.append("classification")
            causes.setdefault(id(o_label), set()).add("classification")
        elif s >= threshold and s_label is not None and s_label["outcome"] == "found":
            of_predictions.append("duplicate")
        elif max(s, o) <= 0.1:
            of_predictions.append("background")
        else:
            of_predictions.append("classification_and_localization")
    of_labels: list[str | None] = []
    for row in labels:
        own = causes.get(id(row), set())
        if row["outcome"] != "missed":
            of_labels.append(None)
        else:
            of_labels.append(
                next((each for each in ("localization", "classification") if each in own), "missed")
            )
    return of_predictions, of_labels
