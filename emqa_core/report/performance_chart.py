"""Performance by metric as bars: TPR and FNR in each range, the average marked across."""

from __future__ import annotations

from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.report.bars import bar
from emqa_core.report.numbers import count, measure
from emqa_core.report.page import INDENT, Page, Piece, coloured, fit
from emqa_core.report.performance import MetricPerformance, RangePerformance, Rate

MAX_CATEGORIES = 15


def print_performance(page: Page, performance: MetricPerformance) -> None:
    """The chart of one metric: its ranges or categories, predictions on the left, labels on the right."""
    unit, meaning = _unit_and_meaning(performance.metric)
    page.heading(f"Performance by {performance.metric}", meaning)
    total = performance.total
    dot, mark = f" {page.glyphs.dot} ", page.glyphs.mark
    averages = []
    if performance.has_tpr:
        averages.append(f"TPR right / predicted, {mark} average {measure(total.tpr.value)}")
    if performance.has_fnr:
        averages.append(f"FNR missed / labels, {mark} average {measure(total.fnr.value)}")
    page.paragraph(dot.join(averages), "dim")
    sides = performance.has_tpr + performance.has_fnr
    if not sides:
        page.paragraph("No object with this metric counts here.")
        return
    head = "category" if performance.is_categorical else f"range in {unit}" if unit else "range"
    shown = performance.ranges[:MAX_CATEGORIES] if performance.is_categorical else performance.ranges
    name_width = max(min(max(len(r.name) for r in shown), 24), len(head))
    bar_width = min((page.width - len(INDENT) - name_width) // sides - 18, 40)
    header = f"{INDENT}{fit(head, name_width)}"
    if performance.has_tpr:
        header += f"{'predicted':>10}  {'TPR':<{bar_width + 6}}"
    if performance.has_fnr:
        header += f"{'labels':>10}  {'FNR':<{bar_width + 6}}"
    page.line((header, "dim"))
    for row in shown:
        _print_range(page, row, performance, name_width, bar_width)
    if len(shown) < len(performance.ranges):
        page.line(INDENT, (f"... {len(performance.ranges) - len(shown)} more categories", "dim"))


def _print_range(
    page: Page, row: RangePerformance, performance: MetricPerformance, name_width: int, bar_width: int
) -> None:
    pieces: list[Piece] = [INDENT, fit(row.name, name_width)]
    total = performance.total
    if performance.has_tpr:
        pieces += _rate(page, row.tpr, total.tpr, "green", bar_width)
    if performance.has_fnr:
        pieces += _rate(page, row.fnr, total.fnr, "red", bar_width)
    page.line(*pieces)


def _rate(page: Page, rate: Rate, average: Rate, colour: str, width: int) -> list[Piece]:
    return [
        (f"{count(rate.n):>10}  ", "dim"),
        coloured(bar(rate.value, 1.0, width, page.glyphs, average.value), colour),
        f"{measure(rate.value):>6}",
    ]


def _unit_and_meaning(metric: str) -> tuple[str, str]:
    known = next((entry for entry in CATALOGUE if entry.name == metric), None)
    return ("", "") if known is None else (known.unit, known.meaning)
