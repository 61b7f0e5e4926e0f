"""Performance by metric: the rate of right predictions and of missed labels in each range of a metric."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emqa_core.errors import ConfigError
from emqa_core.report.numbers import values_apart
from emqa_core.report.view import Row, View, rows_in_view, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

STORED_BINS = 50  # the resolution that is stored at every IoU threshold
SHOWN_BINS = 10  # divides STORED_BINS, so that grouping stored bins equals grouping fine ones


@dataclass
class Rate:
    """Right or missed ones among those that count; no rate without any."""

    n: int = 0
    hits: int = 0

    def add(self, n: int | None, hits: int | None) -> None:
        self.n += n or 0
        self.hits += hits or 0

    @property
    def value(self) -> float | None:
        return self.hits / self.n if self.n else None


@dataclass
class RangePerformance:
    """One range of the metric, or one category: `tpr` of predictions, `fnr` of labels."""

    name: str
    tpr: Rate = field(default_factory=Rate)
    fnr: Rate = field(default_factory=Rate)


@dataclass(frozen=True)
class MetricPerformance:
    """Performance over the ranges of a metric, and over all of them together (rows, not ranges)."""

    metric: str
    is_categorical: bool
    ranges: tuple[RangePerformance, ...]
    total: RangePerformance


def performance_by_metric(run: Run, view: View, metric: str) -> MetricPerformance:
    """Ten ranges of about equal weight, or all categories. Raises ConfigError for an unknown metric."""
    bins = sorted(rows_where(run, "metric_bin", metric=metric), key=lambda row: row["bin"])
    if not bins:
        raise unknown_metric(run, metric)
    is_categorical = any(row["category"] is not None for row in bins)
    group_of, names = _categories(bins) if is_categorical else _ranges(bins)
    ranges = {group: RangePerformance(name) for group, name in names.items()}
    total = RangePerformance("all")
    for row in rows_in_view(run, "metric_performance", view, metric=metric, resolution=STORED_BINS):
        into = ranges[group_of[row["bin"]]]
        for target in (into, total):
            target.tpr.add(row["n_predictions"], row["n_true_positive"])
            target.fnr.add(row["n_labels"], row["n_missed"])
    shown = list(ranges.values())
    if is_categorical:
        shown.sort(key=lambda r: -(r.tpr.n + r.fnr.n))
    return MetricPerformance(metric, is_categorical, tuple(shown), total)


def unknown_metric(run: Run, metric: str, others: Sequence[str] = ()) -> ConfigError:
    """The error that names what there is; others: names that would be taken besides metrics."""
    metrics = run.table("metric_bin", columns=["metric"])["metric"].unique().to_pylist()
    known = [*others, *metrics]
    near = difflib.get_close_matches(metric, known, n=1)
    return ConfigError(
        f"the run has no quality metric {metric!r}",
        expected=f"one of {', '.join(known)}",
        next_step=f"did you mean {near[0]!r}?" if near else None,
    )


def _categories(bins: list[Row]) -> tuple[dict[int, int], dict[int, str]]:
    return (
        {row["bin_50"]: row["bin_50"] for row in bins},
        {row["bin_50"]: str(row["category"]) for row in bins},
    )


def _ranges(bins: list[Row]) -> tuple[dict[int, int], dict[int, str]]:
    members: defaultdict[int, list[Row]] = defaultdict(list)
    for row in bins:
        members[row["bin_50"] // (STORED_BINS // SHOWN_BINS)].append(row)
    edges = sorted({edge for rows in members.values() for edge in (rows[0]["lower"], rows[-1]["upper"])})
    text = dict(zip(edges, values_apart(edges), strict=True))
    return (
        {row["bin_50"]: group for group, rows in members.items() for row in rows},
        {group: _range_name(rows, text) for group, rows in members.items()},
    )


def _range_name(rows: list[Row], text: dict[float, str]) -> str:
    lower, upper = text[rows[0]["lower"]], text[rows[-1]["upper"]]
    holds_one_value = len(rows) == 1 and rows[0]["mean"] == rows[0]["upper"]
    return upper if holds_one_value or lower == upper else f"{lower} – {upper}"
