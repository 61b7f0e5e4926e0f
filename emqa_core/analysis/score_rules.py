"""Rules that raise F1: which predictions to drop by a metric, and which score to ask for in its ranges.

Searched on one half of the frames, in counts by bin of the metric and level of the score. A rule drops
predictions after matching: the label of a dropped true positive counts as missed, although another prediction
might have found it. What a rule gains is so rather more than less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.analysis.halves import FOUND_ON, JUDGED_ON, KeptCounts, f1_of
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64_2D
from emqa_core.objects import Array
from emqa_core.reductions.score_levels import at_least

MIN_GAIN = 0.002  # of F1, for which a rule is worth having, and for which a second edge is
N_RANGES = 5
_MOST_ROUNDS = 50


@kernel(types.Tuple((types.int64[:, ::1], types.float64[::1]))(READ_I64_2D, READ_I64_2D, types.int64))
def _search(n, n_true, n_labels):  # type: ignore[no-untyped-def]
    """n, n_true (B + 1, F): of each bin at or above each level. First and last bin kept and level, of the
    best F1 with one edge and with two, (2, 3), and those F1 (2,).
    """
    n_bins, n_levels = n.shape[0] - 1, n.shape[1]
    best = np.full((2, 3), -1, np.int64)
    best_f1 = np.full(2, -1.0)
    for level in range(n_levels):
        for first in range(n_bins):
            # Predictions without the metric cannot be dropped by it.
            kept = n[n_bins, level]
            kept_true = n_true[n_bins, level]
            for last in range(first, n_bins):
                kept += n[last, level]
                kept_true += n_true[last, level]
                if first == 0 and last == n_bins - 1:
                    continue
                total = kept + n_labels
                f1 = 2.0 * kept_true / total if total > 0 else 0.0
                edges = 1 if first > 0 and last < n_bins - 1 else 0
                if f1 > best_f1[edges]:
                    best_f1[edges] = f1
                    best[edges, 0] = first
                    best[edges, 1] = last
                    best[edges, 2] = level
    return best, best_f1


@dataclass(frozen=True)
class MetricCube:
    """Predictions of one metric at or above each fine level, and the labels, by jackknife group.

    n, n_true (G, B + 1, F) int64, the last bin of those without the metric; n_labels (G,) int64.
    """

    n: Array
    n_true: Array
    n_labels: Array

    @classmethod
    def of(cls, predictions: Array, n_labels: Array) -> MetricCube:
        """predictions (2, G, B + 1, F): of each level alone, as MetricScores.predictions gives them."""
        n, n_true = at_least(predictions)
        return cls(n, n_true, n_labels)

    def found_on(self) -> tuple[Array, Array, int]:
        """n, n_true (B + 1, F) and labels of the half on which rules are searched."""
        n, n_true = (values[FOUND_ON].sum(axis=0) for values in (self.n, self.n_true))
        return n, n_true, int(self.n_labels[FOUND_ON].sum())

    def judged(self, level_of_bin: Array) -> KeptCounts:
        """What the other half keeps where bin b asks for level_of_bin[b], F for none; (B + 1,)."""
        n_levels = self.n.shape[2]
        place = np.minimum(level_of_bin, n_levels - 1)[None, :, None]
        is_kept = level_of_bin < n_levels
        n, n_true = (
            (np.take_along_axis(values[JUDGED_ON], place, axis=2)[:, :, 0] * is_kept).sum(axis=1)
            for values in (self.n, self.n_true)
        )
        return KeptCounts(n_true, n, self.n_labels[JUDGED_ON])


def best_level(cube: MetricCube) -> int:
    """The level of the best F1 on the half on which rules are searched, the highest of equal ones."""
    n, n_true, n_labels = cube.found_on()
    f1 = f1_of(n_true.sum(axis=0), n.sum(axis=0), n_labels)
    return len(f1) - 1 - int(np.argmax(f1[::-1]))


@dataclass(frozen=True)
class ScoreRule:
    """level_of_bin (B + 1,) int64: the level that each bin asks for, F where it is dropped; the last one is
    of predictions without the metric. gain: of F1, on the half on which it was found. bounds: first and last
    bin of each range, with its level.
    """

    level_of_bin: Array
    gain: float
    bounds: tuple[tuple[int, int, int], ...]


def find_filter(cube: MetricCube, before: int) -> ScoreRule | None:
    """The range of bins to keep, with one score threshold, that gives the best F1; None without any gain.

    A second edge has to gain MIN_GAIN more than the first alone. before: level of the best single threshold.
    """
    n, n_true, n_labels = cube.found_on()
    n_levels = n.shape[1]
    if len(n) < 3:
        return None
    found, f1 = _search(np.ascontiguousarray(n), np.ascontiguousarray(n_true), n_labels)
    edges = 1 if f1[1] > f1[0] + MIN_GAIN else 0
    first, last, level = (int(value) for value in found[edges])
    gain = float(f1[edges] - f1_of(n_true.sum(axis=0), n.sum(axis=0), n_labels)[before])
    level_of_bin = np.full(len(n), n_levels)
    level_of_bin[[*range(first, last + 1), -1]] = level
    return ScoreRule(level_of_bin, gain, ((first, last, level),)) if gain >= MIN_GAIN else None


def find_thresholds(cube: MetricCube, before: int) -> ScoreRule | None:
    """Score thresholds of N_RANGES ranges of bins that maximise F1 together; None without any gain.

    In each range the level of the largest Σ (y - λ) over the predictions kept, λ = F1 / 2, to a fixed point
    (Dinkelbach 1967). Ranges that end up with one level are one.
    """
    n, n_true, n_labels = cube.found_on()
    n_bins, n_levels = len(n) - 1, n.shape[1]
    if n_bins < N_RANGES:
        return None
    range_of = np.arange(n_bins) * N_RANGES // n_bins
    in_range = [np.flatnonzero(range_of == each) for each in range(N_RANGES)]
    # One level more, at which nothing is kept.
    kept = np.zeros((2, N_RANGES, n_levels + 1), np.int64)
    for each, bins in enumerate(in_range):
        kept[:, each, :-1] = n[bins].sum(axis=0), n_true[bins].sum(axis=0)
    rest = np.array([n[-1, before], n_true[-1, before]])
    levels = np.full(N_RANGES, before)
    f1 = start = _f1_at(kept, rest, levels, n_labels)
    for _ in range(_MOST_ROUNDS):
        worth = kept[1] - f1 / 2 * kept[0]
        levels = n_levels - np.argmax(worth[:, ::-1], axis=1)
        now = _f1_at(kept, rest, levels, n_labels)
        if now <= f1:
            break
        f1 = now
    bounds: list[tuple[int, int, int]] = []
    for bins, level in zip(in_range, levels.tolist(), strict=True):
        if bounds and bounds[-1][2] == level:
            bounds[-1] = (bounds[-1][0], int(bins[-1]), level)
        else:
            bounds.append((int(bins[0]), int(bins[-1]), level))
    if len(bounds) < 2 or f1 - start < MIN_GAIN:
        return None
    return ScoreRule(np.append(levels[range_of], before), f1 - start, tuple(bounds))


def _f1_at(kept: Array, rest: Array, levels: Array, n_labels: int) -> float:
    n, n_true = kept[:, np.arange(N_RANGES), levels].sum(axis=1) + rest
    return float(f1_of(n_true, n, n_labels))
