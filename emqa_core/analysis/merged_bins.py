"""Which bins importance is computed on: neighbours merged until each is large enough to trust.

A merged bin needs n >= 25 rows, n · min(p, 1 - p) >= 5 and n² / Σ_f n_f² >= 10 (rows as if from ten frames
at least). Decided once per metric, target and scope, on the totals at the chosen T, and kept for every T
and every jackknife group: replicates must differ in rows alone, never in bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.count_cells import CountCells
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_I64_2D
from emqa_core.objects import Array
from emqa_core.reductions.bin_pairs import BinPairs

MIN_ROWS = 25
MIN_RARER_OUTCOME = 5
MIN_EFFECTIVE_FRAMES = 10


@dataclass(frozen=True)
class BinTotals:
    """Totals at the chosen T by scope (K + 1 of them, all last) and coarse bin.

    n, sum_nn (K + 1, n_bins) int64; rows (K + 1,) int64: of all bins; rarer (K + 1,) int64: rows of the most
    frequent outcome level or all others, whichever are fewer, so that min(p, 1 - p) = rarer / rows. Whole
    numbers decide: a bin that has exactly 5 must not depend on rounding.
    """

    n: Array
    sum_nn: Array
    rows: Array
    rarer: Array

    @classmethod
    def of(cls, counts: MetricCounts, cells: CountCells, chosen: int) -> BinTotals:
        n, by_level = cells.totals_at(chosen)
        rows = n.sum(axis=1)
        outcome = np.concatenate([(n - by_level.sum(axis=0)).sum(axis=1)[None], by_level.sum(axis=2)])
        most_frequent = outcome.max(axis=0)
        # A frame is one row of the frame target: its square is itself.
        sum_nn = n if counts.coarse is None else counts.coarse.sum_nn_at(chosen)
        return cls(n, sum_nn, rows, np.minimum(most_frequent, rows - most_frequent))

    @property
    def large_enough(self) -> Array:
        """Which bins may stand alone, (K + 1, n_bins) bool."""
        return np.asarray(
            (self.n >= MIN_ROWS)
            & (self.n * self.rarer[:, None] >= MIN_RARER_OUTCOME * self.rows[:, None])
            & (self.n * self.n >= MIN_EFFECTIVE_FRAMES * self.sum_nn)
        )


def scopes_to_merge(axis: MetricAxis, counts: MetricCounts, chosen: int) -> tuple[Array, Array]:
    """Scopes that need the second pass, (s,) int64, and the order of their bins, (s, n_bins) int16.

    Needed where bins have to be merged and rows of one frame lie in several bins: never for frame metrics.
    A scope whose rows could not fill two bins is left out; it has no importance whatever the pairs are.
    """
    if counts.level == "frame":
        return np.empty(0, np.int64), np.empty((0, axis.n_coarse), np.int16)
    totals = BinTotals.of(counts, CountCells.of(counts.groups, counts.target), chosen)
    rank = bin_ranks(axis, totals)
    too_small = ~totals.large_enough & (totals.n > 0)
    needed = too_small.any(axis=1) & ((totals.n > 0).sum(axis=1) > 1)
    needed &= (totals.rows >= 2 * MIN_ROWS) & (totals.rarer >= 2 * MIN_RARER_OUTCOME)
    scopes = np.flatnonzero(needed)
    return scopes, rank[scopes]


def bin_ranks(axis: MetricAxis, totals: BinTotals) -> Array:
    """Order in which bins may be merged, (K + 1, n_bins) int16.

    Numeric bins keep theirs. Of categories, those below the limits come first, then the others by number of
    rows, ties by name: what goes to `other`, and what joins it, are then neighbours.
    """
    n_scopes, n_bins = totals.n.shape
    if not axis.is_categorical:
        return np.tile(np.arange(n_bins, dtype=np.int16), (n_scopes, 1))
    rank = np.empty((n_scopes, n_bins), np.int16)
    position = np.arange(n_bins)
    for scope, (n, kept) in enumerate(zip(totals.n, totals.large_enough, strict=True)):
        rank[scope, np.lexsort((position, np.where(kept, n, 0), kept))] = position
    return rank


@dataclass(frozen=True)
class MergedBins:
    """Merged bins of every scope. bin_of (K + 1, n_bins) int16: merged bin of each coarse bin, numbered from
    0 in the order of the bins; n_merged (K + 1,) int64.
    """

    bin_of: Array
    n_merged: Array


@kernel(
    types.Tuple((types.int16[:, ::1], types.int64[::1]))(
        READ_I64_2D, READ_I64_2D, READ_I64, READ_I64, READ_I64, READ_I64_2D
    ),
)
def _merge_neighbours(n, sum_nn, rows_of_scope, rarer, slot, pairs):  # type: ignore[no-untyped-def]
    n_scopes, n_bins = n.shape
    merged = np.zeros((n_scopes, n_bins), np.int16)
    n_merged = np.zeros(n_scopes, np.int64)
    for scope in range(n_scopes):
        first = 0
        rows = 0
        squares = 0
        closed = 0
        for b in range(n_bins):
            merged[scope, b] = closed
            if n[scope, b] == 0:
                continue
            rows += n[scope, b]
            squares += sum_nn[scope, b]
            if slot[scope] >= 0:
                for a in range(first, b):
                    squares += 2 * pairs[slot[scope], b * (b - 1) // 2 + a]
            if (
                rows >= MIN_ROWS
                and rows * rarer[scope] >= MIN_RARER_OUTCOME * rows_of_scope[scope]
                and rows * rows >= MIN_EFFECTIVE_FRAMES * squares
            ):
                closed += 1
                first = b + 1
                rows = 0
                squares = 0
        # What is left joins the last closed bin; where none closed, it is the only one.
        for b in range(n_bins):
            if closed > 0 and merged[scope, b] >= closed:
                merged[scope, b] = closed - 1
        n_merged[scope] = max(closed, 1)
    return merged, n_merged


def merge_bins(
    axis: MetricAxis, counts: MetricCounts, cells: CountCells, pairs: BinPairs | None, chosen: int
) -> MergedBins:
    """Merged bins of every scope.

    cells: of the counts. pairs: of the scopes that `scopes_to_merge` named, None where none.
    """
    totals = BinTotals.of(counts, cells, chosen)
    n_scopes, _ = totals.n.shape
    slot = np.full(n_scopes, -1)
    products = np.zeros((1, 1), np.int64)
    if pairs is not None and len(pairs.scopes):
        slot[pairs.scopes] = np.arange(len(pairs.scopes))
        products = pairs.products_at(chosen)
    if axis.is_categorical:
        return _merge_categories(bin_ranks(axis, totals), totals, slot, products)
    bin_of, n_merged = _merge_neighbours(
        totals.n, np.ascontiguousarray(totals.sum_nn), totals.rows, totals.rarer, slot, products
    )
    return MergedBins(bin_of, n_merged)


def _merge_categories(rank: Array, totals: BinTotals, slot: Array, products: Array) -> MergedBins:
    """Categories below the limits go to `other`; an `other` below them joins the smallest kept category."""
    large = totals.large_enough
    bin_of = np.zeros(rank.shape, np.int16)
    n_merged = np.ones(len(rank), np.int64)
    for scope in range(len(rank)):
        n_small = int((~large[scope]).sum())
        kept = rank.shape[1] - n_small
        if not kept:
            continue
        rows = int(totals.n[scope][~large[scope]].sum())
        squares = int(totals.sum_nn[scope][~large[scope]].sum())
        if slot[scope] >= 0:
            squares += 2 * int(products[slot[scope], : n_small * (n_small - 1) // 2].sum())
        stands = (
            rows >= MIN_ROWS
            and rows * totals.rarer[scope] >= MIN_RARER_OUTCOME * totals.rows[scope]
            and rows * rows >= MIN_EFFECTIVE_FRAMES * squares
        )
        # Ranks put `other` first and the smallest kept category next.
        first_kept = 1 if stands else 0
        bin_of[scope] = np.maximum(rank[scope] - n_small + first_kept, 0)
        n_merged[scope] = kept + first_kept
    return MergedBins(bin_of, n_merged)


def merged_frame_sums(counts: MetricCounts, pairs: BinPairs | None, merged: MergedBins) -> dict[str, Array]:
    """n, n_right, sum_nn, sum_ny, sum_yy, n_frames of merged bins, each (T, K + 1, most merged bins) int64.

    Exact: sums of the parts, twice the products of parts in one frame, and less the frames counted twice.
    Of objects only.
    """
    assert counts.coarse is not None
    columns = counts.coarse.columns()
    n_thresholds, n_scopes = columns["n"].shape[:2]
    most = int(merged.n_merged.max(initial=1))
    cell = (np.arange(n_scopes)[:, None] * most + merged.bin_of).reshape(-1)
    n_cells = n_scopes * most
    place = (np.arange(n_thresholds)[:, None] * n_cells + cell).reshape(-1)
    sums = {
        name: _add_up(place, values.reshape(-1), n_thresholds * n_cells) for name, values in columns.items()
    }
    if pairs is not None and len(pairs.scopes):
        _add_pairs(sums, pairs, merged, most)
    return {name: values.reshape(n_thresholds, n_scopes, most) for name, values in sums.items()}


def _add_pairs(sums: dict[str, Array], pairs: BinPairs, merged: MergedBins, most: int) -> None:
    """Add to flat sums (T * cells,) what pairs of bins inside one merged bin bring."""
    upper, lower = np.tril_indices(pairs.n_bins, -1)  # pair number b (b - 1) / 2 + a, b > a
    # Pairs are numbered by rank: back to bins before asking which merged bin they are in.
    of_rank = np.take_along_axis(merged.bin_of[pairs.scopes], np.argsort(pairs.rank, axis=1), axis=1)
    n_cells = len(merged.bin_of) * most

    def inside(key: Array) -> tuple[Array, Array]:
        """Cell of each pair, and which pairs lie within one."""
        slot, pair = key // pairs.n_pairs, key % pairs.n_pairs
        merged_bin = of_rank[slot, upper[pair]]
        return pairs.scopes[slot] * most + merged_bin, merged_bin == of_rank[slot, lower[pair]]

    keys = np.flatnonzero(pairs.base[:, 0])
    cell, wanted = inside(keys)
    for name, column, factor in (("sum_nn", 0, 2), ("n_frames", 1, -1)):
        at_every = _add_up(cell[wanted], factor * pairs.base[keys[wanted], column], n_cells)
        sums[name] += np.tile(at_every, pairs.n_thresholds)
    keys = pairs.at_threshold.cells()
    cell, wanted = inside(keys)
    place = (np.arange(pairs.n_thresholds)[:, None] * n_cells + cell[wanted]).reshape(-1)
    values = pairs.at_threshold.values(keys[wanted])
    for column, (name, factor) in enumerate((("sum_nn", 2), ("n_frames", -1), ("sum_ny", 1), ("sum_yy", 2))):
        added = factor * values[..., column].T.reshape(-1)
        sums[name] += _add_up(place, added, pairs.n_thresholds * n_cells)


@kernel(types.int64[::1](READ_I64, READ_I64, types.int64))
def _add_up(place, values, n_places):  # type: ignore[no-untyped-def]
    out = np.zeros(n_places, np.int64)
    for index in range(place.shape[0]):
        out[place[index]] += values[index]
    return out
