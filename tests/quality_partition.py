"""Partitions for the tests of quality metrics, from plain lists of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emqa_core import keys
from emqa_core.objects import Frames, Labels, Predictions

Box = tuple[float, float, float, float]


def frames_of(sizes: Sequence[tuple[float, float]], first_id: int = 0) -> Frames:
    """Frames of (width, height), with integer ids from `first_id`."""
    size = np.array(sizes, np.float64).reshape(-1, 2)
    key_hash = np.array([_hash(first_id + index) for index in range(len(sizes))], np.uint64)
    return Frames(key_hash, key_hash, *np.ascontiguousarray(size.T))


def labels_of(
    boxes: Sequence[Sequence[Box]],
    classes: Sequence[Sequence[int]] | None = None,
    crowd: Sequence[int] = (),
    ignored: Sequence[int] = (),
) -> Labels:
    """Labels by frame; `crowd` and `ignored` list rows."""
    arrays = _object_arrays(boxes, classes)
    rows = np.arange(len(arrays["x"]))
    return Labels(
        **arrays,
        area=arrays["width"] * arrays["height"],
        is_crowd=np.isin(rows, crowd),
        is_ignored=np.isin(rows, ignored),
    )


def predictions_of(
    boxes: Sequence[Sequence[Box]],
    classes: Sequence[Sequence[int]] | None = None,
    score: Sequence[float] | None = None,
) -> Predictions:
    """Predictions by frame."""
    arrays = _object_arrays(boxes, classes)
    scores = np.full(len(arrays["x"]), 0.5) if score is None else np.array(score, np.float64)
    return Predictions(**arrays, score=scores)


def _object_arrays(
    boxes: Sequence[Sequence[Box]], classes: Sequence[Sequence[int]] | None
) -> dict[str, np.ndarray]:
    rows = np.array([box for frame in boxes for box in frame], np.float64).reshape(-1, 4)
    codes = [[0] * len(frame) for frame in boxes] if classes is None else classes
    x, y, width, height = np.ascontiguousarray(rows.T)
    return {
        "frame_start": np.cumsum([0, *(len(frame) for frame in boxes)]),
        "class_code": np.array([code for frame in codes for code in frame], np.int32),
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "key_hash": np.array([_hash(10**6 + row) for row in range(len(rows))], np.uint64),
    }


def _hash(value: int) -> int:
    import pyarrow as pa

    return int(keys.hash_column(pa.array([value]))[0])
