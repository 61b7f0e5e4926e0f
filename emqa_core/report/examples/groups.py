"""The groups that examples are chosen of: ranges of the important metrics, classes, error types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.combined import combined
from emqa_core.errors import ConfigError
from emqa_core.matching.error_types import ERROR_TYPES
from emqa_core.objects import Array
from emqa_core.report.importance import rank_metrics
from emqa_core.report.performance import STORED_BINS
from emqa_core.report.view import View, rows_in_view

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

Source = Literal["prediction", "label"]
SOURCES: tuple[Source, ...] = ("prediction", "label")
N_RANGES = 5
_BINS_OF_RANGE = STORED_BINS // N_RANGES


@dataclass(frozen=True)
class MetricRange:
    """One range of a metric, by number `bin_50 // 10`; or one category, by its own `bin_50`."""

    number: int
    lower: float | None
    upper: float | None
    category: str | None


@dataclass(frozen=True)
class MetricGroups:
    """The ranges of a metric, or its categories with the most rows.

    column: the metric. sources: whose outcome it may explain. is_of_frames: its column is in the frame table.
    code_of_bin (n,) int64: place in `ranges` of each coarse bin, and -1 for bins of none and for missing
    values. n_kept: objects of each range and source.
    """

    column: str
    sources: frozenset[Source]
    is_of_frames: bool
    n_kept: int
    axis: MetricAxis
    ranges: tuple[MetricRange, ...]
    code_of_bin: Array

    @property
    def n_groups(self) -> int:
        return len(self.ranges)

    def has(self, source: Source) -> bool:
        return source in self.sources

    def codes_of(self, values: pa.ChunkedArray) -> Array:
        """Place in `ranges` of each value, (n,) int64; -1: in none."""
        if not self.axis.is_categorical:
            values = combined(values).to_numpy(zero_copy_only=False)
        return self.code_of_bin[self.axis.coarse_bin_of(values)]


@dataclass(frozen=True)
class ValueGroups:
    """The rows of some values of a text column of objects: of some classes, or of every error type."""

    column: str
    values: tuple[str, ...]
    n_kept: int
    is_of_frames: ClassVar[bool] = False

    @property
    def n_groups(self) -> int:
        return len(self.values)

    def has(self, source: Source) -> bool:  # noqa: ARG002 - every source has classes and error types
        return True

    def codes_of(self, values: pa.ChunkedArray) -> Array:
        """Place in `values` of each row, (n,) int64; -1: none of them."""
        encoded = combined(values)
        if not pa.types.is_dictionary(encoded.type):
            encoded = encoded.dictionary_encode()
        place = {value: code for code, value in enumerate(self.values)}
        code = np.array([*(place.get(value, -1) for value in encoded.dictionary.to_pylist()), -1])
        return code[encoded.indices.fill_null(len(code) - 1).to_numpy(zero_copy_only=False)]


Groups = MetricGroups | ValueGroups


def important_metrics(run: Run, view: View, n: int) -> list[str]:
    """The n metrics on which outcomes of predictions or labels depend most; those above chance first."""
    rankings = [ranking for ranking in rank_metrics(run, view) if ranking.target in SOURCES]
    effects = sorted(
        (effect for ranking in rankings for effect in (*ranking.told, *ranking.chance)),
        key=lambda effect: (not effect.is_above_chance, -(effect.importance or 0.0), effect.metric),
    )
    return list(dict.fromkeys(effect.metric for effect in effects))[:n]


def metric_groups(
    run: Run, view: View, metrics: Sequence[str], *, n_categories: int, n_kept: int
) -> list[MetricGroups]:
    """The groups of each metric, categories only of the n_categories with the most rows.

    Raises ConfigError for a metric that the run did not evaluate.
    """
    levels: dict[str, dict[Source, str]] = {}
    for row in rows_in_view(run, "metric_importance", View(view.iou_threshold)):
        if row["target"] in SOURCES:
            levels.setdefault(row["metric"], {})[row["target"]] = row["level"]
    stored, groups = run.table("metric_bin"), []
    for metric in metrics:
        of_metric = stored.filter(pc.equal(stored["metric"].cast(pa.string()), metric))
        if metric not in levels or not of_metric.num_rows:
            raise ConfigError(f"the run has no bins of a quality metric {metric!r}")
        axis = MetricAxis.of_stored(of_metric, metric, of_metric.num_rows)
        ranges = _categories(axis, n_categories) if axis.is_categorical else _ranges(axis)
        width = 1 if axis.is_categorical else _BINS_OF_RANGE
        code_of_bin = np.full(axis.n_coarse + 1, -1)
        for code, each in enumerate(ranges):
            code_of_bin[each.number * width : (each.number + 1) * width] = code
        is_of_frames = "frame" in levels[metric].values()
        groups.append(
            MetricGroups(metric, frozenset(levels[metric]), is_of_frames, n_kept, axis, ranges, code_of_bin)
        )
    return groups


def class_groups(run: Run, view: View, *, n_classes: int, n_kept: int) -> ValueGroups:
    """The n_classes classes with the most labels; of equally many by id."""
    rows = rows_in_view(run, "class_performance", View(view.iou_threshold), scope="class", area_range="all")
    rows.sort(key=lambda row: (-row["n_labels"], row["class_id"]))
    return ValueGroups("class_id", tuple(row["class_id"] for row in rows[:n_classes]), n_kept)


def error_groups(n_kept: int) -> ValueGroups:
    """Every error type."""
    return ValueGroups("error_type", ERROR_TYPES, n_kept)


def _ranges(axis: MetricAxis) -> tuple[MetricRange, ...]:
    number_of_bin = axis.coarse // _BINS_OF_RANGE
    ranges = []
    for number in np.unique(number_of_bin).tolist():
        bins = np.flatnonzero(number_of_bin == number)
        ranges.append(MetricRange(number, float(axis.lower[bins[0]]), float(axis.upper[bins[-1]]), None))
    return tuple(ranges)


def _categories(axis: MetricAxis, n: int) -> tuple[MetricRange, ...]:
    names = axis.categories or ()
    present = [place for place in range(len(names)) if axis.share[place] > 0]
    largest = sorted(present, key=lambda place: (-axis.share[place], names[place]))[:n]
    return tuple(MetricRange(int(axis.coarse[place]), None, None, names[place]) for place in sorted(largest))
