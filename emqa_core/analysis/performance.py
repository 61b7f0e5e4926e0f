"""Performance by metric: rates of right predictions and missed labels per bin, with intervals.

tpr is the share of predictions in a bin that are true positives, fnr the share of labels that are missed.
Intervals: Wilson's, with the rows divided by their design effect (intervals.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.intervals import design_effect, wilson_interval
from emqa_core.objects import Array
from emqa_core.reductions.binned_counts import FrameSums

_COUNTS = ("n", "n_hit", "sum_nn", "sum_ny", "sum_yy", "n_frames")


@dataclass(frozen=True)
class BinPerformance:
    """Non-empty bins of one metric at one resolution, r rows ordered by scope (all first), T, bin.

    scope (r,) int64: class code, or K for all. threshold, bin (r,) int64. prediction, label: columns n,
    n_hit, sum_nn, sum_ny, sum_yy, n_frames (r,) int64 and rate, low, high (r,) float64, NaN where null; hits
    are true positives of predictions and missed labels. None where the metric has no such side.
    """

    scope: Array
    threshold: Array
    bin: Array
    prediction: dict[str, Array] | None
    label: dict[str, Array] | None


def bin_performance(
    predictions: FrameSums | None, labels: FrameSums | None, thresholds: Array, chosen: int
) -> BinPerformance:
    """From the frame sums of either side. thresholds: number of each T that they hold.

    Rates and intervals at the chosen T only; elsewhere they are NaN and views divide the counts.
    """
    sides = [
        None if predictions is None else _hits(predictions, missed=False),
        None if labels is None else _hits(labels, missed=True),
    ]
    held = [side for side in sides if side is not None]
    if not held:
        raise ValueError("bin_performance needs predictions, labels or both")
    occupied = np.logical_or.reduce([side["n"] > 0 for side in held])
    n_classes = occupied.shape[1] - 1
    by_scope = np.roll(occupied, 1, axis=1).transpose(1, 0, 2)  # all first, then (T, bin)
    order, at, bins = np.nonzero(by_scope)
    scope = np.where(order == 0, n_classes, order - 1)
    threshold = np.asarray(thresholds)[at]
    columns = [
        None
        if side is None
        else _rates({name: side[name][at, scope, bins] for name in _COUNTS}, threshold == chosen)
        for side in sides
    ]
    return BinPerformance(scope, threshold, bins, columns[0], columns[1])


def _hits(sums: FrameSums, *, missed: bool) -> dict[str, Array]:
    """Sums of what is charted: true positives, or of labels the missed ones, n less the found ones."""
    columns = sums.columns()
    n_right, ny, yy = columns.pop("n_right"), columns["sum_ny"], columns["sum_yy"]
    if not missed:
        return columns | {"n_hit": n_right}
    return columns | {
        "n_hit": columns["n"] - n_right,
        "sum_ny": columns["sum_nn"] - ny,
        "sum_yy": columns["sum_nn"] - 2 * ny + yy,
    }


def _rates(side: dict[str, Array], is_chosen: Array) -> dict[str, Array]:
    at = np.flatnonzero(is_chosen & (side["n"] > 0))
    counts = {name: side[name][at] for name in _COUNTS}
    low, high = wilson_interval(counts["n"], counts["n_hit"], design_effect(*counts.values()))
    for name, values in (("rate", counts["n_hit"] / counts["n"]), ("low", low), ("high", high)):
        side[name] = np.full(len(is_chosen), np.nan)
        side[name][at] = values
    return side
