"""Frames of videos, addressed as `video.mp4#frame`, counted from 0 in the order in which they are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emqa_core.errors import StorageError
from emqa_core.objects import Array
from emqa_core.pixels.decode import MISSING, UNREADABLE, DecodeOptions, ImageError, check_size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

    from emqa_core.pixels.images import ImageRoot

# A playlist or a script of FFmpeg's may name other files and sites: only what holds its own frames is opened.
_CONTAINERS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv",
    "protocol_whitelist": "",
}
_ADDRESS = re.compile(r"(?P<file>.+)#(?P<frame>\d+)")


def video_frame(uri: str) -> tuple[str, int] | None:
    """The video's file and the number of the frame; None for an image."""
    found = _ADDRESS.fullmatch(uri)
    return None if found is None else (found["file"], int(found["frame"]))


def file_of(uri: str) -> str:
    """The file that an image_uri stands in: of a video's frame the video."""
    found = video_frame(uri)
    return uri if found is None else found[0]


def video_frames(
    root: ImageRoot,
    file: str,
    wanted: Sequence[int],
    frame_sizes: Sequence[tuple[float, float]],
    options: DecodeOptions,
) -> Iterator[Array | ImageError]:
    """The wanted frames, ascending, as (height, width, 3) uint8 RGB, or the error in their place.

    Decoded in order, once, up to the last one that is wanted: frame numbers of a video whose frames come at
    uneven times are only known so. A rotation that the file asks for is not applied.
    """
    n_given, n_frames = 0, 0
    try:
        import av
    except ImportError:
        yield from [ImageError(UNREADABLE, "videos need PyAV: pip install emqa[video]")] * len(wanted)
        return
    try:
        with root.open(file) as stream, av.open(stream, container_options=_CONTAINERS) as container:
            assert isinstance(container, av.container.InputContainer)
            sizes = iter(zip(wanted, frame_sizes, strict=True))
            number, size = next(sizes)
            _check_stream(container, options)
            for n_frames, frame in enumerate(container.decode(video=0), start=1):
                while n_frames - 1 == number:
                    yield _as_rgb(frame, size, options)
                    n_given += 1
                    if n_given == len(wanted):
                        return
                    number, size = next(sizes)
        rest = ImageError(MISSING, f"the video has {n_frames} frames", lasts=True)
    except ImageError as error:
        rest = error
    except StorageError:
        raise
    except (av.FFmpegError, OSError, ValueError, IndexError, EOFError) as error:
        rest = ImageError(
            UNREADABLE, f"{type(error).__name__}: {error}"[:200], lasts=not _is_of_network(error)
        )
    yield from [rest] * (len(wanted) - n_given)


def _check_stream(container: InputContainer, options: DecodeOptions) -> None:
    """Refuse a video before a frame of it is decoded. Raises ImageError."""
    if not container.streams.video:
        raise ImageError(UNREADABLE, "no video in the file", lasts=True)
    context = container.streams.video[0].codec_context
    check_size((context.width, context.height), (math.nan, math.nan), options)


def _is_of_network(error: Exception) -> bool:
    return isinstance(error, OSError) and not isinstance(error, ValueError)


def _as_rgb(frame: VideoFrame, size: tuple[float, float], options: DecodeOptions) -> Array | ImageError:
    try:
        check_size((frame.width, frame.height), size, options)
    except ImageError as error:
        return error
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
