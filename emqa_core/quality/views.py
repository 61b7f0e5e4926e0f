"""What the kernels of quality metrics look at: one partition's frames, labels or predictions.

What several metrics share is computed once, when the first of them asks. Kernels are imported then: whoever
only reads the catalogue loads none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from emqa_core.objects import Array, Frames, Labels, Objects, Predictions


def _none() -> Array:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Related:
    """What is known of n rows beyond their boxes; empty where no chosen metric needs it.

    pixels (n, N_STATISTICS) float32: pixel statistics, in their order. tracks (n, 4) float32: age, speed, IoU
    with the previous box, gap. neighbours (n,) float32: what the nearest embeddings tell. own: what users'
    functions over images gave, (n,) float64 by metric. NaN where unknown.
    """

    pixels: Array = field(default_factory=_none)
    tracks: Array = field(default_factory=_none)
    neighbours: Array = field(default_factory=_none)
    own: Mapping[str, Array] = field(default_factory=dict)


NOTHING_RELATED = Related()


@dataclass(frozen=True)
class ObjectView:
    """Labels or predictions. Metrics are (n,), NaN where null."""

    frames: Frames
    objects: Objects
    related: Related = NOTHING_RELATED

    @cached_property
    def boxes(self) -> dict[str, Array]:
        """The metrics of a single box, by name; null where they need a frame size that is not known."""
        from emqa_core.quality.geometry import box_metrics

        return box_metrics(self.frames, self.objects)

    @cached_property
    def overlap(self) -> Array:
        """Highest IoU with another object of the class. Whole boxes, inside the frame or not, as IoU takes.

        Every other object of the source counts, crowd and ignored labels too: they are in the image.
        """
        from emqa_core.geometry.boxes import highest_iou_within_class

        objects = self.objects
        return highest_iou_within_class(
            objects.frame_start, objects.class_code, objects.x, objects.y, objects.width, objects.height
        )

    @cached_property
    def occlusion(self) -> Array:
        from emqa_core.quality.geometry import occlusion

        return occlusion(self.objects)

    @property
    def score(self) -> Array:
        assert isinstance(self.objects, Predictions)
        return self.objects.score

    @property
    def random(self) -> Array:
        from emqa_core.quality.controls import random_control

        return random_control(self.objects.key_hash)

    @property
    def pixels(self) -> Array:
        return self.related.pixels

    @property
    def tracks(self) -> Array:
        return self.related.tracks

    @property
    def neighbours(self) -> Array:
        return self.related.neighbours


@dataclass(frozen=True)
class FrameView:
    """Frames, with the labels and predictions in them. Metrics are (F,), NaN where null."""

    frames: Frames
    labels: Labels
    predictions: Predictions
    related: Related = NOTHING_RELATED

    @property
    def aspect_ratio(self) -> Array:
        width, height = self.frames.width_px, self.frames.height_px
        known = (width > 0) & (height > 0)
        return np.divide(width, height, out=np.full(len(self.frames), np.nan), where=known)

    @property
    def label_count(self) -> Array:
        return np.diff(self.labels.frame_start)

    @property
    def class_count(self) -> Array:
        from emqa_core.quality.geometry import count_classes

        return count_classes(self.labels)

    @property
    def prediction_count(self) -> Array:
        return np.diff(self.predictions.frame_start)

    @property
    def density(self) -> Array:
        from emqa_core.quality.geometry import density

        return density(self.frames, self.labels)

    @property
    def random(self) -> Array:
        from emqa_core.quality.controls import random_control

        return random_control(self.frames.key_hash)

    @property
    def pixels(self) -> Array:
        return self.related.pixels

    @property
    def neighbours(self) -> Array:
        return self.related.neighbours
