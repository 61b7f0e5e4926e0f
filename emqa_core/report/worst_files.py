"""The worst objects and frames as CSV, or as a COCO file that tools for labelling and pycocotools open."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emqa_core.report.view import Row, View, plain_rows, rows_where
from emqa_core.report.worst_objects import FRAME_COLUMNS, OBJECT_COLUMNS, SOURCES

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_BOX = ("x_px", "y_px", "width_px", "height_px")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What a number says and nothing else does, and any reader of JSON holds exactly.
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")


def csv_text(rows: Sequence[Row], *, of_frames: bool) -> str:
    """A line per row, after the names of the columns; null is empty. Lines end as RFC 4180 has it.

    A text that a spreadsheet would take for a formula is set off by an apostrophe, as in the page's files.
    """
    text = io.StringIO()
    # Python quotes a line break within a text only where lines end in it; a reader may take either for one.
    writer = csv.DictWriter(
        text, FRAME_COLUMNS if of_frames else OBJECT_COLUMNS, extrasaction="ignore", lineterminator="\r\n"
    )
    writer.writeheader()
    writer.writerows({name: _set_off(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _set_off(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def coco_of_objects(run: Run, rows: Sequence[Row]) -> str:
    """Chosen objects as annotations, and the frames that hold them as images, in order of choice."""
    frames = _frames(run, {str(row["frame_id"]) for row in rows})
    chosen = [frames[frame_id] for frame_id in dict.fromkeys(str(row["frame_id"]) for row in rows)]
    return _coco(run, chosen, rows)


def coco_of_frames(run: Run, frames: Sequence[Row], view: View) -> str:
    """Chosen frames as images, in order of choice, with all objects of the view as annotations."""
    order = {row["frame_order"]: place for place, row in enumerate(frames)}
    rows: list[Row] = []
    for source in ("label", "prediction"):
        size = ["score"] if source == "prediction" else ["area_px2", "is_crowd"]
        columns = [
            *("frame_id", "frame_order", "input_index", "class_id", "class_name", "outcome", "error_type"),
            *(*_BOX, f"{source}_id", *size),
        ]
        for batch in run.batches(source, columns, np.sort(np.array(list(order), np.int64))):
            rows += [
                row | {"source": source, "object_id": row[f"{source}_id"]}
                for row in plain_rows(batch)
                if view.class_id in (None, row["class_id"])
            ]
    rows.sort(key=lambda row: (order[row["frame_order"]], -SOURCES.index(row["source"]), row["input_index"]))
    return _coco(run, frames, rows)


def _frames(run: Run, wanted: set[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for batch in run.batches("frame", ["frame_id", "image_uri", "width_px", "height_px"]):
        found |= {row["frame_id"]: row for row in plain_rows(batch) if row["frame_id"] in wanted}
    return found


def _coco(run: Run, frames: Iterable[Row], rows: Sequence[Row]) -> str:
    """Images are numbered by place, and categories unless all ids are whole numbers written plainly."""
    images, image_of = [], {}
    for number, frame in enumerate(frames, 1):
        image_of[frame["frame_id"]] = number
        images.append(
            {
                "id": number,
                "file_name": frame["image_uri"] or frame["frame_id"],
                "width": round(frame["width_px"] or 0),
                "height": round(frame["height_px"] or 0),
                "frame_id": frame["frame_id"],
            }
        )
    classes = {
        row["class_id"]: row["class_name"]
        for row in rows_where(run, "class_performance", scope="class", area_range="all", iou_threshold=None)
    }
    are_numbers = all(_NUMBER.fullmatch(class_id) for class_id in classes)
    category_of = {
        class_id: int(class_id) if are_numbers else place for place, class_id in enumerate(classes, 1)
    }
    annotations = [
        _annotation(number, image_of[row["frame_id"]], category_of[row["class_id"]], row)
        for number, row in enumerate(rows, 1)
    ]
    categories = [{"id": category_of[class_id], "name": name} for class_id, name in classes.items()]
    content = {
        "info": {"description": f"worst of {run.run_id}"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _annotation(number: int, image_id: int, category_id: int, row: Row) -> dict[str, Any]:
    box = [row[name] for name in _BOX]
    area = row.get("area_px2")
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "area": box[2] * box[3] if area is None else area,
        "iscrowd": int(bool(row.get("is_crowd"))),
        **{name: row[name] for name in ("source", "object_id", "outcome", "error_type")},
    }
    if row["source"] == "prediction":
        annotation["score"] = row["score"]
    return annotation
