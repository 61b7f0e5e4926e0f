"""A run on a terminal: how good, which metrics it depends on, where it fails, and where to go next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from emqa_core.report.advice_list import print_advice
from emqa_core.report.bars import bar
from emqa_core.report.calibration import print_calibration
from emqa_core.report.class_list import ClassFigures, rank_classes
from emqa_core.report.error_shares import print_errors
from emqa_core.report.headline import Headline, read_headline
from emqa_core.report.importance import most_important_metric, rank_metrics
from emqa_core.report.importance_chart import print_importance
from emqa_core.report.numbers import count, counted, interval, measure, threshold_text
from emqa_core.report.page import INDENT, Page, coloured, fit
from emqa_core.report.performance import performance_by_metric
from emqa_core.report.performance_chart import print_performance
from emqa_core.report.view import Row, View, choose_view, held

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

WIDE = 100


def print_run(
    run: Run,
    console: Console,
    *,
    class_: str | None = None,
    iou_threshold: float | None = None,
    metric: str | None = None,
    show_all: bool = False,
) -> None:
    """Print a run: for all classes or one, at the chosen IoU threshold or another evaluated one.

    `metric`: whose performance is charted, default the most important one. `show_all`: every class,
    metric and recommendation. Raises ConfigError for a class, threshold or metric that the run does not have.
    """
    page, run = Page(console), held(run)
    view = choose_view(run, class_, iou_threshold)
    row = run.row()
    headline = read_headline(run, view)
    print_headline(page, row, headline, view)
    print_calibration(page, run, view)
    print_errors(page, run, view)
    rankings = rank_metrics(run, view)
    print_importance(page, rankings, show_all=show_all)
    print_advice(page, run, view, show_all=show_all)
    charted = metric or most_important_metric(rankings)
    if charted is not None:
        print_performance(page, performance_by_metric(run, view, charted))
    if view.class_id is None:
        print_classes(page, run, view, show_all=show_all)


def print_headline(page: Page, row: Row, headline: Headline, view: View) -> None:
    """Model, data set and counts, then the figures with their intervals, then COCO's twelve."""
    dot = f" {page.glyphs.dot} "
    page.line((f"{row['model']} on {row['dataset']}", "bold"), ("  " + str(row["run_id"]), "dim"))
    n_classes = counted(headline.n_classes, "class", "classes")
    facts = [
        f"{row['run_date']}",
        counted(row["n_frames"], "frame"),
        counted(headline.counts["n_labels"], "label"),
        counted(headline.counts["n_predictions"], "prediction"),
        n_classes if view.class_id is None else f"class {view.class_name}",
        f"matching {row['matching']}",
    ]
    if row["score_threshold"] > 0:
        facts.append(f"score >= {row['score_threshold']:g}")
    page.paragraph(dot.join(facts), indent="")
    page.line()
    bar_width = 24 if page.width >= WIDE else 16
    for figure in headline.figures:
        remark = interval(figure.low, figure.high) or figure.reason or ""
        if figure.value is not None and figure.low is None and figure.reason:
            remark = f"no interval: {figure.reason}"
        page.line(
            INDENT,
            fit(figure.name, 18),
            (f"{measure(figure.value):>7}", "bold"),
            "  ",
            coloured(bar(figure.value, 1.0, bar_width, page.glyphs), "cyan"),
            (f"  {remark}", "dim"),
        )
    page.line()
    counts = headline.counts
    page.paragraph(
        dot.join(
            [
                counted(counts["n_true_positive"], "true positive"),
                counted(counts["n_false_positive"], "false positive"),
                counted(counts["n_missed"], "missed label"),
                f"best F1 {measure(headline.best_f1)} at score {measure(headline.best_score_threshold)}",
            ]
        )
    )
    if headline.coco:
        page.paragraph(
            "COCO: " + "  ".join(f"{name} {measure(value)}" for name, value in headline.coco.items()), "dim"
        )
    left_out = [
        (row["n_quarantined"], "row", "in quarantine"),
        (row["n_unlisted"], "prediction", "of classes that the labels do not list, left out"),
    ]
    for n, noun, what in left_out:
        if n:
            page.paragraph(f"{counted(n, noun)} {what}", "yellow")


def print_classes(page: Page, run: Run, view: View, *, show_all: bool) -> None:
    """A line per class: AP with a bar, precision, recall, F1 and the best score threshold."""
    ranking = rank_classes(run, view, show_all=show_all)
    if not ranking.best:
        return
    page.heading(
        "Classes", f"by AP at T = {threshold_text(view.iou_threshold)}; best at: the score of the highest F1"
    )
    classes = (*ranking.best, *ranking.worst)
    name_width = min(max(5, *(len(c.name) for c in classes)), 28 if page.width >= WIDE else 17)
    bar_width = 16 if page.width >= WIDE else 8
    page.line(
        INDENT,
        (fit("class", name_width), "dim"),
        (f"{'labels':>8}{'predicted':>10}{'AP':>6} {'':{bar_width}}", "dim"),
        (f"{'prec.':>7}{'recall':>7}{'F1':>6}{'best at':>8}", "dim"),
    )
    for c in ranking.best:
        _print_class(page, c, name_width, bar_width)
    if ranking.n_between:
        page.line(INDENT, (f"... {counted(ranking.n_between, 'class', 'classes')} between", "dim"))
    for c in ranking.worst:
        _print_class(page, c, name_width, bar_width)
    if ranking.n_without_labels:
        without = counted(ranking.n_without_labels, "class", "classes")
        page.line(INDENT, (f"{without} without labels, in no mean", "dim"))


def _print_class(page: Page, c: ClassFigures, name_width: int, bar_width: int) -> None:
    page.line(
        INDENT,
        fit(c.name, name_width),
        f"{count(c.n_labels):>8}{count(c.n_predictions):>10}",
        (f"{measure(c.ap):>6} ", "bold"),
        coloured(bar(c.ap, 1.0, bar_width, page.glyphs), "cyan"),
        f"{measure(c.precision):>7}{measure(c.recall):>7}{measure(c.f1):>6}",
        f"{measure(c.best_score_threshold):>8}",
    )


def print_whereabouts(console: Console, runs: Sequence[Run], output: str | None) -> None:
    """Where the tables lie and what to run next; of several runs each can be shown."""
    page = Page(console)
    page.heading("Next")
    if output is None:
        page.paragraph("No table was written: give --output to keep them.")
        return
    at, run_ids = shlex.quote(output), [run.run_id for run in runs]
    rows = (
        ("tables", f"{output}  (Delta tables, partitioned by run_id)"),
        *(("show", f"emqa show {at} --run {run_id}") for run_id in run_ids if len(run_ids) > 1),
        ("page", f"{output}/report/{run_ids[0]}.html  (emqa report {at} writes it anew)"),
        ("one metric", f"emqa show {at} --run {run_ids[0]} --metric METRIC --class CLASS"),
        ("all runs", f"emqa runs {at}"),
        ("Python", f"emqa_core.read_run({output!r}, {run_ids[0]!r}).to_pandas('metric_importance')"),
        ("DuckDB", f"FROM delta_scan('{output}/metric_importance') WHERE run_id = '{run_ids[0]}';"),
    )
    for name, text in rows:
        page.verbatim(f"{INDENT}{name:<11}{text}")
