"""The metrics of a run, as tasks carry them: name, levels, types, and where the values come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from emqa_core import schema
from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.quality.metric import Level
from emqa_core.quality.own import OwnMetric, load_own
from emqa_core.schema import Column

_NEEDS = {metric.name: frozenset(metric.needs) for metric in CATALOGUE}


@dataclass(frozen=True)
class ChosenMetric:
    """A metric of a run.

    levels: those at which the data set meets its needs. types: the type of its column in the fact table of
    each level. column: the further input column it is; own: the user's function, as module:function, digest:
    that of its module; all None for a metric of the catalogue.
    """

    name: str
    levels: tuple[Level, ...]
    types: tuple[pa.DataType, ...]
    unit: str
    meaning: str
    column: str | None = None
    own: str | None = None
    digest: str | None = None

    @property
    def function(self) -> OwnMetric:
        """The user's function, as it was when the run was planned."""
        assert self.own is not None
        return load_own(self.own, self.digest)

    @property
    def needs(self) -> frozenset[str]:
        """What a metric of the catalogue needs; of a user's function over images, pixels."""
        if self.own is not None:
            return frozenset({"pixels"} if self.function.looks_at == "image" else ())
        return frozenset() if self.column is not None else _NEEDS[self.name]

    @property
    def is_categorical(self) -> bool:
        """Whether its values are categories: one bin each, and no correlation."""
        return kind_of(self.types[0]) == "category"

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

    def need(self, need: str, level: Level) -> bool:
        """Whether a metric of a level needs something: `pixels`, `tracks` or `embeddings`."""
        return any(need in metric.needs for metric in self.at(level))

    def declarations(self, level: Level) -> tuple[Column, ...]:
        """The metric columns of a level's fact table."""
        return tuple(metric.declaration(level) for metric in self.at(level))


def kind_of(type_: pa.DataType) -> Literal["number", "category"] | None:
    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    if pa.types.is_boolean(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "category"
    return "category" if pa.types.is_string_view(type_) else None


def stored_type(type_: pa.DataType) -> pa.DataType:
    """The type a further column keeps in the fact table; text becomes a dictionary of strings."""
    if pa.types.is_dictionary(type_):
        return stored_type(type_.value_type)
    return type_ if kind_of(type_) == "number" or pa.types.is_boolean(type_) else schema.LABEL
