"""Quality metrics ranked by how much the outcome depends on them, per target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emqa_core.quality.catalogue import CONTROLS
from emqa_core.report.view import Row, View, rows_in_view

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

TARGETS = ("prediction", "label", "frame")
LEVEL_MARKS = {"prediction": "(P)", "label": "(L)", "frame": "(F)"}
# The model's own score is no property of the data: it is shown, but not ranked among those that are.
RANKED_APART = ("confidence",)
_CONTROLS = frozenset(CONTROLS.values())


@dataclass(frozen=True)
class MetricEffect:
    """What a metric tells about the outcome of one target."""

    metric: str
    level: str
    target: str
    importance: float | None
    importance_low: float | None
    importance_high: float | None
    noise_floor: float | None
    is_significant: bool | None
    correlation: float | None
    correlation_low: float | None
    correlation_high: float | None
    mutual_information_knn: float | None
    reason: str | None
    is_confounded: bool | None = None

    @property
    def title(self) -> str:
        return f"{self.metric} {LEVEL_MARKS[self.level]}"

    @property
    def is_above_chance(self) -> bool:
        return self.importance is not None and self.is_significant is not False


@dataclass(frozen=True)
class Ranking:
    """The metrics of one target by importance, descending.

    `told`: above chance, or without a test that says otherwise; `chance`: not told from it;
    `absent`: without a figure, for its reason; `apart`: confidence; `controls`: the random ones.
    """

    target: str
    told: tuple[MetricEffect, ...]
    chance: tuple[MetricEffect, ...]
    absent: tuple[MetricEffect, ...]
    apart: tuple[MetricEffect, ...]
    controls: tuple[MetricEffect, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.told or self.chance or self.absent or self.apart)


def rank_metrics(run: Run, view: View) -> tuple[Ranking, ...]:
    """A ranking per target, predictions first; targets without any metric are left out."""
    effects = [_effect(row) for row in rows_in_view(run, "metric_importance", view)]
    rankings = (_ranking(target, [e for e in effects if e.target == target]) for target in TARGETS)
    return tuple(ranking for ranking in rankings if not ranking.is_empty)


def most_important_metric(rankings: tuple[Ranking, ...]) -> str | None:
    """The metric of the highest importance over all objects; None without any figure."""
    candidates = [
        effect
        for ranking in rankings
        if ranking.target != "frame"
        for effect in (*ranking.told, *ranking.chance)
    ]
    best = max(candidates, key=lambda e: (e.is_above_chance, e.importance or 0.0), default=None)
    return None if best is None else best.metric


def _ranking(target: str, effects: list[MetricEffect]) -> Ranking:
    ordered = sorted(effects, key=lambda e: (-(e.importance or 0.0), e.metric))
    data = [e for e in ordered if e.metric not in _CONTROLS and e.metric not in RANKED_APART]
    return Ranking(
        target=target,
        told=tuple(e for e in data if e.is_above_chance),
        chance=tuple(e for e in data if e.importance is not None and not e.is_above_chance),
        absent=tuple(e for e in data if e.importance is None),
        apart=tuple(e for e in ordered if e.metric in RANKED_APART),
        controls=tuple(e for e in ordered if e.metric in _CONTROLS),
    )


def _effect(row: Row) -> MetricEffect:
    # A run of an earlier version may lack some.
    known: dict[str, Any] = {name: row.get(name) for name in MetricEffect.__dataclass_fields__}
    return MetricEffect(**known)
