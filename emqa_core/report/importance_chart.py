"""Metric importance and correlation as bars side by side, a section per target."""

from __future__ import annotations

from collections.abc import Sequence

from emqa_core.report.bars import bar, bar_scale, signed_bar
from emqa_core.report.importance import LEVEL_MARKS, MetricEffect, Ranking
from emqa_core.report.numbers import interval, measure
from emqa_core.report.page import INDENT, Page, Piece, coloured, fit

TITLES = {
    "prediction": ("Predictions", "what being right depends on (true or false positive)"),
    "label": ("Labels", "what being found depends on (found or missed)"),
    "frame": ("Frames", "what the F1 of a frame depends on"),
}
SHOWN = 12
WITH_INTERVALS = 110
WITH_IMPORTANCE_INTERVAL = 92


def print_importance(page: Page, rankings: tuple[Ranking, ...], *, show_all: bool) -> None:
    """Every target's metrics by importance; those no better than chance in a line of their own."""
    charted = [effect for ranking in rankings for effect in _shown(ranking, show_all)]
    if not rankings:
        page.heading("Metric importance")
        page.paragraph("No quality metric was evaluated.")
        return
    scale = bar_scale(max((e.importance or 0.0 for e in charted), default=0.0))
    correlation_scale = bar_scale(max((abs(e.correlation or 0.0) for e in charted), default=0.0))
    longest = max((len(e.title) for e in charted), default=0)
    name_width = min(longest, 44 if page.width >= WITH_INTERVALS else 28)
    page.heading("Metric importance and correlation")
    page.paragraph(
        f"Importance: 0 chance, 1 the metric tells the outcome; bars to {scale:g}, {page.glyphs.mark} the"
        f" noise floor, * significant, ~ significant but explained by size (frames: by their labels' number)."
        f" Correlation: Pearson, bars to ±{correlation_scale:g}, none for"
        " categories. (P) prediction, (L) label, (F) frame metric.",
        "dim",
    )
    for ranking in rankings:
        _print_ranking(page, ranking, show_all, name_width, scale, correlation_scale)


def _shown(ranking: Ranking, show_all: bool) -> tuple[MetricEffect, ...]:
    if show_all:
        return (*ranking.told, *ranking.chance, *ranking.controls)
    return ranking.told[:SHOWN]


def _print_ranking(
    page: Page, ranking: Ranking, show_all: bool, name_width: int, scale: float, correlation_scale: float
) -> None:
    title, remark = TITLES[ranking.target]
    page.line()
    page.line(INDENT, (title, "bold"), (f"  {remark}", "dim"))
    if ranking.controls:
        floors = ", ".join(f"{LEVEL_MARKS[e.level]} {measure(e.importance)}" for e in ranking.controls)
        page.line(INDENT, (f"noise floor, from random numbers: {floors}", "dim"))
    for effect in _shown(ranking, show_all):
        _print_effect(page, effect, name_width, scale, correlation_scale)
    if not ranking.told:
        page.paragraph("No metric does better than chance.")
    hidden = () if show_all else ranking.told[SHOWN:]
    if hidden:
        page.paragraph(f"less important ({len(hidden)}): {_listed(hidden)}", "dim")
    if ranking.chance and not show_all:
        page.paragraph(f"not told from chance ({len(ranking.chance)}): {_listed(ranking.chance)}", "dim")
    for reason in dict.fromkeys(e.reason for e in ranking.absent):
        without = [e for e in ranking.absent if e.reason == reason]
        page.paragraph(f"- {reason or 'no figure'}: {', '.join(e.title for e in without)}", "dim")
    for effect in ranking.apart:
        page.paragraph(
            f"{effect.title}: importance {measure(effect.importance)},"
            f" correlation {measure(effect.correlation, signed=True)};"
            " ranked apart, being no property of the data",
            "dim",
        )


def _print_effect(
    page: Page, effect: MetricEffect, name_width: int, scale: float, correlation_scale: float
) -> None:
    wide, half_wide = page.width >= WITH_INTERVALS, page.width >= WITH_IMPORTANCE_INTERVAL
    fixed = len(INDENT) + name_width + 1 + 7 + 2 + 1 + 7 + (32 if wide else 15 if half_wide else 0)
    room = min(max(page.width - fixed, 14), 48)
    bar_width = room * 6 // 10
    side = (room - bar_width - 1) // 2
    # A floor within the first cell would only hide the bar's beginning; the section's head has its value.
    floor = effect.noise_floor if (effect.noise_floor or 0.0) * bar_width >= scale else None
    colour = "cyan" if effect.is_significant else "blue"
    pieces: list[Piece] = [
        INDENT,
        fit(effect.title, name_width),
        " ",
        coloured(bar(effect.importance, scale, bar_width, page.glyphs, floor), colour),
        (f"{measure(effect.importance):>6}", "bold" if effect.is_significant else ""),
        "~" if effect.is_confounded else "*" if effect.is_significant else " ",
    ]
    if half_wide:
        pieces.append((f" {interval(effect.importance_low, effect.importance_high):<14}", "dim"))
    pieces += [
        "  ",
        coloured(
            signed_bar(effect.correlation, correlation_scale, side, page.glyphs),
            "green" if (effect.correlation or 0.0) > 0 else "red",
        ),
        f"{measure(effect.correlation, signed=True):>7}",
    ]
    if wide:
        ends = interval(effect.correlation_low, effect.correlation_high, signed=True)
        pieces.append((f" {ends:<16}", "dim"))
    page.line(*pieces)


def _listed(effects: Sequence[MetricEffect]) -> str:
    return ", ".join(f"{e.title} {measure(e.importance)}" for e in effects)
