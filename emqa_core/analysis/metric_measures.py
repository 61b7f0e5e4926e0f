"""The measures of one metric for one target, at every scope and T: from states to numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.correlation import Correlation, constant_scopes, correlation_of
from emqa_core.analysis.count_cells import CountCells
from emqa_core.analysis.importance import Importance, importance_of, independence_p_value
from emqa_core.analysis.intervals import unit_reasons
from emqa_core.analysis.merged_bins import merge_bins, merged_frame_sums
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.objects import Array
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.unit_totals import UnitTotals

PARTIAL_CONTROL = {
    "prediction": "object_area_px2",
    "label": "object_area_px2",
    "frame": "frame_label_count",
}


@dataclass(frozen=True)
class MetricMeasures:
    """Measures of one metric, its level and one target; arrays (T, K + 1), scope all last.

    p_value float64, NaN where null; n_missing int64: rows that count without the metric.
    """

    metric: str
    level: str
    target: str
    importance: Importance
    p_value: Array
    correlation: Correlation
    n_missing: Array


def measure_metric(
    axis: MetricAxis,
    counts: MetricCounts,
    pairs: BinPairs | None,
    units: UnitTotals,
    chosen: int,
    *,
    with_intervals: bool = True,
) -> MetricMeasures:
    """Importance, p-value and correlations of one metric and target.

    counts: of all partitions. pairs: of the second pass, None where `scopes_to_merge` named no scope. units:
    of the target. chosen: index of the chosen T. with_intervals: False leaves them out (`not_requested`).
    """
    cells = CountCells.of(counts.groups, counts.target)
    n_scopes = cells.n_scopes
    shape = (cells.n_thresholds, n_scopes)
    reasons = unit_reasons(units)
    interval_reasons = reasons if with_intervals else np.full(n_scopes, "not_requested", object)
    merged = merge_bins(axis, counts, cells, pairs, chosen)
    is_constant = _constant(counts, cells, chosen)
    importance = importance_of(cells, merged, is_constant, interval_reasons, axis.reason)
    sums = None
    if counts.target != "frame":
        assert counts.whole is not None
        whole = {f"whole_{name}": values[..., 0] for name, values in counts.whole.columns().items()}
        sums = merged_frame_sums(counts, pairs, merged) | whole
    p_value = independence_p_value(importance, sums)
    p_value[:, reasons == "dominated_by_unit"] = np.nan
    if counts.moments is None:
        correlation = Correlation.nothing(shape, "categorical")
    else:
        is_control = PARTIAL_CONTROL[counts.target] == counts.metric
        correlation = correlation_of(
            counts.moments,
            cells,
            importance.n,
            importance.n_outcomes,
            is_constant,
            interval_reasons,
            is_control=is_control,
        )
    missing = counts.groups.missing
    if counts.target != "frame":
        missing = np.concatenate([missing, missing.sum(axis=1, keepdims=True)], axis=1)
    return MetricMeasures(
        counts.metric, counts.level, counts.target, importance, p_value, correlation, missing
    )


def _constant(counts: MetricCounts, cells: CountCells, chosen: int) -> Array:
    if counts.moments is not None:
        return constant_scopes(counts.moments, cells.n_scopes)
    n, _ = cells.totals_at(chosen)
    return np.asarray((n > 0).sum(axis=1) == 1)
