"""Draw docs/demo.svg from the tables that `make demo` wrote: what finding a digit depends on, and how.

Left, the importance of metrics for labels with its interval; right, the share of missed labels in each range
of two of them.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from emqa_core import read_run
from emqa_core.report.importance import MetricEffect, rank_metrics
from emqa_core.report.performance import performance_by_metric
from emqa_core.report.view import choose_view

ROOT = Path(__file__).resolve().parent.parent
CHARTED = ("object_height_px", "frame_digit_contrast")
N_METRICS = 12

WIDTH, HEIGHT = 960, 400
BAR_X, BAR_WIDTH, ROW = 190, 230, 23
CHART_X, CHART_WIDTH, CHART_HEIGHT = 560, 370, 105
INK, FAINT, BLUE, RED = "#333", "#999", "#3b76b0", "#c0504d"


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = INK, extra: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" {extra}/>'


def importance_bars(effects: tuple[MetricEffect, ...]) -> list[str]:
    """A bar per metric with its interval."""
    shapes = [text(20, 30, "Importance: what being found depends on", size=14)]
    scale = BAR_WIDTH / max(effect.importance_high or 0 for effect in effects)
    for row, effect in enumerate(effects):
        y = 50 + ROW * row
        low, value, high = (
            BAR_X + scale * (number or 0)
            for number in (effect.importance_low, effect.importance, effect.importance_high)
        )
        colour = BLUE if effect.is_significant else FAINT
        shapes += [
            text(BAR_X - 8, y + 13, effect.metric, anchor="end"),
            f'<rect x="{BAR_X}" y="{y + 2}" width="{value - BAR_X:.1f}" height="14" fill="{colour}"/>',
            line(low, y + 9, high, y + 9),
            text(high + 6, y + 13, f"{effect.importance or 0:.3f}", fill=FAINT),
        ]
    bottom = 50 + ROW * len(effects)
    return [
        *shapes,
        line(BAR_X, 46, BAR_X, bottom),
        text(BAR_X, bottom + 18, "0: chance; grey: not told from it; line: 95% interval", fill=FAINT),
    ]


def missed_bars(top: float, metric: str, names: list[str], rates: list[float], average: float) -> list[str]:
    """A bar per range of a metric; the average dashed."""
    bottom = top + CHART_HEIGHT
    step = CHART_WIDTH / len(rates)
    shapes = [text(CHART_X - 30, top - 20, f"Missed labels by {metric}; dashed: all", size=14)]
    for share in (0, 0.5, 1):
        y = bottom - CHART_HEIGHT * share
        shapes += [
            line(CHART_X, y, CHART_X + CHART_WIDTH, y, "#ddd"),
            text(CHART_X - 6, y + 4, f"{share:.0%}", anchor="end", fill=FAINT),
        ]
    for place, (name, rate) in enumerate(zip(names, rates, strict=True)):
        x, height = CHART_X + place * step, CHART_HEIGHT * rate
        shapes.append(
            f'<rect x="{x + 2:.1f}" y="{bottom - height:.1f}" width="{step - 4:.1f}" height="{height:.1f}"'
            f' fill="{RED}"/>'
        )
        shapes.append(text(x + step, bottom + 15, name, anchor="middle", fill=FAINT, size=10))
    y = bottom - CHART_HEIGHT * average
    return [*shapes, line(CHART_X, y, CHART_X + CHART_WIDTH, y, INK, 'stroke-dasharray="5 4"')]


def main() -> None:
    """Read the newest demo run, write the picture."""
    run = read_run(str(ROOT / "demo-output/tables"))
    view = choose_view(run)
    ranking = next(ranking for ranking in rank_metrics(run, view) if ranking.target == "label")
    shapes = importance_bars((*ranking.told, *ranking.chance)[:N_METRICS])
    for place, metric in enumerate(CHARTED):
        performance = performance_by_metric(run, view, metric)
        ranges = [bin_ for bin_ in performance.ranges if bin_.fnr.value is not None]
        shapes += missed_bars(
            50 + 180 * place,
            metric,
            [bin_.name.partition("–")[2].strip() for bin_ in ranges],
            [bin_.fnr.value or 0.0 for bin_ in ranges],
            performance.total.fnr.value or 0.0,
        )
    drawing = "\n".join(shapes)
    (ROOT / "docs/demo.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{drawing}\n</svg>\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
