"""Every column of every table, declared once: name, type, unit, nullability, meaning.

Tables are checked against these lines at the storage border, and `docs/tables.md` is printed from
them. Metric columns and the columns per IoU threshold depend on the run; `TableSchema.open` says which
tables may carry them.
"""

from __future__ import annotations

from emqa_core.schema.class_tables import (
    CALIBRATION,
    CLASS_COOCCURRENCE,
    CLASS_GROUP,
    CLASS_PERFORMANCE,
    CONFUSION,
    ERROR_TYPE,
    PRECISION_RECALL,
    SCORE_PERFORMANCE,
    SUMMARY,
)
from emqa_core.schema.columns import COMMON, DATE, FLOAT32, LABEL, RUN_ID, TIME, Column, TableSchema
from emqa_core.schema.fact_tables import FRAME, LABEL_TABLE, PREDICTION
from emqa_core.schema.metric_tables import (
    METRIC_BIN,
    METRIC_ERROR,
    METRIC_IMPORTANCE,
    METRIC_PERFORMANCE,
    METRIC_SCORE,
    RECOMMENDATION,
    SLICE,
)
from emqa_core.schema.run_tables import QUARANTINE, RUN

__all__ = [
    "CALIBRATION",
    "CLASS_COOCCURRENCE",
    "CLASS_GROUP",
    "CLASS_PERFORMANCE",
    "COMMON",
    "CONFUSION",
    "DATE",
    "ERROR_TYPE",
    "FACT_TABLES",
    "FLOAT32",
    "FRAME",
    "LABEL",
    "LABEL_TABLE",
    "METRIC_BIN",
    "METRIC_ERROR",
    "METRIC_IMPORTANCE",
    "METRIC_PERFORMANCE",
    "METRIC_SCORE",
    "PRECISION_RECALL",
    "PREDICTION",
    "QUARANTINE",
    "RECOMMENDATION",
    "RUN",
    "RUN_ID",
    "SCHEMA_VERSION",
    "SCORE_PERFORMANCE",
    "SLICE",
    "SUMMARY",
    "TABLES",
    "TIME",
    "Column",
    "TableSchema",
    "found_column",
    "threshold_suffix",
    "true_positive_column",
]

SCHEMA_VERSION = 1

TABLES: dict[str, TableSchema] = {
    table.name: table
    for table in (
        PREDICTION,
        LABEL_TABLE,
        FRAME,
        CLASS_PERFORMANCE,
        SUMMARY,
        PRECISION_RECALL,
        CLASS_COOCCURRENCE,
        CLASS_GROUP,
        CALIBRATION,
        SCORE_PERFORMANCE,
        ERROR_TYPE,
        CONFUSION,
        METRIC_IMPORTANCE,
        METRIC_BIN,
        METRIC_PERFORMANCE,
        METRIC_SCORE,
        METRIC_ERROR,
        SLICE,
        RECOMMENDATION,
        QUARANTINE,
        RUN,
    )
}

FACT_TABLES = ("prediction", "label", "frame")


def threshold_suffix(iou_threshold: float) -> str:
    """`50` for 0.5, `05` for 0.05; thousandths where hundredths do not tell thresholds apart: `555`."""
    thousandths = round(iou_threshold * 1000)
    return f"{thousandths // 10:02d}" if thousandths % 10 == 0 else f"{thousandths:03d}"


def true_positive_column(iou_threshold: float) -> str:
    return f"is_true_positive_{threshold_suffix(iou_threshold)}"


def found_column(iou_threshold: float) -> str:
    return f"is_found_{threshold_suffix(iou_threshold)}"
