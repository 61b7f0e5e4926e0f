"""What a page holds of each metric: its bins, and counts by class, IoU threshold and bin.

All classes together have 50 bins at every threshold and the fine ones at the chosen T. Single classes have 50
bins at every threshold, or fewer where the page would grow too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emqa_core.analysis.intervals import design_effect
from emqa_core.matching.error_types import ERROR_TYPES
from emqa_core.objects import Array
from emqa_core.report.html.columns import Order, counts, numbers, place_of, rows_of, spread, text
from emqa_core.report.html.metric_cells import SIDES, MetricCells, SideCells
from emqa_core.report.html.packed import Packing
from emqa_core.report.performance import STORED_BINS
from emqa_core.storage.runs import Run

CLASS_BINS = (50, 25, 10)  # divisors of 50: a class's bins are joined, never cut
_LARGEST_EFFECT = 1024.0
_STORED_CLASS_BINS = 10  # of single classes in the tables of scores and errors


def metric_axes(run: Run) -> list[dict[str, Any]]:
    """The bins of every metric, in the order of table metric_bin: edges or categories, means and shares."""
    table = run.table("metric_bin")
    names = text(table, "metric")
    axes = []
    for name in names.unique().to_pylist():
        rows = rows_of(table, "metric", name)
        rows = rows.take(np.argsort(counts(rows, "bin")))
        categories = text(rows, "category").to_pylist()
        is_categorical = any(category is not None for category in categories)
        coarse = counts(rows, "bin_50")
        axes.append(
            {
                "name": name,
                "categories": categories if is_categorical else None,
                "lower": None if is_categorical else _short(numbers(rows, "lower")),
                "upper": None if is_categorical else _short(numbers(rows, "upper")),
                "mean": None if is_categorical else _short(numbers(rows, "mean")),
                "middle": _plain(numbers(rows, "cumulative_share") - numbers(rows, "share") / 2),
                "coarse": coarse.tolist(),
                "nCoarse": len(categories) if is_categorical else STORED_BINS,
            }
        )
    return axes


def _short(values: Array) -> list[float | None]:
    """Nine digits: all that a float32 has."""
    return [None if np.isnan(v) else float(f"{v:.9g}") for v in values.tolist()]


def _plain(values: Array) -> list[float | None]:
    return [None if np.isnan(v) else v for v in values.tolist()]


def pack_metrics(cells: MetricCells, axes: list[dict[str, Any]], packing: Packing, class_bins: int) -> None:
    """Counts of every metric; class_bins: bins of single classes, one of CLASS_BINS.

    Per metric number i and side: `i/side/n`, `i/side/hit` (T, K, bins); `i/side/all_n`, `i/side/all_hit`
    (T, 50); of the fine bins at the chosen T `i/side/fine_n`, `i/side/fine_hit` (bins,). Beside each,
    logarithms of design effects: `i/side/effect` (K, bins) at the chosen T, `i/side/all_effect`,
    `i/side/fine_effect`.
    """
    for place, (axis, sides) in enumerate(zip(axes, cells, strict=True)):
        joined = 1 if axis["categories"] is not None else STORED_BINS // class_bins
        for side, held in sides.items():
            if held.n.any():
                _pack_side(held, packing, f"{place}/{side}", joined)


def _pack_side(held: SideCells, packing: Packing, key: str, joined: int) -> None:
    for name, values in (("n", held.n), ("hit", held.hit)):
        packing.add_counts(f"{key}/all_{name}", values[:, 0], steps=0)
        packing.add_counts(f"{key}/{name}", _join(values[:, 1:], joined), steps=0)
    _pack_effect(packing, f"{key}/all_effect", held.of_all)
    _pack_effect(packing, f"{key}/effect", held.of_classes, joined)
    if held.fine[0].any():
        packing.add_counts(f"{key}/fine_n", held.fine[0])
        packing.add_counts(f"{key}/fine_hit", held.fine[1])
        _pack_effect(packing, f"{key}/fine_effect", held.fine)


def _join(values: Array, joined: int) -> Array:
    """Sums of so many neighbours along the last axis."""
    return values.reshape(*values.shape[:-1], -1, joined).sum(axis=-1)


def _pack_effect(packing: Packing, name: str, sums: Array, joined: int = 1) -> None:
    """Logarithm of max(1, design effect) of n, hits, Σnn, Σny, Σyy, frames; null without rows.

    joined: so many neighbours become one bin. Their frames may be the same: the parts' mean, weighed by rows,
    times their number is never too small.
    """
    effect = np.fmax(1.0, np.where(sums[0] > 0, design_effect(*sums), np.nan))
    if joined > 1:
        rows, n_parts = _join(sums[0], joined), _join(sums[0] > 0, joined)
        excess = _join(np.where(sums[0] > 0, sums[0] * (effect - 1), 0.0), joined)
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = 1 + excess / rows * n_parts
        sums = rows[None]
    effect = np.where(sums[0] > 0, effect, np.nan)
    packing.add_fractions(name, np.log(effect), 0.0, np.log(_LARGEST_EFFECT))


@dataclass(frozen=True)
class _BinRows:
    """Rows of a table by metric, scope (0: all classes) and bin; classes have a fifth of the stored bins."""

    number: Array
    scope: Array
    bins: Array

    @classmethod
    def of(cls, table: pa.Table, order: Order, axes: list[dict[str, Any]]) -> _BinRows:
        number = place_of(table, "metric", [axis["name"] for axis in axes])
        return cls(number, order.scope_of(table), counts(table, "bin"))

    def pack(
        self,
        packing: Packing,
        names: tuple[str, str],
        order: Order,
        axis: dict[str, Any],
        own: Array,
        first: tuple[int, Array],
        values: Array,
    ) -> None:
        """Values of rows own (n,) bool: (A, bins) of all classes, (A, K, bins) of each, by these names.

        first: A and the place of each row along it.
        """
        n_first, at = first
        n_bins = axis["nCoarse"]
        n_class_bins = n_bins if axis["categories"] is not None else _STORED_CLASS_BINS
        whole, single = own & (self.scope == 0), own & (self.scope > 0)
        packed = spread((n_first, n_bins), (at[whole], self.bins[whole]), values[whole], 0)
        packing.add_counts(names[0], packed)
        places = at[single], self.scope[single] - 1, self.bins[single]
        packed = spread((n_first, order.n_classes, n_class_bins), places, values[single], 0)
        packing.add_counts(names[1], packed)


def pack_errors(run: Run, order: Order, axes: list[dict[str, Any]], packing: Packing) -> bool:
    """Errors by bin: `i/side/error` (types, 50) of all classes and `i/side/class_error` (types, K, 10)."""
    if "metric_error" not in run.tables:
        return False
    table = run.table("metric_error")
    rows, n = _BinRows.of(table, order, axes), counts(table, "n")
    kind, source = place_of(table, "error_type", ERROR_TYPES), place_of(table, "source", SIDES)
    for place, axis in enumerate(axes):
        for number, side in enumerate(SIDES):
            own = (rows.number == place) & (source == number)
            if own.any():
                names = f"{place}/{side}/error", f"{place}/{side}/class_error"
                rows.pack(packing, names, order, axis, own, (len(ERROR_TYPES), kind), n)
    return True


def pack_score_bins(
    run: Run, order: Order, axes: list[dict[str, Any]], packing: Packing, levels: list[float]
) -> bool:
    """Rows by score level and bin at the chosen T.

    `i/score_n`, `i/score_hit`, `i/score_found` (levels, 50) of all classes: predictions, true positives and
    found labels whose score is in the level; `i/class_score_...` (levels, K, 10) of each class.
    """
    if "metric_score" not in run.tables or not levels:
        return False
    table = run.table("metric_score")
    rows = _BinRows.of(table, order, axes)
    level = np.searchsorted(np.array(levels), numbers(table, "score_lower"))
    columns = {"n": "n_predictions", "hit": "n_true_positive", "found": "n_found"}
    for name, column in columns.items():
        values = counts(table, column)
        for place, axis in enumerate(axes):
            names = f"{place}/score_{name}", f"{place}/class_score_{name}"
            rows.pack(packing, names, order, axis, rows.number == place, (len(levels), level), values)
    return True
