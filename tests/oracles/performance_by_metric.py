"""Bins and performance by metric (definitions, section 4), written out slowly.

Weights and shares are integers and fractions here, so that no rounding decides on an edge.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from tests.oracles.outcome_rows import OutcomeTables, right_column

MOST_DISTINCT_VALUES = 200
BINS = 50
Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Axis:
    """The bins of one metric. A numeric bin k is (lower[k], upper[k]], the first closed on both sides."""

    metric: str
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    categories: tuple[str, ...] | None
    share: tuple[Fraction, ...]
    cumulative_share: tuple[Fraction, ...]
    bin_50: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.share)

    def bin_of(self, value: Any) -> int:
        """The bin of a value; -1 for a null. Values outside fall in the first or last bin."""
        if is_null(value):
            return -1
        if self.categories is not None:
            return self.categories.index(category_of(value))
        return min(bisect_left(self.upper, value), len(self) - 1)


def is_null(value: Any) -> bool:
    """Null, NaN or infinite: the metric does not apply."""
    if isinstance(value, float | np.floating):
        return not math.isfinite(value)
    return value is None or value is pd.NA


def category_of(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def is_categorical(values: Iterable[Any]) -> bool:
    return any(isinstance(value, str | bool | np.bool_) for value in values if not is_null(value))


def decide_axis(metric: str, sides: Sequence[Sequence[Any]], fine_bins: int = 200) -> Axis | None:
    """Edges at weighted quantiles of the values of one or both sides; None without any value.

    A value weighs 1 / (number of values of its side), times 1/2 where both sides have values; as
    integers: the number of values of the other side.
    """
    present = [[value for value in side if not is_null(value)] for side in sides]
    present = [side for side in present if side]
    if not present:
        return None
    weights: Counter[Any] = Counter()
    for index, side in enumerate(present):
        weight = len(present[1 - index]) if len(present) == 2 else 1
        for value in side:
            weights[value] += weight
    total = sum(weights.values())
    if is_categorical(present[0]):
        by_name = Counter({category_of(value): weight for value, weight in weights.items()})
        return _axis_of_categories(metric, by_name, total)
    values = sorted(weights)
    if len(values) <= MOST_DISTINCT_VALUES:
        upper = values
        lower = [values[0], *values[:-1]]
    else:
        edges = _quantiles(values, weights, total, fine_bins)
        lower, upper = edges[:-1], edges[1:]
    in_bin = [0] * len(upper)
    position = 0
    for value in values:
        while value > upper[position]:
            position += 1
        in_bin[position] += weights[value]
    return _axis(metric, lower, upper, None, in_bin, total)


def _quantiles(values: list[Any], weights: Counter[Any], total: int, fine_bins: int) -> list[Any]:
    """The smallest value, and for k = 1..fine_bins the first whose cumulative weight reaches k/fine_bins."""
    edges = [values[0]]
    cumulative = 0
    position = -1
    for k in range(1, fine_bins + 1):
        while cumulative * fine_bins < k * total:
            position += 1
            cumulative += weights[values[position]]
        edges.append(values[position])
    # An atom at the smallest value keeps a bin of its own: [e_0, e_1] with e_0 = e_1.
    upper = edges[1:]
    return [edges[0], *(edge for index, edge in enumerate(upper) if index == 0 or edge != upper[index - 1])]


def _axis_of_categories(metric: str, weights: Counter[str], total: int) -> Axis:
    names = sorted(weights)
    axis = _axis(metric, [], [], tuple(names), [weights[name] for name in names], total)
    return Axis(metric, (), (), axis.categories, axis.share, axis.cumulative_share, tuple(range(len(names))))


def _axis(
    metric: str,
    lower: Sequence[float],
    upper: Sequence[float],
    categories: tuple[str, ...] | None,
    in_bin: list[int],
    total: int,
) -> Axis:
    share = [Fraction(weight, total) for weight in in_bin]
    cumulative = [sum(share[: index + 1], Fraction(0)) for index in range(len(share))]
    middle = [end - part / 2 for end, part in zip(cumulative, share, strict=True)]
    return Axis(
        metric,
        tuple(lower),
        tuple(upper),
        categories,
        tuple(share),
        tuple(cumulative),
        tuple(math.floor(BINS * at) for at in middle),
    )


def decide_axes(tables: OutcomeTables, fine_bins: int = 200) -> dict[str, Axis]:
    """The axis of each metric, from the rows that count at the chosen IoU threshold."""
    axes = {}
    for metric in tables.metrics:
        sides = [_values(tables.side(side), metric) for side in tables.sides_of[metric]]
        axis = decide_axis(metric, sides, fine_bins)
        if axis is not None:
            axes[metric] = axis
    return axes


def _values(rows: pd.DataFrame, metric: str) -> list[Any]:
    return rows.loc[~rows["ignored"], metric].tolist()


def metric_bin_rows(tables: OutcomeTables, axes: dict[str, Axis]) -> list[dict[str, Any]]:
    """The rows of the table metric_bin, without the run's columns."""
    rows = []
    for metric, axis in sorted(axes.items()):
        values = [
            value
            for side in tables.sides_of[metric]
            for value in _values(tables.side(side), metric)
            if not is_null(value)
        ]
        by_bin: dict[int, list[float]] = defaultdict(list)
        for value in values:
            by_bin[axis.bin_of(value)].append(value)
        for index in range(len(axis)):
            numeric = axis.categories is None
            rows.append(
                {
                    "metric": metric,
                    "bin": index,
                    "lower": float(axis.lower[index]) if numeric else None,
                    "upper": float(axis.upper[index]) if numeric else None,
                    "category": None if axis.categories is None else axis.categories[index],
                    "share": float(axis.share[index]),
                    "cumulative_share": float(axis.cumulative_share[index]),
                    "mean": math.fsum(by_bin[index]) / len(by_bin[index])
                    if numeric and by_bin[index]
                    else None,
                    "bin_50": axis.bin_50[index],
                }
            )
    return rows


