"""Table metric_importance as arrays of a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from emqa_core.objects import Array
from emqa_core.report.html.columns import Order, numbers, place_of, spread, text
from emqa_core.report.html.packed import Packing
from emqa_core.report.importance import TARGETS
from emqa_core.storage.runs import Run

_MEASURES = (
    *("importance", "importance_low", "importance_high", "noise_floor"),
    *("correlation", "correlation_low", "correlation_high"),
    *("correlation_spearman", "correlation_spearman_low", "correlation_spearman_high"),
    *("correlation_partial", "correlation_partial_low", "correlation_partial_high"),
)
# What single classes have at every T; the rest they have at the chosen one.
_EVERYWHERE = ("importance", "importance_low", "importance_high", "correlation", "is_significant")
_FLAGS = ("is_significant", "is_confounded")


def pack_importance(run: Run, order: Order, axes: list[dict[str, Any]], packing: Packing) -> dict[str, Any]:
    """Measures as fractions, NaN where there is no row, in the order (targets, metrics, 1 + K, T).

    `importance/at/...` (score thresholds, targets, metrics, 1 + K): at the chosen T; at the configured score
    threshold also `importance/all/...` (targets, metrics, T) of all classes, and `importance/class/...`
    (targets, metrics, 1 + K, T) of the measures that single classes have at every T. Returns the score
    thresholds, the configured one first, and the reasons that `importance/at/reason` counts, -1 for none.
    """
    table = run.table("metric_importance")
    configured = float(run.table("run", columns=["score_threshold"])["score_threshold"][0].as_py())
    has_scores = "score_threshold" in table.column_names
    score = numbers(table, "score_threshold") if has_scores else np.full(table.num_rows, configured)
    levels = [configured, *(level for level in np.unique(score).tolist() if level != configured)]
    level = np.array([levels.index(value) for value in np.unique(score)], np.int64)[
        np.unique(score, return_inverse=True)[1]
    ]
    places = (
        place_of(table, "target", TARGETS),
        place_of(table, "metric", [axis["name"] for axis in axes]),
        order.scope_of(table),
        order.threshold_of(table),
    )
    known = places[1] >= 0
    is_chosen, is_configured, is_all = places[3] == order.chosen, level == 0, places[2] == 0
    shape = (len(TARGETS), len(axes), 1 + order.n_classes, order.n_thresholds)

    def at(rows: Array) -> list[Array]:
        return [level[rows], *(place[rows] for place in places[:3])]

    for name in _MEASURES:
        values = numbers(table, name)
        low = 0.0 if name.startswith(("importance", "noise")) else -1.0
        rows = known & is_chosen
        held = spread((len(levels), *shape[:3]), at(rows), values[rows], np.nan)
        packing.add_fractions(f"importance/at/{name}", held, low)
        rows = known & is_configured & is_all
        held = spread((*shape[:2], shape[3]), [places[i][rows] for i in (0, 1, 3)], values[rows], np.nan)
        packing.add_fractions(f"importance/all/{name}", held, low)
        if name in _EVERYWHERE:
            rows = known & is_configured
            held = spread(shape, [place[rows] for place in places], values[rows], np.nan)
            packing.add_fractions(f"importance/class/{name}", held, low)
    rows = known & is_configured & is_all
    factor = numbers(table, "bias_factor")[rows]
    held = spread((*shape[:2], shape[3]), [places[i][rows] for i in (0, 1, 3)], factor, np.nan)
    packing.add_numbers("importance/bias_factor", held)
    for name in _FLAGS:
        if name in table.column_names:
            values = numbers(table, name)
            rows = known & is_chosen
            held = spread((len(levels), *shape[:3]), at(rows), values[rows], np.nan)
            packing.add_fractions(f"importance/at/{name}", held)
            if name in _EVERYWHERE:
                rows = known & is_configured
                held = spread(shape, [place[rows] for place in places], values[rows], np.nan)
                packing.add_fractions(f"importance/class/{name}", held)
    reasons = sorted({reason for reason in text(table, "reason").to_pylist() if reason is not None})
    rows = known & is_chosen
    code = place_of(table, "reason", reasons)[rows]
    packing.add_counts("importance/at/reason", spread((len(levels), *shape[:3]), at(rows), code, -1))
    return {"scores": levels, "reasons": reasons, "levels": _levels(table)}


def _levels(table: Any) -> list[list[str]]:
    """Which metric explains which target from which level, without repetition."""
    found = table.select(["metric", "level", "target"]).group_by(["metric", "level", "target"]).aggregate([])
    return [list(row.values()) for row in found.to_pylist()]
