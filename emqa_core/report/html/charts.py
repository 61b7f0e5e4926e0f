"""The charts by name: what each shows of named data, drawn alike in a page and in a picture file.

Colours are names of CSS variables; `palette.py` has their values for pictures. `charts.json` holds the same
specifications compiled to Vega, which is all that a page needs to draw them.
"""

from __future__ import annotations

from collections.abc import Callable

from emqa_core.report.html import class_charts, metric_charts
from emqa_core.report.html.chart_base import Spec

CHARTS: dict[str, Callable[[], Spec]] = {
    "importance": metric_charts.importance,
    "performance": metric_charts.performance,
    "category_performance": metric_charts.category_performance,
    "error_types": metric_charts.error_types,
    "error_costs": class_charts.error_costs,
    "precision_recall": class_charts.precision_recall,
    "confusion": class_charts.confusion,
    "calibration": class_charts.calibration,
}
