"""Table metric_performance as arrays of counts, read a stretch at a time: it is a page's largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emqa_core.objects import Array
from emqa_core.report.html.columns import Order, counts, place_of
from emqa_core.report.performance import STORED_BINS
from emqa_core.storage.runs import Run

SIDES = ("prediction", "label")
_KEY = ("metric", "scope", "class_id", "iou_threshold", "resolution", "bin")
_HITS = {"prediction": "n_true_positive", "label": "n_missed"}
_TOTALS = {"prediction": "n_predictions", "label": "n_labels"}
_N_SUMS = 6


@dataclass(frozen=True)
class SideCells:
    """Counts of one metric's side in T thresholds, K classes and B stored bins.

    n, hit (T, 1 + K, B) int32, all classes first; hit: true positives, or missed labels. Frame sums (n,
    hits, Σnn, Σny, Σyy, frames), int64: of_all (6, T, B), of_classes (6, K, B) at the chosen T, fine (6, fine
    bins) of all classes at the chosen T.
    """

    n: Array
    hit: Array
    of_all: Array
    of_classes: Array
    fine: Array

    @classmethod
    def zero(cls, order: Order, n_bins: int, n_fine: int) -> SideCells:
        """Nothing counted yet."""
        k, t = order.n_classes, order.n_thresholds
        shape = (t, 1 + k, n_bins)
        return cls(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.int32),
            np.zeros((_N_SUMS, t, n_bins), np.int64),
            np.zeros((_N_SUMS, k, n_bins), np.int64),
            np.zeros((_N_SUMS, n_fine), np.int64),
        )

    def take(self, order: Order, place: Sequence[Array], is_coarse: Array, sums: Array) -> None:
        """Put rows in their places: place scope, threshold and bin of each row, sums (6, rows)."""
        scope, threshold, bins = place
        at = np.flatnonzero(is_coarse)
        self.n[threshold[at], scope[at], bins[at]] = sums[0, at]
        self.hit[threshold[at], scope[at], bins[at]] = sums[1, at]
        at = np.flatnonzero(is_coarse & (scope == 0))
        self.of_all[:, threshold[at], bins[at]] = sums[:, at]
        at = np.flatnonzero(is_coarse & (scope > 0) & (threshold == order.chosen))
        self.of_classes[:, scope[at] - 1, bins[at]] = sums[:, at]
        at = np.flatnonzero(~is_coarse & (scope == 0))
        self.fine[:, bins[at]] = sums[:, at]


# By number of the metric, then by side.
MetricCells = list[dict[str, SideCells]]


def read_cells(run: Run, order: Order, axes: Sequence[dict[str, Any]]) -> MetricCells:
    """The counts of every metric; axes: of `metric_axes`."""
    cells = [
        {side: SideCells.zero(order, axis["nCoarse"], len(axis["coarse"])) for side in SIDES} for axis in axes
    ]
    names = [axis["name"] for axis in axes]
    columns = [*_KEY, *(name for side in SIDES for name in _sums(side))]
    for rows in run.batches("metric_performance", columns):
        for number, own in _by_metric(place_of(rows, "metric", names)):
            _take_rows(rows.take(pa.array(own)), order, cells[number])
    return cells


def _by_metric(number: Array) -> Iterator[tuple[int, Array]]:
    for each in np.unique(number).tolist():
        if each >= 0:
            yield each, np.flatnonzero(number == each)


def _take_rows(rows: pa.Table, order: Order, cells: dict[str, SideCells]) -> None:
    place = order.scope_of(rows), order.threshold_of(rows), counts(rows, "bin")
    is_coarse = counts(rows, "resolution") == STORED_BINS
    for side, held in cells.items():
        held.take(order, place, is_coarse, np.stack([counts(rows, name) for name in _sums(side)]))


def _sums(side: str) -> tuple[str, ...]:
    names = ("sum_nn", "sum_ny", "sum_yy", "n_frames")
    return _TOTALS[side], _HITS[side], *(f"{side}_{name}" for name in names)
