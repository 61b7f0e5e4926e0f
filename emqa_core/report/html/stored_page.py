"""The page of a run beside its tables: `report/RUN_ID.html` of the output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from emqa_core.config import ImagesConfig
from emqa_core.report.examples.collection import read_examples
from emqa_core.report.examples.document import examples_json
from emqa_core.report.html.page import page_html
from emqa_core.report.view import plain_rows
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs

FOLDER = "report"
_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True)
class WrittenPage:
    """Where a page is, how many frames it shows, and why some of them have no picture: frames by reason."""

    place: Location
    n_frames: int
    without_picture: dict[str, int]


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
) -> WrittenPage:
    """Write the page of a run, beside its tables or elsewhere. Raises StorageError.

    to: a file, or a folder that there is. images: where the images of the examples lie and how they are read,
    None: as the run did.
    """
    place = to or page_location(output, run.run_id)
    if to is not None and to.is_folder():
        place = to.child(f"{run.run_id}.html")
    found = read_examples(run, images=images) if with_examples else None
    examples = None if found is None else examples_json(found)
    text = page_html(run, run_before(output, run), examples=examples)
    place.write_bytes(text.encode(), content_type=_TYPE)
    pictures = () if found is None else found.pictures
    without = Counter(picture.reason for picture in pictures if picture.reason is not None)
    return WrittenPage(place, len(pictures), dict(without))


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
