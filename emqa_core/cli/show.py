"""`emqa show` and `emqa runs`: what an output location holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emqa_core.cli.machine import json_text
from emqa_core.report.view import plain_rows

if TYPE_CHECKING:
    from emqa_core.config import StorageConfig

JSON_TABLES = ("summary", "class_performance", "metric_importance", "run")


def show_run(
    output: str,
    run: str | None,
    storage: StorageConfig,
    *,
    class_: str | None,
    iou_threshold: float | None,
    metric: str | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Print one run, for people or as JSON."""
    from emqa_core.storage.runs import read_run

    found = read_run(output, run, storage)
    if as_json:
        rows = {name: plain_rows(found.table(name)) for name in JSON_TABLES}
        print(json_text(rows))
        return
    from rich.console import Console

    from emqa_core.report.terminal import print_run, print_whereabouts

    console = Console()
    print_run(found, console, class_=class_, iou_threshold=iou_threshold, metric=metric, show_all=show_all)
    print_whereabouts(console, [found], output)


def list_output(output: str, storage: StorageConfig, *, as_json: bool) -> None:
    """Print the runs of a location, the newest first."""
    from emqa_core.storage.location import Location
    from emqa_core.storage.runs import list_runs

    rows = plain_rows(list_runs(Location.of(output, storage)))
    if as_json:
        print(json_text({"runs": rows}))
        return
    from rich.console import Console

    from emqa_core.report.run_list import print_runs

    print_runs(Console(), rows, output)
