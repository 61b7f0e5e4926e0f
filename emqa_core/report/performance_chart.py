"""Performance by metric as bars: TPR and FNR in each range, the average marked across."""

from __future__ import annotations

from dataclasses import dataclass

from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.report.bars import bar, bar_scale
from emqa_core.report.numbers import count, measure
from emqa_core.report.page import INDENT, Page, Piece, coloured, fit
from emqa_core.report.performance import MetricPerformance, Rate

MAX_CATEGORIES = 15
MAX_BAR = 40
MAX_NAME = 24


@dataclass(frozen=True)
class _Column:
    """One side of the chart: predictions or labels."""

    rate: str
    of: str
    counted: str
    colour: str
    total: Rate
    rates: tuple[Rate, ...]

    @property
    def scale(self) -> float:
        return bar_scale(max(rate.value or 0.0 for rate in (*self.rates, self.total)))


def print_performance(page: Page, performance: MetricPerformance, *, with_meaning: bool = True) -> None:
    """The chart of one metric: its ranges or categories, predictions on the left, labels on the right."""
    unit, meaning = _unit_and_meaning(performance.metric)
    page.heading(f"Performance by {performance.metric}", meaning if with_meaning else "")
    shown = performance.ranges[:MAX_CATEGORIES] if performance.is_categorical else performance.ranges
    total = performance.total
    sides = (
        _Column("TPR", "right / predicted", "predicted", "green", total.tpr, tuple(r.tpr for r in shown)),
        _Column("FNR", "missed / labels", "labels", "red", total.fnr, tuple(r.fnr for r in shown)),
    )
    columns = [column for column in sides if column.total.n]
    if not columns:
        page.paragraph("No object with this metric counts here.")
        return
    averages = [f"{c.rate} {c.of}, {page.glyphs.mark} average {measure(c.total.value)}" for c in columns]
    page.paragraph(f" {page.glyphs.dot} ".join(averages), "dim")
    head = "category" if performance.is_categorical else f"range in {unit}" if unit else "range"
    names = [r.name for r in shown]
    name_width = max(min(max(map(len, names)), MAX_NAME), len(head))
    bar_width = min((page.width - len(INDENT) - name_width) // len(columns) - 18, MAX_BAR)
    titles = [f"{c.counted:>10}  {f'{c.rate}, bars to {c.scale:g}':<{bar_width + 6}}" for c in columns]
    page.line((f"{INDENT}{fit(head, name_width)}{''.join(titles)}", "dim"))
    for position, name in enumerate(names):
        pieces: list[Piece] = [INDENT, fit(name, name_width)]
        for column in columns:
            pieces += _rate(page, column, column.rates[position], bar_width)
        page.line(*pieces)
    if len(shown) < len(performance.ranges):
        page.line(INDENT, (f"... {len(performance.ranges) - len(shown)} more categories", "dim"))


def _rate(page: Page, column: _Column, rate: Rate, width: int) -> list[Piece]:
    return [
        (f"{count(rate.n):>10}  ", "dim"),
        coloured(bar(rate.value, column.scale, width, page.glyphs, column.total.value), column.colour),
        f"{measure(rate.value):>6}",
    ]


def _unit_and_meaning(metric: str) -> tuple[str, str]:
    known = next((entry for entry in CATALOGUE if entry.name == metric), None)
    return ("", "") if known is None else (known.unit, known.meaning)
