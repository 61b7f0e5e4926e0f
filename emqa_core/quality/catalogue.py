"""The catalogue of quality metrics.

A metric's row here is its only declaration: tables, documents and reports take name, unit and meaning
from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["frame", "label", "prediction"]
Need = Literal["box", "frame size", "objects", "score", "key"]

OBJECTS: tuple[Level, ...] = ("label", "prediction")
_FRAME: tuple[Level, ...] = ("frame",)

# The random control of each level: what a metric that explains nothing looks like.
CONTROLS: dict[Level, str] = {
    "frame": "frame_random",
    "label": "object_random",
    "prediction": "object_random",
}


@dataclass(frozen=True)
class QualityMetric:
    """A metric of the catalogue: where it is defined, what it needs, its unit, range and meaning.

    `low` and `high` bound its values, None where nothing does.
    """

    name: str
    levels: tuple[Level, ...]
    needs: tuple[Need, ...]
    unit: str
    low: float | None
    high: float | None
    meaning: str


CATALOGUE: tuple[QualityMetric, ...] = (
    QualityMetric(
        "object_area_px2", OBJECTS, ("box",), "px²", 0, None,
        "Area of the box inside the frame; of the whole box where the frame size is unknown.",
    ),
    QualityMetric(
        "object_area_relative", OBJECTS, ("box", "frame size"), "%", 0, 100,
        "100 x area of the box inside the frame / area of the frame.",
    ),
    QualityMetric("object_width_px", OBJECTS, ("box",), "px", 0, None, "Width of the box."),
    QualityMetric("object_height_px", OBJECTS, ("box",), "px", 0, None, "Height of the box."),
    QualityMetric(
        "object_aspect_ratio", OBJECTS, ("box",), "", 0, None,
        "Width / height of the box; null for a box without height.",
    ),
    QualityMetric(
        "object_border_distance", OBJECTS, ("box", "frame size"), "", 0, 0.5,
        "Smallest distance to an image edge, relative to that dimension; 0 when touching or outside.",
    ),
    QualityMetric(
        "object_overlap", OBJECTS, ("box",), "IoU", 0, 1,
        "Highest IoU with another object of the same source, class and frame; 0 for an object alone.",
    ),
    QualityMetric(
        "object_occlusion", OBJECTS, ("box",), "", 0, 1,
        "Share of the box's area covered by other objects of the same source, of any class; null for a box"
        " without area.",
    ),
    QualityMetric(
        "object_center_x", OBJECTS, ("box", "frame size"), "", 0, 1,
        "Centre of the box / frame width; beyond 0..1 for a centre outside the frame.",
    ),
    QualityMetric(
        "object_center_y", OBJECTS, ("box", "frame size"), "", 0, 1,
        "Centre of the box / frame height; beyond 0..1 for a centre outside the frame.",
    ),
    QualityMetric(
        "confidence", ("prediction",), ("score",), "", None, None, "The prediction's score, as given."
    ),
    QualityMetric(
        "object_random", OBJECTS, ("key",), "", 0, 1,
        "Uniform number from the hash of the object's key: a control that explains nothing.",
    ),
    QualityMetric("frame_width_px", _FRAME, ("frame size",), "px", 0, None, "Width of the image."),
    QualityMetric("frame_height_px", _FRAME, ("frame size",), "px", 0, None, "Height of the image."),
    QualityMetric("frame_area_px2", _FRAME, ("frame size",), "px²", 0, None, "Area of the image."),
    QualityMetric(
        "frame_aspect_ratio", _FRAME, ("frame size",), "", 0, None, "Width / height of the image."
    ),
    QualityMetric(
        "frame_label_count", _FRAME, ("objects",), "", 0, None,
        "Labels in the frame, crowd and ignored ones included.",
    ),
    QualityMetric(
        "frame_class_count", _FRAME, ("objects",), "", 0, None, "Distinct classes among the frame's labels."
    ),
    QualityMetric(
        "frame_prediction_count", _FRAME, ("objects",), "", 0, None, "Predictions in the frame."
    ),
    QualityMetric(
        "frame_density", _FRAME, ("box", "frame size"), "%", 0, 100,
        "100 x area of the union of the label boxes inside the frame, without crowd and ignored ones, / area"
        " of the frame.",
    ),
    QualityMetric(
        "frame_random", _FRAME, ("key",), "", 0, 1,
        "Uniform number from the hash of the frame's key: a control that explains nothing.",
    ),
)  # fmt: skip
