"""Protocol best_iou by its definition, one threshold at a time, with plain loops."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class DirectMatching:
    """Outcome of each row at one threshold, rows as in the tables given."""

    prediction_outcome: list[str]
    label_outcome: list[str]


def match_directly(
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    iou_threshold: float,
    max_dets: int = 100,
    score_threshold: float = float("-inf"),
) -> DirectMatching:
    """Attach each prediction to its best label, then let the best prediction of each label win at T.

    labels, predictions: frame_id, class_id, box columns, is_crowd and is_ignored, score; rows in input
    order. A prediction below `score_threshold` is ignored; without it the next best one wins.
    """
    prediction_outcome = ["false_positive"] * len(predictions)
    label_outcome = ["missed"] * len(labels)
    label_rows = labels.to_dict("records")
    prediction_rows = predictions.to_dict("records")
    for row, label in enumerate(label_rows):
        if label["is_crowd"] or label["is_ignored"]:
            label_outcome[row] = "ignored"

    cells: dict[tuple[object, object], list[int]] = {}
    for row, prediction in enumerate(prediction_rows):
        cells.setdefault((prediction["frame_id"], prediction["class_id"]), []).append(row)
    for (frame_id, class_id), cell in cells.items():
        in_cell = [
            row
            for row, label in enumerate(label_rows)
            if label["frame_id"] == frame_id and label["class_id"] == class_id
        ]
        ranked = sorted(cell, key=lambda row: (-prediction_rows[row]["score"], row))
        attached: dict[int, list[tuple[float, float, int]]] = {}
        for rank, row in enumerate(ranked):
            if rank >= max_dets or prediction_rows[row]["score"] < score_threshold:
                prediction_outcome[row] = "ignored"
                continue
            best_label, best_iou = _best_label(prediction_rows[row], label_rows, in_cell)
            if best_label is None:
                continue
            if label_outcome[best_label] == "ignored":
                prediction_outcome[row] = "ignored"
                continue
            attached.setdefault(best_label, []).append((prediction_rows[row]["score"], best_iou, row))
        for label_row, holders in attached.items():
            reaching = [holder for holder in holders if holder[1] >= iou_threshold]
            if reaching:
                winner = min(reaching, key=lambda holder: (-holder[0], -holder[1], holder[2]))
                prediction_outcome[winner[2]] = "true_positive"
                label_outcome[label_row] = "found"
    return DirectMatching(prediction_outcome, label_outcome)


def _best_label(
    prediction: dict[str, float], label_rows: list[dict[str, float]], in_cell: list[int]
) -> tuple[int | None, float]:
    """The first label of the highest IoU above 0."""
    best_label: int | None = None
    best_iou = 0.0
    for row in in_cell:
        iou = box_iou(prediction, label_rows[row], bool(label_rows[row]["is_crowd"]))
        if iou > best_iou:
            best_label, best_iou = row, iou
    return best_label, best_iou


def box_iou(prediction: dict[str, float], label: dict[str, float], crowd: bool) -> float:
    """IoU in pycocotools' order of operations; of a crowd, intersection over the prediction's area."""
    width = min(prediction["width_px"] + prediction["x_px"], label["width_px"] + label["x_px"]) - max(
        prediction["x_px"], label["x_px"]
    )
    height = min(prediction["height_px"] + prediction["y_px"], label["height_px"] + label["y_px"]) - max(
        prediction["y_px"], label["y_px"]
    )
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    prediction_area = prediction["width_px"] * prediction["height_px"]
    label_area = label["width_px"] * label["height_px"]
    union = prediction_area if crowd else prediction_area + label_area - intersection
    return intersection / union
