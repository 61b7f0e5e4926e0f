"""`emqa report`: a run as one HTML file, and its main charts as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emqa_core.cli.machine import json_text

if TYPE_CHECKING:
    from emqa_core.config import EvaluationConfig


def write_report(
    output: str,
    run: str | None,
    config: EvaluationConfig,
    *,
    to: str | None,
    with_examples: bool,
    charts: str | None,
    as_json: bool,
) -> None:
    """Write the page, and the pictures where a folder for them is given; print where they are."""
    from emqa_core.report.html.stored_page import write_page
    from emqa_core.storage.location import Location
    from emqa_core.storage.runs import read_run

    location = Location.of(output, config.storage)
    found = read_run(location, run)
    page = write_page(
        location,
        found,
        to=None if to is None else Location.of(to, config.storage),
        images=config.images if config.images.root is not None else None,
        with_examples=with_examples,
    )
    pictures: list[Location] = []
    if charts is not None:
        from emqa_core.report.html.pictures import write_pictures

        pictures = write_pictures(found, Location.of(charts, config.storage))
    if as_json:
        written = {"page": str(page.place), "charts": [str(picture) for picture in pictures]}
        print(json_text({"run_id": found.run_id, **written, "without_picture": page.without_picture}))
        return
    print(f"page    {page.place}")
    if page.without_picture:
        n = sum(page.without_picture.values())
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(page.without_picture.items()))
        print(f"        {n} of {page.n_frames} example frames have no picture: {reasons}")
    for picture in pictures:
        print(f"chart   {picture}")
