"""The last stage: a page of each run beside its tables."""

from __future__ import annotations

from collections.abc import Sequence

from emqa_core.errors import EmqaError
from emqa_core.pipeline.plan import Plan
from emqa_core.pipeline.progress import Progress
from emqa_core.storage.runs import Run


def write_pages(plan: Plan, runs: Sequence[Run], progress: Progress) -> None:
    """Write the pages that are not there yet, where the configuration asks for pages.

    A run is whole without its page: where one cannot be written, the run's user is told why and how to make
    it later.
    """
    from emqa_core.report.html.stored_page import page_location, write_page

    wanted = [run for run in runs if plan.config.report]
    missing = [run for run in wanted if not page_location(plan.location, run.run_id).exists()]
    if not missing:
        return
    progress.start("report", len(missing))
    for run in missing:
        try:
            progress.note(f"page: {write_page(plan.location, run, images=plan.config.images).place}")
        except EmqaError as error:
            again = f"emqa report {plan.config.output} --run {run.run_id}"
            progress.note(f"no page of {run.run_id}: {error}; make it with: {again}")
        progress.advance("report")
    progress.finish("report")
