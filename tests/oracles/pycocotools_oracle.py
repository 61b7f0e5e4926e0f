"""pycocotools on plain tables: the arrays, the twelve numbers and each match.

Two repairs of pycocotools, nothing else: label ids are renumbered from 1 (it takes a match with id 0 for
no match), and an `ignore` flag on a label that is no crowd is let through (it overwrites the flag).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10))
AREA_RANGES = ((0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10))
MAX_DETS = (1, 10, 100)
TWELVE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class CocoResult:
    """What pycocotools finds. T thresholds, R recall points, K classes, A area ranges, M max_dets.

    precision, scores (T, R, K, A, M), recall (T, K, A, M): -1 where a class has no label that counts.
    Flags are per row of the tables that were given, in their order: prediction_matched,
    prediction_ignored (T, A, P), label_found, label_ignored (T, A, L), with the largest max_dets;
    prediction_evaluated (P,) is false beyond it. label_of_prediction (T, A, P) is the row of the
    matched label, -1 without one.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray
    prediction_evaluated: np.ndarray
    prediction_matched: np.ndarray
    prediction_ignored: np.ndarray
    label_found: np.ndarray
    label_ignored: np.ndarray
    label_of_prediction: np.ndarray

    def twelve_numbers(self) -> dict[str, float]:
        """The COCO numbers; for the default thresholds, ranges and max_dets only."""
        assert self.precision.shape[0] == 10 and self.precision.shape[3:] == (4, 3)
        ap = [
            _mean(self.precision[:, :, :, 0, 2]),
            _mean(self.precision[0, :, :, 0, 2]),
            _mean(self.precision[5, :, :, 0, 2]),
            *(_mean(self.precision[:, :, :, a, 2]) for a in (1, 2, 3)),
        ]
        ar = [
            *(_mean(self.recall[:, :, 0, m]) for m in (0, 1, 2)),
            *(_mean(self.recall[:, :, a, 2]) for a in (1, 2, 3)),
        ]
        return dict(zip(TWELVE, [*ap, *ar], strict=True))


def _mean(values: np.ndarray) -> float:
    present = values[values > -1]
    return float(np.mean(present)) if present.size else -1.0


class _KeepsIgnore(COCOeval):
    """COCOeval whose labels keep the ignore flag they were given."""

    def _prepare(self) -> None:
        flags = {label_id: label.get("ignore", 0) for label_id, label in self.cocoGt.anns.items()}
        super()._prepare()
        for labels in self._gts.values():
            for label in labels:
                label["ignore"] = int(bool(label["iscrowd"] or flags[label["id"]]))


def run_pycocotools(
    frames: pd.DataFrame,
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    area_ranges: Sequence[tuple[float, float]] = AREA_RANGES,
    max_dets: Sequence[int] = MAX_DETS,
    classes: Sequence[int | str] | None = None,
) -> CocoResult:
    """Evaluate tables with pycocotools.

    frames: frame_id in frame order. labels, predictions: frame_id, class_id, x_px, y_px, width_px,
    height_px, rows in input order; labels also area_px2 (null: of the box), is_crowd, is_ignored;
    predictions also score. classes: the K class ids in evaluation order; default: those of the labels,
    sorted. Rows of other classes are left out.
    """
    class_ids = list(classes) if classes is not None else sorted(labels["class_id"].unique())
    frame_number = {frame_id: number for number, frame_id in enumerate(frames["frame_id"], 1)}
    class_number = {class_id: number for number, class_id in enumerate(class_ids, 1)}

    label_rows = _annotations(labels, frame_number, class_number)
    prediction_rows = _annotations(predictions, frame_number, class_number)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _coco(label_rows, frame_number, class_number)
        detections = _coco(prediction_rows, frame_number, class_number)
        evaluation = _KeepsIgnore(truth, detections, "bbox")
        evaluation.params.iouThrs = np.asarray(iou_thresholds, np.float64)
        evaluation.params.areaRng = [list(area_range) for area_range in area_ranges]
        evaluation.params.areaRngLbl = [str(index) for index in range(len(area_ranges))]
        evaluation.params.maxDets = list(max_dets)
        evaluation.evaluate()
        evaluation.accumulate()
    return CocoResult(
        evaluation.eval["precision"],
        evaluation.eval["recall"],
        evaluation.eval["scores"],
        **_flags(evaluation, labels, predictions, len(iou_thresholds), area_ranges),
    )


def _annotations(
    table: pd.DataFrame, frame_number: dict[object, int], class_number: dict[object, int]
) -> list[dict[str, object]]:
    """COCO annotations with id = row + 1, so that flags find back to their row."""
    rows: list[dict[str, object]] = []
    for row, values in enumerate(table.to_dict("records")):
        if values["class_id"] not in class_number:
            continue
        box = [float(values[c]) for c in ("x_px", "y_px", "width_px", "height_px")]
        area = values.get("area_px2")
        rows.append(
            {
                "id": row + 1,
                "image_id": frame_number[values["frame_id"]],
                "category_id": class_number[values["class_id"]],
                "bbox": box,
                "area": box[2] * box[3] if area is None or pd.isna(area) else float(area),
                "iscrowd": int(bool(values.get("is_crowd", False))),
                "ignore": int(bool(values.get("is_ignored", False))),
                "score": float(values.get("score", 0.0)),
            }
        )
    return rows


def _coco(
    annotations: list[dict[str, object]], frame_number: dict[object, int], class_number: dict[object, int]
) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in frame_number.values()],
        "categories": [{"id": number, "name": str(name)} for name, number in class_number.items()],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _flags(
    evaluation: COCOeval,
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    n_thresholds: int,
    area_ranges: Sequence[tuple[float, float]],
) -> dict[str, np.ndarray]:
    shape_p = (n_thresholds, len(area_ranges), len(predictions))
    shape_l = (n_thresholds, len(area_ranges), len(labels))
    flags: dict[str, np.ndarray] = {
        "prediction_evaluated": np.zeros(len(predictions), bool),
        "prediction_matched": np.zeros(shape_p, bool),
        "prediction_ignored": np.zeros(shape_p, bool),
        "label_found": np.zeros(shape_l, bool),
        "label_ignored": np.zeros(shape_l, bool),
        "label_of_prediction": np.full(shape_p, -1, np.int64),
    }
    # evalImgs is a plain list in the order class, range, frame.
    n_frames = len(evaluation.params.imgIds)
    for position, cell in enumerate(evaluation.evalImgs):
        if cell is None:
            continue
        area = (position // n_frames) % len(area_ranges)
        prediction_row = np.asarray(cell["dtIds"], np.int64) - 1
        label_row = np.asarray(cell["gtIds"], np.int64) - 1
        flags["prediction_evaluated"][prediction_row] = True
        flags["prediction_matched"][:, area, prediction_row] = cell["dtMatches"] > 0
        flags["prediction_ignored"][:, area, prediction_row] = cell["dtIgnore"]
        flags["label_of_prediction"][:, area, prediction_row] = cell["dtMatches"].astype(np.int64) - 1
        flags["label_found"][:, area, label_row] = cell["gtMatches"] > 0
        flags["label_ignored"][:, area, label_row] = np.asarray(cell["gtIgnore"], bool)
    return flags
