"""Which quality metrics a run evaluates: of the catalogue, further columns of the inputs, own functions.

Any numeric, text or boolean column that a user adds to an input table is a metric of that table's level.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import get_args

import pyarrow as pa

from emqa_core import schema
from emqa_core.errors import ConfigError
from emqa_core.ingest.columns import COLUMNS
from emqa_core.quality.availability import Offer
from emqa_core.quality.catalogue import CATALOGUE, CONTROLS
from emqa_core.quality.chosen import ChosenMetric, ChosenMetrics, kind_of, stored_type
from emqa_core.quality.metric import LEVELS, OBJECTS, Group, Level, QualityMetric
from emqa_core.quality.own import OwnMetric, installed_paths, load_own, module_digest

FAMILIES: tuple[str, ...] = get_args(Group)
GROUPS = ("all", "catalogue", "columns", "installed", "none", *FAMILIES)
_NOT_GIVEN = ("frame_id", "class_id", "class_name")  # turned into numbers that mean nothing outside a run
_BY_NAME = {metric.name: metric for metric in CATALOGUE}


def choose_metrics(names: Sequence[str], offer: Offer) -> ChosenMetrics:
    """Resolve the option `metrics` against the catalogue, further columns of the inputs and own functions.

    names: metrics by name, a user's function as `module:function`, or a group: `all` (whatever is available),
    `catalogue`, `columns`, `installed`, a family of the catalogue, `none`. offer: what the data set brings,
    with the schema of each input table, canonical columns included. Of a group those metrics are taken whose
    needs are met, at the levels where they are. A column of the frame table is called `frame_<column>` (a
    column that is called so already keeps its name). Columns that are neither numbers, text nor booleans are
    no metrics. With a metric of a level comes the level's random control, which is its noise floor.
    Raises ConfigError for an unknown name, for a named metric whose needs are not met, saying why, and for a
    chosen column or function whose name is taken, naming both.
    """
    if "none" in names:
        if len(set(names)) > 1:
            raise ConfigError("metrics: `none` stands alone", found=", ".join(names))
        return ChosenMetrics()
    catalogue = {metric.name: _of_catalogue(metric, offer) for metric in CATALOGUE}
    further = _further_metrics(offer.columns)
    known = [*catalogue, *(metric.name for metric in further)]
    # Packages are asked only where they may be meant: a broken one must not break a run without it.
    may_be_installed = [name for name in names if name not in (*known, *GROUPS) and ":" not in name]
    is_asked = may_be_installed or not {"all", "installed"}.isdisjoint(names)
    installed = installed_paths() if is_asked else {}
    known += installed
    for name in names:
        _check_known(name, known)
    columns_wanted = not {"all", "columns"}.isdisjoint(names)
    chosen_further = _joined([m for m in further if columns_wanted or m.name in names])
    chosen_own = [
        *(_of_own(name, offer, is_named=True) for name in dict.fromkeys(names) if _is_path(name, known)),
        *_installed(installed, names, offer),
    ]
    _check_apart([*chosen_further, *chosen_own])
    wanted = {
        name
        for name in catalogue
        if name in names or not {"all", "catalogue", _BY_NAME[name].group}.isdisjoint(names)
    }
    for name in sorted(wanted):
        if not catalogue[name].levels and name in names:
            raise ConfigError(
                f"quality metric {name!r} is not available",
                found="; ".join(unmet_needs(_BY_NAME[name], offer)),
                next_step="see `emqa metrics` for those that are",
            )
    for group in set(names) & set(FAMILIES):
        _check_group(group, catalogue, offer)
    for metric in (*(catalogue[name] for name in wanted), *chosen_further, *chosen_own):
        wanted.update(CONTROLS[level] for level in metric.levels)
    of_catalogue = (metric for name, metric in catalogue.items() if name in wanted and metric.levels)
    return ChosenMetrics((*of_catalogue, *chosen_further, *chosen_own))


def _check_group(group: str, catalogue: Mapping[str, ChosenMetric], offer: Offer) -> None:
    """Raise ConfigError for a family that was asked for by name and has no metric on this data set."""
    members = [metric for metric in CATALOGUE if metric.group == group]
    if any(catalogue[metric.name].levels for metric in members):
        return
    reasons = dict.fromkeys(reason for metric in members for reason in unmet_needs(metric, offer))
    raise ConfigError(
        f"no metric of the group {group!r} is available",
        found="; ".join(reasons),
        next_step="see `emqa metrics` for those that are",
    )


def unmet_needs(metric: QualityMetric, offer: Offer) -> tuple[str, ...]:
    """Why a metric of the catalogue is not available, a reason for each level; empty where it is at one."""
    reasons = []
    for level in metric.levels:
        lacking = next((why for need in metric.needs if (why := offer.lacking(need, level))), None)
        if lacking is None:
            return ()
        reasons.append(lacking)
    return tuple(dict.fromkeys(reasons))


def _is_path(name: str, known: Sequence[str]) -> bool:
    """Whether a name is a function's path; a column may hold a colon too."""
    return ":" in name and name not in known


