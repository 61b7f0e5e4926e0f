"""Several runs on a terminal: what an output holds, and models evaluated together side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from emqa_core.report.bars import bar
from emqa_core.report.headline import HEADLINE_TABLES, read_headline
from emqa_core.report.numbers import count, counted, duration, measure, threshold_text
from emqa_core.report.page import INDENT, Page, coloured, fit
from emqa_core.report.view import Row, choose_view, held

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run


def print_runs(console: Console, rows: Sequence[Row], output: str) -> None:
    """A line per row of the table `run`, in the order given."""
    page = Page(console)
    if not rows:
        page.verbatim(f"No runs in {output}.")
        return
    page.verbatim(f"{counted(len(rows), 'run')} in {output}", "bold")
    page.line()
    id_width = max(len(row["run_id"]) for row in rows)
    room = page.width - len(INDENT) - id_width - 41
    dataset_width = min(max(7, *(len(row["dataset"]) for row in rows)), room) if room >= 8 else 0
    dataset_head = f"  {fit('dataset', dataset_width)}" if dataset_width else ""
    page.line(
        INDENT,
        (f"{'run':<{id_width}}{dataset_head}{'frames':>9}{'predictions':>13}{'T':>6}{'took':>10}", "dim"),
    )
    for row in rows:
        page.line(
            INDENT,
            f"{row['run_id']:<{id_width}}",
            f"  {fit(row['dataset'], dataset_width)}" if dataset_width else "",
            f"{count(row['n_frames']):>9}{count(row['n_predictions']):>13}",
            f"{threshold_text(row['iou_threshold']):>6}{duration(row['wall_s']):>10}",
        )
    page.line()
    page.verbatim(f"{INDENT}emqa show {output} --run {rows[0]['run_id']}")


def print_models(console: Console, runs: Sequence[Run]) -> list[Run]:
    """Runs of several models on the same data, the best first; returns them in that order."""
    page = Page(console)
    figures = []
    for run in (held(run, HEADLINE_TABLES) for run in runs):
        view = choose_view(run)
        headline = read_headline(run, view)
        values = [figure.value for figure in headline.figures]
        figures.append((run, view.iou_threshold, values))
    figures.sort(key=lambda entry: -(entry[2][0] or 0.0))
    names = [run.table("run", columns=["model"])["model"][0].as_py() for run, _, _ in figures]
    bar_width = 20 if page.width >= 100 else 8
    name_width = min(max(len(name) for name in names), page.width - len(INDENT) - 54 - bar_width)
    t = threshold_text(figures[0][1])
    page.line((counted(len(figures), "model"), "bold"))
    page.line()
    head = (
        f"{'mAP':>7} {'':{bar_width}}{'mAP ' + t:>10}{'mAR ' + t:>10}{'precision':>11}{'recall':>8}{'F1':>7}"
    )
    page.line(INDENT, (fit("model", name_width) + head, "dim"))
    for name, (_, _, values) in zip(names, figures, strict=True):
        page.line(
            INDENT,
            fit(name, name_width),
            (f"{measure(values[0]):>7} ", "bold"),
            coloured(bar(values[0], 1.0, bar_width, page.glyphs), "cyan"),
            f"{measure(values[1]):>10}{measure(values[2]):>10}{measure(values[3]):>11}",
            f"{measure(values[4]):>8}{measure(values[5]):>7}",
        )
    return [run for run, _, _ in figures]
