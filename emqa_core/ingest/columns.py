"""The columns of the three input tables, and what sources may call them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from emqa_core.errors import ConfigError, InputError

Kind = Literal["frame", "label", "prediction"]
Content = Literal["id", "whole", "number", "flag", "text", "box"]

BOX = "box"
EMBEDDING = "embedding"  # a further column of lists of numbers that is kept
BOX_COLUMNS = ("x_px", "y_px", "width_px", "height_px")

# Keys of COCO and of its relatives that describe no property of a frame or object: addresses, licences,
# dates of download, file names beside an id, and geometry that boxes do not need.
LEFT_OUT = frozenset(
    {
        "bbox",
        "coco_url",
        "date_captured",
        "file_name",
        "flickr_url",
        "flickr_640_url",
        "keypoints",
        "license",
        "segmentation",
        "supercategory",
        "url",
    }
)


@dataclass(frozen=True)
class InputColumn:
    """A canonical column: what it holds, whether rows need it, and its accepted other names."""

    name: str
    content: Content
    required: bool = False
    aliases: tuple[str, ...] = ()


_FRAME_ID = InputColumn("frame_id", "id", True, ("image_id",))
_CLASS = (
    InputColumn("class_id", "id", False, ("category_id",)),
    InputColumn("class_name", "text", False, ("category_name",)),
)
_GEOMETRY = (
    InputColumn(BOX, "box", False, ("bbox",)),
    InputColumn("x_px", "number", True, ("x",)),
    InputColumn("y_px", "number", True, ("y",)),
    InputColumn("width_px", "number", True, ("width", "w")),
    InputColumn("height_px", "number", True, ("height", "h")),
)
_INPUT_INDEX = InputColumn("input_index", "whole")
_TRACK = InputColumn("track_id", "text")

COLUMNS: dict[Kind, tuple[InputColumn, ...]] = {
    "frame": (
        InputColumn("frame_id", "id", True, ("image_id", "id")),
        InputColumn("frame_order", "whole"),
        InputColumn("width_px", "number", False, ("width",)),
        InputColumn("height_px", "number", False, ("height",)),
        InputColumn("image_uri", "text", False, ("file_name",)),
        InputColumn("sequence_id", "text"),
        InputColumn("frame_index", "whole"),
        InputColumn("content_hash", "text"),
    ),
    "label": (
        InputColumn("label_id", "id", False, ("id",)),
        _FRAME_ID,
        _INPUT_INDEX,
        *_CLASS,
        *_GEOMETRY,
        InputColumn("area_px2", "number", False, ("area",)),
        InputColumn("is_crowd", "flag", False, ("iscrowd",)),
        InputColumn("is_ignored", "flag", False, ("ignore",)),
        _TRACK,
    ),
    "prediction": (
        InputColumn("prediction_id", "id", False, ("id",)),
        _FRAME_ID,
        _INPUT_INDEX,
        *_CLASS,
        InputColumn("score", "number", True, ("confidence",)),
        *_GEOMETRY,
        _TRACK,
    ),
}
OBJECT_ID: dict[Kind, str] = {"frame": "frame_id", "label": "label_id", "prediction": "prediction_id"}


_ANY_LAYOUT: Mapping[str, str] = {}
# In COCO's layout these keys decide: a video data set's `frame_id` is a position, its `id` the frame.
COCO_LAYOUT: dict[Kind, Mapping[str, str]] = {
    "frame": {"frame_id": "id", "image_uri": "file_name"},
    "label": {"frame_id": "image_id", "class_id": "category_id", "label_id": "id"},
    "prediction": {"frame_id": "image_id", "class_id": "category_id"},
}


def content_of(kind: Kind, name: str) -> Content | None:
    """What a canonical column holds; None for a further column."""
    return next((column.content for column in COLUMNS[kind] if column.name == name), None)


def canonical_names(
    kind: Kind,
    found: Collection[str],
    mapping: Mapping[str, str],
    source: str,
    layout: Mapping[str, str] = _ANY_LAYOUT,
) -> dict[str, str]:
    """Name in the source -> canonical name; further columns keep theirs, columns left out are absent.

    A name in `mapping` (canonical -> source) wins over one in `layout` (what the format calls a column),
    that over the canonical name itself, that over an alias. A further column whose name the layout has
    taken is left out. Raises ConfigError for a mapping to no canonical column, InputError for a further
    column whose name a mapped one has taken.
    """
    _check_mapping(kind, mapping)
    fixed = {canonical: name for canonical, name in layout.items() if name not in mapping.values()}
    fixed = {canonical: name for canonical, name in fixed.items() if name in found} | dict(mapping)
    names = {name: canonical for canonical, name in fixed.items() if name in found}
    for column in _wanted_columns(kind, found, names.values()):
        for candidate in (column.name, *column.aliases):
            if candidate in found and candidate not in names and column.name not in fixed:
                names[candidate] = column.name
                break
    taken = set(names.values())
    for name in found:
        if name in names or name in LEFT_OUT or (name in fixed and fixed[name] != mapping.get(name)):
            continue
        if name in taken:
            raise InputError(
                f"{source}: column {name!r} and the mapped columns.{kind}.{name} clash",
                next_step=f"rename column {name!r} or map it too",
            )
        if name not in mapping:
            names[name] = name
    return names


def _check_mapping(kind: Kind, mapping: Mapping[str, str]) -> None:
    columns = [column.name for column in COLUMNS[kind]]
    for canonical in mapping:
        if canonical not in columns:
            near = difflib.get_close_matches(canonical, columns, n=1)
            raise ConfigError(
                f"columns.{kind}.{canonical} is not a column of the {kind} table",
                expected=f"one of {', '.join(columns)}",
                next_step=f"did you mean {near[0]!r}?" if near else "further columns keep their names",
            )


def _wanted_columns(kind: Kind, found: Collection[str], taken: Collection[str]) -> list[InputColumn]:
    """The columns to look for: a box as four columns, or else as one, not as both."""
    sides = [column for column in COLUMNS[kind] if column.name in BOX_COLUMNS and kind != "frame"]
    has_sides = all(side.name in taken or {side.name, *side.aliases} & set(found) for side in sides)
    has_box = BOX in taken or (not has_sides and {BOX, "bbox"} & set(found))
    passed = {BOX} if has_sides and BOX not in taken else set(BOX_COLUMNS) if has_box and sides else set()
    return [column for column in COLUMNS[kind] if column.name not in passed and column.name not in taken]


def check_columns(
    kind: Kind, found: Collection[str], canonical: Collection[str], mapping: Mapping[str, str], source: str
) -> None:
    """Raise InputError naming the first column that a source lacks altogether.

    `found`: names as in the source; `canonical`: the canonical ones among them.
    """
    listed = ", ".join(sorted(found)[:30]) or "no columns"
    for canonical_name, name in mapping.items():
        if name not in found:
            raise InputError(
                f"{source} has no column {name!r}, which columns.{kind}.{canonical_name} names",
                expected=f"column {name!r}",
                found=listed,
                next_step=f"correct columns.{kind}.{canonical_name}",
            )
    sides = [name for name in BOX_COLUMNS if name in canonical]
    if kind != "frame" and BOX not in canonical and not sides:
        raise InputError(
            f"{source} has no boxes",
            expected="'bbox' with x, y, width, height; or 'x_px', 'y_px', 'width_px', 'height_px'",
            found=listed,
            next_step="segmentations and keypoints alone cannot be evaluated: add their boxes"
            if {"segmentation", "keypoints"} & set(found)
            else f"add them, or name them with --set columns.{kind}.x_px=NAME and so on",
        )
    for column in COLUMNS[kind]:
        if not column.required or column.name in canonical:
            continue
        if column.name in BOX_COLUMNS and BOX in canonical:
            continue
        accepted = " or ".join(repr(name) for name in (column.name, *column.aliases))
        hint = f"add it, or name it with --set columns.{kind}.{column.name}=NAME"
        if column.name == "score":
            hint = f"if it is a file of labels, give it as --labels; else {hint}"
        raise InputError(
            f"{source} has no column {column.name!r}", expected=accepted, found=listed, next_step=hint
        )
    if kind != "frame" and not {"class_id", "class_name"} & set(canonical):
        raise InputError(
            f"{source} has no class column",
            expected="'class_id', 'category_id', 'class_name' or 'category_name'",
            found=listed,
            next_step=f"add one, or name it with --set columns.{kind}.class_id=NAME",
        )