def _of_catalogue(metric: QualityMetric, offer: Offer) -> ChosenMetric:
    levels = offer.levels_of(metric)
    return ChosenMetric(metric.name, levels, (schema.FLOAT32,) * len(levels), metric.unit, metric.meaning)


def _installed(paths: Mapping[str, str], names: Sequence[str], offer: Offer) -> list[ChosenMetric]:
    """Metrics of installed packages: those that are named, or whose needs are met."""
    by_group = not {"all", "installed"}.isdisjoint(names)
    chosen = [
        _of_own(path, offer, is_named=name in names)
        for name, path in paths.items()
        if (by_group or name in names) and path not in names
    ]
    return [metric for metric in chosen if metric.levels]


def _of_own(path: str, offer: Offer, *, is_named: bool) -> ChosenMetric:
    own = load_own(path)
    lacking = {level: own_needs_unmet(own, level, offer) for level in own.levels}
    levels = tuple(level for level, reason in lacking.items() if reason is None)
    if is_named and not levels:
        raise ConfigError(
            f"metric {path!r} is not available",
            found="; ".join(dict.fromkeys(filter(None, lacking.values()))),
        )
    types = (schema.FLOAT32,) * len(levels)
    return ChosenMetric(own.name, levels, types, own.unit, own.meaning, None, path, module_digest(path))


def own_needs_unmet(own: OwnMetric, level: Level, offer: Offer) -> str | None:
    """Why a user's metric cannot be computed at a level; None where it can."""
    if own.looks_at == "image":
        return offer.lacking("pixels", level)
    if level == "prediction" and not offer.has_predictions:
        return "no predictions are given"
    for need in own.needs:
        table, _, column = need.rpartition(".")
        of: Level = "frame" if table == "frame" else level
        if column in _NOT_GIVEN:
            return f"column {column} is not given to functions"
        if column not in offer.columns.get(of, pa.schema([])).names:
            return f"the {of} table has no column {column}"
    return None


def _further_metrics(columns: Mapping[Level, pa.Schema]) -> list[ChosenMetric]:
    found = []
    for level in LEVELS:
        canonical = {column.name for column in COLUMNS[level]}
        for field in columns.get(level, pa.schema([])):
            kind = kind_of(field.type)
            is_index = field.name.startswith("__index_level_")  # which pandas adds to Parquet files
            if field.name in canonical or kind is None or is_index:
                continue
            is_prefixed = level != "frame" or field.name.startswith("frame_")
            name = field.name if is_prefixed else f"frame_{field.name}"
            meaning = f"Column {field.name} of the {level} table."
            found.append(ChosenMetric(name, (level,), (stored_type(field.type),), "", meaning, field.name))
    return found


def _check_known(name: str, known: Sequence[str]) -> None:
    if name in known or name in GROUPS or ":" in name:
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


def _check_apart(metrics: Sequence[ChosenMetric]) -> None:
    """Whether the further metrics and the user's have names of their own."""
    for place, metric in enumerate(metrics):
        if metric.own is not None:
            _check_free(metric)
        for other in metrics[:place]:
            if other.name == metric.name:
                raise ConfigError(
                    f"{_described(other)} and {_described(metric)} would both be the metric {metric.name!r}",
                    next_step="rename one of them",
                )


def _check_free(metric: ChosenMetric) -> None:
    for level in metric.levels:
        _check_free_at(metric, level)


def _check_free_at(metric: ChosenMetric, level: Level) -> None:
    table = schema.TABLES[level]
    declared = {*table.by_name, *(column.name for column in schema.COMMON)}
    taken_by = None
    if metric.name in _BY_NAME:
        taken_by = f"the catalogue's metric {metric.name!r}"
    elif metric.name in declared or metric.name.startswith(("is_true_positive_", "is_found_")):
        taken_by = f"the result column {metric.name!r} of table {table.name!r}"
    if taken_by is not None:
        raise ConfigError(
            f"{_described(metric)} has the name of {taken_by}",
            next_step="rename the column, or name the metrics to evaluate",
        )


def _described(metric: ChosenMetric) -> str:
    if metric.own is not None:
        return f"function {metric.own!r}"
    return f"column {metric.column!r} of the {metric.levels[0]} table"
