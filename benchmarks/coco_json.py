"""Tables of frames, labels and predictions as the two files of COCO JSON, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TextIO

import pyarrow as pa

BOX = ("x_px", "y_px", "width_px", "height_px")
LABEL_KEYS = {
    "label_id": "id",
    "frame_id": "image_id",
    "class_id": "category_id",
    "area_px2": "area",
    "is_crowd": "iscrowd",
}
PREDICTION_KEYS = {"frame_id": "image_id", "class_id": "category_id", "score": "score"}


def coco_rows(table: pa.Table, names: dict[str, str]) -> Iterator[dict[str, object]]:
    """Rows of a label or prediction table as COCO writes them; names: column -> COCO's key."""
    for batch in table.to_batches(max_chunksize=100_000):
        columns = {name: batch.column(name).to_pylist() for name in names}
        columns.update({name: batch.column(name).to_pylist() for name in BOX})
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            yield {**{key: row[name] for name, key in names.items()}, "bbox": [row[name] for name in BOX]}


def write_array(file: TextIO, rows: Iterator[dict[str, object]]) -> None:
    """A JSON array, written row by row: the rows of XL as Python objects take more than a machine has."""
    file.write("[")
    file.writelines(f"{', ' if index else ''}{json.dumps(row)}" for index, row in enumerate(rows))
    file.write("]")


def write_labels(file: TextIO, tables: dict[str, pa.Table], n_classes: int) -> None:
    """images, annotations and categories."""
    label = tables["label"]
    position = label.column_names.index("is_crowd")
    label = label.set_column(position, "is_crowd", label["is_crowd"].cast(pa.int8()))
    images = (
        {"id": row["frame_id"], "width": int(row["width_px"]), "height": int(row["height_px"])}
        for batch in tables["frame"].to_batches(max_chunksize=100_000)
        for row in batch.to_pylist()
    )
    categories = [{"id": code + 1, "name": f"class {code + 1}"} for code in range(n_classes)]
    file.write('{"images": ')
    write_array(file, images)
    file.write(', "annotations": ')
    write_array(file, coco_rows(label, LABEL_KEYS))
    file.write(f', "categories": {json.dumps(categories)}}}')


def write_predictions(file: TextIO, tables: dict[str, pa.Table], _n_classes: int) -> None:
    """An array of results."""
    write_array(file, coco_rows(tables["prediction"], PREDICTION_KEYS))


WRITE_JSON = {"labels": write_labels, "predictions": write_predictions}
