"""COCO JSON: an object of images, annotations and categories, or an array of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core import schema
from emqa_core.combined import combined
from emqa_core.errors import InputError
from emqa_core.ingest import quarantine
from emqa_core.ingest.columns import COCO_LAYOUT
from emqa_core.ingest.json_rows import JsonRows
from emqa_core.ingest.json_stream import Block, JsonStream
from emqa_core.ingest.quarantine import BadRows

ClassId = int | str
_LABEL_KEYS = ("images", "annotations", "categories")


class CocoLabels:
    """The labels of one or several files of COCO instances."""

    def __init__(self, frame_names: Mapping[str, str], label_names: Mapping[str, str]) -> None:
        self.frames = JsonRows("frame", frame_names, BadRows("frame"), COCO_LAYOUT["frame"])
        self.labels = JsonRows("label", label_names, BadRows("label"), COCO_LAYOUT["label"])
        self.classes: dict[ClassId, str] = {}

    def read(self, stream: JsonStream, source: str) -> bool:
        """Take in a file; whether it is a COCO object, not an array of labels.

        Raises InputError if it is neither.
        """
        self.labels.begin(f"{source} (annotations)")
        if stream.peek() == b"[":
            self.labels.begin(source)
            for block in stream.array(self.labels.decoder):
                _refuse_results(block, source)
                self.labels.add(block)
            self.labels.end()
            stream.end()
            return False
        self.frames.begin(f"{source} (images)")
        found: list[str] = []
        for key in stream.read_keys():
            found.append(key)
            if key == "images":
                _add_array(stream, self.frames)
            elif key == "annotations":
                _add_array(stream, self.labels)
            elif key == "categories":
                self._add_categories(stream.value(), source)
            else:
                stream.skip()
        missing = [key for key in _LABEL_KEYS if key not in found]
        if missing:
            raise InputError(
                f"{source} is not a file of COCO labels: it has no {missing[0]!r}",
                expected="an object with the keys images, annotations and categories",
                found=", ".join(found[:20]) or "an empty object",
                next_step="check the path; rows on lines of their own need the suffix .jsonl",
            )
        stream.end()
        return True

    def label_table(self) -> pa.Table:
        """The labels with their class names; those of a class not listed go to quarantine."""
        table = self.labels.table()
        ids = list(self.classes)
        listed = pa.array(ids if all(isinstance(i, int) for i in ids) else [str(i) for i in ids])
        class_id = table["class_id"]
        if listed.type != class_id.type:
            listed, class_id = listed.cast(pa.string()), class_id.cast(pa.string())
        code = combined(pc.index_in(class_id, value_set=listed))
        if code.null_count:
            self._list_unknown(table.filter(pc.is_null(code)))
            table = table.filter(pc.is_valid(code))
            code = code.drop_null()
        names = pa.DictionaryArray.from_arrays(code, pa.array(list(self.classes.values()), pa.string()))
        position = table.schema.get_field_index("class_id") + 1
        if "class_name" in table.column_names:
            table = table.drop_columns("class_name")
        return table.add_column(position, pa.field("class_name", schema.LABEL), names)

    def _list_unknown(self, table: pa.Table) -> None:
        columns = ("input_index", "class_id", "frame_id", "label_id")
        for row, class_id, frame_id, label_id in zip(
            *(table[name].to_pylist() for name in columns), strict=True
        ):
            reason = quarantine.CLASS_MISSING if class_id is None else quarantine.UNKNOWN_CLASS
            self.labels.bad.add(row, reason, "class_id", class_id, frame_id, label_id)

    def _add_categories(self, rows: Any, source: str) -> None:
        if not isinstance(rows, list):
            raise InputError(
                f"{source}: 'categories' is not an array",
                found=quarantine.shown(rows),
                next_step="check the file",
            )
        names = {name: class_id for class_id, name in self.classes.items()}
        for row in rows:
            try:
                category = msgspec.convert(row, _Category)
            except msgspec.ValidationError as error:
                raise InputError(
                    f"{source}: a category cannot be read: {error}",
                    expected="an id (whole number or text) and a name",
                    found=quarantine.shown(row),
                    next_step="correct the categories",
                ) from None
            name = str(category.id) if category.name is None else category.name
            if self.classes.get(category.id, name) != name or names.get(name, category.id) != category.id:
                raise InputError(
                    f"{source}: categories clash: id {category.id!r} with name {name!r}",
                    expected="one name for each id and one id for each name",
                    found=f"id {names[name]!r} with the same name"
                    if name in names
                    else f"name {self.classes[category.id]!r} with the same id",
                    next_step="give each category an id and a name of its own",
                )
            self.classes[category.id] = name
            names[name] = category.id


class _Category(msgspec.Struct):
    id: int | str
    name: str | None = None


def read_results(stream: JsonStream, rows: JsonRows, source: str) -> None:
    """Take in predictions: an array of results, or annotations with scores inside a COCO object.

    Raises InputError for a file of labels.
    """
    rows.begin(source)
    if stream.peek() == b"{":
        found: list[str] = []
        for key in stream.read_keys():
            found.append(key)
            if key == "annotations":
                _add_array(stream, rows)
            else:
                stream.skip()
        if "annotations" not in found:
            raise InputError(
                f"{source} is not a file of COCO results",
                expected="an array of objects with image_id, category_id, bbox and score",
                found=f"an object with the keys {', '.join(found[:20]) or '(none)'}",
                next_step="check the path; rows on lines of their own need the suffix .jsonl",
            )
    else:
        _add_array(stream, rows)
    stream.end()


def read_images(stream: JsonStream, rows: JsonRows, source: str) -> None:
    """Take in frames: the images of a COCO object, or an array of frames."""
    rows.begin(source)
    if stream.peek() == b"{":
        for key in stream.read_keys():
            if key == "images":
                _add_array(stream, rows)
            else:
                stream.skip()
    else:
        _add_array(stream, rows)
    stream.end()


def _add_array(stream: JsonStream, rows: JsonRows) -> None:
    for block in stream.array(rows.decoder):
        rows.add(block)
    rows.end()


def _refuse_results(block: Block, source: str) -> None:
    """Raise InputError where rows that were given as labels have scores."""
    keys = set() if block.typed else {key for row in block.rows if isinstance(row, dict) for key in row}
    if "score" in keys:
        raise InputError(
            f"{source} is a file of predictions, given as labels",
            expected="an object with the keys images, annotations and categories",
            found=f"an array of objects with {', '.join(sorted(keys))}",
            next_step="give it as --predictions",
        )
