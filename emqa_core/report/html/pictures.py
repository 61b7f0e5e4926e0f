"""The main charts of a run as PNG and SVG, from the page's own specifications, without a browser."""

from __future__ import annotations

import json
import math
from typing import Any

from emqa_core.errors import ConfigError
from emqa_core.report.html.chart_base import Spec
from emqa_core.report.html.charts import CHARTS
from emqa_core.report.html.palette import coloured, palette
from emqa_core.report.html.picture_rows import (
    calibration_rows,
    cost_rows,
    curve_rows,
    importance_rows,
    performance_rows,
)
from emqa_core.report.importance import most_important_metric, rank_metrics
from emqa_core.report.view import View, choose_view
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run

_WIDTH = 640
_SCALE = 2.0
_MUCH = 20  # a range this many times its middle is drawn on a logarithmic axis
_PAPER = "#ffffff"
_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
Data = dict[str, list[dict[str, Any]]]


def write_pictures(run: Run, folder: Location) -> list[Location]:
    """Two files of each chart in a folder; where they are. Raises ConfigError without the extra `charts`."""
    convert = _converter()
    written = []
    for name, (chart, data) in pictures_of(run).items():
        spec = drawn(CHARTS[chart](), data, name.replace("_", " "))
        pictures = {
            "svg": convert.vegalite_to_svg(spec).encode(),
            "png": convert.vegalite_to_png(spec, scale=_SCALE),
        }
        for kind, content in pictures.items():
            place = folder.child(f"{name}.{kind}")
            place.write_bytes(content, content_type=_TYPES[kind])
            written.append(place)
    return written


def pictures_of(run: Run) -> dict[str, tuple[str, Data]]:
    """Chart and data of each picture that the run's tables allow, by the picture's name."""
    view = choose_view(run)
    rankings = rank_metrics(run, view)
    found: dict[str, tuple[str, Data]] = {}
    for ranking in rankings:
        found[f"importance_of_{ranking.target}s"] = ("importance", {"rows": importance_rows(ranking)})
    metric = most_important_metric(rankings)
    if metric is not None:
        found |= _performance(run, view, metric)
    found["precision_recall"] = ("precision_recall", {"rows": curve_rows(run, view)})
    found["calibration"] = ("calibration", {"rows": calibration_rows(run)})
    found["error_costs"] = ("error_costs", {"rows": cost_rows(run)})
    return {name: (chart, data) for name, (chart, data) in found.items() if data["rows"]}


def _performance(run: Run, view: View, metric: str) -> dict[str, tuple[str, Data]]:
    return {
        f"{measure}_by_{metric}": (
            "category_performance" if rows and "category" in rows["objects"][0] else "performance",
            rows,
        )
        for measure in ("tpr", "fnr")
        if (rows := performance_rows(run, view, metric, measure))
    }


def drawn(spec: Spec, data: Data, title: str) -> Spec:
    """A specification with its data, a width of its own and colours instead of their names."""
    if is_logarithmic(data.get("objects", [])):
        spec, data = (
            logarithmic(spec),
            {name: [_on_logarithm(r) for r in rows] for name, rows in data.items()},
        )
    whole: Spec = json.loads(coloured(json.dumps(spec)))
    if whole.get("width") == "container":
        whole["width"] = _WIDTH
    values: Data = json.loads(coloured(json.dumps(data)))
    heading = {"text": title, "anchor": "start", "fontSize": 13, "color": palette()["--ink"]}
    return {**whole, "background": _PAPER, "padding": 12, "datasets": values, "title": heading}


def is_logarithmic(bins: list[dict[str, Any]]) -> bool:
    """Whether most of the values lie in a small part of the range, as the page's usual axis has it."""
    if not bins or "lower" not in bins[0] or bins[0]["lower"] < 0 or bins[0]["upper"] <= 0:
        return False
    return bool(bins[-1]["upper"] > _MUCH * bins[len(bins) // 2]["upper"])


def logarithmic(spec: Any) -> Any:
    """The specification with a logarithmic scale where values of the metric are placed."""
    if isinstance(spec, list):
        return [logarithmic(each) for each in spec]
    if not isinstance(spec, dict):
        return spec
    if spec.get("field") in ("lower", "middle"):
        return {**spec, "scale": {"type": "log", "nice": False}}
    return {key: logarithmic(each) for key, each in spec.items()}


def _on_logarithm(row: dict[str, Any]) -> dict[str, Any]:
    """A bin that begins at 0 begins at half its end; its middle is a geometric one."""
    if "lower" not in row:
        return row
    lower = row["lower"] if row["lower"] > 0 else row["upper"] / 2
    return {**row, "lower": lower, "middle": math.sqrt(lower * row["upper"])}


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(
            "charts as pictures need the package vl-convert-python, which is not installed",
            next_step="pip install 'emqa[charts]'",
        ) from error
    return vl_convert
