"""The catalogue of quality metrics.

A metric's row here is its only declaration: tables, documents and reports take name, unit and meaning
from it, and its kernel is what computes it.
"""

from __future__ import annotations

from collections.abc import Callable

from emqa_core.objects import Array
from emqa_core.pixels.statistic_names import STATISTICS
from emqa_core.quality.metric import OBJECTS, Level, QualityMetric
from emqa_core.quality.views import FrameView, ObjectView

_FRAME: tuple[Level, ...] = ("frame",)

# The random control of each level: what a metric that explains nothing looks like.
CONTROLS: dict[Level, str] = {
    "frame": "frame_random",
    "label": "object_random",
    "prediction": "object_random",
}

_GEOMETRY = (
    QualityMetric(
        "object_area_px2", OBJECTS, ("box",), "px²", 0, None,
        "Area of the box inside the frame; of the whole box where the frame size is unknown.",
        lambda view: view.boxes["object_area_px2"],
    ),
    QualityMetric(
        "object_area_relative", OBJECTS, ("box", "frame size"), "%", 0, 100,
        "100 x area of the box inside the frame / area of the frame.",
        lambda view: view.boxes["object_area_relative"],
    ),
    QualityMetric(
        "object_width_px", OBJECTS, ("box",), "px", 0, None,
        "Width of the box.",
        lambda view: view.boxes["object_width_px"],
    ),
    QualityMetric(
        "object_height_px", OBJECTS, ("box",), "px", 0, None,
        "Height of the box.",
        lambda view: view.boxes["object_height_px"],
    ),
    QualityMetric(
        "object_aspect_ratio", OBJECTS, ("box",), "", 0, None,
        "Width / height of the box; null for a box without height.",
        lambda view: view.boxes["object_aspect_ratio"],
    ),
    QualityMetric(
        "object_border_distance", OBJECTS, ("box", "frame size"), "", 0, 0.5,
        "Smallest distance to an image edge, relative to that dimension; 0 when touching or outside.",
        lambda view: view.boxes["object_border_distance"],
    ),
    QualityMetric(
        "object_overlap", OBJECTS, ("box",), "IoU", 0, 1,
        "Highest IoU with another object of the same source, class and frame; 0 for an object alone.",
        lambda view: view.overlap,
    ),
    QualityMetric(
        "object_occlusion", OBJECTS, ("box",), "", 0, 1,
        "Share of the box's area covered by other objects of the same source, of any class; null for a "
        "box without area.",
        lambda view: view.occlusion,
    ),
    QualityMetric(
        "object_center_x", OBJECTS, ("box", "frame size"), "", 0, 1,
        "Centre of the box / frame width; beyond 0..1 for a centre outside the frame.",
        lambda view: view.boxes["object_center_x"],
    ),
    QualityMetric(
        "object_center_y", OBJECTS, ("box", "frame size"), "", 0, 1,
        "Centre of the box / frame height; beyond 0..1 for a centre outside the frame.",
        lambda view: view.boxes["object_center_y"],
    ),
    QualityMetric(
        "frame_width_px", _FRAME, ("frame size",), "px", 0, None,
        "Width of the image.",
        lambda view: view.frames.width_px,
    ),
    QualityMetric(
        "frame_height_px", _FRAME, ("frame size",), "px", 0, None,
        "Height of the image.",
        lambda view: view.frames.height_px,
    ),
    QualityMetric(
        "frame_area_px2", _FRAME, ("frame size",), "px²", 0, None,
        "Area of the image.",
        lambda view: view.frames.width_px * view.frames.height_px,
    ),
    QualityMetric(
        "frame_aspect_ratio", _FRAME, ("frame size",), "", 0, None,
        "Width / height of the image.",
        lambda view: view.aspect_ratio,
    ),
    QualityMetric(
        "frame_label_count", _FRAME, ("objects",), "", 0, None,
        "Labels in the frame, crowd and ignored ones included.",
        lambda view: view.label_count,
    ),
    QualityMetric(
        "frame_class_count", _FRAME, ("objects",), "", 0, None,
        "Distinct classes among the frame's labels.",
        lambda view: view.class_count,
    ),
    QualityMetric(
        "frame_prediction_count", _FRAME, ("objects",), "", 0, None,
        "Predictions in the frame.",
        lambda view: view.prediction_count,
    ),
    QualityMetric(
        "frame_density", _FRAME, ("box", "frame size"), "%", 0, 100,
        "100 x area of the union of the label boxes inside the frame, without crowd and ignored ones, / "
        "area of the frame.",
        lambda view: view.density,
    ),
)  # fmt: skip

