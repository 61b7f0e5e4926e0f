"""Small pictures of frames for a page: JPEG in data URLs, as many and as large as a page may have."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emqa_core.config import ImagesConfig
from emqa_core.errors import ConfigError, StorageError
from emqa_core.objects import Array
from emqa_core.pixels.decode import DecodeOptions, ImageError
from emqa_core.pixels.decoded import decoded_images
from emqa_core.pixels.images import ImageRoot
from emqa_core.storage.location import Location

if TYPE_CHECKING:
    from emqa_core.report.view import Row
    from emqa_core.storage.runs import Run

NO_ADDRESS = "no_image_uri"
NO_ROOT = "no_image_root"
OVER_LIMIT = "over_limit"
STORE_ERROR = "store_error"


@dataclass(frozen=True)
class Picture:
    """The picture of a frame, or the reason why there is none.

    url: `data:image/jpeg;base64,...`. size: width and height of the image in px, upright. reason: of the
    pixel pass (`image_missing` and others), `no_image_uri`, `no_image_root`, `over_limit` or `store_error`.
    """

    url: str | None
    size: tuple[int, int] | None
    reason: str | None


@dataclass(frozen=True)
class PictureLimits:
    """pictures: frames whose images are read, the first ones. n_bytes: of all pictures' base64 together.
    side_px: of the longer side. quality: JPEG's.
    """

    pictures: int = 60
    n_bytes: int = 1_200_000
    side_px: int = 320
    quality: int = 70


def images_of(run: Run) -> ImagesConfig:
    """How the run read images, as its row tells."""
    return ImagesConfig(**json.loads(run.row()["configuration"] or "{}").get("images", {}))


def read_pictures(
    run: Run, images: ImagesConfig | None, frames: Sequence[Row], limits: PictureLimits
) -> list[Picture]:
    """A picture, or the reason for none, of each frame; of more than the limits allow the first ones.

    frames: rows with image_uri, width_px, height_px. images: None: as the run read them, and not over http,
    for which leave is not stored. Images are read below their root alone. Raises ConfigError and StorageError
    for a root that was given and cannot be used.
    """
    pictures = [Picture(None, None, OVER_LIMIT if row["image_uri"] else NO_ADDRESS) for row in frames]
    root, decode = _root_of(run, images)
    if root is None:
        return [Picture(None, None, NO_ROOT if row["image_uri"] else NO_ADDRESS) for row in frames]
    places = [place for place, row in enumerate(frames) if row["image_uri"]][: limits.pictures]
    uris = [frames[place]["image_uri"] for place in places]
    sizes = [(_known(frames[place]["width_px"]), _known(frames[place]["height_px"])) for place in places]
    left = limits.n_bytes
    try:
        for number, image in decoded_images(root, uris, sizes, decode):
            if isinstance(image, ImageError):
                pictures[places[number]] = Picture(None, None, image.reason)
                continue
            url = _data_url(image, limits)
            if len(url) > left:
                break
            left -= len(url)
            pictures[places[number]] = Picture(url, (image.shape[1], image.shape[0]), None)
    except StorageError:
        # The figures of a page are whole without its pictures.
        for place in places:
            if pictures[place].reason == OVER_LIMIT:
                pictures[place] = Picture(None, None, STORE_ERROR)
    return pictures


def _root_of(run: Run, images: ImagesConfig | None) -> tuple[ImageRoot | None, DecodeOptions]:
    chosen = images_of(run) if images is None else images
    decode = DecodeOptions(chosen.max_pixels, chosen.exif_orientation)
    if chosen.root is None:
        return None, decode
    location = run.location or Location.of(".")
    try:
        return ImageRoot.of(chosen.root, location, allow_http=chosen.allow_http), decode
    except ConfigError:
        if images is not None:
            raise
        return None, decode


def _known(side: float | None) -> float:
    return math.nan if side is None else side


def _data_url(image: Array, limits: PictureLimits) -> str:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((limits.side_px, limits.side_px), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=limits.quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
