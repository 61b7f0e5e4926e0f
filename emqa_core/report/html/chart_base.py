"""What all charts have in common: their look, and rows as named data."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]


def base() -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"name": "rows"},
        "background": "transparent",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 2,
        "config": {
            "font": "system-ui, sans-serif",
            "view": {"stroke": "transparent"},
            "axis": {
                "labelColor": "var(--muted)",
                "titleColor": "var(--ink)",
                "domainColor": "var(--grid)",
                "tickColor": "var(--grid)",
                "gridColor": "var(--grid)",
                "labelFontSize": 11,
                "titleFontSize": 11,
                "titleFontWeight": 500,
            },
            "legend": {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "labelFontSize": 11},
        },
    }


def axis() -> Spec:
    return {"tickCount": 5, "gridColor": "var(--grid)"}
