"""The page of a run beside its tables: `report/RUN_ID.html` of the output."""

from __future__ import annotations

from emqa_core.config import ImagesConfig
from emqa_core.report.examples.collection import read_examples
from emqa_core.report.examples.document import examples_json
from emqa_core.report.html.page import page_html
from emqa_core.report.view import plain_rows
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs

FOLDER = "report"
_TYPE = "text/html; charset=utf-8"


def page_location(output: Location, run_id: str) -> Location:
    """Where the page of a run lies."""
    return output.child(FOLDER, f"{run_id}.html")


def write_page(
    output: Location,
    run: Run,
    *,
    to: Location | None = None,
    images: ImagesConfig | None = None,
    with_examples: bool = True,
) -> Location:
    """Write the page of a run, beside its tables or elsewhere; returns where it is. Raises StorageError.

    images: where the images of the examples lie and how they are read, None: as the run did.
    """
    place = to or page_location(output, run.run_id)
    examples = examples_json(read_examples(run, images=images)) if with_examples else None
    text = page_html(run, run_before(output, run), examples=examples)
    place.write_bytes(text.encode(), content_type=_TYPE)
    return place


def run_before(output: Location, run: Run) -> Run | None:
    """The last run of the same model on the same data set for an earlier night; None for the first."""
    rows = plain_rows(list_runs(output))
    own = next((row for row in rows if row["run_id"] == run.run_id), None)
    if own is None:
        return None
    for row in rows:  # newest first
        same = all(row[name] == own[name] for name in ("model", "dataset"))
        if same and row["run_date"] < own["run_date"]:
            return Run(row["run_id"], output)
    return None
