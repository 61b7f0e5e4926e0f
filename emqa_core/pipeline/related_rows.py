"""What a partition's rows are related to beyond their boxes: pixels, tracks, the nearest embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from emqa_core.ingest.quarantine import empty_quarantine
from emqa_core.objects import Frames, Labels, Predictions
from emqa_core.pipeline.pixel_pass import FRAME, LABEL, PixelValues, measure_pixels
from emqa_core.quality.own import OwnMetric
from emqa_core.quality.own_values import OwnErrors
from emqa_core.quality.views import NOTHING_RELATED, Related
from emqa_core.storage.pixel_cache import CachedFile

if TYPE_CHECKING:
    from emqa_core.pipeline.evaluate_partition import PartitionTask


@dataclass(frozen=True)
class RelatedRows:
    """The relations of every source, `frame`, `label` and `prediction:MODEL`, and what was found on the way.

    own_errors: what users' functions over images raised, by source. bad_images: both as rows of the
    quarantine. cached: files of pixel statistics written, with their kind.
    """

    of_source: Mapping[str, Related] = field(default_factory=dict)
    own_errors: Mapping[str, pa.Table] = field(default_factory=dict)
    bad_images: pa.Table = field(default_factory=empty_quarantine)
    cached: tuple[tuple[str, CachedFile], ...] = ()

    def errors(self, *sources: str) -> list[pa.Table]:
        """What users' functions over images raised for some sources, for the quarantine."""
        return [self.own_errors[source] for source in sources if source in self.own_errors]

    def of(self, source: str) -> Related:
        return self.of_source.get(source, NOTHING_RELATED)


def prediction_source(model: str) -> str:
    """The name of a model's predictions among the sources."""
    return f"prediction:{model}"


def relate_rows(
    task: PartitionTask,
    frame_rows: pa.Table,
    frames: Frames,
    labels: Labels,
    predictions_of: Callable[[str], Predictions],
    errors_of: Callable[[], OwnErrors],
) -> RelatedRows:
    """Gather what the chosen metrics need; every image is decoded once, for all models.

    predictions_of: reads a model's predictions, again, where pixels are looked at before it is evaluated.
    """
    if task.pixels is None and not task.relations:
        return RelatedRows()
    n_rows = {FRAME: len(frames), LABEL: len(labels)}
    if task.pixels is not None:
        predictions = {prediction_source(model): predictions_of(model) for model in task.predictions}
        pixels = measure_pixels(
            task.pixels, frame_rows, task.first_frame, frames, {LABEL: labels, **predictions},
            _own_image_metrics(task), errors_of,
        )  # fmt: skip
        n_rows |= {source: len(each) for source, each in predictions.items()}
    else:
        pixels = PixelValues({}, {}, {}, empty_quarantine())
    sources = [FRAME, LABEL, *map(prediction_source, task.predictions)]
    related = {}
    for source in sources:
        if source not in n_rows:
            n_rows[source] = len(predictions_of(source.partition(":")[2])) if _is_related(task, source) else 0
        related[source] = Related(
            pixels.statistics.get(source, NOTHING_RELATED.pixels),
            task.relations.tracks_of(source, task.index, n_rows[source]),
            task.relations.neighbours_of(source, task.index, n_rows[source]),
            pixels.own.get(source, {}),
        )
    return RelatedRows(related, pixels.own_errors, pixels.bad, tuple(pixels.cached.items()))


def _is_related(task: PartitionTask, source: str) -> bool:
    return source in task.relations.tracks or source in task.relations.vectors


def _own_image_metrics(task: PartitionTask) -> list[OwnMetric]:
    chosen = [task.metrics[model] for model in task.predictions]
    own = {metric.own: metric.function for each in chosen for metric in each if metric.own is not None}
    return [own[path] for path in sorted(own) if own[path].looks_at == "image"]
