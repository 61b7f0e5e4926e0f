"""Runs over pictures that a test makes, and what the oracle says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from emqa_core import evaluate
from tests.metric_values import BOX, box_of, object_rows
from tests.oracles.pixel_statistics import (
    FRAME_METRICS,
    OBJECT_METRICS,
    Box,
    frame_statistics,
    object_statistics,
    planes_of,
)

Boxes = Mapping[str, Sequence[Box]]


def filled(height: int, width: int, colour: Sequence[int]) -> np.ndarray:
    """A picture of one colour."""
    return np.full((height, width, 3), np.array(colour, np.uint8), np.uint8)


def random_picture(rng: np.random.Generator, height: int, width: int, n_colours: int = 200) -> np.ndarray:
    """Blocks of 1 to 5 pixels in strong and pale, dark and bright colours, `n_colours` of them at most."""
    colours = rng.integers(0, 256, (n_colours, 3))
    pale = rng.random(n_colours) < 0.3
    colours[pale] = colours[pale, :1] + rng.integers(-12, 13, (int(pale.sum()), 3))
    block = int(rng.integers(1, 6))
    shape = (-(-height // block), -(-width // block))
    codes = rng.integers(0, n_colours, shape).repeat(block, 0).repeat(block, 1)[:height, :width]
    return np.clip(colours, 0, 255).astype(np.uint8)[codes]


def random_boxes(rng: np.random.Generator, height: int, width: int, n: int) -> list[Box]:
    """Boxes inside, across the edges and outside of a frame; whole and broken numbers, and empty sides."""
    boxes = []
    for _ in range(n):
        box = np.concatenate([rng.uniform(-0.4, 1.1, 2), rng.uniform(0, 0.9, 2)])
        box *= (width, height, width, height)
        box = np.round(box) if rng.random() < 0.3 else np.round(box, int(rng.integers(1, 13)))
        if rng.random() < 0.05:
            box[2 + int(rng.integers(2))] = 0.0
        boxes.append(tuple(float(side) for side in box))
    return boxes


def write_pictures(folder: Path, pictures: Mapping[str, np.ndarray]) -> None:
    """Each picture as an 8-bit RGB PNG `<frame id>.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame_id, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{frame_id}.png")


def frames_of_pictures(
    pictures: Mapping[str, np.ndarray], uris: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The frame table: sizes of the pictures, and the files of `write_pictures` unless `uris` says others."""
    return pd.DataFrame(
        [
            {
                "frame_id": frame_id,
                "width_px": float(picture.shape[1]),
                "height_px": float(picture.shape[0]),
                "image_uri": f"{frame_id}.png" if uris is None else uris[frame_id],
            }
            for frame_id, picture in pictures.items()
        ]
    )


def whole_frames(frames: pd.DataFrame) -> dict[str, list[Box]]:
    """For each frame one box that is the frame."""
    return {
        row["frame_id"]: [(0.0, 0.0, row["width_px"], row["height_px"])] for row in frames.to_dict("records")
    }


def rows_of_boxes(boxes: Boxes, id_column: str) -> pd.DataFrame:
    """A label or prediction table of boxes by frame."""
    return object_rows(
        [
            {"frame_id": frame_id, **dict(zip(BOX, box, strict=True))}
            for frame_id, of_frame in boxes.items()
            for box in of_frame
        ],
        id_column,
    )


def evaluate_pictures(
    root: Path,
    frames: pd.DataFrame,
    boxes: Boxes | None = None,
    *,
    images: Mapping[str, Any] | None = None,
    partitions: int = 1,
    **options: Any,
) -> Any:
    """A run of the pixel metrics, with labels and predictions at `boxes` (default: the whole frames).

    Any share of images may be bad.
    """
    boxes = whole_frames(frames) if boxes is None else boxes
    return evaluate(
        frames=frames,
        labels=rows_of_boxes(boxes, "label_id"),
        predictions=rows_of_boxes(boxes, "prediction_id"),
        **{
            "metrics": ["pixels"],
            "images": {"root": str(root), **(images or {})},
            "cluster": {"address": "none", "partitions": partitions},
            "intervals": False,
            "iou_thresholds": [0.5],
            "max_quarantine_share": 1.0,
            **options,
        },
    )


def expected_frames(pictures: Mapping[str, np.ndarray | None]) -> pd.DataFrame:
    """The oracle's metrics of frames, by frame id; NaN where there is no picture."""
    rows = {
        frame_id: dict.fromkeys(FRAME_METRICS, np.nan)
        if picture is None
        else frame_statistics(planes_of(picture))
        for frame_id, picture in pictures.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def expected_objects(pictures: Mapping[str, np.ndarray | None], table: pd.DataFrame) -> pd.DataFrame:
    """The oracle's metrics of a label or prediction table, row by row; NaN where there is no picture."""
    planes = {
        frame_id: None if picture is None else planes_of(picture) for frame_id, picture in pictures.items()
    }
    rows = []
    for row in table.to_dict("records"):
        of_frame = planes[row["frame_id"]]
        rows.append(
            dict.fromkeys(OBJECT_METRICS, np.nan)
            if of_frame is None
            else object_statistics(of_frame, box_of(row))
        )
    return pd.DataFrame(rows, index=np.arange(len(table)), columns=list(OBJECT_METRICS))
