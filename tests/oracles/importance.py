"""Metric importance (definitions, section 5), written out slowly from rows."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tests.oracles.correlation import CORRELATIONS, correlations
from tests.oracles.outcome_rows import OutcomeTables, right_column
from tests.oracles.performance_by_metric import Axis, BinCounts, is_null

FEW_UNITS = 10
LARGEST_SHARE = 0.1
CONTROL_OF = {
    "prediction": "object_area_px2",
    "label": "object_area_px2",
    "frame": "frame_label_count",
}


@dataclass(frozen=True)
class Row:
    """One object or frame that counts: y is 0 or 1, or the level 0..10 of its target value in tenths."""

    frame_id: str
    unit: int
    group: int
    value: Any
    control: float
    y: int
    right: bool
    target_value: float


def rows_of(
    tables: OutcomeTables, metric: str, target: str, class_id: str | None, threshold: float
) -> list[Row]:
    """The rows of a target in a scope that count at a threshold, those without the metric too."""
    if target == "frame":
        return _frame_rows(tables, metric, class_id, threshold)
    table = _counting(tables, target, class_id)
    control = table.get(CONTROL_OF[target], [math.nan] * len(table))
    rows = []
    for frame_id, unit, group, value, control_value, right, iou in zip(
        table["frame_id"],
        table["unit"],
        table["group"],
        table[metric],
        control,
        table[right_column(threshold)],
        table["iou"] if tables.explains_iou else [1.0] * len(table),
        strict=True,
    ):
        target_value = float(iou) if right else 0.0
        y = math.ceil(10 * target_value) if tables.explains_iou else int(right)
        rows.append(Row(frame_id, unit, group, value, control_value, y, bool(right), target_value))
    return rows


def _counting(tables: OutcomeTables, side: str, class_id: str | None) -> pd.DataFrame:
    """Rows of a side that count, of one class or all."""
    table = tables.side(side)
    counts = ~table["ignored"]
    return table[counts if class_id is None else counts & (table["class_id"] == class_id)]


def _frame_rows(tables: OutcomeTables, metric: str, class_id: str | None, threshold: float) -> list[Row]:
    n: Counter[str] = Counter()
    true_positives: Counter[str] = Counter()
    for side in ("prediction", "label"):
        table = _counting(tables, side, class_id)
        n.update(table["frame_id"])
        if side == "prediction":
            true_positives.update(table.loc[table[right_column(threshold)], "frame_id"])
    rows = []
    frame = tables.frame
    control = frame.get(CONTROL_OF["frame"], [math.nan] * len(frame))
    for frame_id, unit, group, value, control_value in zip(
        frame["frame_id"], frame["unit"], frame["group"], frame[metric], control, strict=True
    ):
        if n[frame_id]:
            # F1 = 2 TP / N; its level is the ceiling of 10 F1, in integers.
            level = -(-20 * true_positives[frame_id] // n[frame_id])
            f1 = 2 * true_positives[frame_id] / n[frame_id]
            rows.append(Row(frame_id, unit, group, value, control_value, level, False, f1))
    return rows


@dataclass(frozen=True)
class Merged:
    """Merged bins: bin_of gives the merged bin of a bin_50 (or a category's index), None: of no bin."""

    n_bins: int
    bin_of: Callable[[int], int | None]


def merge_bins(rows: Sequence[Row], axis: Axis, target: str) -> Merged:
    """Neighbours joined left to right until each merged bin carries enough; categories to `other`."""
    cells: dict[int, BinCounts] = defaultdict(lambda: BinCounts(Counter(), Counter()))
    outcomes: Counter[int] = Counter()
    for row in rows:
        if not is_null(row.value):
            cells[axis.bin_50[axis.bin_of(row.value)]].n[row.frame_id] += 1
            outcomes[row.y] += 1
    n = sum(outcomes.values())
    # Of two outcomes: min(p, 1 - p). Of more: the most frequent against the rest.
    most = max(outcomes.values(), default=0)
    rare = min(most, n - most) / n if n else 0.0

    def carries(counts: Counter[str]) -> bool:
        rows_here = sum(counts.values())
        squares = sum(count * count for count in counts.values())
        return rows_here >= 25 and rows_here * rare >= 5 and rows_here * rows_here / squares >= 10

    if axis.categories is not None:
        return _merge_categories(cells, axis.categories, carries)
    closed: list[int] = []
    gathered: Counter[str] = Counter()
    for index in sorted(cells):
        gathered = gathered + cells[index].n
        if carries(gathered):
            closed.append(index)
            gathered = Counter()
    if not closed:
        return Merged(1 if cells else 0, lambda _: 0)
    return Merged(len(closed), lambda index: min(sum(last < index for last in closed), len(closed) - 1))


def _merge_categories(
    cells: dict[int, BinCounts], categories: tuple[str, ...], carries: Callable[[Counter[str]], bool]
) -> Merged:
    kept = [index for index in sorted(cells) if carries(cells[index].n)]
    left = [index for index in sorted(cells) if index not in kept]
    if not kept:
        return Merged(1 if cells else 0, lambda _: 0)
    other = sum((cells[index].n for index in left), Counter())
    if left and carries(other):
        return Merged(len(kept) + 1, lambda index: kept.index(index) if index in kept else len(kept))
    smallest = min(kept, key=lambda index: (cells[index].n_rows, categories[index]))
    return Merged(len(kept), lambda index: kept.index(index) if index in kept else kept.index(smallest))


@dataclass(frozen=True)
class Information:
    """Plug-in numbers of a table of counts (bins, outcomes), in nats."""

    n: int
    mutual_information: float
    entropy: float
    bias: float

    @property
    def theta(self) -> float | None:
        return (self.mutual_information - self.bias) / self.entropy if self.entropy > 0 else None


def information_of(counts: np.ndarray) -> Information:
    """I(X;Y), H(Y) and b = max(0, (m_XY - m_X - m_Y + 1) / (2 n)) of counts (bins, outcomes)."""
    n = int(counts.sum())
    if n == 0:
        return Information(0, 0.0, 0.0, 0.0)
    of_x, of_y = counts.sum(axis=1), counts.sum(axis=0)
    entropy = -math.fsum(c / n * math.log(c / n) for c in of_y if c) + 0.0
    mutual = math.fsum(
        counts[x, y] / n * math.log(counts[x, y] * n / (of_x[x] * of_y[y]))
        for x, y in zip(*np.nonzero(counts), strict=True)
    )
    cells = [int(np.count_nonzero(part)) for part in (counts, of_x, of_y)]
    return Information(n, mutual, entropy, max(0.0, (cells[0] - cells[1] - cells[2] + 1) / (2 * n)))


def metric_importance_row(
    tables: OutcomeTables,
    axes: dict[str, Axis],
    metric: str,
    level: str,
    target: str,
    class_id: str | None,
    threshold: float,
) -> dict[str, Any]:
    """One row of the table metric_importance without significance, which needs the other metrics."""
    axis = axes[metric]
    at_chosen = rows_of(tables, metric, target, class_id, tables.chosen)
    every = rows_of(tables, metric, target, class_id, threshold)
    rows = [row for row in every if not is_null(row.value)]
    merged = merge_bins(at_chosen, axis, target)
    n_outcomes = 11 if target == "frame" or tables.explains_iou else 2
    counts = np.zeros((20, max(1, merged.n_bins), n_outcomes), np.int64)
    bins: list[BinCounts] = [BinCounts(Counter(), Counter()) for _ in range(max(1, merged.n_bins))]
    together = BinCounts(Counter(), Counter())
    for row in rows:
        index = merged.bin_of(axis.bin_50[axis.bin_of(row.value)])
        assert index is not None
        counts[row.group, index, row.y] += 1
        for cell in (bins[index], together):
            cell.n[row.frame_id] += 1
            cell.y[row.frame_id] += row.right
    result: dict[str, Any] = {
        "metric": metric,
        "level": level,
        "target": target,
        "class_id": class_id,
        "iou_threshold": threshold,
        "n": len(rows),
        "n_missing": len(every) - len(rows),
        "n_bins": merged.n_bins,
        "importance": None,
        "importance_low": None,
        "importance_high": None,
        "bias_factor": None,
        "p_value": None,
        "reason": None,
    }
    result |= correlations(rows, axis, axes.get(CONTROL_OF[target]))
    unsupported = _units_that_support_no_interval(at_chosen)
    if unsupported is not None:
        result |= {f"{name}_{end}": None for name in CORRELATIONS for end in ("low", "high")}
    result["reason"] = _reason(rows, merged, counts.sum(axis=0))
    if result["reason"] is None:
        _fill_importance(result, counts, bins, together, target, unsupported)
    return result


def _units_that_support_no_interval(rows: list[Row]) -> str | None:
    """Why the resampling units of these rows support no interval."""
    units = Counter(row.unit for row in rows)
    if units and max(units.values()) / len(rows) > LARGEST_SHARE:
        return "dominated_by_unit"
    return "few_units" if len(units) < FEW_UNITS else None


def _reason(rows: list[Row], merged: Merged, counts: np.ndarray) -> str | None:
    if not rows:
        return "insufficient_support"
    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return "constant_outcome"
    if len({row.value for row in rows}) < 2:
        return "constant_metric"
    if merged.n_bins < 2:
        return "insufficient_support"
    return None


def _fill_importance(
    result: dict[str, Any],
    counts: np.ndarray,
    bins: list[BinCounts],
    together: BinCounts,
    target: str,
    unsupported: str | None,
) -> None:
    whole = information_of(counts.sum(axis=0))
    assert whole.theta is not None
    groups = [group for group in range(len(counts)) if counts[group].sum()]
    without = [information_of(counts.sum(axis=0) - counts[group]).theta for group in groups]
    n_groups = len(groups)
    factor = 1.0
    error = None
    if n_groups >= 2 and None not in without:
        mean = math.fsum(without) / n_groups  # type: ignore[arg-type]
        if whole.bias > 0:
            factor = max(1.0, 1 + (n_groups - 1) * (mean - whole.theta) * whole.entropy / whole.bias)
        squares = math.fsum((theta - mean) ** 2 for theta in without)  # type: ignore[operator]
        error = math.sqrt((n_groups - 1) / n_groups * squares)
    unclipped = (whole.mutual_information - factor * whole.bias) / whole.entropy
    result |= {
        "importance": min(1.0, max(0.0, unclipped)),
        "bias_factor": factor,
        "mutual_information": whole.mutual_information,
        "entropy": whole.entropy,
        "p_value": p_value(whole, bins, together, target, counts),
    }
    if unsupported is not None or n_groups < 2:
        result["reason"] = unsupported or "few_units"
        if unsupported == "dominated_by_unit":
            result["p_value"] = None
    elif error is None:
        result["reason"] = "insufficient_support"
    else:
        half = float(stats.t.ppf(0.975, n_groups - 1)) * error
        result["importance_low"] = min(1.0, max(0.0, unclipped - half))
        result["importance_high"] = min(1.0, max(0.0, unclipped + half))


def p_value(
    whole: Information, bins: list[BinCounts], together: BinCounts, target: str, counts: np.ndarray
) -> float:
    """P(χ² > 2 n I / (f_p q)), f_p = max(1, (Σ_k δ_k - δ) / (K - 1)), (K - 1)(m_Y - 1) degrees of freedom.

    δ is that of right and wrong. Frames are independent rows: f_p = 1. q: Williams' correction of more than
    two outcomes.
    """
    filled = [cell for cell in bins if cell.n_rows]
    n_bins = len(filled)
    if n_bins < 2:
        return 1.0
    degrees = (n_bins - 1) * (int(np.count_nonzero(counts.sum(axis=(0, 1)))) - 1)
    factor = 1.0
    if target != "frame":
        effects = math.fsum(cell.design_effect() for cell in filled)
        factor = max(1.0, (effects - together.design_effect()) / (n_bins - 1))
    outcomes = [int(n) for n in counts.sum(axis=(0, 1)) if n]
    if len(outcomes) > 2:
        n = whole.n
        of_bins = sum(n / cell.n_rows for cell in filled) - 1
        factor *= 1 + of_bins * (sum(n / rows for rows in outcomes) - 1) / (6 * n * degrees)
    return float(stats.chi2.sf(2 * whole.n * whole.mutual_information / factor, degrees))


def metric_importance_rows(tables: OutcomeTables, axes: dict[str, Axis]) -> list[dict[str, Any]]:
    """The rows of the table metric_importance; class_id None is scope `all`."""
    rows = [
        metric_importance_row(tables, axes, metric, level, target, class_id, threshold)
        for metric in sorted(axes)
        for level, target in tables.targets_of(metric)
        for class_id in (None, *tables.classes)
        for threshold in tables.iou_thresholds
    ]
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        families[row["target"], row["class_id"], row["iou_threshold"]].append(row)
    for family in families.values():
        _decide_significance(family)
    return rows


def _decide_significance(family: list[dict[str, Any]]) -> None:
    """Benjamini and Hochberg over the metrics of one target, scope and threshold; controls and confidence
    stand apart."""
    floors = {row["metric"]: row["importance"] for row in family}
    for row in family:
        control = "frame_random" if row["level"] == "frame" else "object_random"
        row["noise_floor"] = floors.get(control)
    apart = ("frame_random", "object_random", "confidence")
    tested = [row for row in family if row["p_value"] is not None and row["metric"] not in apart]
    adjusted = benjamini_hochberg([row["p_value"] for row in tested])
    of_row = {id(row): p for row, p in zip(tested, adjusted, strict=True)}
    for row in family:
        p = of_row.get(id(row), row["p_value"])
        row["is_significant"] = None
        if p is not None and row["importance"] is not None:
            row["is_significant"] = p < 0.05 and row["importance"] > (row["noise_floor"] or 0.0)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: the smallest p_(j) m / j over j >= rank, at most 1."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    smallest = 1.0
    for rank in range(len(order), 0, -1):
        index = order[rank - 1]
        smallest = min(smallest, p_values[index] * len(order) / rank)
        adjusted[index] = smallest
    return adjusted
