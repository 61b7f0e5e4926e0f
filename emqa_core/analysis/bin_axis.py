"""The axis of a metric: its fine bins, and how they group into 50.

Both sides of a metric share one axis, so that the chart of predictions and the chart of labels can stand
above each other. Edges are stored with a run and may be taken over by a later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from emqa_core.analysis.bin_search import edge_table, find_bins
from emqa_core.errors import InputError
from emqa_core.objects import Array
from emqa_core.reductions.distinct_values import DistinctValues, category_column

N_COARSE = 50
MAX_CATEGORY_BINS = 200
OTHER = "other"


@dataclass(frozen=True)
class MetricAxis:
    """Fine bins of one metric, n of them.

    Numeric: lower, upper (n,) float64, bin k = (lower[k], upper[k]], the first closed; categories None.
    Categorical: categories, and no edges. share, cumulative_share (n,) float64: weighted share of the
    values, predictions and labels half each. coarse (n,) int16: the bin out of 50; a category's own number.
    reason says why there are no bins; None where there are.
    """

    metric: str
    fine_bins: int
    lower: Array
    upper: Array
    categories: tuple[str, ...] | None
    share: Array
    cumulative_share: Array
    coarse: Array
    reason: str | None = None

    @property
    def n_bins(self) -> int:
        return len(self.coarse)

    @property
    def n_coarse(self) -> int:
        """Coarse bins: 50, or the categories."""
        return N_COARSE if self.categories is None else len(self.categories)

    @property
    def is_categorical(self) -> bool:
        return self.categories is not None

    @cached_property
    def centre(self) -> float:
        """A number amid the values, relative to which moments are taken; 0 for categories."""
        if self.is_categorical or not self.n_bins:
            return 0.0
        return float(self.upper[np.searchsorted(self.cumulative_share, 0.5)])

    def bins_of(self, values: Array | pa.Array | pa.ChunkedArray) -> tuple[Array, Array]:
        """Fine and coarse bin of each value, (n,) int16 each, -1 where it is missing.

        Values beyond the edges are in the first or last bin; a category that the axis does not know is in
        `other` where the axis has it, else missing. Numbers (n,), or a text or boolean column.
        """
        if not self.n_bins:
            none = np.full(len(values), -1, np.int16)
            return none, none
        if self.categories is None:
            return find_bins(np.asarray(values), self.upper, self._edges_below, self.coarse)
        column = (
            values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        )
        encoded = category_column(column).dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        place = {name: index for index, name in enumerate(self.categories)}
        unknown = place.get(OTHER, -1)
        code = [place.get(name, unknown) for name in encoded.dictionary.to_pylist()]
        indices = encoded.indices.fill_null(len(code)).to_numpy(zero_copy_only=False)
        fine = np.array([*code, -1], np.int16)[indices]
        return fine, np.append(self.coarse, np.int16(-1))[fine]

    def bin_of(self, values: Array | pa.Array | pa.ChunkedArray) -> Array:
        """Fine bin of each value, (n,) int16, -1 where it is missing."""
        return self.bins_of(values)[0]

    def coarse_bin_of(self, values: Array | pa.Array | pa.ChunkedArray) -> Array:
        """Coarse bin of each value, (n,) int16, -1 where it is missing."""
        return self.bins_of(values)[1]

    @cached_property
    def _edges_below(self) -> Array:
        return np.asarray(edge_table(self.upper))

    @classmethod
    def of_stored(cls, stored: pa.Table, metric: str, fine_bins: int) -> MetricAxis:
        """The axis of an earlier run, from its rows of metric_bin (any order).

        A categorical axis gains the bin `other` where it has none, so that a new category is counted.
        """
        rows = stored.sort_by("bin").to_pydict()
        if not rows["bin"]:
            raise InputError(
                f"the run that edges are taken from has no bins of metric {metric!r}",
                next_step="leave edges_from out, or evaluate the metrics that run has",
            )
        categories = None
        if rows["category"][0] is not None:
            categories = tuple(rows["category"])
            if OTHER not in categories:
                categories = (*categories, OTHER)
                rows["share"].append(0.0)
                rows["cumulative_share"].append(1.0)
                rows["bin_50"].append(len(categories) - 1)
        return cls(
            metric,
            fine_bins,
            np.array([] if categories else rows["lower"], np.float64),
            np.array([] if categories else rows["upper"], np.float64),
            categories,
            np.array(rows["share"], np.float64),
            np.array(rows["cumulative_share"], np.float64),
            np.array(rows["bin_50"], np.int16),
        )


def decide_axis(
    metric: str,
    distinct: DistinctValues,
    prediction_sample: Array | None,
    label_sample: Array | None,
    fine_bins: int = 200,
) -> MetricAxis:
    """Bins of a metric: one per value or category where they are few, else weighted quantiles.

    distinct: of all rows that count at the chosen T. The samples (m,): the metric in the row sample of
    each side, missing values included; None where the metric has no such side. Each prediction weighs
    1 / (2 n_predictions), each label 1 / (2 n_labels), n the values present; a metric of one side its
    own rows alone. Edge k of fine_bins is the smallest value whose cumulative weight reaches
    k / fine_bins (inverted CDF). Weights are whole numbers, so that no edge depends on rounding.
    """
    if distinct.overflow:
        if isinstance(distinct.values, tuple):
            return _empty(metric, fine_bins, (), "too_many_categories")
        return _quantile_axis(metric, prediction_sample, label_sample, fine_bins)
    weight = _side_weights(distinct.counts.sum(axis=0))
    weights = [sum(int(n) * w for n, w in zip(row, weight, strict=True)) for row in distinct.counts]
    if isinstance(distinct.values, tuple):
        n_labels = distinct.counts[:, 1]
        frequency = n_labels if n_labels.any() else distinct.counts[:, 0]
        return _category_axis(metric, distinct.values, weights, frequency.tolist(), fine_bins)
    if not len(distinct.values):
        return _empty(metric, fine_bins, None, "insufficient_support")
    upper = distinct.values
    return _numeric_axis(metric, fine_bins, np.append(upper[:1], upper[:-1]), upper, weights)


def _side_weights(n: Sequence[int]) -> tuple[int, int]:
    """Whole-number weight of a prediction and of a label that makes both sides weigh alike."""
    n_predictions, n_labels = int(n[0]), int(n[1])
    return (n_labels, n_predictions) if n_predictions and n_labels else (1, 1)


def _quantile_axis(
    metric: str, prediction_sample: Array | None, label_sample: Array | None, fine_bins: int
) -> MetricAxis:
    present = [
        np.empty(0) if sample is None else np.sort(np.asarray(sample, np.float64)[np.isfinite(sample)]) + 0.0
        for sample in (prediction_sample, label_sample)
    ]
    weight = _side_weights([len(values) for values in present])
    values = np.concatenate(present)
    if not len(values):
        return _empty(metric, fine_bins, None, "insufficient_support")
    row_weight = np.repeat(np.array(weight, np.int64), [len(side) for side in present])
    order = np.argsort(values, kind="stable")
    values, cumulative = values[order], np.cumsum(row_weight[order])
    total = int(cumulative[-1])
    # Smallest cumulative weight with cumulative * fine_bins >= k * total, in whole numbers.
    needed = [-(-k * total // fine_bins) for k in range(1, fine_bins + 1)]
    upper = np.unique(values[np.searchsorted(cumulative, needed, side="left")])
    reached = cumulative[np.searchsorted(values, upper, side="right") - 1]
    weights = np.diff(reached, prepend=0).tolist()
    return _numeric_axis(metric, fine_bins, np.append(values[:1], upper[:-1]), upper, weights)


def _numeric_axis(
    metric: str, fine_bins: int, lower: Array, upper: Array, weights: Sequence[int]
) -> MetricAxis:
    share, cumulative, before, total = _shares(weights)
    coarse = [N_COARSE * (first + first + w) // (2 * total) for first, w in zip(before, weights, strict=True)]
    return MetricAxis(metric, fine_bins, lower, upper, None, share, cumulative, np.array(coarse, np.int16))


def _category_axis(
    metric: str, categories: tuple[str, ...], weights: list[int], frequency: list[int], fine_bins: int
) -> MetricAxis:
    """A bin for each category, of too many for the most frequent ones and `other`.

    frequency: rows of each; of labels where there are any. How many predictions a category has depends on
    what was found in it: chosen by them, `other` would gather what was missed, and noise look important.
    """
    if not categories:
        return _empty(metric, fine_bins, (), "insufficient_support")
    if len(categories) > MAX_CATEGORY_BINS:
        frequent = sorted(range(len(categories)), key=lambda index: (-frequency[index], categories[index]))
        kept = sorted(index for index in frequent[: MAX_CATEGORY_BINS - 1] if categories[index] != OTHER)
        rest = sum(weights) - sum(weights[index] for index in kept)
        categories = (*(categories[index] for index in kept), OTHER)
        weights = [*(weights[index] for index in kept), rest]
    share, cumulative, _, _ = _shares(weights)
    none = np.empty(0)
    own = np.arange(len(categories), dtype=np.int16)
    return MetricAxis(metric, fine_bins, none, none, categories, share, cumulative, own)


def _shares(weights: Sequence[int]) -> tuple[Array, Array, list[int], int]:
    """Share, cumulative share, weight before each bin, total; exact until the one division."""
    total = sum(weights)
    cumulative: list[int] = []
    reached = 0
    for weight in weights:
        reached += weight
        cumulative.append(reached)
    before = [reached - weight for reached, weight in zip(cumulative, weights, strict=True)]
    share = np.array([weight / total for weight in weights])
    return share, np.array([reached / total for reached in cumulative]), before, total


def _empty(metric: str, fine_bins: int, categories: tuple[str, ...] | None, reason: str) -> MetricAxis:
    none = np.empty(0)
    return MetricAxis(metric, fine_bins, none, none, categories, none, none, np.empty(0, np.int16), reason)
