"""Table `recommendation`: which candidates hold, in order, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import schema
from emqa_core.analysis.advice import Advice
from emqa_core.analysis.advice_text import advice_text
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.analysis.importance import adjust_p_values
from emqa_core.analysis.metric_measures import PARTIAL_CONTROL
from emqa_core.analysis.metric_tables import SIGNIFICANT
from emqa_core.analysis.repeated_advice import repeated_ranks
from emqa_core.analysis.score_rules import MIN_GAIN
from emqa_core.classes import ClassList
from emqa_core.objects import Array


def holm(p_values: Array) -> Array:
    """Holm-adjusted p-values (m,) (Holm 1979): the largest (m - j + 1) p_(j) of ranks j up to a p's own."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def held_rules(tried: Sequence[Advice]) -> list[Advice]:
    """The rules that hold against all that were tried, with a gain of MIN_GAIN at least whose interval lies
    above 0; the largest gain first.
    """
    return _held(tried, holm)


def held_ranges(tried: Sequence[Advice]) -> list[Advice]:
    """The weak ranges that hold in the same way; those of all classes first."""
    return _held(tried, adjust_p_values)


def _held(tried: Sequence[Advice], adjust: Callable[[Array], Array]) -> list[Advice]:
    if not tried:
        return []
    p_values = adjust(np.array([each.gain.p_value for each in tried]))
    held = [
        each.adjusted(float(p))
        for each, p in zip(tried, p_values, strict=True)
        if p < SIGNIFICANT and each.gain.value >= MIN_GAIN and each.gain.low > 0
    ]
    return sorted(
        held, key=lambda each: (each.scope >= 0, -each.gain.value, each.metric, each.scope, each.target)
    )


def confounded_metrics(importance: pa.Table, iou_threshold: float, score_threshold: float) -> list[Advice]:
    """The metrics that table metric_importance marks for all classes, the most important first."""
    marked = importance.filter(pc.fill_null(importance["is_confounded"], False))
    rows = [
        row
        for row in marked.to_pylist()
        if row["scope"] == "all"
        and (row["iou_threshold"], row["score_threshold"]) == (iou_threshold, score_threshold)
    ]
    rows.sort(key=lambda row: (-row["importance"], row["metric"], row["target"]))
    return [
        Advice(
            "confounded",
            row["metric"],
            row["level"],
            row["target"],
            "",
            score_threshold=score_threshold,
            correlation=row["correlation"],
            correlation_partial=row["correlation_partial"],
        )
        for row in rows
    ]


def recommendation_table(
    advice: Sequence[Advice],
    classes: ClassList,
    lowest_score: float,
    samples: Mapping[str, Mapping[str, Array]],
) -> pa.Table:
    """Rows without the common columns, in the order of `advice`; samples: as `repeated_ranks` takes them."""
    table = schema.RECOMMENDATION
    gains = [each.gain for each in advice]
    texts = [
        advice_text(
            each,
            None if each.scope < 0 else classes.names[each.scope],
            PARTIAL_CONTROL[each.target],
            lowest_score,
        )
        for each in advice
    ]
    columns: dict[str, object] = {
        **{
            field.name: [getattr(each, field.name) for each in advice]
            for field in fields(Advice)
            if field.name in table.by_name
        },
        **scope_columns(classes, np.array([each.scope for each in advice], np.int64)),
        "rank": list(range(1, len(advice) + 1)),
        "duplicate_of_rank": repeated_ranks(advice, samples),
        "gain": [gain.value for gain in gains],
        "gain_low": [gain.low for gain in gains],
        "gain_high": [gain.high for gain in gains],
        "p_value": [gain.p_value for gain in gains],
        "text": texts,
    }
    arrays = []
    for field in table.own:
        values = columns[field.name]
        if not isinstance(values, pa.Array):
            is_coded = pa.types.is_dictionary(field.type)
            values = pa.array(values, pa.string() if is_coded else field.type, from_pandas=True)
            values = values.dictionary_encode() if is_coded else values
        arrays.append(values)
    return pa.table(arrays, schema=table.own)
