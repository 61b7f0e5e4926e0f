"""The frames and objects behind a run's figures: the worst ones of every range, with small pictures.

At the run's chosen thresholds, for all selected classes together, as the tables say outcome and error type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emqa_core.config import ImagesConfig
from emqa_core.report.examples.choice import FoundObject, ObjectKey, look_at_frames, look_at_objects
from emqa_core.report.examples.frames import ExampleFrame, read_frames
from emqa_core.report.examples.groups import (
    SOURCES,
    Groups,
    MetricGroups,
    class_groups,
    error_groups,
    important_metrics,
    metric_groups,
)
from emqa_core.report.examples.pictures import Picture, PictureLimits, read_pictures
from emqa_core.report.view import choose_view, held

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_TABLES = ("run", "class_performance", "metric_importance", "metric_bin")


@dataclass(frozen=True)
class ExampleLimits:
    """How much a page takes.

    metrics: the most important ones. categories: of a categorical metric, those with the most rows. classes:
    those with the most labels. per_range, per_class, per_error: objects of each of these and each source.
    worst_frames: frames by lowest F1. frames: in all. objects: of a frame.
    """

    metrics: int = 8
    categories: int = 8
    classes: int = 20
    per_range: int = 3
    per_class: int = 2
    per_error: int = 4
    worst_frames: int = 12
    frames: int = 150
    objects: int = 100
    pictures: PictureLimits = field(default_factory=PictureLimits)


@dataclass(frozen=True)
class Place:
    """An object's place among the worst of one range: 0 the worst. range: index into the metric's ranges."""

    metric: int
    range: int
    place: int


@dataclass(frozen=True)
class Example:
    """A wrong object: `object` is its index in the objects of frame number `frame`.

    places: in ranges of metrics; none for one that stands for its class or its error type alone.
    """

    frame: int
    object: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Examples:
    """What a page shows: frames with their pictures, and which objects and frames are the worst.

    metrics: those that ranges are of, by importance. examples: the worst of every range first, then the
    second worst ones. worst_frames: indices into frames, the worst first. n_left_out: objects that were among
    the worst in frames for which there was no more room.
    """

    metrics: tuple[MetricGroups, ...]
    frames: tuple[ExampleFrame, ...]
    pictures: tuple[Picture, ...]
    examples: tuple[Example, ...]
    worst_frames: tuple[int, ...]
    n_left_out: int


def read_examples(
    run: Run,
    *,
    images: ImagesConfig | None = None,
    metrics: Sequence[str] | None = None,
    limits: ExampleLimits = ExampleLimits(),
) -> Examples:
    """The worst objects and frames of a run, and their pictures where its images can be read.

    images: where and how, None: as the run did. metrics: None: the most important ones. For each metric and
    each fifth of its values (`bin_50 // 10`) the false positives of the highest scores and the missed labels
    of the largest areas, then those of each class and error type, then the frames of the lowest F1; ties by
    frame_order and input_index. Looks through the fact tables a row group at a time, twice. Raises
    ConfigError for an unknown metric.
    """
    figures = held(run, _TABLES)
    view = choose_view(figures)
    chosen = important_metrics(figures, view, limits.metrics) if metrics is None else metrics
    ranges = metric_groups(figures, view, chosen, n_categories=limits.categories, n_kept=limits.per_range)
    groups: list[Groups] = [
        *ranges,
        class_groups(figures, view, n_classes=limits.classes, n_kept=limits.per_class),
        error_groups(limits.per_error),
    ]
    codes, worst = look_at_frames(run, groups, limits.worst_frames)
    found = [each for source in SOURCES for each in look_at_objects(run, source, groups, codes)]
    # The worst of every range come before the second worst of any.
    found.sort(key=lambda each: (each.place, each.groups, each.code))
    orders = list(dict.fromkeys([*worst, *(each.frame_order for each in found)]))[: limits.frames]
    frame_of = {order: number for number, order in enumerate(orders)}
    places = _places(found, len(ranges))
    shown = {key: some for key, some in places.items() if key[1] in frame_of}
    frames = read_frames(run, orders, set(shown), limits.objects)
    pictures = read_pictures(run, images, [frame.row for frame in frames], limits.pictures)
    examples = []
    for (source, order, input_index), some in shown.items():
        number = frame_of[order]
        keys = [each.key for each in frames[number].objects]
        if (source, input_index) in keys:
            examples.append(Example(number, keys.index((source, input_index)), tuple(some)))
    return Examples(
        tuple(ranges),
        tuple(frames),
        tuple(pictures),
        tuple(examples),
        tuple(frame_of[order] for order in worst if order in frame_of),
        len(places) - len(examples),
    )


def _places(found: Sequence[FoundObject], n_metrics: int) -> dict[ObjectKey, list[Place]]:
    """Places in ranges of metrics by object, the worst first; the first n_metrics groups are metrics."""
    places: dict[ObjectKey, list[Place]] = {}
    for each in found:
        of_object = places.setdefault(each.key, [])
        if each.groups < n_metrics:
            of_object.append(Place(each.groups, each.code, each.place))
    return places
