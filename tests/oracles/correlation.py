"""Metric correlation (definitions, section 6), from rows with NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from tests.oracles.performance_by_metric import Axis, is_null

RESIDUAL_SHARE = 0.01
CORRELATIONS = ("correlation", "correlation_spearman", "correlation_partial")


def correlations(rows: Sequence[Any], axis: Axis, control_axis: Axis | None) -> dict[str, Any]:
    """The correlation columns of metric_importance from rows that have the metric."""
    result: dict[str, Any] = {
        f"{name}{suffix}": None for name in CORRELATIONS for suffix in ("", "_low", "_high")
    }
    result["correlation_reason"] = None
    if axis.categories is not None:
        return result | {"correlation_reason": "categorical"}
    if len(rows) < 2:
        return result | {"correlation_reason": "insufficient_support"}
    x = np.array([row.value for row in rows], np.float64)
    y = np.array([row.target_value for row in rows], np.float64)
    if np.ptp(x) == 0:
        return result | {"correlation_reason": "constant_metric"}
    if np.ptp(y) == 0:
        return result | {"correlation_reason": "constant_outcome"}
    group = np.array([row.group for row in rows])
    x_bin = np.array([axis.bin_50[axis.bin_of(row.value)] for row in rows])
    y_level = np.array([row.y for row in rows])
    result |= _with_interval("correlation", lambda keep: pearson(x[keep], y[keep]), group)
    result |= _with_interval(
        "correlation_spearman", lambda keep: spearman_of_bins(x_bin[keep], y_level[keep]), group
    )
    return result | _partial(rows, axis, control_axis)


def _partial(rows: Sequence[Any], axis: Axis, control_axis: Axis | None) -> dict[str, Any]:
    """Pearson of what is left of x and y after their means per bin of the control, with its interval."""
    rows = [row for row in rows if not is_null(row.control)]
    if control_axis is None or not rows:
        return {"correlation_reason": "no_control"}
    x = np.array([row.value for row in rows], np.float64)
    y = np.array([row.target_value for row in rows], np.float64)
    group = np.array([row.group for row in rows])
    control_bin = np.array([control_axis.bin_50[control_axis.bin_of(row.control)] for row in rows])
    if axis.metric == control_axis.metric or is_function_of(x, control_bin):
        return {"correlation_reason": "function_of_control"}
    return _with_interval(
        "correlation_partial",
        lambda keep: pearson(
            without_bin_means(x[keep], control_bin[keep]), without_bin_means(y[keep], control_bin[keep])
        ),
        group,
    )


def is_function_of(x: np.ndarray, control_bin: np.ndarray) -> bool:
    """Whether less than 1% of the variance of x is left within the control's bins."""
    left = without_bin_means(x, control_bin)
    return bool(np.sum(left**2) < RESIDUAL_SHARE * np.sum((x - x.mean()) ** 2))


def without_bin_means(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    n = np.bincount(bins)
    means = np.bincount(bins, weights=values) / np.maximum(n, 1)
    return values - means[bins]


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Pearson's r; None where one of them does not vary."""
    if len(x) < 2:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(np.sum(dx * dx)) * float(np.sum(dy * dy)))
    return float(np.sum(dx * dy)) / scale if scale > 0 else None


def spearman_of_bins(x_bin: np.ndarray, y_level: np.ndarray) -> float | None:
    """Spearman's r of binned values: Pearson of mid-ranks, which is how SciPy ranks ties."""
    return pearson(_mid_ranks(x_bin), _mid_ranks(y_level))


def _mid_ranks(bins: np.ndarray) -> np.ndarray:
    n = np.bincount(bins)
    return (np.cumsum(n) - n + (n + 1) / 2)[bins]


def _with_interval(
    name: str, estimate: Callable[[np.ndarray], float | None], group: np.ndarray
) -> dict[str, Any]:
    """The estimate, and its jackknife interval over the groups that hold a row, clipped to [-1, 1]."""
    whole = estimate(np.ones(len(group), bool))
    result: dict[str, Any] = {name: whole, f"{name}_low": None, f"{name}_high": None}
    groups = np.unique(group)
    if whole is None or len(groups) < 2:
        return result
    without = [estimate(group != left_out) for left_out in groups]
    if any(value is None for value in without):
        return result
    error = math.sqrt((len(groups) - 1) / len(groups) * np.sum((np.array(without) - np.mean(without)) ** 2))
    half = float(stats.t.ppf(0.975, len(groups) - 1)) * error
    return result | {f"{name}_low": max(-1.0, whole - half), f"{name}_high": min(1.0, whole + half)}
