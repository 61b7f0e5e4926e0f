"""The pixel pass over a partition: every image is decoded once, for its frame and all boxes in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from emqa_core.objects import Array, Frames, Objects
from emqa_core.pipeline.known_pixels import FrameImages, PixelOptions, SourceBoxes, cache_kind, keep, look_up
from emqa_core.pipeline.row_sources import FRAME, level_of
from emqa_core.pixels.decode import ImageError
from emqa_core.pixels.decoded import decoded_images
from emqa_core.pixels.planes import PixelPlanes
from emqa_core.pixels.statistics import pixel_boxes, region_statistics
from emqa_core.quality.own import OwnMetric
from emqa_core.quality.own_values import OwnErrors, image_value
from emqa_core.storage.pixel_cache import (
    WHOLE_FRAME,
    CachedFile,
)


@dataclass(frozen=True)
class PixelValues:
    """What the images of a partition told.

    statistics: by source (n, N_STATISTICS) float32. own: users' functions, by source and metric, (n,)
    float64; own_errors: what they raised, by source. bad: images that gave nothing, as rows of the
    quarantine. cached: files written, by kind.
    """

    statistics: Mapping[str, Array]
    own: Mapping[str, Mapping[str, Array]]
    own_errors: Mapping[str, pa.Table]
    bad: pa.Table
    cached: Mapping[str, CachedFile] = field(default_factory=dict)


def measure_pixels(
    options: PixelOptions,
    frame_rows: pa.Table,
    first: int,
    frames: Frames,
    objects: Mapping[str, Objects],
    own: Sequence[OwnMetric],
    errors_of: Callable[[], OwnErrors],
) -> PixelValues:
    """Pixel statistics of the frames and of all objects in them, and users' functions over images.

    frame_rows: the frame table, in frame order; first: number of its first frame in the run. objects: labels
    and predictions by source. What the cache knows is not computed again.
    """
    images = FrameImages.of(options, frame_rows, frames)
    sources = {
        FRAME: SourceBoxes.of(
            np.arange(len(frames) + 1), np.tile(np.array(WHOLE_FRAME, np.int32), (len(frames), 1))
        )
    }
    for source, rows in objects.items():
        boxes = pixel_boxes(rows.x, rows.y, rows.width, rows.height)
        sources[source] = SourceBoxes.of(rows.frame_start, boxes)
    cache = None if options.cache is None else options.cache.opened()
    if cache is not None:
        kinds = set(map(cache_kind, sources))
        look_up(cache.within([uri for uri in images.uris if uri], kinds), images, sources)
    is_wanted = np.full(len(frames), bool(own))
    incomplete = set()
    for source, each in sources.items():
        frames_unknown = each.frame[~each.is_known]
        is_wanted[frames_unknown] = True
        if any(images.tags[frame] is not None for frame in np.unique(frames_unknown).tolist()):
            incomplete.add(cache_kind(source))
    wanted = [frame for frame in np.flatnonzero(is_wanted).tolist() if images.can_be_read(frame)]
    values: dict[str, dict[str, Array]] = {
        source: {m.name: np.full(len(each.boxes), np.nan) for m in own if level_of(source) in m.levels}
        for source, each in sources.items()
    }
    errors = {source: errors_of() for source in sources} if own else {}
    uris, sizes = [images.uris[frame] for frame in wanted], [images.sizes[frame] for frame in wanted]
    for place, image in decoded_images(options.root, [uri or "" for uri in uris], sizes, options.decode):
        frame = wanted[place]
        if isinstance(image, ImageError):
            images.errors[frame] = image
            continue
        _measure(image, frame, sources)
        for metric in own:
            _call(metric, image, frame, sources, values, errors)
    written = {}
    if cache is not None:
        written = keep(cache, images, sources, incomplete)
    return PixelValues(
        {source: each.statistics for source, each in sources.items()},
        values,
        {source: each.rows.table() for source, each in errors.items()},
        images.bad_rows(first),
        written,
    )


def _measure(image: Array, frame: int, sources: Mapping[str, SourceBoxes]) -> None:
    height, width = image.shape[:2]
    parts = [np.array([[0, 0, width, height]], np.int32)]
    places: list[tuple[SourceBoxes, slice]] = [(sources[FRAME], slice(frame, frame + 1))]
    for source, each in sources.items():
        if source != FRAME:
            rows = each.rows_of(frame)
            parts.append(each.boxes[rows])
            places.append((each, rows))
    found = region_statistics(PixelPlanes.of(image), np.concatenate(parts))
    start = 0
    for each, rows in places:
        n = rows.stop - rows.start
        each.statistics[rows] = found[start : start + n]
        each.is_known[rows] = True
        start += n


def _call(
    metric: OwnMetric,
    image: Array,
    frame: int,
    sources: Mapping[str, SourceBoxes],
    values: Mapping[str, Mapping[str, Array]],
    errors: Mapping[str, OwnErrors],
) -> None:
    height, width = image.shape[:2]
    for source, each in sources.items():
        if metric.name not in values[source]:
            continue
        if source == FRAME:
            values[source][metric.name][frame] = image_value(metric, image, frame, errors[source])
            continue
        for row in range(*each.rows_of(frame).indices(len(each.boxes))):
            left, top, right, bottom = np.clip(each.boxes[row], 0, [width, height, width, height]).tolist()
            if right > left and bottom > top:
                part = image[top:bottom, left:right]
                values[source][metric.name][row] = image_value(metric, part, frame, errors[source])