@dataclass
class BinCounts:
    """One side of one bin: rows per frame, and those among them that the chart counts."""

    n: Counter[str]
    y: Counter[str]

    @property
    def n_rows(self) -> int:
        return sum(self.n.values())

    @property
    def n_y(self) -> int:
        return sum(self.y.values())

    def frame_sums(self) -> tuple[int, int, int, int]:
        """Σ n², Σ n·y, Σ y² over frames, and the number of frames."""
        return (
            sum(n * n for n in self.n.values()),
            sum(n * self.y[frame] for frame, n in self.n.items()),
            sum(y * y for y in self.y.values()),
            len(self.n),
        )

    def design_effect(self) -> float:
        """δ = m/(m-1) Σ_f (y_f - p n_f)² / (n p (1-p)).

        Rows of a single frame are one observation: n. Without variance nothing is inflated: 1.
        """
        n, m = self.n_rows, len(self.n)
        p = self.n_y / n
        if m == 1:
            return float(n)
        if p in (0.0, 1.0):
            return 1.0
        spread = math.fsum((self.y[frame] - p * rows) ** 2 for frame, rows in self.n.items())
        return m / (m - 1) * spread / (n * p * (1 - p))

    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of y / n with n replaced by n / max(1, δ)."""
        n, p = self.n_rows, self.n_y / self.n_rows
        effective = n / max(1.0, self.design_effect())
        centre = (p + Z * Z / (2 * effective)) / (1 + Z * Z / effective)
        half = (
            Z
            / (1 + Z * Z / effective)
            * math.sqrt(p * (1 - p) / effective + Z * Z / (4 * effective * effective))
        )
        return centre - half, centre + half


def count_side(
    rows: pd.DataFrame, axis: Axis, threshold: float, *, missed: bool, resolution_50: bool
) -> dict[tuple[str | None, int], BinCounts]:
    """(class or None for all, bin) -> counts, over rows that count and have the metric."""
    counts: dict[tuple[str | None, int], BinCounts] = {}
    right = right_column(threshold)
    for frame_id, class_id, ignored, value, is_right in zip(
        rows["frame_id"], rows["class_id"], rows["ignored"], rows[axis.metric], rows[right], strict=True
    ):
        index = axis.bin_of(value)
        if ignored or index < 0:
            continue
        if resolution_50:
            index = axis.bin_50[index]
        for scope in (class_id, None):
            cell = counts.setdefault((scope, index), BinCounts(Counter(), Counter()))
            cell.n[frame_id] += 1
            if bool(is_right) != missed:
                cell.y[frame_id] += 1
    return counts


def metric_performance_rows(
    tables: OutcomeTables, axes: dict[str, Axis], fine_bins: int = 200
) -> list[dict[str, Any]]:
    """The rows of the table metric_performance; class_id None is scope `all`."""
    rows: list[dict[str, Any]] = []
    for metric, axis in sorted(axes.items()):
        for threshold in tables.iou_thresholds:
            at_chosen = threshold == tables.chosen
            for resolution in (BINS, fine_bins) if at_chosen else (BINS,):
                sides = {
                    side: count_side(
                        tables.side(side),
                        axis,
                        threshold,
                        missed=side == "label",
                        resolution_50=resolution == BINS,
                    )
                    for side in tables.sides_of[metric]
                }
                cells = sorted({key for side in sides.values() for key in side}, key=str)
                for class_id, index in cells:
                    row: dict[str, Any] = {
                        "metric": metric,
                        "class_id": class_id,
                        "iou_threshold": threshold,
                        "resolution": resolution,
                        "bin": index,
                    }
                    for side, counts in sides.items():
                        cell = counts.get((class_id, index), BinCounts(Counter(), Counter()))
                        row |= _columns(side, cell, at_chosen)
                    rows.append(row)
    return rows


def _columns(side: str, cell: BinCounts, at_chosen: bool) -> dict[str, Any]:
    of_prediction = side == "prediction"
    nn, ny, yy, n_frames = cell.frame_sums()
    columns: dict[str, Any] = {
        "n_predictions" if of_prediction else "n_labels": cell.n_rows,
        "n_true_positive" if of_prediction else "n_missed": cell.n_y,
        f"{side}_sum_nn": nn,
        f"{side}_sum_ny": ny,
        f"{side}_sum_yy": yy,
        f"{side}_n_frames": n_frames,
    }
    if at_chosen and cell.n_rows:
        name = "tpr" if of_prediction else "fnr"
        rate = cell.n_y / cell.n_rows
        low, high = cell.interval()
        columns |= {name: rate, f"{name}_low": low, f"{name}_high": high}
        columns["precision" if of_prediction else "recall"] = rate if of_prediction else 1 - rate
    return columns
