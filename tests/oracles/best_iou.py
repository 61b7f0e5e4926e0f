"""Protocol best_iou by its definition, one threshold at a time, with plain loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Holder:
    """A prediction attached to a label."""

    row: int
    score: float
    iou: float


@dataclass(frozen=True)
class Attached:
    """Which label each prediction is attached to; rows as in the tables given."""

    holders: dict[int, list[Holder]]
    prediction_ignored: list[bool]
    label_ignored: list[bool]


@dataclass(frozen=True)
class Outcomes:
    """Outcome of each row at one threshold."""

    prediction: list[str]
    label: list[str]


def match_directly(
    labels: pd.DataFrame, predictions: pd.DataFrame, iou_threshold: float, max_dets: int = 100
) -> Outcomes:
    """Attach each prediction to its best label, then let the best prediction of each label win at T."""
    return outcomes_at(iou_threshold, attach(labels, predictions, max_dets))


def attach(
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    max_dets: int = 100,
    score_threshold: float = float("-inf"),
) -> Attached:
    """Each prediction to its single highest-IoU label of the class and frame: IoU > 0, the first on ties.

    labels, predictions: frame_id, class_id, box columns, is_crowd and is_ignored, score; rows in input
    order. What is beyond max_dets or below `score_threshold` is ignored and attaches to nothing.
    """
    label_rows = labels.to_dict("records")
    prediction_rows = predictions.to_dict("records")
    label_ignored = [bool(label["is_crowd"] or label["is_ignored"]) for label in label_rows]
    prediction_ignored = [False] * len(prediction_rows)
    holders: dict[int, list[Holder]] = {}

    cells: dict[tuple[Any, Any], list[int]] = {}
    for row, prediction in enumerate(prediction_rows):
        cells.setdefault((prediction["frame_id"], prediction["class_id"]), []).append(row)
    for (frame_id, class_id), cell in cells.items():
        in_cell = [
            row
            for row, label in enumerate(label_rows)
            if label["frame_id"] == frame_id and label["class_id"] == class_id
        ]
        ranked = sorted(cell, key=lambda row: (-prediction_rows[row]["score"], row))
        for rank, row in enumerate(ranked):
            score = prediction_rows[row]["score"]
            if rank >= max_dets or score < score_threshold:
                prediction_ignored[row] = True
                continue
            best_label, best_iou = -1, 0.0
            for label_row in in_cell:
                iou = box_iou(prediction_rows[row], label_rows[label_row])
                if iou > best_iou:
                    best_label, best_iou = label_row, iou
            if best_label >= 0 and label_ignored[best_label]:
                prediction_ignored[row] = True
            elif best_label >= 0:
                holders.setdefault(best_label, []).append(Holder(row, score, best_iou))
    return Attached(holders, prediction_ignored, label_ignored)


def outcomes_at(iou_threshold: float, attached: Attached) -> Outcomes:
    """A label's true positive is its highest-score prediction with IoU >= T: ties by IoU, then by row."""
    prediction = ["ignored" if ignored else "false_positive" for ignored in attached.prediction_ignored]
    label = ["ignored" if ignored else "missed" for ignored in attached.label_ignored]
    for label_row, holders in attached.holders.items():
        reaching = [holder for holder in holders if holder.iou >= iou_threshold]
        if reaching:
            winner = min(reaching, key=lambda holder: (-holder.score, -holder.iou, holder.row))
            prediction[winner.row] = "true_positive"
            label[label_row] = "found"
    return Outcomes(prediction, label)


def box_iou(prediction: dict[Any, float], label: dict[Any, float]) -> float:
    """IoU in pycocotools' order of operations; crowd labels attach like others, by plain IoU."""
    right = min(prediction["width_px"] + prediction["x_px"], label["width_px"] + label["x_px"])
    width = right - max(prediction["x_px"], label["x_px"])
    bottom = min(prediction["height_px"] + prediction["y_px"], label["height_px"] + label["y_px"])
    height = bottom - max(prediction["y_px"], label["y_px"])
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    prediction_area = prediction["width_px"] * prediction["height_px"]
    label_area = label["width_px"] * label["height_px"]
    return intersection / (prediction_area + label_area - intersection)
