"""Levels of the score: thresholds at which a reader may ask what a higher score threshold would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I64
from emqa_core.objects import Array

N_SHOWN_STEPS = 20
N_FINE_STEPS = 100  # a multiple, so that every shown level is a fine one


@dataclass(frozen=True)
class ScoreRange:
    """The lowest and the highest score of some predictions, inf and -inf of none. Adds up."""

    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, score: Array) -> ScoreRange:
        """Of scores (n,) float64, which are finite."""
        return cls(float(score.min()), float(score.max())) if len(score) else cls()

    def __add__(self, other: ScoreRange) -> ScoreRange:
        return ScoreRange(min(self.low, other.low), max(self.high, other.high))

    @property
    def stepped(self) -> tuple[float, float]:
        """The range that is divided into steps: 0 to 1 where all scores lie there, else their own."""
        return (0.0, 1.0) if self.low >= 0.0 and self.high <= 1.0 else (self.low, self.high)


@kernel(types.uint8[::1](READ_F64, READ_F64, READ_I64, types.float64, types.float64))
def _levels_of(score, edges, first, low, steps_per_unit):  # type: ignore[no-untyped-def]
    """first (steps,): the level of each step's lower edge."""
    last_step = first.shape[0] - 1
    last = edges.shape[0] - 1
    out = np.empty(score.shape[0], np.uint8)
    for row in range(score.shape[0]):
        value = score[row]
        step = np.int64(0)
        if steps_per_unit > 0.0:
            step = np.int64(min(max((value - low) * steps_per_unit, 0.0), float(last_step)))
        level = first[step]
        # The step is a guess that rounding may have put one off, and other levels lie between steps.
        while level > 0 and edges[level] > value:
            level -= 1
        while level < last and edges[level + 1] <= value:
            level += 1
        out[row] = level
    return out


@dataclass(frozen=True)
class ScoreLevels:
    """L levels; a score is at the last level whose edge is not above it.

    edges (L,) float64, ascending: equal steps, the configured score threshold, and that of the best F1 where
    there is one. low, high: the range of the steps.
    """

    edges: Array
    low: float
    high: float

    @classmethod
    def of(cls, scores: ScoreRange, n_steps: int, *thresholds: float) -> ScoreLevels:
        """n_steps <= 200 equal steps, and levels at thresholds besides; NaN is none."""
        low, high = scores.stepped
        share = np.arange(n_steps) / n_steps
        held = [threshold for threshold in thresholds if not np.isnan(threshold)]
        # Not low + share (high - low): the difference of two floats may overflow.
        edges = np.unique(np.concatenate([low * (1 - share) + high * share, held]) + 0.0)
        return cls(edges, low, high)

    def __len__(self) -> int:
        return len(self.edges)

    def levels_of(self, score: Array) -> Array:
        """The level of each score (n,) float64, (n,) uint8; of a score below the first edge the first."""
        span = self.high - self.low
        n_steps = len(self.edges)
        per_unit = n_steps / span if 0.0 < span < np.inf else 0.0
        step_edges = self.low + np.arange(n_steps) * (span / n_steps if per_unit else 0.0)
        first = np.maximum(np.searchsorted(self.edges, step_edges, side="right") - 1, 0)
        return np.asarray(_levels_of(score, self.edges, first, self.low, per_unit))


@dataclass(frozen=True)
class ScoreAxis:
    """The levels of a run: shown ones, that tables have, and fine ones, among which those are.

    configured: the configured score threshold. best: that of the best F1 of all predictions at the chosen T,
    NaN without a true positive. lowest: of all scores.
    """

    shown: ScoreLevels
    fine: ScoreLevels
    configured: float
    best: float
    lowest: float

    @classmethod
    def of(cls, scores: ScoreRange, configured: float, best: float) -> ScoreAxis:
        shown, fine = (ScoreLevels.of(scores, n, configured, best) for n in (N_SHOWN_STEPS, N_FINE_STEPS))
        return cls(shown, fine, configured, best, scores.low)

    @property
    def second(self) -> float | None:
        """The best threshold, where some predictions lie between it and the configured one, or may."""
        same = self.best == self.configured or max(self.best, self.configured) <= self.lowest
        return None if np.isnan(self.best) or same else self.best

    @property
    def best_or_configured(self) -> float:
        """The score threshold of what is said of the outcomes of a good one."""
        return self.configured if self.second is None else self.second

    def shown_of_fine(self) -> Array:
        """The shown level of each fine one, (F,) int64."""
        return np.searchsorted(self.shown.edges, self.fine.edges, side="right") - 1


def at_least(counts: Array) -> Array:
    """Counts by level along the last axis to counts of rows with a score of at least each level."""
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
