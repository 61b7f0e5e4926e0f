"""From the bytes of a file to an image of 8-bit RGB, whatever the format stores."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emqa_core.objects import Array

ExifOrientation = Literal["auto", "apply", "ignore"]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_ORIENTATION = 0x0112  # the EXIF tag
_TIFF = (b"II*\x00", b"MM\x00*")
_TURNED = frozenset({5, 6, 7, 8})  # orientations that swap width and height


class ImageError(Exception):
    """An image that gives no pixels: the reason as the quarantine table names it, and what was found.

    lasts: whether the file's content decides it, so that it need not be looked at again.
    """

    def __init__(self, reason: str, found: str, *, lasts: bool = False) -> None:
        super().__init__(f"{reason}: {found}")
        self.reason = reason
        self.found = found
        self.lasts = lasts


EMPTY = "image_empty"
MISSING = "image_missing"
NOT_ALLOWED = "image_not_allowed"
TOO_LARGE = "image_too_large"
UNREADABLE = "image_unreadable"
WRONG_SIZE = "image_wrong_size"


@dataclass(frozen=True)
class DecodeOptions:
    """max_pixels: an image of more is refused before it is decoded.

    exif_orientation: `apply` turns the image as EXIF says, `ignore` takes it as stored. `auto` applies it, as
    browsers and annotation tools do, unless the frame's known size is that of the stored image alone.
    """

    max_pixels: int
    exif_orientation: ExifOrientation = "auto"


def decode_image(data: bytes, frame_size: tuple[float, float], options: DecodeOptions) -> Array:
    """The image, (height, width, 3) uint8.

    frame_size: width and height of the frame in px, NaN where unknown. 16 bits give their upper 8, grey is
    repeated, a palette is looked up, alpha is dropped, CMYK is converted; of several images in a file the
    first. Always decoded at full resolution. Raises ImageError.
    """
    if not data:
        raise ImageError(EMPTY, "0 bytes", lasts=True)
    header = jpeg_header(data) if data[:2] == b"\xff\xd8" else None
    if header is not None and header.n_components == 3 and header.precision == 8 and not header.has_exif:
        check_size((header.width, header.height), frame_size, options)
        if (image := _decode_jpeg(data)) is not None:
            return image
    return _decode_any(data, frame_size, options)


def _decode_jpeg(data: bytes) -> Array | None:
    """The image; None where libjpeg has a complaint, be it harmless or not."""
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True))
    except ValueError:
        return None


def _decode_any(data: bytes, frame_size: tuple[float, float], options: DecodeOptions) -> Array:
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        # Its own limit on size warns; ours refuses before a pixel is decoded.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                orientation = int(image.getexif().get(_ORIENTATION, 1) or 1)
                stored = image.size
                is_applied = orientation in range(2, 9) and _applies(stored, orientation, frame_size, options)
                turned = stored[::-1] if is_applied and orientation in _TURNED else stored
                check_size(turned, frame_size, options)
                image.load()
                upright = ImageOps.exif_transpose(image) if is_applied else image
                return _as_rgb(upright)
        except ImageError:
            raise
        except UnidentifiedImageError:
            if data[:4] in _TIFF:
                return _decode_tiff(data, frame_size, options)
            raise ImageError(
                UNREADABLE, f"no image of {', '.join(FORMATS)}: begins with {data[:8]!r}"
            ) from None
        except Image.DecompressionBombError as error:
            raise ImageError(TOO_LARGE, str(error), lasts=True) from None
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, OverflowError) as error:
            raise ImageError(UNREADABLE, f"{type(error).__name__}: {error}", lasts=True) from None


def _decode_tiff(data: bytes, frame_size: tuple[float, float], options: DecodeOptions) -> Array:
    """What Pillow has no mode for: colours of 16 bits."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            check_size((page.imagewidth, page.imagelength), frame_size, options)
            if (
                page.dtype != np.uint16
                or page.axes not in ("YXS", "SYX")
                or page.samplesperpixel not in (3, 4)
            ):
                raise ImageError(UNREADABLE, f"TIFF of {page.dtype} with axes {page.axes}", lasts=True)
            pixels = page.asarray()
    except (tifffile.TiffFileError, OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise ImageError(UNREADABLE, f"TIFF: {error}", lasts=True) from None
    pixels = np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels
    return np.ascontiguousarray(pixels[:, :, :3] >> 8).astype(np.uint8)


def _applies(
    stored: tuple[int, int], orientation: int, frame_size: tuple[float, float], options: DecodeOptions
) -> bool:
    if options.exif_orientation != "auto":
        return options.exif_orientation == "apply"
    is_turned = orientation in _TURNED and stored[0] != stored[1]
    return not (is_turned and stored == frame_size)


def check_size(size: tuple[int, int], frame_size: tuple[float, float], options: DecodeOptions) -> None:
    """Raise ImageError for an image that is too large, or not of its frame's size."""
    width, height = size
    if width * height > options.max_pixels:
        raise ImageError(
            TOO_LARGE, f"{width} x {height} px, at most {options.max_pixels:,} px are decoded", lasts=True
        )
    if any(known > 0 and known != found for known, found in zip(frame_size, size, strict=True)):
        raise ImageError(
            WRONG_SIZE,
            f"{width} x {height} px, the frame has {frame_size[0]:g} x {frame_size[1]:g}",
            lasts=True,
        )


def _as_rgb(image: object) -> Array:
    from PIL import Image

    assert isinstance(image, Image.Image)
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        # `I` is what some formats of 16 bits open as.
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        return np.ascontiguousarray(np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2))
    if image.mode == "F":
        raise ImageError(UNREADABLE, "floating-point pixels, which have no range that is known", lasts=True)
    return np.array(image.convert("RGBA").convert("RGB") if image.mode == "PA" else image.convert("RGB"))


@dataclass(frozen=True)
class JpegHeader:
    """What the markers before a JPEG's first scan say."""

    width: int
    height: int
    precision: int
    n_components: int
    has_exif: bool


_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def jpeg_header(data: bytes) -> JpegHeader | None:
    """Size and components of a JPEG without decoding it; None where its markers are broken."""
    has_exif, place = False, 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _ALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAME_MARKERS:
            if place + 10 > len(data):
                return None
            precision, height, width, n_components = struct.unpack(">BHHB", data[place + 4 : place + 10])
            return JpegHeader(width, height, precision, n_components, has_exif)
        if marker == 0xDA or length < 2:
            return None
        has_exif |= marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\x00\x00"
        place += 2 + length
    return None
