"""`emqa worst`: frames and objects to look at or to label again, as a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emqa_core.errors import ConfigError

if TYPE_CHECKING:
    from emqa_core.config import StorageConfig

_TYPES = {"csv": "text/csv; charset=utf-8", "coco": "application/json"}
FORMATS = tuple(_TYPES)


def export_worst(
    output: str,
    run: str | None,
    storage: StorageConfig,
    *,
    by: str,
    class_: str | None,
    limit: int,
    format_: str,
    to: str | None,
) -> None:
    """Write the worst objects or frames to a file, or to stdout."""
    if format_ not in FORMATS:
        raise ConfigError(f"there is no format {format_!r}", expected=f"one of {', '.join(FORMATS)}")
    if limit < 1:
        raise ConfigError("--limit is the number of rows at most", expected="1 or more", found=str(limit))
    from emqa_core.report.view import choose_view
    from emqa_core.report.worst_files import coco_of_frames, coco_of_objects, csv_text
    from emqa_core.report.worst_objects import FRAME, worst_frames, worst_objects
    from emqa_core.storage.location import Location
    from emqa_core.storage.runs import read_run

    place = None if to is None else Location.of(to, storage)
    found = read_run(output, run, storage)
    view = choose_view(found, class_)
    if by == FRAME:
        rows = worst_frames(found, view, limit)
        text = csv_text(rows, of_frames=True) if format_ == "csv" else coco_of_frames(found, rows, view)
    else:
        rows = worst_objects(found, by, view, limit)
        text = csv_text(rows, of_frames=False) if format_ == "csv" else coco_of_objects(found, rows)
    if place is None:
        sys.stdout.write(text)
        return
    place.write_bytes(text.encode(), content_type=_TYPES[format_])
    print(f"{len(rows)} {'frames' if by == FRAME else 'objects'} in {place}")
