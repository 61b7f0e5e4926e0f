"""`emqa validate`: the plan of a run, and nothing written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emqa_core.cli.machine import json_text
from emqa_core.cli.progress import open_progress
from emqa_core.report.numbers import count

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig
    from emqa_core.pipeline.dry_run import CheckedRows
    from emqa_core.pipeline.plan import Plan


WHERE = {"none": "in one process", "local": "on workers of this machine"}


def validate_run(config: EvaluationConfig, *, as_json: bool, quiet: bool) -> None:
    """Print the plan. Raises what `emqa run` would raise before it evaluates."""
    from emqa_core.pipeline.dry_run import check_rows
    from emqa_core.pipeline.plan import plan_run

    # A plan looks for runs that are committed already; without an output there is no place to look.
    nowhere = str(Path(tempfile.gettempdir()) / "emqa-no-output")
    located = config if config.output is not None else config.model_copy(update={"output": nowhere})
    with open_progress(quiet=quiet) as progress:
        plan = plan_run(located, progress)
        checked = check_rows(plan, progress)
    if as_json:
        described = plan.describe() | {
            "output": config.output,
            "n_quarantined": checked.n_bad,
            "n_unlisted": checked.n_unlisted,
        }
        print(json_text(described))
        return
    for name, value in _lines(plan, checked, config.output):
        print(f"{name:<14}{value}".rstrip())


def _lines(plan: Plan, checked: CheckedRows, output: str | None) -> Iterator[tuple[str, Any]]:
    described: dict[str, Any] = plan.describe()
    yield "output", output or "none given: nothing would be kept"
    yield "frames", count(described["n_frames"])
    yield "labels", f"{count(described['n_labels'])} of {count(described['n_classes'])} classes"
    for model, n in described["n_predictions"].items():
        run = f"run {described['runs'][model]}"
        committed = ", committed already: nothing to do" if model in plan.committed else ""
        yield "predictions", f"{count(n)} of model {model}, {run}{committed}"
        if checked.n_unlisted[model]:
            yield "", f"{count(checked.n_unlisted[model])} of classes that the labels do not list"
    yield "metrics", ", ".join(count(n) for n in sorted(set(described["n_metrics"].values())))
    yield "partitions", count(plan.n_partitions)
    yield "runs", WHERE.get(described["cluster"], f"on {described['cluster']}")
    memory = f"{count(described['projected_memory_mib'])} MiB for the largest task"
    yield "memory", f"{memory}, {count(described['memory_per_worker_mib'])} MiB allowed"
    bad = [
        f"{count(n)} {reason} in {source.replace(':', ' of model ')}"
        for source, reasons in checked.n_bad.items()
        for reason, n in reasons.items()
    ]
    yield "bad rows", bad[0] if bad else "none"
    yield from (("", text) for text in bad[1:])
    yield "", ""
    yield "", "Nothing was written. `emqa run` with the same options evaluates it."
