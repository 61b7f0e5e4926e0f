"""What a quality metric is: its declaration, with the kernel that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from emqa_core.objects import Array

if TYPE_CHECKING:
    from emqa_core.quality.views import FrameView, ObjectView

Level = Literal["frame", "label", "prediction"]
Need = Literal["box", "frame size", "objects", "score", "pixels", "tracks", "embeddings", "key"]
Group = Literal["geometry", "score", "pixels", "tracks", "embeddings", "controls"]

OBJECTS: tuple[Level, ...] = ("label", "prediction")
LEVELS: tuple[Level, ...] = ("frame", *OBJECTS)

_GROUP_OF_NEED: dict[Need, Group] = {
    "score": "score",
    "pixels": "pixels",
    "tracks": "tracks",
    "embeddings": "embeddings",
    "key": "controls",
}


@dataclass(frozen=True)
class QualityMetric:
    """A metric of the catalogue: where it is defined, what it needs, its unit, range, meaning and kernel.

    `low` and `high` bound its values, None where nothing does. kernel: from a view of one partition's
    frames, labels or predictions to (n,) numbers, NaN where the metric does not apply.
    """

    name: str
    levels: tuple[Level, ...]
    needs: tuple[Need, ...]
    unit: str
    low: float | None
    high: float | None
    meaning: str
    kernel: Callable[[FrameView], Array] | Callable[[ObjectView], Array] | Callable[[Any], Array]

    @property
    def group(self) -> Group:
        """The family by which configuration may choose it."""
        return next((_GROUP_OF_NEED[need] for need in self.needs if need in _GROUP_OF_NEED), "geometry")
