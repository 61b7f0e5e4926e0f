"""One metric explained on a terminal: what it is, what depends on it and how surely, where, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.report.importance import LEVEL_MARKS, TARGETS
from emqa_core.report.importance_chart import TITLES
from emqa_core.report.numbers import count, counted, interval, measure, threshold_text
from emqa_core.report.page import INDENT, Page
from emqa_core.report.performance import performance_by_metric
from emqa_core.report.performance_chart import print_performance
from emqa_core.report.view import SAME_THRESHOLD, Row, View, choose_view, held, rows_in_view, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_TABLES = ("run", "class_performance", "metric_importance", "metric_bin", "metric_performance")
_CORRELATIONS = (
    ("correlation", "correlation"),
    ("by ranks", "correlation_spearman"),
    ("partial", "correlation_partial"),
)
_OUTCOME = {
    "prediction": "the less often a prediction is right",
    "label": "the more often a label is missed",
    "frame": "the lower the F1 of a frame",
}
_OPPOSITE = {
    "prediction": "the more often a prediction is right",
    "label": "the less often a label is missed",
    "frame": "the higher the F1 of a frame",
}


def print_explanation(
    run: Run, console: Console, metric: str, *, class_: str | None = None, iou_threshold: float | None = None
) -> None:
    """Print what a run says of one metric, for all classes or one, at one IoU threshold.

    Raises ConfigError for a metric, class or threshold that the run does not have.
    """
    whole, run = run, held(run, _TABLES)
    view = choose_view(run, class_, iou_threshold)
    performance = performance_by_metric(run, view, metric)
    effects = rows_in_view(run, "metric_importance", view, metric=metric)
    effects.sort(key=lambda row: TARGETS.index(row["target"]))
    page = Page(console)
    _print_meaning(page, metric, effects, view)
    for effect in effects:
        _print_effect(page, effect)
    print_performance(page, performance, with_meaning=False)
    if view.class_id is None:
        _print_texts(page, whole, metric, view)


def _print_meaning(page: Page, metric: str, effects: list[Row], view: View) -> None:
    marks = " ".join(dict.fromkeys(LEVEL_MARKS[row["level"]] for row in effects))
    who = "all classes" if view.class_name is None else f"class {view.class_name}"
    page.line(
        (f"{metric} {marks}".strip(), "bold"), (f"  {who}, T = {threshold_text(view.iou_threshold)}", "dim")
    )
    known = next((entry for entry in CATALOGUE if entry.name == metric), None)
    if known is None:
        page.paragraph("A column or function of yours.")
        return
    unit = f" Unit: {known.unit}." if known.unit else ""
    page.paragraph(f"{known.meaning[:1].upper()}{known.meaning[1:].rstrip('.')}.{unit}")


def _print_effect(page: Page, row: Row) -> None:
    """Importance and correlations of one target, each with its interval or the reason why there is none."""
    title, remark = TITLES[row["target"]]
    page.heading(title, remark)
    if row["importance"] is None:
        page.paragraph(f"No importance: {row['reason']}.")
    else:
        ends = interval(row["importance_low"], row["importance_high"])
        page.line(
            INDENT,
            f"{'importance':<14}",
            (f"{measure(row['importance']):>7}", "bold"),
            (f"  {ends or 'no interval: ' + str(row['reason'])}", "dim"),
        )
        page.paragraph(_verdict(row), "dim")
    for name, column in _CORRELATIONS:
        if row[column] is not None:
            ends = interval(row[f"{column}_low"], row[f"{column}_high"], signed=True)
            page.line(INDENT, f"{name:<14}{measure(row[column], signed=True):>7}", (f"  {ends}", "dim"))
    direction = _direction(row)
    if direction:
        page.paragraph(direction)
    elif row["correlation"] is None and row["correlation_reason"]:
        page.paragraph(f"No correlation: {row['correlation_reason']}.", "dim")
    noun = {"prediction": "prediction", "label": "label", "frame": "frame"}[row["target"]]
    missing = f", {count(row['n_missing'])} more without it" if row["n_missing"] else ""
    page.paragraph(f"{counted(row['n'], noun)} with it{missing}.", "dim")


def _verdict(row: Row) -> str:
    floor = "" if row["noise_floor"] is None else f"; random numbers have {measure(row['noise_floor'])}"
    if row["is_significant"] is None:
        return f"0: chance, 1: it tells the outcome{floor}."
    said = "more than chance" if row["is_significant"] else "not told from chance"
    return f"0: chance, 1: it tells the outcome; {said}{floor}."


def _direction(row: Row) -> str:
    """What the correlation says, where its interval leaves no doubt about the sign."""
    low, high = row["correlation_low"], row["correlation_high"]
    if low is None or high is None or low <= 0 <= high:
        return ""
    outcome = _OPPOSITE if low > 0 else _OUTCOME
    return f"The higher {row['metric']}, {outcome[row['target']]}."


def _print_texts(page: Page, run: Run, metric: str, view: View) -> None:
    """Slices and recommendations that name the metric, where the run has such tables: of its chosen T."""
    tables = run.tables
    chosen = float(run.row()["iou_threshold"])
    remark = "" if abs(chosen - view.iou_threshold) < SAME_THRESHOLD else f"at T = {threshold_text(chosen)}"
    for name, title in (("slice", "Slices"), ("recommendation", "Recommendations")):
        if name not in tables:
            continue
        rows = rows_where(run, name)
        own = [row for row in rows if metric in (row["metric"], row.get("metric_other"))]
        if own:
            page.heading(title, remark)
            # What another metric says as well comes last.
            for row in sorted(own, key=lambda row: (row.get("duplicate_of_rank") is not None, row["rank"])):
                page.paragraph(f"{page.glyphs.dot} {row['text']}")
