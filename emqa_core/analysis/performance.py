"""Performance by metric: rates of right predictions and missed labels per bin, with intervals.

tpr is the share of predictions in a bin that are true positives, fnr the share of labels that are missed.
Intervals: Wilson's, with the rows divided by their design effect (intervals.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.intervals import design_effect, wilson_interval
from emqa_core.objects import Array
from emqa_core.reductions.frame_sums import FrameSums

_COUNTS = ("n", "n_hit", "sum_nn", "sum_ny", "sum_yy", "n_frames")


@dataclass(frozen=True)
class Resolution:
    """Frame sums of one metric in bins of one resolution.

    n_bins: what the table calls the resolution. thresholds: number of each T that the sums hold.
    predictions, labels: None where the metric has no such side.
    """

    n_bins: int
    thresholds: Array
    predictions: FrameSums | None
    labels: FrameSums | None


@dataclass(frozen=True)
class BinPerformance:
    """Non-empty bins of one metric, r rows ordered by scope (all first), T, resolution, bin.

    scope (r,) int64: class code, or K for all. threshold, resolution, bin (r,) int64. prediction, label:
    columns n, n_hit, sum_nn, sum_ny, sum_yy, n_frames (r,) int64 and rate, low, high (r,) float64, NaN where
    null; hits are true positives of predictions and missed labels. None where the metric has no such side.
    """

    scope: Array
    threshold: Array
    resolution: Array
    bin: Array
    prediction: dict[str, Array] | None
    label: dict[str, Array] | None


def bin_performance(resolutions: Sequence[Resolution], n_classes: int, chosen: int) -> BinPerformance:
    """From the frame sums of all resolutions, which have the same sides.

    Rates and intervals at the chosen T only; elsewhere they are NaN and views divide the counts.
    """
    keys: list[Array] = []
    columns: tuple[list[Array], list[Array]] = ([], [])
    for number, resolution in enumerate(resolutions):
        sides = [
            None if resolution.predictions is None else _hits(resolution.predictions, missed=False),
            None if resolution.labels is None else _hits(resolution.labels, missed=True),
        ]
        occupied = np.logical_or.reduce([side[0] > 0 for side in sides if side is not None])
        at, scope, bins = np.nonzero(occupied)
        keys.append(np.stack([bins, np.full(len(at), number), resolution.thresholds[at], scope]))
        for held, side in zip(columns, sides, strict=True):
            if side is not None:
                held.append(side[:, at, scope, bins])
    key = np.concatenate(keys, axis=1)
    order = np.lexsort((*key[:-1], (key[-1] + 1) % (n_classes + 1)))  # all, the last scope, comes first
    bins, number, threshold, scope = key[:, order]
    prediction, label = (
        _rates(np.concatenate(held, axis=1)[:, order], threshold == chosen) if held else None
        for held in columns
    )
    n_bins = np.array([resolution.n_bins for resolution in resolutions])
    return BinPerformance(scope, threshold, n_bins[number], bins, prediction, label)


def _hits(sums: FrameSums, *, missed: bool) -> Array:
    """_COUNTS x (T, K + 1, bins) of what is charted: true positives, or of labels the missed ones."""
    columns = sums.columns()
    n, nn, right, ny, yy = (columns[name] for name in ("n", "sum_nn", "n_right", "sum_ny", "sum_yy"))
    if missed:
        right, ny, yy = n - right, nn - ny, nn - 2 * ny + yy
    return np.stack([n, right, nn, ny, yy, columns["n_frames"]])


def _rates(counts: Array, is_chosen: Array) -> dict[str, Array]:
    side = dict(zip(_COUNTS, counts, strict=True))
    at = np.flatnonzero(is_chosen & (side["n"] > 0))
    n, n_hit = side["n"][at], side["n_hit"][at]
    low, high = wilson_interval(n, n_hit, design_effect(*counts[:, at]))
    for name, values in (("rate", n_hit / n), ("low", low), ("high", high)):
        side[name] = np.full(len(is_chosen), np.nan)
        side[name][at] = values
    return side
