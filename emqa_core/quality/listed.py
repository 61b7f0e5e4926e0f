"""Every metric that there is, for a data set: what is available, and why the rest is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emqa_core.quality.availability import Offer
from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.quality.metric import Level
from emqa_core.quality.own import OwnMetric, installed_paths, load_own
from emqa_core.quality.registry import choose_metrics, own_needs_unmet, unmet_needs


@dataclass(frozen=True)
class ListedMetric:
    """A metric as `emqa metrics` lists it.

    group: by which configuration may choose it. available: levels at which its needs are met; why_not: the
    reasons of the others. Both empty where no data set was looked at.
    """

    name: str
    group: str
    levels: tuple[Level, ...]
    needs: tuple[str, ...]
    unit: str
    low: float | None
    high: float | None
    meaning: str
    available: tuple[Level, ...] = ()
    why_not: tuple[str, ...] = ()


def list_metrics(offer: Offer | None, chosen: Sequence[str] = ()) -> list[ListedMetric]:
    """The catalogue, further columns, functions of installed packages and those that `chosen` names.

    offer: what the data set brings; None where none is given. Raises ConfigError for a function that cannot
    be loaded.
    """
    listed = []
    for metric in CATALOGUE:
        available = () if offer is None else offer.levels_of(metric)
        why_not = () if offer is None or available else unmet_needs(metric, offer)
        listed.append(
            ListedMetric(
                metric.name, metric.group, metric.levels, metric.needs, metric.unit, metric.low, metric.high,
                metric.meaning, available, why_not,
            )
        )  # fmt: skip
    if offer is not None:
        columns = (metric for metric in choose_metrics(["columns"], offer) if metric.column is not None)
        listed += [
            ListedMetric(m.name, "columns", m.levels, (), m.unit, None, None, m.meaning, m.levels)
            for m in columns
        ]
    paths = dict.fromkeys([*installed_paths().values(), *(name for name in chosen if ":" in name)])
    installed = set(installed_paths().values())
    return [
        *listed,
        *(_own(load_own(path), "installed" if path in installed else "own", offer) for path in paths),
    ]


def _own(own: OwnMetric, group: str, offer: Offer | None) -> ListedMetric:
    reasons = {} if offer is None else {level: own_needs_unmet(own, level, offer) for level in own.levels}
    available = tuple(level for level, reason in reasons.items() if reason is None)
    why_not = () if available else tuple(dict.fromkeys(reason for reason in reasons.values() if reason))
    needs = ("pixels",) if own.looks_at == "image" else own.needs
    return ListedMetric(
        own.name, group, own.levels, needs, own.unit, own.low, own.high, own.meaning, available, why_not
    )
