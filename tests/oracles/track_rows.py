"""Track metrics by their definitions: for each row, every other row of its track is looked at."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

METRICS = (
    "object_track_age",
    "object_track_speed_px",
    "object_track_iou_previous",
    "object_track_gap",
)
Track = tuple[Hashable, Hashable]  # sequence and track id


@dataclass(frozen=True)
class Place:
    """Where one row of a track lies: index of its frame, place in its source, and its box."""

    frame_index: int
    row: int
    x: float
    y: float
    width: float
    height: float


def track_metrics(frames: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """The four metrics of each row of a label or prediction table, NaN for null; indexed 0, 1, ...

    frames: frame_id, sequence_id, frame_index; objects: frame_id, track_id, the box columns; rows in input
    order. Labels and predictions are tracked apart, classes are not. A row without a track, sequence or
    frame index has no metric. The track starts where it is first seen in its sequence.
    """
    of_frame = {row["frame_id"]: row for row in frames.to_dict("records")}
    places: list[tuple[Track, Place] | None] = [
        _place(number, row, of_frame[row["frame_id"]])
        for number, row in enumerate(objects.to_dict("records"))
    ]
    tracks: dict[Track, list[Place]] = {}
    for found in places:
        if found is not None:
            tracks.setdefault(found[0], []).append(found[1])
    rows = [
        dict.fromkeys(METRICS, math.nan) if found is None else _metrics(found[1], tracks[found[0]])
        for found in places
    ]
    return pd.DataFrame(rows, columns=list(METRICS))


def _place(number: int, row: Mapping[Any, Any], frame: Mapping[Any, Any]) -> tuple[Track, Place] | None:
    sequence, track, index = frame["sequence_id"], row["track_id"], frame["frame_index"]
    if any(value is None or pd.isna(value) for value in (sequence, track, index)):
        return None
    box = (float(row[name]) for name in ("x_px", "y_px", "width_px", "height_px"))
    return (sequence, track), Place(int(index), number, *box)


def _metrics(place: Place, track: Iterable[Place]) -> dict[str, float]:
    """Of one row, given all rows of its track, itself among them."""
    first = min(other.frame_index for other in track)
    earlier = [other for other in track if other.frame_index < place.frame_index]
    values = dict.fromkeys(METRICS, math.nan)
    values["object_track_age"] = float(place.frame_index - first)
    if earlier:
        # The last row of the latest earlier frame.
        previous = max(earlier, key=lambda other: (other.frame_index, other.row))
        n_frames = place.frame_index - previous.frame_index
        values["object_track_speed_px"] = _distance(place, previous) / n_frames
        values["object_track_iou_previous"] = _iou(place, previous)
        values["object_track_gap"] = float(n_frames - 1)
    return values


def _distance(one: Place, other: Place) -> float:
    """Between the centres of two boxes."""
    across = (one.x + one.width / 2) - (other.x + other.width / 2)
    down = (one.y + one.height / 2) - (other.y + other.height / 2)
    return math.sqrt(across * across + down * down)


def _iou(one: Place, other: Place) -> float:
    """Of the boxes as given, unclipped; 0 where the union is empty."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    return intersection / (one.width * one.height + other.width * other.height - intersection)
