"""What a page holds, as one packed document: the run's tables in the shape that its charts take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from emqa_core.matching.error_types import ERROR_TYPES
from emqa_core.quality.catalogue import CATALOGUE, CONTROLS
from emqa_core.report.headline import COCO_MEASURES
from emqa_core.report.html import class_arrays, importance_arrays, metric_arrays
from emqa_core.report.html.columns import Order
from emqa_core.report.html.metric_cells import MetricCells, read_cells
from emqa_core.report.html.packed import Packing
from emqa_core.report.importance import RANKED_APART, TARGETS
from emqa_core.report.view import Row, plain_rows, rows_where
from emqa_core.storage.runs import Run

N_GROUPS = 20
_RUN_FACTS = (
    "run_id", "model", "dataset", "matching", "iou_threshold", "score_threshold", "n_frames", "n_labels",
    "n_predictions", "n_unlisted", "n_quarantined", "code_version",
)  # fmt: skip
_TABLES = (
    "run",
    "summary",
    "class_performance",
    "class_group",
    "class_cooccurrence",
    "precision_recall",
    "calibration",
    "error_type",
    "confusion",
    "score_performance",
    "metric_importance",
    "metric_bin",
    "metric_error",
    "metric_score",
    "recommendation",
    "slice",
)
# Of the tables with most rows what is packed of them, no more.
_COLUMNS = {
    "precision_recall": ["class_id", "iou_threshold", "recall", "precision"],
    "metric_error": ["metric", "class_id", "bin", "source", "error_type", "n"],
    "metric_score": [
        *("metric", "class_id", "bin", "score_lower"),
        *("n_predictions", "n_true_positive", "n_found"),
    ],
}
_FINDINGS = ("recommendation", "slice")  # tables that are shown as they are


@dataclass(frozen=True)
class PageLimits:
    """How large a page may grow: bytes of its data in base64, and rows of a table of findings."""

    data_bytes: int = 2_800_000
    findings: int = 200


@dataclass(frozen=True)
class PageSource:
    """What a page is made from: a run's small tables in memory, its metrics' counts, the run before it."""

    run: Run
    order: Order
    axes: list[dict[str, Any]]
    cells: MetricCells
    previous: Run | None

    @classmethod
    def read(cls, run: Run, previous: Run | None) -> PageSource:
        """From a run's tables; its largest is read a stretch at a time."""
        known = set(run.tables)
        tables = {name: run.table(name, _COLUMNS.get(name)) for name in _TABLES if name in known}
        held = Run.in_memory(run.run_id, tables)
        order, axes = Order.of(held), metric_arrays.metric_axes(held)
        return cls(held, order, axes, read_cells(run, order, axes), previous)


def page_text(source: PageSource, limits: PageLimits) -> str:
    """The packed document of a page.

    Classes get fewer bins until it fits; where it does not even so, it is as small as it gets.
    """
    text = ""
    for class_bins in metric_arrays.CLASS_BINS:
        packing = Packing()
        text = packing.text(_document(source, limits, packing, class_bins))
        if len(text) <= limits.data_bytes:
            break
    return text


def _document(source: PageSource, limits: PageLimits, packing: Packing, class_bins: int) -> dict[str, Any]:
    run, order, axes, previous = source.run, source.order, source.axes, source.previous
    class_arrays.pack_classes(run, order, packing)
    class_arrays.pack_curves(run, order, packing)
    class_arrays.pack_cooccurrence(run, order, packing)
    scores = class_arrays.pack_scores(run, order, packing)
    metric_arrays.pack_metrics(source.cells, axes, packing, class_bins)
    levels = scores["levels"] if scores else []
    options = json.loads(run.row().get("configuration") or "{}")
    return {
        "run": _facts(run.row()),
        "previous": None if previous is None else _previous(previous),
        "classes": [
            {"id": i, "name": name} for i, name in zip(order.class_ids, order.class_names, strict=True)
        ],
        "thresholds": order.thresholds.tolist(),
        "chosen": order.chosen,
        "averaged": _averaged(options, order),
        "absentClasses": options.get("absent_classes", "exclude"),
        "resamplingUnit": options.get("resampling_unit", "frame"),
        "coco": _coco(run),
        "targets": list(TARGETS),
        "metrics": [_described(axis) for axis in axes],
        "controls": sorted(CONTROLS.values()),
        "apart": list(RANKED_APART),
        "classBins": class_bins,
        "errorTypes": list(ERROR_TYPES),
        "errors": class_arrays.error_rows(run, order),
        "scores": scores,
        "confusion": class_arrays.pack_confusion(run, order, packing),
        "importance": importance_arrays.pack_importance(run, order, axes, packing),
        "has": {
            "groups": class_arrays.pack_groups(run, order, packing),
            "calibration": class_arrays.pack_calibration(run, order, packing),
            "errorBins": metric_arrays.pack_errors(run, order, axes, packing),
            "scoreBins": metric_arrays.pack_score_bins(run, order, axes, packing, levels),
        },
        "studentQuantiles": _student_quantiles(),
        **{name: _findings(run, name, limits.findings) for name in _FINDINGS},
    }


def _facts(row: Row) -> dict[str, Any]:
    facts = {name: row[name] for name in _RUN_FACTS if name in row}
    return {**facts, "run_date": str(row["run_date"])}


def _previous(run: Run) -> dict[str, Any]:
    """The measures of all classes and of each class by id, by IoU threshold: what deltas are taken of."""
    rows = rows_where(run, "class_performance", area_range="all")
    names = ("average_precision", "average_recall", "n_labels", "n_predictions", "n_true_positive")
    options = json.loads(run.row().get("configuration") or "{}")
    return {
        **_facts(run.row()),
        "absentClasses": options.get("absent_classes", "exclude"),
        "rows": [[row["class_id"], row["iou_threshold"], *(row.get(name) for name in names)] for row in rows],
    }


def _averaged(options: dict[str, Any], order: Order) -> list[int]:
    """Places of the thresholds that mAP is the mean over."""
    wanted = options.get("iou_thresholds")
    if not wanted:
        return list(range(order.n_thresholds))
    return [
        place for place, t in enumerate(order.thresholds.tolist()) if any(abs(t - w) < 5e-4 for w in wanted)
    ]


def _coco(run: Run) -> list[list[Any]]:
    rows = {row["measure"]: row for row in rows_where(run, "summary")}
    return [
        [name, rows[name]["value"], rows[name]["low"], rows[name]["high"], rows[name]["reason"]]
        for name in COCO_MEASURES
        if name in rows
    ]


def _described(axis: dict[str, Any]) -> dict[str, Any]:
    """Axis with meaning and unit, where the catalogue knows them."""
    found = next((metric for metric in CATALOGUE if metric.name == axis["name"]), None)
    about = (
        {"meaning": "", "unit": "", "low": None, "high": None}
        if found is None
        else {"meaning": found.meaning, "unit": found.unit, "low": found.low, "high": found.high}
    )
    return {**axis, **about}


def _findings(run: Run, name: str, most: int) -> list[Row] | None:
    if name not in run.tables:
        return None
    common = {"run_id", "run_date", "model", "dataset"}
    rows = plain_rows(run.table(name).slice(0, most))
    return [{key: value for key, value in row.items() if key not in common} for row in rows]


def _student_quantiles() -> list[float | None]:
    """0.975 quantile of Student's t by number of groups, 0 to 20; null below 2."""
    from scipy.special import stdtrit

    return [None, None, *(float(stdtrit(groups - 1, 0.975)) for groups in range(2, N_GROUPS + 1))]
