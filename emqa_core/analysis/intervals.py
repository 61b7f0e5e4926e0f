"""Design effects and 95% intervals, shared by all measures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from emqa_core.objects import Array
from emqa_core.reductions.unit_totals import UnitTotals

MIN_FRAMES = 10  # labels in fewer frames: no interval of AP and its like
MIN_UNITS = 10
MAX_UNIT_SHARE = 0.1
Z_95 = 1.959963984540054  # 0.975 quantile of the normal distribution


@dataclass(frozen=True)
class Intervals:
    """95% intervals, arrays of one shape: low and high float64, NaN where there is none; reason object says
    why, None where there is one.
    """

    low: Array
    high: Array
    reason: Array

    @classmethod
    def nothing(cls, shape: tuple[int, ...], reason: str) -> Intervals:
        return cls(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, reason, object))

    def unless(self, reason: Array) -> Intervals:
        """None where a reason (broadcast, None for none) speaks against one."""
        reason = np.broadcast_to(reason, self.low.shape)
        is_held = reason == None  # noqa: E711 - elementwise
        return Intervals(
            np.where(is_held, self.low, np.nan),
            np.where(is_held, self.high, np.nan),
            np.where(is_held, self.reason, reason),
        )


def reason_where(is_so: Array, reason: str) -> Array:
    """The reason where it holds, None elsewhere, an object array."""
    reasons = np.full(is_so.shape, None, object)
    reasons[is_so] = reason
    return reasons


def unit_reasons(units: UnitTotals) -> Array:
    """Why each scope's resampling units support no interval, (K + 1,) object; None where they do.

    `dominated_by_unit`: over 10% of the rows are of one unit. `few_units`: there are fewer than 10.
    """
    reasons = np.full(len(units.n_rows), None, object)
    reasons[units.n_units < MIN_UNITS] = "few_units"
    reasons[units.largest_share > MAX_UNIT_SHARE] = "dominated_by_unit"
    return reasons


def design_effect(
    n: Array, n_right: Array, sum_nn: Array, sum_ny: Array, sum_yy: Array, n_frames: Array
) -> Array:
    """By how much the clustering of rows in frames multiplies the variance of a rate (Kish 1965).

    δ = m/(m-1) · Σ_f (y_f - p n_f)² / (n p (1-p)), m frames; every array of one shape, whole numbers.
    One frame is one observation whatever its rows: δ = n. p of 0 or 1 says nothing about clustering: 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = n_right / n
        squares = sum_yy - 2 * p * sum_ny + p * p * sum_nn
        delta = n_frames / (n_frames - 1) * squares / (n * p * (1 - p))
    delta = np.where((n_right == 0) | (n_right == n), 1.0, delta)
    return np.where(n_frames == 1, n, delta).astype(np.float64)


def wilson_interval(n: Array, n_right: Array, delta: Array) -> tuple[Array, Array]:
    """95% interval of a rate by Wilson's score method (Wilson 1927), n replaced by n / max(1, δ).

    Arrays of one shape. Returns lower and upper ends in 0..1, NaN where n = 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = n_right / n
        effective = n / np.maximum(1.0, delta)
        square = Z_95 * Z_95 / effective
        centre = (p + square / 2) / (1 + square)
        half = Z_95 / (1 + square) * np.sqrt(p * (1 - p) / effective + square / (4 * effective))
        return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def logit_intervals(value: Array, without: Array, n_frames: Array) -> Intervals:
    """expit(logit v ± t·se / (v (1 - v))), se² = (G - 1)/G Σ (v_g - mean v_g)², t with G - 1 degrees.

    value (...): a share in 0..1. without (..., G): the same without each group, +inf for a group that holds
    nothing of it and does not count. n_frames (...): frames with a label. None, reason
    `insufficient_support`, where these are fewer than 10, the value is 0 or 1, or the replicates do not vary.
    """
    from scipy.special import expit, logit

    half = jackknife_half_width(without)
    is_held = (n_frames >= MIN_FRAMES) & (value > 0) & (value < 1) & (half > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, half = logit(value), half / (value * (1 - value))
        low, high = expit(centre - half), expit(centre + half)
    return Intervals(low, high, np.full(low.shape, None, object)).unless(
        reason_where(~is_held, "insufficient_support")
    )


def jackknife_half_width(without: Array) -> Array:
    """Half the width of a 95% delete-one-group jackknife interval (Efron and Stein 1981).

    without (..., groups): the estimate without each group, +inf for a group that has no rows and does not
    count. t(0.975, G - 1) · sqrt((G - 1)/G · Σ_g (θ_g - mean θ_g)²), NaN for G < 2 or an undefined θ_g.
    """
    held = without != np.inf
    n_groups = held.sum(axis=-1)
    values = np.where(held, without, 0.0)
    mean = values.sum(axis=-1) / np.maximum(n_groups, 1)
    squares = np.where(held, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    quantile = _student_quantiles(int(n_groups.max(initial=2)))[n_groups]
    return np.asarray(quantile * np.sqrt((n_groups - 1) / np.maximum(n_groups, 1) * squares))


@cache
def _student_quantiles(most: int) -> Array:
    """0.975 quantile of Student's t by number of groups, 0 .. most; NaN below 2."""
    from scipy.special import stdtrit

    freedom = np.arange(most + 1, dtype=np.float64) - 1
    quantiles = np.full(most + 1, np.nan)
    quantiles[2:] = stdtrit(freedom[2:], 0.975)
    return quantiles
