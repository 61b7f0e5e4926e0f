"""COCO data sets as plain tables, and plain tables as the arrays of one partition."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emqa_core import keys
from emqa_core.objects import Frames, Labels, Predictions

BOX = ("x_px", "y_px", "width_px", "height_px")


def read_json(path: Path) -> Any:
    """A JSON file, plain or .gz."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def frames_of(coco: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """The frame table of a COCO data set, in frame order; its `sequence` as sequence_id."""
    images = sorted(coco["images"], key=lambda image: image["id"])
    frames = pd.DataFrame(
        {
            "frame_id": np.array([image["id"] for image in images], np.int64),
            "width_px": [float(image["width"]) for image in images],
            "height_px": [float(image["height"]) for image in images],
        }
    )
    if images and "sequence" in images[0]:
        frames["sequence_id"] = [image["sequence"] for image in images]
        frames["frame_index"] = [image["frame"] for image in images]
    return frames


def labels_of(coco: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """The label table of a COCO data set, in input order."""
    rows = coco["annotations"]
    names = {category["id"]: category["name"] for category in coco["categories"]}
    return pd.DataFrame(
        {
            "label_id": np.array([row["id"] for row in rows], np.int64),
            "frame_id": np.array([row["image_id"] for row in rows], np.int64),
            "class_id": np.array([row["category_id"] for row in rows], np.int64),
            "class_name": [names[row["category_id"]] for row in rows],
            **_boxes(rows),
            "area_px2": np.array([row.get("area", np.nan) for row in rows], np.float64),
            "is_crowd": np.array([bool(row.get("iscrowd", 0)) for row in rows]),
            "is_ignored": np.array([bool(row.get("ignore", 0)) for row in rows]),
        }
    )


def predictions_of(coco: dict[str, list[dict[str, Any]]], results: list[dict[str, Any]]) -> pd.DataFrame:
    """The prediction table of COCO results, in input order."""
    names = {category["id"]: category["name"] for category in coco["categories"]}
    return pd.DataFrame(
        {
            "prediction_id": np.arange(len(results), dtype=np.int64),
            "frame_id": np.array([row["image_id"] for row in results], np.int64),
            "class_id": np.array([row["category_id"] for row in results], np.int64),
            "class_name": [names[row["category_id"]] for row in results],
            "score": np.array([row["score"] for row in results], np.float64),
            **_boxes(results),
        }
    )


def _boxes(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    return {name: boxes[:, index] for index, name in enumerate(BOX)}


def partition_of(
    frames: pd.DataFrame, labels: pd.DataFrame, predictions: pd.DataFrame, classes: Sequence[Any]
) -> tuple[Frames, Labels, Predictions, np.ndarray, np.ndarray]:
    """Tables as the arrays of one partition, and for each array row the row of the table.

    Rows of classes that are not among `classes` are left out. frames are in frame order.
    """
    frame_hash = keys.hash_column(_id_column(frames["frame_id"]))
    frame_arrays = Frames(
        frame_hash,
        frame_hash,
        frames["width_px"].to_numpy(np.float64),
        frames["height_px"].to_numpy(np.float64),
    )
    label_common, label_rows = _objects(frames, labels, classes, "label_id", frame_hash)
    prediction_common, prediction_rows = _objects(frames, predictions, classes, "prediction_id", frame_hash)
    area = np.where(
        np.isnan(labels["area_px2"].to_numpy(np.float64)),
        labels["width_px"].to_numpy(np.float64) * labels["height_px"].to_numpy(np.float64),
        labels["area_px2"].to_numpy(np.float64),
    )
    return (
        frame_arrays,
        Labels(
            **label_common,
            area=area[label_rows],
            is_crowd=labels["is_crowd"].to_numpy(bool)[label_rows],
            is_ignored=labels["is_ignored"].to_numpy(bool)[label_rows],
        ),
        Predictions(**prediction_common, score=predictions["score"].to_numpy(np.float64)[prediction_rows]),
        label_rows,
        prediction_rows,
    )


def _id_column(ids: pd.Series) -> pa.Array:
    return pa.array(ids.tolist(), pa.int64() if ids.dtype.kind == "i" else pa.string())


def _objects(
    frames: pd.DataFrame, table: pd.DataFrame, classes: Sequence[Any], id_column: str, frame_hash: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    position = {frame_id: index for index, frame_id in enumerate(frames["frame_id"])}
    code = {class_id: index for index, class_id in enumerate(classes)}
    frame = np.array([position[frame_id] for frame_id in table["frame_id"]], np.int64)
    class_code = np.array([code.get(class_id, -1) for class_id in table["class_id"]], np.int32)
    rows = np.flatnonzero(class_code >= 0)
    rows = rows[np.argsort(frame[rows], kind="stable")]
    frame_start = np.searchsorted(frame[rows], np.arange(len(frames) + 1)).astype(np.int64)
    object_hash = keys.hash_column(_id_column(table[id_column]))
    common = {
        "frame_start": frame_start,
        "class_code": class_code[rows],
        "key_hash": keys.hash_objects(frame_hash, frame, object_hash)[rows],
    }
    for name, column in zip(("x", "y", "width", "height"), BOX, strict=True):
        common[name] = table[column].to_numpy(np.float64)[rows]
    return common, rows
