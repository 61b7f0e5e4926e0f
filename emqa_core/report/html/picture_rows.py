"""Rows of the charts that are drawn as pictures: all classes, at the run's chosen thresholds."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from emqa_core.analysis.intervals import wilson_interval
from emqa_core.report.html.metric_charts import ERROR_COLOURS
from emqa_core.report.importance import LEVEL_MARKS, MetricEffect, Ranking
from emqa_core.report.numbers import interval
from emqa_core.report.performance import STORED_BINS
from emqa_core.report.view import Row, View, rows_in_view, rows_where
from emqa_core.storage.runs import Run

_SHOWN_METRICS = 20
_SIDE = {"tpr": ("n_predictions", "var(--true-positive)"), "fnr": ("n_labels", "var(--missed)")}
ERROR_ORDER = (
    "localization", "classification", "duplicate", "background", "classification_and_localization", "missed",
)  # fmt: skip


def importance_rows(ranking: Ranking) -> list[dict[str, Any]]:
    """The most important metrics of a target, and the controls they are measured by."""
    effects = [*ranking.told, *ranking.chance][:_SHOWN_METRICS]
    return [_effect_row(effect) for effect in [*effects, *ranking.controls, *ranking.apart]]


def _effect_row(effect: MetricEffect) -> dict[str, Any]:
    colour = "--frame" if effect.level == "frame" else "--accent"
    return {
        "metric": effect.metric,
        "title": f"{effect.metric} {LEVEL_MARKS[effect.level]}",
        "mark": f"var({colour if effect.is_above_chance else '--chance'})",
        "importance": effect.importance,
        "low": effect.importance_low,
        "high": effect.importance_high,
        "floor": effect.noise_floor,
        "other": None,
        "interval": interval(effect.importance_low, effect.importance_high),
        "correlation": effect.correlation,
        "correlation_low": effect.correlation_low,
        "correlation_high": effect.correlation_high,
        "remark": effect.reason or "",
    }


def performance_rows(run: Run, view: View, metric: str, measure: str) -> dict[str, list[dict[str, Any]]]:
    """Rates by the 50 stored bins with intervals, objects and average; empty for a metric of the other side.

    measure: `tpr` or `fnr`.
    """
    total, colour = _SIDE[measure]
    edges = _edges(run, metric)
    stored = rows_in_view(run, "metric_performance", view, metric=metric, resolution=STORED_BINS)
    rows = sorted((row for row in stored if row[total]), key=lambda row: row["bin"])
    if not rows:
        return {}
    drawn = [{**edges[row["bin"]], **_rate(row, measure), "n": row[total], "colour": colour} for row in rows]
    hits = sum(row["n_true_positive" if measure == "tpr" else "n_missed"] for row in rows)
    average = hits / sum(row[total] for row in rows)
    return {"rows": drawn, "objects": drawn, "average": [{"average": average, "colour": colour}]}


def _rate(row: Row, measure: str) -> dict[str, Any]:
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    return {
        "rate": row[measure],
        "low": low,
        "high": high,
        "band": interval(low, high),
        "series": "all classes",
    }


def _edges(run: Run, metric: str) -> dict[int, dict[str, Any]]:
    members: defaultdict[int, list[Row]] = defaultdict(list)
    for row in sorted(rows_where(run, "metric_bin", metric=metric), key=lambda row: row["bin"]):
        members[row["bin_50"]].append(row)
    found: dict[int, dict[str, Any]] = {}
    for place, rows in members.items():
        lower, upper, category = rows[0]["lower"], rows[-1]["upper"], rows[0]["category"]
        if category is not None:
            found[place] = {"category": category}
        else:
            found[place] = {"lower": lower, "upper": upper, "middle": (lower + upper) / 2}
    return found


def curve_rows(run: Run, view: View) -> list[dict[str, Any]]:
    """Mean precision of the classes with labels at each recall point."""
    by_recall: defaultdict[float, list[float]] = defaultdict(list)
    for row in rows_where(run, "precision_recall"):
        if abs(row["iou_threshold"] - view.iou_threshold) < 5e-4:
            by_recall[row["recall"]].append(row["precision"])
    look = {"series": "mean of the classes", "colour": "var(--accent)", "width": 2.5}
    return [
        {"recall": recall, "precision": sum(values) / len(values), **look}
        for recall, values in sorted(by_recall.items())
    ]


def calibration_rows(run: Run) -> list[dict[str, Any]]:
    """Precision by mean score, with Wilson's interval."""
    if "calibration" not in run.tables:
        return []
    rows = []
    for row in rows_where(run, "calibration", scope="all"):
        low, high = wilson_interval(row["n_predictions"], row["n_true_positive"], 1.0)  # type: ignore[arg-type]
        rows.append(
            {
                "score": row["mean_score"],
                "precision": row["precision"],
                "low": float(low),
                "high": float(high),
                "n": row["n_predictions"],
            }
        )
    return rows


def cost_rows(run: Run) -> list[dict[str, Any]]:
    """What each error type costs in AP, the dearest first; empty where the run does not know."""
    if "error_type" not in run.tables:
        return []
    rows = []
    for row in rows_where(run, "error_type", scope="all"):
        cost, kind = row.get("average_precision_cost"), row["error_type"]
        if cost is not None:
            rows.append(
                {
                    "type": kind.replace("_", " "),
                    "cost": cost,
                    "n": row["n"],
                    "colour": ERROR_COLOURS.get(kind, "var(--floor)"),
                }
            )
    return sorted(rows, key=lambda row: -row["cost"])
