"""What a partition's rows are related to beyond their boxes: pixels, tracks, the nearest embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from emqa_core.objects import Frames, Labels, Predictions
from emqa_core.pipeline.pixel_pass import PixelValues, measure_pixels
from emqa_core.pipeline.relations import Relations
from emqa_core.pipeline.row_sources import LABEL, prediction_source
from emqa_core.quality.own import OwnMetric
from emqa_core.quality.own_values import OwnErrors
from emqa_core.quality.views import Related
from emqa_core.storage.pixel_cache import CachedFile

if TYPE_CHECKING:
    from emqa_core.pipeline.evaluate_partition import PartitionTask


@dataclass(frozen=True)
class RelatedRows:
    """What is known of a partition's rows beyond their boxes.

    index: of the partition. pixels: of all sources, None where no metric looks at them.
    """

    index: int
    relations: Relations
    pixels: PixelValues | None

    def of(self, source: str, n_rows: int) -> Related:
        """Of the rows of one source: `frame`, `label` or a `prediction_source`."""
        nothing, pixels = Related(), self.pixels
        return Related(
            nothing.pixels if pixels is None else pixels.statistics[source],
            self.relations.tracks_of(source, self.index, n_rows),
            self.relations.neighbours_of(source, self.index, n_rows),
            nothing.own if pixels is None else pixels.own[source],
        )

    def bad_rows(self, *sources: str) -> list[pa.Table]:
        """Images that gave nothing, and what users' functions over images raised, for the quarantine."""
        if self.pixels is None:
            return []
        raised = self.pixels.own_errors
        return [self.pixels.bad, *(raised[source] for source in sources if source in raised)]

    @property
    def cached(self) -> tuple[tuple[str, CachedFile], ...]:
        """Files of pixel statistics that were written, with their kind."""
        return () if self.pixels is None else tuple(self.pixels.cached.items())


def relate_rows(
    task: PartitionTask,
    frame_rows: pa.Table,
    frames: Frames,
    labels: Labels,
    predictions_of: Callable[[str], Predictions],
    errors_of: Callable[[], OwnErrors],
) -> RelatedRows:
    """Gather what the chosen metrics need; every image is decoded once, for all models.

    predictions_of: reads a model's predictions; again, as their images are looked at before it is evaluated.
    """
    if task.pixels is None:
        return RelatedRows(task.index, task.relations, None)
    predictions = {prediction_source(model): predictions_of(model) for model in task.predictions}
    pixels = measure_pixels(
        task.pixels, frame_rows, task.first_frame, frames, {LABEL: labels, **predictions},
        _own_image_metrics(task), errors_of,
    )  # fmt: skip
    return RelatedRows(task.index, task.relations, pixels)


def _own_image_metrics(task: PartitionTask) -> list[OwnMetric]:
    chosen = [task.metrics[model] for model in task.predictions]
    own = {metric.own: metric.function for each in chosen for metric in each if metric.own is not None}
    return [own[path] for path in sorted(own) if own[path].looks_at == "image"]
