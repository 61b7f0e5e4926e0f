"""Which part of a run is shown: all classes or one, at one IoU threshold; and its rows of a table."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.errors import ConfigError
from emqa_core.storage.runs import Run

Row = dict[str, Any]
_READ: dict[str, list[str] | None] = {
    "run": None,
    "summary": None,
    "class_performance": None,
    "calibration": None,
    "error_type": None,
    "metric_importance": None,
    "recommendation": None,
    "metric_bin": None,
    # By far the largest, and its sums over frames are for intervals of its own bins.
    "metric_performance": [
        *("metric", "scope", "class_id", "iou_threshold", "resolution", "bin"),
        *("n_predictions", "n_true_positive", "n_labels", "n_missed"),
    ],
}
SAME_THRESHOLD = 5e-4  # thresholds of a run differ by at least 0.001


@dataclass(frozen=True)
class View:
    """All selected classes together (`class_id` None) or one, at one IoU threshold.

    score_threshold: the run's configured one, at which tables of several are read; None: whatever they have.
    """

    iou_threshold: float
    class_id: str | None = None
    class_name: str | None = None
    score_threshold: float | None = None

    @property
    def scope(self) -> str:
        return "all" if self.class_id is None else "class"


def held(run: Run, tables: Sequence[str] = tuple(_READ)) -> Run:
    """The run with tables that a report takes its figures from in memory, each read once."""
    found = set(run.tables)  # a run of an earlier version may lack some
    return Run.in_memory(run.run_id, {name: run.table(name, _READ[name]) for name in tables if name in found})


def choose_view(run: Run, class_: str | None = None, iou_threshold: float | None = None) -> View:
    """The view of a class given by name or id (None: all), at a threshold (None: the run's chosen one).

    Raises ConfigError for a class or a threshold that the run did not evaluate.
    """
    table = run.table("class_performance", columns=["scope", "class_id", "class_name", "iou_threshold"])
    thresholds = sorted({t for t in table["iou_threshold"].to_pylist() if t is not None})
    row = run.row()
    if iou_threshold is None:
        iou_threshold = float(row["iou_threshold"])
    score_threshold = row["score_threshold"]
    near = [t for t in thresholds if abs(t - iou_threshold) < SAME_THRESHOLD]
    if thresholds and not near:
        raise ConfigError(
            f"the run was not evaluated at IoU threshold {iou_threshold:g}",
            expected=f"one of {', '.join(f'{t:g}' for t in thresholds)}",
            next_step=f"evaluate again with --iou-threshold {iou_threshold:g}",
        )
    threshold = near[0] if near else iou_threshold
    if class_ is None:
        return View(threshold, score_threshold=score_threshold)
    names = _class_names(table)
    for class_id, name in names.items():
        if class_ == name:
            return View(threshold, class_id, name, score_threshold)
    if class_ in names:
        return View(threshold, class_, names[class_], score_threshold)
    close = difflib.get_close_matches(class_, list(names.values()), n=1)
    raise ConfigError(
        f"the run has no class {class_!r}",
        expected=f"one of {', '.join(list(names.values())[:20])}{', ...' if len(names) > 20 else ''}",
        next_step=f"did you mean {close[0]!r}?" if close else None,
    )


def _class_names(table: pa.Table) -> dict[str, str]:
    of_classes = table.filter(_equal(table, "scope", "class"))
    pairs = zip(of_classes["class_id"].to_pylist(), of_classes["class_name"].to_pylist(), strict=True)
    return dict(pairs)


def rows_in_view(run: Run, table_name: str, view: View, **equal: Any) -> list[Row]:
    """The rows of a table at the view's thresholds and scope, and with the values given by `equal`."""
    conditions = {"scope": view.scope, **equal}
    if view.class_id is not None:
        conditions["class_id"] = view.class_id
    table = run.table(table_name)
    if view.score_threshold is not None and "score_threshold" in table.schema.names:
        conditions["score_threshold"] = view.score_threshold
    table = table.filter(_and([_equal(table, name, value) for name, value in conditions.items()]))
    distance = pc.abs(pc.subtract(table["iou_threshold"], view.iou_threshold))
    return plain_rows(table.filter(pc.less(distance, SAME_THRESHOLD)))


def rows_where(run: Run, table_name: str, **equal: Any) -> list[Row]:
    """The rows of a table with the values given by `equal`; None stands for null."""
    table = run.table(table_name)
    if equal:
        table = table.filter(_and([_equal(table, name, value) for name, value in equal.items()]))
    return plain_rows(table)


def plain_rows(table: pa.Table) -> list[Row]:
    """Rows as dictionaries; what is not a finite number is None."""
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_floating(column.type):
            columns.append([None if v is None or not math.isfinite(v) else v for v in column.to_pylist()])
        else:
            columns.append(column.to_pylist())
    names = table.column_names
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _equal(table: pa.Table, name: str, value: Any) -> pa.ChunkedArray:
    column = table[name]
    if value is None:
        return pc.is_null(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pc.fill_null(pc.equal(column, value), False)


def _and(masks: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    return reduce(pc.and_, masks)
