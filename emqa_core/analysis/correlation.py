"""Correlation of a metric with the outcome: Pearson, Spearman from mid-ranks of bins, and partial.

Pearson and partial correlation come from centred co-moments per jackknife group and control bin; Spearman
from counts per coarse bin (within 0.0002 of the exact one with 50 bins at n = 20,000). The partial one is
Pearson of what is left of metric and outcome after their means in each bin of the control are taken out.
Intervals: delete-one-group jackknife, clipped to [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.correlation_kernels import correlate
from emqa_core.analysis.count_cells import CountCells
from emqa_core.analysis.intervals import jackknife_half_width
from emqa_core.analysis.moment_cells import moments_by_scope
from emqa_core.analysis.rank_correlation import rank_correlate
from emqa_core.objects import Array
from emqa_core.reductions.co_moments import CoMoments

MIN_RESIDUAL_SHARE = 0.01


@dataclass(frozen=True)
class Estimate:
    """A correlation with its 95% interval, each (T, K + 1) float64, NaN where null."""

    value: Array
    low: Array
    high: Array

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> Estimate:
        nan = np.full(shape, np.nan)
        return cls(nan, nan, nan)

    @classmethod
    def of_jackknife(cls, raw: Array, keep: Array, has_interval: Array) -> Estimate:
        """From values (T, K + 1, 1 + groups) of all rows and without each group, as the kernels give them."""
        half = jackknife_half_width(raw[..., 1:])
        value = np.where(keep, np.clip(raw[..., 0], -1, 1), np.nan)
        half = np.where(has_interval, half, np.nan)
        return cls(value, np.clip(value - half, -1, 1), np.clip(value + half, -1, 1))


@dataclass(frozen=True)
class Correlation:
    """Correlations of one metric with one target's outcome; reason (T, K + 1) object: why one is null."""

    pearson: Estimate
    spearman: Estimate
    partial: Estimate
    reason: Array

    @classmethod
    def nothing(cls, shape: tuple[int, ...], reason: str) -> Correlation:
        none = Estimate.nothing(shape)
        return cls(none, none, none, np.full(shape, reason, object))


def correlation_of(
    moments: CoMoments,
    counts: CountCells,
    n: Array,
    n_outcomes: Array,
    is_constant: Array,
    unit_reason: Array,
    *,
    is_control: bool = False,
) -> Correlation:
    """Correlations from co-moments and counts.

    n, n_outcomes (T, K + 1) int64: rows with the metric, and how many levels of the outcome occur among
    them. is_constant (K + 1,) bool: the metric has one distinct value. unit_reason (K + 1,) object: why
    resampling units do not support an interval, else None. is_control: the metric is the one that the
    partial correlation takes out; nothing of it would be left.
    """
    n_scopes = n.shape[1]
    has_control = moments.n_control > 1
    parts = moments_by_scope(moments, n_scopes)
    raw = np.concatenate(
        [correlate(*part.kernel_arrays, moments.n_control, has_control) for part in parts], axis=1
    )
    ranks = np.concatenate(
        [rank_correlate(*part.kernel_arrays, counts.n_bins) for part in counts.parts], axis=1
    )
    pearson, partial, residual = raw[..., 0, :-1], raw[..., 1, :-1], raw[..., 1, -1]
    is_function = is_control | (residual < MIN_RESIDUAL_SHARE)
    reason = np.full(n.shape, None, object)
    reason[np.isnan(partial[..., 0])] = "no_control"
    reason[is_function] = "function_of_control"
    reason[np.isnan(ranks[..., 0])] = "single_bin"
    null = np.zeros(n.shape, bool)
    for name, where in (
        ("constant_outcome", n_outcomes < 2),
        ("constant_metric", np.broadcast_to(is_constant, n.shape)),
        ("insufficient_support", n < 2),
    ):
        reason[where] = name
        null |= where
    has_interval = np.broadcast_to(unit_reason == None, n.shape)  # noqa: E711 - elementwise
    return Correlation(
        Estimate.of_jackknife(pearson, ~null, has_interval),
        Estimate.of_jackknife(ranks, ~null, has_interval),
        Estimate.of_jackknife(partial, ~null & ~is_function, has_interval),
        reason,
    )


def constant_scopes(moments: CoMoments, n_scopes: int) -> Array:
    """Scopes in which the metric has at most one distinct value, (n_scopes,) bool."""
    of_scope, of_all = moments.constant_scopes()
    return np.append(of_scope, of_all) if len(of_scope) < n_scopes else of_scope
