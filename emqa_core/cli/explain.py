"""`emqa explain`: one metric of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emqa_core.config import StorageConfig


def explain_metric(
    metric: str,
    output: str,
    run: str | None,
    storage: StorageConfig,
    *,
    class_: str | None,
    iou_threshold: float | None,
) -> None:
    """Print what a run says of a metric."""
    from rich.console import Console

    from emqa_core.report.explanation import print_explanation
    from emqa_core.storage.runs import read_run

    found = read_run(output, run, storage)
    print_explanation(found, Console(), metric, class_=class_, iou_threshold=iou_threshold)
