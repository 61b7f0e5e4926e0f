"""Advice of one metric: candidates found on one half of the frames, with their figures of the other."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.analysis.halves import Gain, f1_gain
from emqa_core.analysis.metric_counts import MetricCounts
from emqa_core.analysis.score_rules import MetricCube, ScoreRule, best_level, find_filter, find_thresholds
from emqa_core.analysis.weak_ranges import WeakRange, find_weak_ranges
from emqa_core.objects import Array
from emqa_core.reductions.metric_scores import MetricScores
from emqa_core.reductions.score_levels import ScoreAxis

NO_GAIN = Gain(float("nan"), float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Advice:
    """A row of table `recommendation` to be; scope -1: all classes. p_value: not yet adjusted.

    is_low: the range lies in the lower half of the axis. asked: by a rule, the score of each coarse bin and
    of predictions without the metric, inf where these are dropped. The other fields are columns of the table,
    None where they do not apply.
    """

    kind: str
    metric: str
    level: str
    target: str
    unit: str
    scope: int = -1
    gain: Gain = NO_GAIN
    measure: str | None = None
    lower: float | None = None
    upper: float | None = None
    category: str | None = None
    score_threshold: float | None = None
    score_threshold_before: float | None = None
    score_thresholds: str | None = None
    precision_before: float | None = None
    precision_after: float | None = None
    recall_before: float | None = None
    recall_after: float | None = None
    f1_before: float | None = None
    f1_after: float | None = None
    average_precision_all: float | None = None
    average_precision_before: float | None = None
    average_precision_after: float | None = None
    n_dropped: int | None = None
    true_positives_lost: float | None = None
    n: int | None = None
    rate: float | None = None
    rate_rest: float | None = None
    share_of_wrong: float | None = None
    correlation: float | None = None
    correlation_partial: float | None = None
    is_low: bool = False
    asked: tuple[float, ...] = ()

    def adjusted(self, p_value: float) -> Advice:
        return replace(self, gain=replace(self.gain, p_value=p_value))


@dataclass(frozen=True)
class AdviceSubject:
    """The metric that advice is about: its axis, the level its values come from, and its unit."""

    axis: MetricAxis
    level: str
    unit: str

    def edges(self, first: int, last: int) -> tuple[float | None, float | None]:
        """Lower and upper edge of coarse bins first to last, None at the ends of the axis."""
        within = (self.axis.coarse >= first) & (self.axis.coarse <= last)
        before, after = self.axis.coarse < first, self.axis.coarse > last
        lower = float(self.axis.upper[before].max()) if before.any() else None
        upper = float(self.axis.upper[within].max()) if after.any() and within.any() else None
        return lower, upper


def score_advice(
    subject: AdviceSubject, counts: MetricScores, n_labels: Array, scores: ScoreAxis
) -> list[Advice]:
    """Which predictions to drop, and which scores to ask for, by one numeric metric.

    n_labels (G,) int64: labels that count, by jackknife group.
    """
    cube = MetricCube.of(counts.predictions(), n_labels)
    before = best_level(cube)
    found = [
        ("filter_predictions", find_filter(cube, before)),
        ("confidence_by_metric", find_thresholds(cube, before)),
    ]
    return [
        _score_advice(kind, subject, cube, before, rule, scores) for kind, rule in found if rule is not None
    ]


def _score_advice(
    kind: str, subject: AdviceSubject, cube: MetricCube, before: int, rule: ScoreRule, scores: ScoreAxis
) -> Advice:
    edges = [float(edge) for edge in scores.fine.edges]
    scores_asked = np.append(scores.fine.edges, np.inf)[rule.level_of_bin]
    was, now = cube.judged(np.full(len(rule.level_of_bin), before)), cube.judged(rule.level_of_bin)
    n_true = int(was.n_true.sum())
    advice = Advice(
        kind,
        subject.axis.metric,
        subject.level,
        "prediction",
        subject.unit,
        gain=f1_gain(was, now),
        measure="f1",
        score_threshold_before=edges[before],
        precision_before=was.precision,
        precision_after=now.precision,
        recall_before=was.recall,
        recall_after=now.recall,
        f1_before=was.f1,
        f1_after=now.f1,
        n_dropped=int(was.n.sum() - now.n.sum()),
        true_positives_lost=(n_true - int(now.n_true.sum())) / n_true if n_true else None,
        asked=tuple(scores_asked.tolist()),
    )
    ranges = [
        (*subject.edges(first, last), edges[level] if level < len(edges) else None)
        for first, last, level in rule.bounds
    ]
    if kind == "filter_predictions":
        ((lower, upper, threshold),) = ranges
        return replace(advice, lower=lower, upper=upper, score_threshold=threshold)
    names = ("lower", "upper", "score_threshold")
    described = [dict(zip(names, each, strict=True)) for each in ranges]
    return replace(advice, score_thresholds=json.dumps(described))


def weak_advice(
    subject: AdviceSubject, counts: MetricCounts, threshold: int, skipped: Array, score: float
) -> list[Advice]:
    """The weakest range of each scope for one target of objects, all that were judged.

    threshold: number of the T in the counts. skipped (K + 1,) bool. score: the score threshold of the counts.
    """
    assert counts.coarse is not None
    is_categorical = subject.axis.is_categorical
    found = find_weak_ranges(counts.groups, counts.coarse, threshold, skipped, is_categorical=is_categorical)
    return [_weak_advice(subject, counts.target, each, score, len(skipped) - 1) for each in found]


def _weak_advice(
    subject: AdviceSubject, target: str, weak: WeakRange, score: float, n_classes: int
) -> Advice:
    measure = "recall" if target == "label" else "precision"
    now = (weak.n_right + weak.rest_right) / (weak.n + weak.rest_n)
    lower, upper, category = None, None, None
    if subject.axis.categories is not None:
        category = subject.axis.categories[weak.first]
    else:
        lower, upper = subject.edges(weak.first, weak.last)
    return Advice(
        "weak_range",
        subject.axis.metric,
        subject.level,
        target,
        subject.unit,
        scope=-1 if weak.scope == n_classes else weak.scope,
        gain=replace(weak.gain, p_value=weak.p_value),
        measure=measure,
        lower=lower,
        upper=upper,
        category=category,
        score_threshold=score,
        n=weak.n,
        rate=weak.rate,
        rate_rest=weak.rest_rate,
        share_of_wrong=weak.share_of_wrong,
        is_low=category is None and 2 * (weak.last + 1) <= subject.axis.n_coarse,
        **{f"{measure}_before": now, f"{measure}_after": now + weak.gain.value},  # type: ignore[arg-type]
    )
