"""A run held in memory, with tables as the schema declares them and figures that can be checked by hand."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa

from emqa_core.schema import TABLES
from emqa_core.storage.runs import Run

RUN_ID = "2026-01-05_detector_0a1b2c3d4e5f"
COMMON = {
    "run_id": RUN_ID,
    "run_date": datetime.date(2026, 1, 5),
    "model": "detector",
    "dataset": "streets",
}
CLASSES = {"1": "person", "3": "car", "7": "train"}
THRESHOLDS = (0.5, 0.75)


def table_of(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table of the schema; columns that a row lacks are null."""
    schema = TABLES[name].arrow()
    loose = pa.schema([pa.field(field.name, field.type, True) for field in schema])
    return pa.Table.from_pylist([{**COMMON, **row} for row in rows], schema=loose)


def run_of(**changed: list[dict[str, Any]]) -> Run:
    """The run, with the rows of some tables replaced."""
    rows: dict[str, list[dict[str, Any]]] = {
        "run": [run_row()],
        "summary": summary_rows(),
        "class_performance": class_rows(CLASSES),
        "metric_importance": importance_rows(),
        "metric_bin": bin_rows(),
        "metric_performance": performance_rows(),
        **changed,
    }
    return Run.in_memory(RUN_ID, {name: table_of(name, of_table) for name, of_table in rows.items()})


def run_row(**changed: Any) -> dict[str, Any]:
    start = datetime.datetime(2026, 1, 5, 2, 0, tzinfo=datetime.UTC)
    return {
        "status": "complete",
        "matching": "coco",
        "iou_threshold": 0.5,
        "score_threshold": 0.0,
        "started_at": start,
        "finished_at": start + datetime.timedelta(seconds=12),
        "n_frames": 446,
        "n_labels": 3767,
        "n_predictions": 21409,
        "n_unlisted": 0,
        "n_quarantined": 0,
        "n_partitions": 1,
        "cluster": "none",
        **changed,
    }


def summary_rows() -> list[dict[str, Any]]:
    return [
        {"measure": "AP", "value": 0.2705, "low": 0.254, "high": 0.2871},
        {"measure": "AP50", "value": 0.4371},
        {"measure": "APs", "value": -1.0, "reason": "no_labels"},
        {"measure": "mAP", "value": 0.4371, "low": 0.415, "high": 0.46},
        {"measure": "mAR", "value": 0.64, "reason": "insufficient_support"},
        {"measure": "n_frames", "value": 446.0},
    ]


def class_rows(classes: dict[str, str]) -> list[dict[str, Any]]:
    """Class number i of n has AP (i + 1) / (n + 1) and 100 (i + 1) labels; the last of three has none."""
    rows = []
    of_scope = [("all", None, None, 0.4371, 3767)]
    for position, (class_id, name) in enumerate(classes.items()):
        empty = len(classes) == 3 and position == 2
        ap = None if empty else (position + 1) / (len(classes) + 1)
        of_scope.append(("class", class_id, name, ap, 0 if empty else 100 * (position + 1)))
    for scope, class_id, name, ap, n_labels in of_scope:
        for threshold in (*THRESHOLDS, None):
            counts = (
                {}
                if threshold is None
                else {
                    "n_predictions": 21409 if scope == "all" else 500,
                    "n_true_positive": 2197,
                    "n_false_positive": 19212,
                    "n_missed": 1570,
                    "precision": 0.1026,
                    "recall": 0.5832,
                    "f1": 0.1745,
                    "best_score_threshold": 0.312,
                    "best_f1": 0.5312,
                }
            )
            rows.append(
                {
                    "scope": scope,
                    "class_id": class_id,
                    "class_name": name,
                    "iou_threshold": threshold,
                    "area_range": "all",
                    "n_labels": n_labels,
                    "average_precision": ap,
                    **counts,
                }
            )
    return rows


def effect_row(
    metric: str,
    level: str,
    target: str,
    importance: float | None,
    correlation: float | None,
    significant: bool | None = True,
    reason: str | None = None,
    **changed: Any,
) -> dict[str, Any]:
    return {
        "metric": metric,
        "level": level,
        "target": target,
        "scope": "all",
        "iou_threshold": 0.5,
        "score_threshold": 0.0,
        "importance": importance,
        "importance_low": None if importance is None else max(importance - 0.02, 0.0),
        "importance_high": None if importance is None else importance + 0.02,
        "noise_floor": 0.004,
        "is_significant": significant,
        "correlation": correlation,
        "correlation_low": None if correlation is None else correlation - 0.03,
        "correlation_high": None if correlation is None else correlation + 0.03,
        "reason": reason,
        **changed,
    }


def importance_rows() -> list[dict[str, Any]]:
    return [
        effect_row("object_occlusion", "prediction", "prediction", 0.0612, -0.1534),
        effect_row("object_area_px2", "prediction", "prediction", 0.1423, 0.3127),
        effect_row("confidence", "prediction", "prediction", 0.3911, 0.6012),
        effect_row("object_center_x", "prediction", "prediction", 0.0021, 0.0102, significant=False),
        effect_row("object_random", "prediction", "prediction", 0.004, 0.001, significant=False),
        effect_row("frame_label_count", "frame", "prediction", 0.0312, -0.0915),
        effect_row("frame_weather", "frame", "prediction", 0.0214, None),
        effect_row("frame_width_px", "frame", "prediction", None, None, None, "constant_metric"),
        effect_row("object_area_px2", "label", "label", 0.2311, 0.4127),
        effect_row("object_occlusion", "label", "label", 0.0512, -0.2134),
        effect_row("frame_label_count", "frame", "frame", 0.0712, -0.2915),
    ]


def bin_rows() -> list[dict[str, Any]]:
    """object_area_px2: 100 fine bins of 1% each, bin k = (100 k, 100 (k + 1)]; frame_weather: categories."""
    rows: list[dict[str, Any]] = [
        {
            "metric": "object_area_px2",
            "bin": k,
            "lower": 100.0 * k,
            "upper": 100.0 * (k + 1),
            "share": 0.01,
            "cumulative_share": 0.01 * (k + 1),
            "mean": 100.0 * k + 50,
            "bin_50": k // 2,
        }
        for k in range(100)
    ]
    for k, category in enumerate(("clear", "fog", "rain")):
        rows.append(
            {
                "metric": "frame_weather",
                "bin": k,
                "category": category,
                "share": 0.3,
                "cumulative_share": 0.3 * (k + 1),
                "bin_50": k,
            }
        )
    return rows


def performance_rows() -> list[dict[str, Any]]:
    """Per 50th: 20 predictions of which k // 5 are right, 10 labels of which 10 - k // 5 are missed."""
    rows = [
        {
            "metric": "object_area_px2",
            "scope": "all",
            "iou_threshold": 0.5,
            "resolution": 50,
            "bin": k,
            "n_predictions": 20,
            "n_true_positive": k // 5,
            "n_labels": 10,
            "n_missed": 10 - k // 5,
        }
        for k in range(50)
    ]
    for k, n in enumerate((50, 10, 70)):
        rows.append(
            {
                "metric": "frame_weather",
                "scope": "all",
                "iou_threshold": 0.5,
                "resolution": 50,
                "bin": k,
                "n_predictions": n,
                "n_true_positive": n // 2,
                "n_labels": 0,
                "n_missed": 0,
            }
        )
    return rows
