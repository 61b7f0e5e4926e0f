"""Which quality metrics a run evaluates: those of the catalogue, and further columns of the inputs.

Any numeric, text or boolean column that a user adds to an input table is a metric of that table's level.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from emqa_core import schema
from emqa_core.errors import ConfigError
from emqa_core.ingest.columns import COLUMNS
from emqa_core.quality.catalogue import CATALOGUE, CONTROLS, OBJECTS, Level, QualityMetric
from emqa_core.schema import Column

__all__ = ["CATALOGUE", "ChosenMetric", "ChosenMetrics", "Level", "QualityMetric", "choose_metrics"]

LEVELS: tuple[Level, ...] = ("frame", "label", "prediction")
GROUPS = ("all", "catalogue", "columns", "none")


@dataclass(frozen=True)
class ChosenMetric:
    """A metric of a run.

    types: the type of its column in the fact table of each level. column: the further input column it is;
    None for a metric of the catalogue.
    """

    name: str
    levels: tuple[Level, ...]
    types: tuple[pa.DataType, ...]
    unit: str
    meaning: str
    column: str | None = None

    @property
    def is_categorical(self) -> bool:
        """Whether its values are categories: one bin each, and no correlation."""
        return _kind_of(self.types[0]) == "category"

    def declaration(self, level: Level) -> Column:
        """Its column in a level's fact table."""
        return Column(self.name, self.types[self.levels.index(level)], self.meaning, self.unit, nullable=True)


@dataclass(frozen=True)
class ChosenMetrics:
    """The metrics of a run: the catalogue's in its order, then columns of frames, labels and predictions."""

    metrics: tuple[ChosenMetric, ...] = ()

    def __iter__(self) -> Iterator[ChosenMetric]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    @cached_property
    def by_name(self) -> dict[str, ChosenMetric]:
        return {metric.name: metric for metric in self.metrics}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    def at(self, level: Level) -> tuple[ChosenMetric, ...]:
        """The metrics defined at a level."""
        return tuple(metric for metric in self.metrics if level in metric.levels)

    def declarations(self, level: Level) -> tuple[Column, ...]:
        """The metric columns of a level's fact table."""
        return tuple(metric.declaration(level) for metric in self.at(level))


def choose_metrics(names: Sequence[str], columns: Mapping[Level, pa.Schema]) -> ChosenMetrics:
    """Resolve the option `metrics` against the catalogue and the further columns of the inputs.

    names: metrics by name, or `all`, `catalogue`, `columns`, `none`. columns: the schema of each input
    table, canonical columns included. A column of the frame table is called `frame_<column>` (a column
    that is called so already keeps its name). Columns that are neither numbers, text nor booleans are no
    metrics. With a metric of a level comes the level's random control, which is its noise floor.
    Raises ConfigError for an unknown name, and for a chosen column whose name is taken, naming both.
    """
    if "none" in names:
        if len(set(names)) > 1:
            raise ConfigError("metrics: `none` stands alone", found=", ".join(names))
        return ChosenMetrics()
    catalogue = {metric.name: _of_catalogue(metric) for metric in CATALOGUE}
    further = _further_metrics(columns)
    for name in names:
        _check_known(name, [*catalogue, *(metric.name for metric in further)])
    columns_wanted = not {"all", "columns"}.isdisjoint(names)
    chosen_further = _joined([m for m in further if columns_wanted or m.name in names])
    wanted = set(names)
    if not {"all", "catalogue"}.isdisjoint(names):
        wanted.update(catalogue)
    for metric in (*(catalogue[name] for name in catalogue if name in wanted), *chosen_further):
        wanted.update(CONTROLS[level] for level in metric.levels)
    return ChosenMetrics((*(metric for name, metric in catalogue.items() if name in wanted), *chosen_further))


def _of_catalogue(metric: QualityMetric) -> ChosenMetric:
    return ChosenMetric(
        metric.name, metric.levels, (schema.FLOAT32,) * len(metric.levels), metric.unit, metric.meaning
    )


def _further_metrics(columns: Mapping[Level, pa.Schema]) -> list[ChosenMetric]:
    found = []
    for level in LEVELS:
        canonical = {column.name for column in COLUMNS[level]}
        for field in columns.get(level, pa.schema([])):
            kind = _kind_of(field.type)
            if field.name in canonical or kind is None:
                continue
            is_prefixed = level != "frame" or field.name.startswith("frame_")
            name = field.name if is_prefixed else f"frame_{field.name}"
            meaning = f"Column {field.name} of the {level} table."
            found.append(ChosenMetric(name, (level,), (_stored_type(field.type),), "", meaning, field.name))
    return found


def _kind_of(type_: pa.DataType) -> Literal["number", "category"] | None:
    if pa.types.is_dictionary(type_):
        return _kind_of(type_.value_type)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    if pa.types.is_boolean(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "category"
    return "category" if pa.types.is_string_view(type_) else None


def _stored_type(type_: pa.DataType) -> pa.DataType:
    """The type a further column keeps in the fact table; text becomes a dictionary of strings."""
    if pa.types.is_dictionary(type_):
        return _stored_type(type_.value_type)
    return type_ if _kind_of(type_) == "number" or pa.types.is_boolean(type_) else schema.LABEL


def _check_known(name: str, known: list[str]) -> None:
    if name in known or name in GROUPS:
        return
    near = [k for k in known if k == f"frame_{name}"] or difflib.get_close_matches(name, known, n=1)
    raise ConfigError(
        f"unknown quality metric {name!r}",
        expected=f"one of {', '.join((*GROUPS, *known))}",
        next_step=f"did you mean {near[0]!r}?" if near else None,
    )


def _joined(metrics: list[ChosenMetric]) -> list[ChosenMetric]:
    """One metric per name: a column of labels and one of predictions are two levels of it."""
    joined: dict[str, ChosenMetric] = {}
    for metric in metrics:
        _check_free(metric)
        other = joined.setdefault(metric.name, metric)
        if other is metric:
            continue
        if "frame" in other.levels or other.is_categorical != metric.is_categorical:
            raise ConfigError(
                f"{_described(other)} and {_described(metric)} would both be the metric {metric.name!r}",
                expected="one column, or one of labels and one of predictions with the same kind of values",
                found=f"{other.types[0]} and {metric.types[0]}",
                next_step="rename one of the columns, or name the metrics to evaluate",
            )
        meaning = f"Column {metric.column} of the label and prediction tables."
        types = (other.types[0], metric.types[0])
        joined[metric.name] = ChosenMetric(metric.name, OBJECTS, types, "", meaning, metric.column)
    return list(joined.values())


def _check_free(metric: ChosenMetric) -> None:
    level = metric.levels[0]
    table = schema.TABLES[level]
    declared = {*table.by_name, *(column.name for column in schema.COMMON)}
    taken_by = None
    if any(entry.name == metric.name for entry in CATALOGUE):
        taken_by = f"the catalogue's metric {metric.name!r}"
    elif metric.name in declared or metric.name.startswith(("is_true_positive_", "is_found_")):
        taken_by = f"the result column {metric.name!r} of table {table.name!r}"
    if taken_by is not None:
        raise ConfigError(
            f"{_described(metric)} has the name of {taken_by}",
            next_step="rename the column, or name the metrics to evaluate",
        )


def _described(metric: ChosenMetric) -> str:
    return f"column {metric.column!r} of the {metric.levels[0]} table"
