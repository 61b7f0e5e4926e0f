"""Which needs of the metrics a data set meets, and the reason where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from emqa_core.ingest.columns import EMBEDDING
from emqa_core.quality.metric import Level, Need, QualityMetric


@dataclass(frozen=True)
class Offer:
    """What a data set brings: the columns of its tables, and whether its images can be read."""

    columns: Mapping[Level, pa.Schema] = field(default_factory=dict)
    has_images: bool = False
    has_predictions: bool = True

    def levels_of(self, metric: QualityMetric) -> tuple[Level, ...]:
        """The levels at which a metric's needs are met."""
        return tuple(
            level for level in metric.levels if not any(self.lacking(need, level) for need in metric.needs)
        )

    def lacking(self, need: Need, level: Level) -> str | None:
        """Why a need of a metric of that level is not met, as a sentence's end; None where it is."""
        if level == "prediction" and not self.has_predictions:
            return "no predictions are given"
        if need == "frame size":
            return self._without("frame", ("width_px", "height_px"))
        if need == "pixels":
            if (reason := self._without("frame", ("image_uri",))) is not None:
                return reason
            return None if self.has_images else "no folder of images is given (--images ROOT)"
        if need == "tracks":
            return self._without(level, ("track_id",)) or self._without(
                "frame", ("sequence_id", "frame_index")
            )
        if need == "embeddings":
            return self._without_embedding(level)
        return None

    def _without(self, level: Level, names: tuple[str, ...]) -> str | None:
        found = self.columns.get(level, pa.schema([])).names
        missing = [name for name in names if name not in found]
        return f"the {level} table has no column {' and '.join(missing)}" if missing else None

    def _without_embedding(self, level: Level) -> str | None:
        if (reason := self._without(level, (EMBEDDING,))) is not None:
            return reason
        found = self.columns[level].field(EMBEDDING).type
        if is_vector(found):
            return None
        return f"column {EMBEDDING} of the {level} table is {found}, not lists of floats"


def is_vector(type_: pa.DataType) -> bool:
    """Whether a column holds lists of floats; that all have one length is seen when they are read."""
    is_list = pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_) or pa.types.is_large_list(type_)
    return bool(is_list and pa.types.is_floating(type_.value_type))
