"""Two halves of the frames: advice is found on one and judged on the other, by the jackknife."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.analysis.intervals import jackknife_half_width
from emqa_core.objects import Array
from emqa_core.reductions.target_rows import N_GROUPS

MIN_HALF_GROUPS = 5  # of frames with rows, in the half that judges

_GROUP = np.arange(N_GROUPS)
FOUND_ON = np.flatnonzero(_GROUP % 2 == 0)
JUDGED_ON = np.flatnonzero(_GROUP % 2 == 1)


@dataclass(frozen=True)
class Gain:
    """A difference on the half that judges: its value, 95% interval, and one-sided p-value of no gain."""

    value: float
    low: float
    high: float
    p_value: float


def gain_of(without: Array, value: float, has_rows: Array) -> Gain:
    """From the difference without each group (g,) float64 and on all of them; has_rows (g,) bool.

    Student's t with g - 1 degrees of freedom on the jackknife's standard error. No p-value below 1 where
    fewer than MIN_HALF_GROUPS groups have rows or all replicates are one: nothing says how sure it is.
    """
    from scipy.special import stdtr, stdtrit

    n_groups = int(has_rows.sum())
    if n_groups < MIN_HALF_GROUPS or np.isnan(without[has_rows]).any():
        return Gain(value, np.nan, np.nan, 1.0)
    half = float(jackknife_half_width(np.where(has_rows, without, np.inf)))
    if half == 0.0:
        return Gain(value, value, value, 1.0)
    error = half / stdtrit(n_groups - 1, 0.975)
    return Gain(value, value - half, value + half, float(stdtr(n_groups - 1, -value / error)))


@dataclass(frozen=True)
class KeptCounts:
    """What some rule keeps, by group: true positives and predictions (g,) int64, beside the labels (g,)."""

    n_true: Array
    n: Array
    n_labels: Array

    @property
    def precision(self) -> float:
        return float(self.n_true.sum() / max(int(self.n.sum()), 1))

    @property
    def recall(self) -> float:
        return float(self.n_true.sum() / max(int(self.n_labels.sum()), 1))

    @property
    def f1(self) -> float:
        return float(f1_of(self.n_true.sum(), self.n.sum(), self.n_labels.sum()))

    def f1_without(self) -> Array:
        """F1 without each group, (g,)."""
        held = (values.sum() - values for values in (self.n_true, self.n, self.n_labels))
        return np.asarray(f1_of(*held))


def f1_of(n_true: Array, n: Array, n_labels: Array | int) -> Array:
    """2 TP / (predictions + labels), 0 of nothing."""
    total = np.asarray(n + n_labels)
    return np.asarray(2.0 * n_true / np.where(total > 0, total, 1))


def f1_gain(before: KeptCounts, after: KeptCounts) -> Gain:
    """What F1 gains."""
    has_rows = before.n + before.n_labels > 0
    return gain_of(after.f1_without() - before.f1_without(), after.f1 - before.f1, has_rows)
