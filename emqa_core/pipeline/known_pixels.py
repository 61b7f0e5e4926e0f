"""What the cache of pixel statistics knows of a partition's images and boxes, and what it is to keep."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash

from emqa_core.combined import combined
from emqa_core.ingest.quarantine import BadRows
from emqa_core.objects import Array, Frames
from emqa_core.pipeline.row_sources import FRAME
from emqa_core.pixels.decode import DecodeOptions, ImageError
from emqa_core.pixels.images import ImageRoot
from emqa_core.pixels.statistic_names import N_STATISTICS, STATISTICS
from emqa_core.pixels.video import file_of
from emqa_core.storage.pixel_cache import KEYS, CachedFile, ListedCache, PixelCache, box_columns, cache_schema

_SHARED = "shared"  # kind of cached rows that all models use
_ROW = "row"


@dataclass(frozen=True)
class PixelOptions:
    """Where images are read, how, and what is known of them already."""

    root: ImageRoot
    decode: DecodeOptions
    cache: ListedCache | None


@dataclass(frozen=True)
class SourceBoxes:
    """The boxes of one source: those of frame f are frame_start[f]:frame_start[f + 1]."""

    frame_start: Array
    boxes: Array
    statistics: Array
    is_known: Array

    @classmethod
    def of(cls, frame_start: Array, boxes: Array) -> SourceBoxes:
        n = len(boxes)
        return cls(frame_start, boxes, np.full((n, N_STATISTICS), np.nan, np.float32), np.zeros(n, np.bool_))

    @property
    def frame(self) -> Array:
        return np.repeat(np.arange(len(self.frame_start) - 1), np.diff(self.frame_start))

    def rows_of(self, frame: int) -> slice:
        return slice(int(self.frame_start[frame]), int(self.frame_start[frame + 1]))


@dataclass(frozen=True)
class FrameImages:
    """The images of a partition's frames: address, tag of their content, and what is wrong with them.

    tags: None where nothing is kept or the frame has no image.
    """

    frame_ids: list[int | str]
    uris: list[str | None]
    tags: list[str | None]
    sizes: list[tuple[float, float]]
    errors: dict[int, ImageError]

    @classmethod
    def of(cls, options: PixelOptions, frame_rows: pa.Table, frames: Frames) -> FrameImages:
        uris = frame_rows["image_uri"].to_pylist()
        hashes: list[str | None] = [None] * len(uris)
        if "content_hash" in frame_rows.column_names:
            hashes = frame_rows["content_hash"].to_pylist()
        sizes = list(zip(frames.width_px.tolist(), frames.height_px.tolist(), strict=True))
        tags: list[str | None] = [None] * len(uris)
        errors: dict[int, ImageError] = {}
        if options.cache is not None:
            asked = (uri for uri, known in zip(uris, hashes, strict=True) if uri and not known)
            files = list(dict.fromkeys(map(file_of, asked)))
            tag_of = dict(zip(files, options.root.tags(files), strict=True))
            how = f"{options.decode.exif_orientation}-{options.decode.max_pixels}"
            for frame, (uri, known, size) in enumerate(zip(uris, hashes, sizes, strict=True)):
                tag = None if not uri else f"hash-{known}" if known else tag_of[file_of(uri)]
                if isinstance(tag, ImageError):
                    errors[frame] = tag
                elif tag is not None:
                    tags[frame] = f"{tag}|{size[0]:g}x{size[1]:g}|{how}"
        return cls(frame_rows["frame_id"].to_pylist(), uris, tags, sizes, errors)

    def can_be_read(self, frame: int) -> bool:
        return bool(self.uris[frame]) and frame not in self.errors

    def is_kept(self, frame: int) -> bool:
        """Whether what its image told may be kept: it has a tag, and no error that may pass."""
        error = self.errors.get(frame)
        return self.tags[frame] is not None and (error is None or error.lasts)

    def bad_rows(self, first: int) -> pa.Table:
        bad = BadRows("image")
        for frame, error in sorted(self.errors.items()):
            value = f"{self.uris[frame]}: {error.found}"
            bad.add(first + frame, error.reason, "image_uri", value, self.frame_ids[frame])
        return bad.table()


def _keys(images: FrameImages, each: SourceBoxes) -> pa.Table:
    """What names each box in the cache, with its row; boxes of images that are not kept are left out."""
    has_tag = np.array([images.is_kept(frame) for frame in range(len(images.tags))], np.bool_)
    frame = each.frame
    rows = np.flatnonzero(has_tag[frame])
    of_frame = pa.array(frame[rows])
    return pa.table(
        {
            "image_uri": pa.array(images.uris, pa.string()).take(of_frame),
            "tag": pa.array(images.tags, pa.string()).take(of_frame),
            **box_columns(each.boxes[rows]),
            _ROW: pa.array(rows),
        }
    )


def look_up(cache: PixelCache, images: FrameImages, sources: Mapping[str, SourceBoxes]) -> None:
    uris = pa.array([uri for uri in images.uris if uri], pa.string())
    known = cache.read(uris, cache_schema(STATISTICS)) if cache.files else None
    if known is None or not known.num_rows:
        return
    known = known.group_by(list(KEYS), use_threads=False).aggregate(
        [(name, "first") for name in (*STATISTICS, "reason", "found")]
    )
    for source, each in sources.items():
        found = _keys(images, each).join(known, keys=list(KEYS), join_type="inner", use_threads=False)
        rows = combined(found[_ROW]).to_numpy()
        for place, name in enumerate(STATISTICS):
            column = combined(found[f"{name}_first"]).to_numpy(zero_copy_only=False)
            each.statistics[rows, place] = column
        each.is_known[rows] = True
        if source == FRAME:
            said = zip(found["reason_first"].to_pylist(), found["found_first"].to_pylist(), strict=True)
            for frame, (reason, value) in zip(rows.tolist(), said, strict=True):
                if reason is not None:
                    images.errors[frame] = ImageError(reason, value, lasts=True)
    bad = np.zeros(len(images.uris), np.bool_)
    bad[list(images.errors)] = True
    for each in sources.values():
        each.is_known[bad[each.frame]] = True


def keep(
    cache: PixelCache, images: FrameImages, sources: Mapping[str, SourceBoxes], kinds: Set[str]
) -> dict[str, CachedFile]:
    """Write what is known of the images, found or computed, of the kinds that have something new."""
    tables: dict[str, list[pa.Table]] = {}
    for source, each in sources.items():
        if cache_kind(source) not in kinds:
            continue
        keys = _keys(images, each)
        rows = keys[_ROW].to_numpy()
        columns = {name: pa.array(each.statistics[rows, place]) for place, name in enumerate(STATISTICS)}
        errors = [
            images.errors.get(frame) if source == FRAME else None for frame in each.frame[rows].tolist()
        ]
        columns["reason"] = pa.array([None if e is None else e.reason for e in errors], pa.string())
        columns["found"] = pa.array([None if e is None else e.found for e in errors], pa.string())
        kept = keys.drop_columns([_ROW])
        for name, column in columns.items():
            kept = kept.append_column(name, column)
        tables.setdefault(cache_kind(source), []).append(kept)
    written = {}
    for kind, some in tables.items():
        table = pa.concat_tables(some)
        if table.num_rows and (file := cache.write(kind, table)) is not None:
            written[kind] = file
    return written


def cache_kind(source: str) -> str:
    """Frames and labels are every model's; each model's predictions are kept apart."""
    return f"prediction-{xxhash.xxh3_64_hexdigest(source.encode())}" if ":" in source else _SHARED
