"""The search for regions of one metric, or of two together, in which most goes wrong.

All contiguous ranges of ten bins (single categories), and all rectangles of two such ranges, are tested on
counts by bin with one design effect for all; those that are worse by the most, to be on the safe side, are
then counted again, with the frame sums of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.intervals import design_effect
from emqa_core.objects import Array
from emqa_core.reductions.slice_counts import MOST_BINS, SliceCounts

N_NUMERIC = 10  # bins of a numeric metric, five of the 50 in each
WIDEST = 5  # bins; a slice is no more than half of the rows
MIN_ROWS = 25
MIN_WRONG = 5  # expected, and as many expected right
Z_OF_MANY = 4.0  # standard errors that chance may reach somewhere in some ten thousand regions
MOST_REGIONS = 40
MOST_OF_METRIC = 8  # regions of pairs that hold one metric: others shall have their turn


@dataclass(frozen=True)
class SliceAxis:
    """The bins of a metric that can be slices: of_coarse (n_coarse,) int8 gives that of each of its own.

    ranges (r, 2) int64: first and last bin of each range. keys: the categories of bins, None for numbers.
    """

    axis: MetricAxis
    of_coarse: Array
    ranges: Array
    categories: tuple[str, ...] | None

    @classmethod
    def of(cls, axis: MetricAxis) -> SliceAxis:
        if axis.categories is None:
            of_coarse = np.arange(axis.n_coarse) * N_NUMERIC // axis.n_coarse
            spans = [(a, b) for a in range(N_NUMERIC) for b in range(a, min(a + WIDEST, N_NUMERIC))]
            return cls(axis, of_coarse.astype(np.int8), np.array(spans, np.int64), None)
        # The most frequent categories; ties by name, which is their order.
        kept = np.sort(np.argsort(-axis.share, kind="stable")[:MOST_BINS])
        of_coarse = np.full(axis.n_coarse, MOST_BINS, np.int8)
        of_coarse[kept] = np.arange(len(kept))
        single = np.arange(len(kept))
        names = tuple(axis.categories[index] for index in kept)
        return cls(axis, of_coarse, np.stack([single, single], axis=1), names)

    def bins_of(self, values: Array) -> Array:
        """Bin of each value, (n,) int16, -1 where it is missing."""
        return self._wide.coarse_bin_of(values)

    @cached_property
    def _wide(self) -> MetricAxis:
        """The axis with these bins for coarse ones."""
        return replace(self.axis, coarse=self.of_coarse[self.axis.coarse].astype(np.int16))

    def edges(self, first: int, last: int) -> tuple[float | None, float | None]:
        """Lower edge, open, and upper edge, closed, of a range of numbers; None where no bin lies beyond."""
        of_fine = self.of_coarse[self.axis.coarse]
        inside = np.flatnonzero((of_fine >= first) & (of_fine <= last))
        # By the bins, not by their edges: a bin of one value ends where it begins, and so does the next.
        lower = float(self.axis.lower[inside[0]]) if inside[0] > 0 else None
        upper = float(self.axis.upper[inside[-1]]) if inside[-1] < self.axis.n_bins - 1 else None
        return lower, upper


def pairs_of(n_metrics: int) -> Array:
    """All pairs of so many metrics, (P, 2) int64."""
    return np.array(list(combinations(range(n_metrics), 2)), np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class Search:
    """Regions to count again, (C, 6) int64 as `RegionSums.of` takes them, and how many were tested."""

    regions: Array
    n_tested: int


def search_regions(counts: SliceCounts, axes: Sequence[SliceAxis]) -> Search:
    """The worst region of every metric, and those of the pairs with the worst ones."""
    delta = _whole_effect(counts.whole)
    single, n_tested = [], 0
    for metric, axis in enumerate(axes):
        cells = _split(counts.single[metric])
        bound = _bounds(*_range_sums(cells[..., None], axis.ranges, np.zeros((1, 2), np.int64)), cells, delta)
        n_tested += int(np.isfinite(bound).sum())
        place = int(bound.argmax())
        if np.isfinite(bound.ravel()[place]):
            single.append((metric, *axis.ranges[place].tolist(), -1, 0, 0))
    pairs = []
    for index, (a, b) in enumerate(pairs_of(len(axes)).tolist()):
        cells = _split(counts.pair[index])
        bound = _bounds(*_range_sums(cells, axes[a].ranges, axes[b].ranges), cells, delta)
        n_tested += int(np.isfinite(bound).sum())
        i, j = np.unravel_index(bound.argmax(), bound.shape)
        if np.isfinite(bound[i, j]):
            region = (a, *axes[a].ranges[i].tolist(), b, *axes[b].ranges[j].tolist())
            pairs.append((-float(bound[i, j]), region))
    regions = [*single, *_varied(sorted(pairs), MOST_REGIONS - len(single))]
    return Search(np.array(regions, np.int64).reshape(-1, 6), n_tested)


def _varied(pairs: Sequence[tuple[float, tuple[int, ...]]], most: int) -> list[tuple[int, ...]]:
    """The first regions of pairs of which no metric is in too many."""
    kept: list[tuple[int, ...]] = []
    n_of_metric: Counter[int] = Counter()
    for _, region in pairs:
        a, b = region[0], region[3]
        if len(kept) < most and max(n_of_metric[a], n_of_metric[b]) < MOST_OF_METRIC:
            kept.append(region)
            n_of_metric.update((a, b))
    return kept


def _whole_effect(whole: Array) -> float:
    n, y, nn, ny, yy, n_frames = (np.array(value) for value in whole)
    return float(np.maximum(1.0, np.nan_to_num(design_effect(n, y, nn, ny, yy, n_frames), nan=1.0)))


def _split(cells: Array) -> Array:
    """Rows and wrong rows of words, (2, ...) int64."""
    return np.stack([cells & 0xFFFFFFFF, cells >> 32])


def _range_sums(cells: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """n and y (r, s) of each range of the first axis by each of the second; cells (2, bins, bins)."""
    along = np.zeros((2, cells.shape[1] + 1, cells.shape[2]), np.int64)
    np.cumsum(cells, axis=1, out=along[:, 1:])
    rows = along[:, first[:, 1] + 1] - along[:, first[:, 0]]
    across = np.zeros((2, len(first), cells.shape[2] + 1), np.int64)
    np.cumsum(rows, axis=2, out=across[:, :, 1:])
    n, y = across[:, :, second[:, 1] + 1] - across[:, :, second[:, 0]]
    return n, y


def _bounds(n: Array, y: Array, cells: Array, delta: float) -> Array:
    """How much more goes wrong in regions (r, s) than elsewhere, less `Z_OF_MANY` standard errors; -inf
    without support. cells (2, ...): all rows.
    """
    all_n, all_y = (int(total) for total in cells.reshape(2, -1).sum(axis=1))
    p = all_y / all_n if all_n else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = y / n - (all_y - y) / (all_n - n)
        bound = excess - Z_OF_MANY * np.sqrt(p * (1 - p) * (1 / n + 1 / (all_n - n)) * delta)
    supported = (n >= MIN_ROWS) & (n * min(p, 1 - p) >= MIN_WRONG) & (2 * n <= all_n)
    return np.where(supported & np.isfinite(bound), bound, -np.inf)
