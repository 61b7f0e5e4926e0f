"""Table metric_importance as arrays of a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from emqa_core.report.html.columns import Order, counts, numbers, spread, text
from emqa_core.report.html.packed import Packing
from emqa_core.report.importance import TARGETS
from emqa_core.storage.runs import Run

# In whole or within a ten-thousandth: what a chart can show.
_FROM_ZERO = ("importance", "importance_low", "importance_high", "noise_floor")
_SIGNED = (
    "correlation", "correlation_low", "correlation_high",
    "correlation_spearman", "correlation_spearman_low", "correlation_spearman_high",
    "correlation_partial", "correlation_partial_low", "correlation_partial_high",
)  # fmt: skip
_FLAGS = ("is_significant", "is_confounded")


def pack_importance(run: Run, order: Order, axes: list[dict[str, Any]], packing: Packing) -> dict[str, Any]:
    """One array (score thresholds, targets, metrics, 1 + K, T) of each measure, NaN where there is no row.

    Returns the score thresholds, the configured one first, and why numbers of all classes at the chosen T are
    null.
    """
    table = run.table("metric_importance")
    configured = float(run.table("run", columns=["score_threshold"])["score_threshold"][0].as_py())
    has_scores = "score_threshold" in table.column_names
    score = numbers(table, "score_threshold") if has_scores else np.full(table.num_rows, configured)
    levels = [configured, *(level for level in np.unique(score).tolist() if level != configured)]
    place_of = {axis["name"]: place for place, axis in enumerate(axes)}
    names, targets = text(table, "metric").to_pylist(), text(table, "target").to_pylist()
    known = np.array([name in place_of for name in names], bool)
    table, score = table.filter(known), score[known]
    places = (
        np.array([levels.index(value) for value in score.tolist()], np.int64),
        np.array([TARGETS.index(t) for t, k in zip(targets, known, strict=True) if k], np.int64),
        np.array([place_of[name] for name in names if name in place_of], np.int64),
        order.scope_of(table),
        order.threshold_of(table),
    )
    shape = (len(levels), len(TARGETS), len(axes), 1 + order.n_classes, order.n_thresholds)
    for name in (*_FROM_ZERO, *_SIGNED):
        values = spread(shape, places, numbers(table, name), np.nan)
        packing.add_fractions(f"importance/{name}", values, 0.0 if name in _FROM_ZERO else -1.0)
    packing.add_numbers(
        "importance/bias_factor", spread(shape, places, numbers(table, "bias_factor"), np.nan)[:, :, :, 0]
    )
    packing.add_counts(
        "importance/n_missing", spread(shape, places, counts(table, "n_missing"), 0)[0, ..., 0, order.chosen]
    )
    for name in _FLAGS:
        if name in table.column_names:
            packing.add_counts(f"importance/{name}", spread(shape, places, numbers(table, name) == 1, False))
    return {"scores": levels, "reasons": _reasons(table, order), "levels": _levels(table)}


def _levels(table: Any) -> list[list[str]]:
    """Which metric explains which target from which level, without repetition."""
    columns = [text(table, name).to_pylist() for name in ("metric", "level", "target")]
    return [list(key) for key in dict.fromkeys(zip(*columns, strict=True))]


def _reasons(table: Any, order: Order) -> list[list[str]]:
    at = (order.scope_of(table) == 0) & (order.threshold_of(table) == order.chosen)
    rows = table.filter(at)
    columns = [text(rows, name).to_pylist() for name in ("metric", "target", "reason")]
    return [[m, t, r] for m, t, r in dict.fromkeys(zip(*columns, strict=True)) if r is not None]