_SCORE = (
    QualityMetric(
        "confidence", ("prediction",), ("score",), "", None, None,
        "The prediction's score, as given.",
        lambda view: view.score,
    ),
)  # fmt: skip

# Name, unit, upper end of the range (the lower one is 0) and meaning of each pixel statistic.
_PIXELS = (
    ("brightness", "", 1, "Mean luma / 255"),
    ("contrast", "", 1, "Standard deviation of luma / 127.5"),
    ("sharpness", "", None, "Variance of the Laplacian of luma, which the whole image gives"),
    ("red", "", 1, "Share of vivid red pixels: S >= 50, V >= 40, hue to 20 or from 340 degrees"),
    ("green", "", 1, "Share of vivid green pixels: S >= 50, V >= 40, hue 70 to 150 degrees"),
    ("blue", "", 1, "Share of vivid blue pixels: S >= 50, V >= 40, hue 180 to 260 degrees"),
    ("saturation", "", 1, "Mean saturation (HSV) / 255"),
    ("entropy", "bit", 8, "Entropy of the histogram of luma"),
    ("dark_share", "", 1, "Share of pixels with a luma below 26 of 255"),
    ("bright_share", "", 1, "Share of pixels with a luma above 229 of 255"),
)


def _of_pixels(level: str, levels: tuple[Level, ...], where: str) -> tuple[QualityMetric, ...]:
    return tuple(
        QualityMetric(
            f"{level}_{name}", levels, ("pixels",), unit, 0, high, f"{meaning}; {where}.", _pixel_kernel(name)
        )
        for name, unit, high, meaning in _PIXELS
    )


def _pixel_kernel(name: str) -> Callable[[FrameView | ObjectView], Array]:
    place = STATISTICS.index(name)
    return lambda view: view.pixels[:, place]


_TRACKS = (
    QualityMetric(
        "object_track_age", OBJECTS, ("tracks",), "frames", 0, None,
        "Frames since the track was first seen.",
        lambda view: view.tracks[:, 0],
    ),
    QualityMetric(
        "object_track_speed_px", OBJECTS, ("tracks",), "px", 0, None,
        "Shift of the box's centre per frame, since the track's previous box; null for its first one.",
        lambda view: view.tracks[:, 1],
    ),
    QualityMetric(
        "object_track_iou_previous", OBJECTS, ("tracks",), "IoU", 0, 1,
        "IoU with the track's previous box; null for its first one.",
        lambda view: view.tracks[:, 2],
    ),
    QualityMetric(
        "object_track_gap", OBJECTS, ("tracks",), "frames", 0, None,
        "Frames missing between the track's previous box and this one; null for its first one.",
        lambda view: view.tracks[:, 3],
    ),
)  # fmt: skip

_EMBEDDINGS = (
    QualityMetric(
        "frame_uniqueness", _FRAME, ("embeddings",), "", 0, 1,
        "(1 - cosine) / 2 of the frame's embedding and that of the nearest other frame.",
        lambda view: view.neighbours,
    ),
    QualityMetric(
        "object_label_agreement", OBJECTS, ("embeddings",), "", 0, 1,
        "Share of the 10 objects of the same source with the nearest embeddings that have the same class.",
        lambda view: view.neighbours,
    ),
)  # fmt: skip

_CONTROLS = (
    QualityMetric(
        "object_random", OBJECTS, ("key",), "", 0, 1,
        "Uniform number from the hash of the object's key: a control that explains nothing.",
        lambda view: view.random,
    ),
    QualityMetric(
        "frame_random", _FRAME, ("key",), "", 0, 1,
        "Uniform number from the hash of the frame's key: a control that explains nothing.",
        lambda view: view.random,
    ),
)  # fmt: skip

CATALOGUE: tuple[QualityMetric, ...] = (
    *_GEOMETRY,
    *_SCORE,
    *_of_pixels("object", OBJECTS, "of the pixels that the box touches"),
    *_of_pixels("frame", _FRAME, "of the whole image"),
    *_TRACKS,
    *_EMBEDDINGS,
    *_CONTROLS,
)
