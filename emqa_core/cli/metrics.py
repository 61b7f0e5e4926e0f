"""`emqa metrics`: what can be measured, and what of it on a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from emqa_core.cli.machine import json_text
from emqa_core.quality.listed import list_metrics

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig
    from emqa_core.quality.availability import Offer


def show_metrics(config: EvaluationConfig, *, as_json: bool) -> None:
    """List the metrics; of a data set that is given, with what it allows."""
    listed = list_metrics(_offer(config), config.metrics)
    if as_json:
        print(json_text({"metrics": [asdict(metric) for metric in listed]}))
        return
    from rich.console import Console

    from emqa_core.report.metric_list import print_metrics

    print_metrics(Console(), listed, is_checked=config.labels is not None)


def _offer(config: EvaluationConfig) -> Offer | None:
    """What the data set brings; predictions are not needed: without them labels and frames are looked at."""
    if config.labels is None:
        return None
    from emqa_core.pipeline.open_inputs import open_offer

    return open_offer(config)
