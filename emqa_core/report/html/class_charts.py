"""Charts of classes, as Vega-Lite: precision-recall curves, confusion, calibration, what errors cost."""

from __future__ import annotations

from emqa_core.report.html.chart_base import Spec, axis, base


def error_costs() -> Spec:
    """What each error type costs in AP. rows: type, cost, n."""
    return {
        **base(),
        "width": "container",
        "height": {"step": 22},
        "mark": {"type": "bar", "height": {"band": 0.62}},
        "encoding": {
            "y": {
                "field": "type",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"labelLimit": 220, "ticks": False, "domain": False},
            },
            "x": {
                "field": "cost",
                "type": "quantitative",
                "title": "AP gained without this error",
                "axis": axis(),
            },
            "color": {"field": "colour", "type": "nominal", "scale": None},
            "tooltip": [
                {"field": "type", "title": "error type"},
                {"field": "cost", "title": "AP", "format": "+.4f"},
                {"field": "n", "title": "objects", "format": ","},
            ],
        },
    }


def precision_recall() -> Spec:
    """Precision at 101 recall points, a line a class. rows: recall, precision, series, colour, width."""
    return {
        **base(),
        "width": "container",
        "height": 260,
        "mark": {"type": "line", "interpolate": "step-before"},
        "encoding": {
            "x": {"field": "recall", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis()},
            "y": {"field": "precision", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis()},
            "color": {"field": "colour", "type": "nominal", "scale": None},
            "strokeWidth": {"field": "width", "type": "quantitative", "scale": None},
            "detail": {"field": "series", "type": "nominal"},
            "tooltip": [
                {"field": "series", "title": "class"},
                {"field": "recall", "format": ".2f"},
                {"field": "precision", "format": ".3f"},
            ],
        },
    }


def confusion() -> Spec:
    """Labels by predicted class. rows: label, predicted, n, share (of the label's row)."""
    names = {"labelLimit": 110, "ticks": False, "domain": False}
    return {
        **base(),
        "width": "container",
        "height": {"step": 18},
        "mark": {"type": "rect", "stroke": "var(--panel)", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "predicted",
                "type": "nominal",
                "sort": None,
                "title": "predicted",
                "axis": {**names, "labelAngle": -60},
            },
            "y": {"field": "label", "type": "nominal", "sort": None, "title": "label", "axis": names},
            "fill": {"value": "var(--accent)"},
            "opacity": {"field": "strength", "type": "quantitative", "scale": None, "legend": None},
            "tooltip": [
                {"field": "label"},
                {"field": "predicted"},
                {"field": "n", "title": "objects", "format": ","},
                {"field": "share", "title": "of the label's objects", "format": ".1%"},
            ],
        },
    }


def calibration() -> Spec:
    """Precision by mean score, against the diagonal. rows: score, precision, low, high, n."""
    score = {"field": "score", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis()}
    return {
        **base(),
        "width": "container",
        "height": 260,
        "layer": [
            {
                "data": {"values": [{"at": 0}, {"at": 1}]},
                "mark": {"type": "line", "strokeDash": [6, 4], "color": "var(--floor)"},
                "encoding": {
                    "x": {"field": "at", "type": "quantitative"},
                    "y": {"field": "at", "type": "quantitative"},
                },
            },
            {
                "mark": {"type": "rule", "color": "var(--accent)"},
                "encoding": {
                    "x": score,
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                },
            },
            {
                "mark": {
                    "type": "line",
                    "color": "var(--accent)",
                    "point": {"filled": True, "color": "var(--accent)"},
                },
                "encoding": {
                    "x": {**score, "title": "mean score"},
                    "y": {
                        "field": "precision",
                        "type": "quantitative",
                        "title": "precision",
                        "scale": {"domain": [0, 1]},
                        "axis": axis(),
                    },
                    "tooltip": [
                        {"field": "score", "format": ".3f"},
                        {"field": "precision", "format": ".3f"},
                        {"field": "n", "title": "predictions", "format": ","},
                    ],
                },
            },
        ],
    }
