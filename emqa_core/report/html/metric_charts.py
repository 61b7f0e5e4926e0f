"""Charts of metrics, as Vega-Lite: importance, performance by metric, error types by metric."""

from __future__ import annotations

from emqa_core.matching.error_types import ERROR_TYPES
from emqa_core.report.html.chart_base import Spec, axis, base

ERROR_COLOURS = {name: f"var(--error-{place})" for place, name in enumerate(ERROR_TYPES, 1)}
_SERIES = (
    {"field": "series", "type": "nominal"},
    {"field": "colour", "type": "nominal", "scale": None},
)
_RATE_TOOLTIP = [
    {"field": "series", "title": "class"},
    {"field": "range", "title": "range"},
    {"field": "rate", "title": "rate", "format": ".1%"},
    {"field": "band", "title": "95% interval"},
    {"field": "n", "title": "objects", "format": ","},
]


def importance() -> Spec:
    """Importance and correlation of each metric as paired bars, with intervals and the noise floor.

    rows: metric, title, mark (bar colour), importance, low, high, floor, other (importance at the other score
    threshold), correlation, correlation_low, correlation_high; in the order that they are drawn.
    """
    y = {
        "field": "title",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 260, "ticks": False, "domain": False},
    }
    left = {
        "layer": [
            _bar("importance", y, {"title": "metric importance", "scale": {"domainMin": 0}, "axis": axis()}),
            _interval("low", "high", y),
            {
                "mark": {"type": "tick", "color": "var(--other)", "thickness": 2, "size": 12},
                "encoding": {"x": {"field": "other", "type": "quantitative"}, "y": y},
            },
            {
                "transform": [{"aggregate": [{"op": "max", "field": "floor", "as": "floor"}]}],
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--floor)", "strokeWidth": 1.5},
                "encoding": {"x": {"field": "floor", "type": "quantitative"}},
            },
        ],
    }
    right = {
        "layer": [
            _bar(
                "correlation",
                {**y, "axis": None},
                {"title": "metric correlation", "scale": {"domain": [-1, 1]}, "axis": axis()},
            ),
            _interval("correlation_low", "correlation_high", {**y, "axis": None}),
        ],
    }
    # Charts beside each other have the widths that they are given, and are as wide as these together.
    pair = {"hconcat": [_sized(left, 340), _sized(right, 220)], "spacing": 16}
    return {**base(), "autosize": {"type": "pad"}, **pair}


def _sized(part: Spec, width: int) -> Spec:
    return {**part, "width": width, "height": {"step": 19}}


def _bar(field: str, y: Spec, x: Spec) -> Spec:
    return {
        "mark": {"type": "bar", "height": {"band": 0.62}, "cursor": "pointer"},
        "encoding": {
            "x": {"field": field, "type": "quantitative", **x},
            "y": y,
            "color": {"field": "mark", "type": "nominal", "scale": None},
            "tooltip": [
                {"field": "title", "title": "metric"},
                {"field": "importance", "title": "importance", "format": ".3f"},
                {"field": "interval", "title": "95% interval"},
                {"field": "correlation", "title": "correlation", "format": ".3f"},
                {"field": "remark", "title": "remark"},
            ],
        },
    }


def _interval(low: str, high: str, y: Spec) -> Spec:
    return {
        "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.2},
        "encoding": {
            "x": {"field": low, "type": "quantitative"},
            "x2": {"field": high},
            "y": y,
        },
    }


def performance() -> Spec:
    """A rate over a metric's bins: line with its band, bars for the number of objects, the average dashed.

    rows: middle, rate, low, high, n, series, colour; objects: lower, upper, n; average: average, colour.
    """
    x = {
        "field": "middle",
        "type": "quantitative",
        "title": None,
        "axis": axis(),
        "scale": {"zero": False, "nice": False},
    }
    series, colour = _SERIES
    band = {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {"x": x, "y": _rate("low"), "y2": {"field": "high"}, "color": colour, "detail": series},
    }
    line = {
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 26, "filled": True}},
        "encoding": {"x": x, "y": _rate("rate"), "color": colour, "detail": series, "tooltip": _RATE_TOOLTIP},
    }
    return _rates_over_objects({**x, "field": "lower"}, {"x2": {"field": "upper"}}, [band, line])


def category_performance() -> Spec:
    """A rate by category: a point with its interval, bars for the number of objects, the average dashed.

    rows: category, rate, low, high, n, series, colour; objects: category, n; average: average, colour.
    """
    x = {
        "field": "category",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 110, "labelAngle": -35},
    }
    _, colour = _SERIES
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": x, "y": _rate("low"), "y2": {"field": "high"}, "color": colour},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": {"x": x, "y": _rate("rate"), "color": colour, "tooltip": _RATE_TOOLTIP},
    }
    return _rates_over_objects(x, {}, [interval, point])


def _rates_over_objects(x: Spec, more: Spec, rates: list[Spec]) -> Spec:
    count_axis = {"orient": "right", "grid": False, "tickCount": 3, "titleColor": "var(--muted)"}
    objects = {
        "data": {"name": "objects"},
        "mark": {"type": "bar", "color": "var(--objects)"},
        "encoding": {
            "x": x,
            "y": {
                "field": "n",
                "type": "quantitative",
                "title": "objects",
                "axis": count_axis,
                "scale": {"zero": True},
            },
            "y2": {"datum": 0},
            **more,
        },
    }
    average = {
        "data": {"name": "average"},
        "mark": {"type": "rule", "strokeDash": [6, 4], "strokeWidth": 1.5},
        "encoding": {"y": _rate("average"), "color": _SERIES[1]},
    }
    return {
        **base(),
        "width": "container",
        "height": 210,
        "layer": [objects, {"layer": [*rates, average]}],
        "resolve": {"scale": {"y": "independent"}},
    }


def _rate(field: str) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 1]},
        "axis": {**axis(), "format": ".0%"},
    }


def error_types() -> Spec:
    """Share of each error type among the errors of a bin, stacked. rows: end of the bin, type, share, n."""
    return {
        **base(),
        "width": "container",
        "height": 130,
        "mark": {"type": "bar", "binSpacing": 0},
        "encoding": {
            "x": {
                "field": "end",
                "type": "ordinal",
                "title": None,
                "sort": None,
                "axis": {"labelAngle": 0, "labelLimit": 60, "labelOverlap": "greedy", "ticks": False},
            },
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": None,
                "stack": True,
                "scale": {"domain": [0, 1]},
                "axis": {**axis(), "format": ".0%"},
            },
            "color": _error_colour(),
            "order": {"field": "order", "type": "quantitative"},
            "tooltip": [
                {"field": "range", "title": "range"},
                {"field": "type", "title": "error type"},
                {"field": "share", "title": "share", "format": ".1%"},
                {"field": "n", "title": "objects", "format": ","},
            ],
        },
    }


def _error_colour() -> Spec:
    return {
        "field": "type",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(ERROR_COLOURS), "range": list(ERROR_COLOURS.values())},
        "legend": {
            "orient": "bottom",
            "columns": 3,
            "symbolType": "square",
            "labelLimit": 240,
            "labelExpr": "replace(datum.label, /_/g, ' ')",
        },
    }
