"""The confusion matrix worked out frame by frame from rows of the tables, at any score threshold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.oracles.error_rows import Row, iou

Cells = Counter[tuple[str | None, str | None]]  # class of the label, of the prediction; None: background


def covered_share(prediction: Row, crowd: Row) -> float:
    """Intersection over the prediction's area."""
    width = min(prediction["x_px"] + prediction["width_px"], crowd["x_px"] + crowd["width_px"])
    height = min(prediction["y_px"] + prediction["height_px"], crowd["y_px"] + crowd["height_px"])
    width -= max(prediction["x_px"], crowd["x_px"])
    height -= max(prediction["y_px"], crowd["y_px"])
    return max(width, 0) * max(height, 0) / (prediction["width_px"] * prediction["height_px"])


def evaluated(predictions: Sequence[Row], max_det: int) -> list[Row]:
    """The first max_det of each frame and class, by score and input order."""
    cells: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(predictions, key=lambda row: (-row["score"], row["input_index"])):
        cells[row["frame_id"], row["class_id"]].append(row)
    return [row for rows in cells.values() for row in rows[:max_det]]


def expected_confusion(
    predictions: Sequence[Row],
    labels: Sequence[Row],
    iou_threshold: float,
    score_threshold: float | None,
    max_det: int = 100,
) -> Cells:
    """From rows of the tables `prediction` and `label`; score_threshold None: all predictions."""
    cells: Cells = Counter()
    kept = [
        row
        for row in evaluated(predictions, max_det)
        if score_threshold is None or row["score"] >= score_threshold
    ]
    for frame in {row["frame_id"] for row in (*predictions, *labels)}:
        free = [row for row in labels if row["frame_id"] == frame]
        counting = [row for row in free if row["outcome"] != "ignored"]
        ignored = [row for row in free if row["outcome"] == "ignored"]
        here = [row for row in kept if row["frame_id"] == frame]
        for row in sorted(here, key=lambda row: (-row["score"], row["input_index"])):
            near = [label for label in counting if iou(row, label) >= iou_threshold]
            if near:
                held = max(
                    near,
                    key=lambda label: (
                        iou(row, label), label["class_id"] == row["class_id"], label["input_index"]
                    ),
                )  # fmt: skip
                cells[held["class_id"], row["class_id"]] += 1
                counting.remove(held)
                continue
            overlap = {
                place: covered_share(row, label) if label["is_crowd"] else iou(row, label)
                for place, label in enumerate(ignored)
                if label["class_id"] == row["class_id"]
            }
            held_at = max(overlap, key=lambda place: (overlap[place], place), default=None)
            if held_at is None or overlap[held_at] < iou_threshold:
                cells[None, row["class_id"]] += 1
            elif not ignored[held_at]["is_crowd"]:
                ignored.pop(held_at)
        for label in counting:
            cells[label["class_id"], None] += 1
    return cells
