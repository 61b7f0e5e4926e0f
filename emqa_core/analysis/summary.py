"""The measures of a run: the twelve COCO numbers, mAP and mAR at the chosen threshold, and others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.calibration import expected_calibration_error
from emqa_core.analysis.class_intervals import (
    average_precision_intervals,
    average_recall_intervals,
    f1_intervals,
    precision_intervals,
    recall_intervals,
)
from emqa_core.analysis.class_performance import ClassPerformance, table_of
from emqa_core.analysis.intervals import Intervals
from emqa_core.config import COCO_AREA_RANGES, COCO_IOU_THRESHOLDS
from emqa_core.objects import Array

COCO_MEASURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_LETTER = {"s": "small", "m": "medium", "l": "large"}


def summary_table(performance: ClassPerformance, n_frames: int) -> pa.Table:
    """Table `summary`: one row per measure."""
    rows = [_coco_measure(performance, measure) for measure in COCO_MEASURES]
    rows += _measures_at_chosen(performance)
    rows.append(_row("n_frames", float(n_frames)))
    rows.append(_row("n_classes", float(len(performance.classes))))
    return table_of(schema.SUMMARY, rows)


def _row(measure: str, value: float | None, reason: str | None = None) -> dict[str, object]:
    return {"measure": measure, "value": value, "reason": reason}


def _coco_measure(performance: ClassPerformance, measure: str) -> dict[str, object]:
    """One of COCO's numbers; -1, as COCO writes it, where no label counts in the range.

    Null where the options leave out what the measure is made of.
    """
    config = performance.config
    name, detail = measure[:2], measure[2:]
    thresholds = list(config.evaluated_iou_thresholds)
    area_range = _LETTER.get(detail, "all")
    max_det = int(detail) if name == "AR" and detail.isdigit() else 100
    wanted = [0.5] if measure == "AP50" else [0.75] if measure == "AP75" else list(COCO_IOU_THRESHOLDS)
    if any(t not in thresholds for t in wanted):
        return _row(measure, None, "iou_thresholds")
    if config.area_ranges.get(area_range) != COCO_AREA_RANGES[area_range]:
        return _row(measure, None, "area_ranges")
    if max_det not in config.max_dets or (name == "AP" and config.max_dets[-1] != max_det):
        return _row(measure, None, "max_dets")
    chosen = [thresholds.index(t) for t in wanted]
    a = list(config.area_ranges).index(area_range)
    values = (
        performance.average_precision[:, chosen, a]
        if name == "AP"
        else performance.average_recall[:, chosen, a, config.max_dets.index(max_det)]
    )
    value = _mean(performance, values)
    if np.isnan(value):
        return _row(measure, -1.0, "no_labels")
    row = _row(measure, value)
    if a == 0 and name == "AP":
        row |= _ends(average_precision_intervals(performance, [chosen]))
    elif a == 0 and max_det == config.max_dets[-1]:
        row |= _ends(average_recall_intervals(performance, [chosen]))
    return row


def _ends(found: Intervals, threshold: int = 0) -> dict[str, object]:
    """Interval of all classes in one column of `found`, NaN for none, and why."""
    return {name: getattr(found, name)[0, threshold] for name in ("low", "high", "reason")}


def _mean(performance: ClassPerformance, values: Array) -> float:
    """Mean over classes and thresholds of (K, T) values."""
    return float(performance.mean_over_classes(values.mean(axis=1)))


def _calibration_error(performance: ClassPerformance) -> float | None:
    """Of all classes together; None without a prediction whose score is a probability."""
    error = float(expected_calibration_error(performance.counts.calibration.sum(axis=1, keepdims=True))[0])
    return None if np.isnan(error) else error


def _measures_at_chosen(performance: ClassPerformance) -> list[dict[str, object]]:
    config, counts = performance.config, performance.counts
    t = config.chosen_threshold_index
    largest = len(config.max_dets) - 1
    mean_ap = _row("mAP", _mean(performance, performance.average_precision[:, [t], 0]))
    mean_ar = _row("mAR", _mean(performance, performance.average_recall[:, [t], 0, largest]))
    n_labels = int(counts.n_positive[:, 0].sum())
    n_predictions = int(counts.n_prediction[:, 0, t].sum())
    n_true = int(counts.n_true_positive[:, 0, t].sum())
    best = performance.pooled.best()[t, 0]
    total = n_predictions + n_labels
    return [
        mean_ap | _ends(average_precision_intervals(performance, [[t]])),
        mean_ar | _ends(average_recall_intervals(performance, [[t]])),
        _row("mAP_voc07", _mean(performance, performance.voc07[:, [t], 0])),
        _row("mAP_all_point", _mean(performance, performance.all_point[:, [t], 0])),
        _row("precision", n_true / n_predictions if n_predictions else None)
        | _ends(precision_intervals(performance), t),
        _row("recall", n_true / n_labels if n_labels else None) | _ends(recall_intervals(performance), t),
        _row("F1", 2 * n_true / total if total else None) | _ends(f1_intervals(performance), t),
        _row("best_score_threshold", float(best[0])),
        _row("best_precision", float(best[1])),
        _row("best_recall", float(best[2])),
        _row("best_F1", float(best[3])),
        _row("expected_calibration_error", _calibration_error(performance)),
        _row("n_labels", float(n_labels)),
        _row("n_predictions", float(n_predictions)),
        _row("n_true_positive", float(n_true)),
        _row("n_false_positive", float(n_predictions - n_true)),
        _row("n_missed", float(n_labels - n_true)),
    ]
