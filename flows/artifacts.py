"""What a flow run shows in Prefect: how far it is, the headline of each run, its metrics by importance."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from emqa_core.report.headline import Headline, read_headline
from emqa_core.report.importance import MetricEffect, Ranking, rank_metrics
from emqa_core.report.numbers import counted, interval, measure, threshold_text
from emqa_core.report.view import View, choose_view, rows_in_view
from emqa_core.storage.runs import Run

# Share of a run's time by stage, about; what a stage reports moves the artifact within its share.
STAGE_SHARES = {
    "read": 0.1,
    "evaluate": 0.58,
    "reduce": 0.1,
    "count": 0.15,
    "slices": 0.01,
    "finalize": 0.03,
    "report": 0.03,
}
UPDATE_EVERY_S = 1.0
TOP_METRICS = 10
IMPORTANCE_COLUMNS = (
    "target",
    "metric",
    "level",
    "importance",
    "importance_low",
    "importance_high",
    "is_significant",
    "noise_floor",
    "correlation",
    "correlation_low",
    "correlation_high",
    "n",
    "n_missing",
    "reason",
)


class ArtifactProgress:
    """Progress of one flow run as one Prefect artifact, updated at most once a second.

    Notes go to the flow run's log. The server may be away for a while: a night's work does not fail
    because its progress cannot be shown.
    """

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._shown_at = 0.0

    def start(self, stage: str, total: int) -> None:
        self._totals[stage], self._done[stage] = total, 0
        self._show(stage)

    def advance(self, stage: str, n: int = 1) -> None:
        self._done[stage] += n
        if time.monotonic() - self._shown_at >= UPDATE_EVERY_S:
            self._show(stage)

    def finish(self, stage: str) -> None:
        self._done[stage] = self._totals[stage] = max(self._totals[stage], 1)
        self._show(stage)

    def note(self, text: str) -> None:
        get_run_logger().info(text)

    def percentage(self, stage: str) -> float:
        """Percent of the whole run that is done while `stage` is running, 0..100."""
        names = list(STAGE_SHARES)
        if stage not in STAGE_SHARES:
            return 0.0
        before = sum(STAGE_SHARES[name] for name in names[: names.index(stage)])
        share = self._done[stage] / max(self._totals[stage], 1)
        return round(100 * (before + STAGE_SHARES[stage] * min(share, 1.0)), 1)

    def _show(self, stage: str) -> None:
        self._shown_at = time.monotonic()
        text = f"{stage}: {self._done[stage]} of {self._totals[stage]}"
        try:
            if self._artifact is None:
                # Typed for asynchronous callers too; a stage is not one.
                self._artifact = cast(
                    UUID, create_progress_artifact(self.percentage(stage), "emqa-progress", text)
                )
            else:
                update_progress_artifact(self._artifact, self.percentage(stage), text)
        except (HTTPError, PrefectException, OSError) as error:
            get_run_logger().warning("progress is not shown: %s", error)


def publish_results(runs: Sequence[Run]) -> None:
    """A markdown artifact and a table artifact for each run."""
    for run in runs:
        view = choose_view(run)
        row = run.row()
        model = artifact_key(str(row["model"]))
        create_markdown_artifact(
            result_text(run, view),
            f"emqa-result-{model}",
            f"{row['model']} on {row['dataset']}, {run.run_id}",
        )
        create_table_artifact(
            importance_rows(run, view),
            f"emqa-importance-{model}",
            f"Metric importance of {run.run_id} at T = {threshold_text(view.iou_threshold)}, all classes",
        )


def artifact_key(name: str) -> str:
    """A model's name in the characters that Prefect's keys allow: a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def result_text(run: Run, view: View) -> str:
    """Headline, most important metrics and the tables' place as Markdown."""
    row, headline = run.row(), read_headline(run, view)
    facts = ", ".join(
        [
            f"night of {row['run_date']}",
            counted(row["n_frames"], "frame"),
            counted(headline.counts["n_labels"], "label"),
            counted(headline.counts["n_predictions"], "prediction"),
            counted(headline.n_classes, "class", "classes"),
        ]
    )
    lines = [f"# {row['model']} on {row['dataset']}", "", facts + ".", "", *_figure_lines(headline)]
    for ranking in rank_metrics(run, view):
        lines += _ranking_lines(ranking)
    lines += [
        "## Tables",
        "",
        f"Run `{run.run_id}`, tables {', '.join(f'`{name}`' for name in run.tables)} in",
        "",
    ]
    lines += ["```", str(run.location), "```", ""]
    return "\n".join(lines)


def _figure_lines(headline: Headline) -> list[str]:
    lines = ["| measure | value | 95% interval |", "|---|---:|---|"]
    for figure in headline.figures:
        remark = interval(figure.low, figure.high) or figure.reason or ""
        lines.append(f"| {figure.name} | {measure(figure.value)} | {remark} |")
    if headline.coco:
        numbers = ", ".join(f"{name} {measure(value)}" for name, value in headline.coco.items())
        lines += ["", f"COCO: {numbers}"]
    return [*lines, ""]


def _ranking_lines(ranking: Ranking) -> list[str]:
    title = f"## What the outcome of a {ranking.target} depends on"
    if not ranking.told:
        return [title, "", "No metric tells more than chance.", ""]
    lines = [title, "", "| metric | importance | 95% interval | correlation |", "|---|---:|---|---:|"]
    lines += [_effect_line(effect) for effect in ranking.told[:TOP_METRICS]]
    if len(ranking.told) > TOP_METRICS:
        lines += ["", f"and {len(ranking.told) - TOP_METRICS} more in `metric_importance`."]
    return [*lines, ""]


def _effect_line(effect: MetricEffect) -> str:
    return (
        f"| {effect.metric} ({effect.level}) | {measure(effect.importance)}"
        f" | {interval(effect.importance_low, effect.importance_high)}"
        f" | {measure(effect.correlation, signed=True)} |"
    )


def importance_rows(run: Run, view: View) -> list[dict[str, Any]]:
    """Rows of `metric_importance` for a view by target, then importance, descending."""
    rows = rows_in_view(run, "metric_importance", view)
    rows.sort(key=lambda row: (row["target"], -(row["importance"] or 0.0), row["metric"]))
    return [{name: row[name] for name in IMPORTANCE_COLUMNS} for row in rows]
