"""Frames of videos, addressed as `video.mp4#frame`, counted from 0 in the order in which they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from emqa_core.objects import Array
from emqa_core.pixels.decode import MISSING, UNREADABLE, DecodeOptions, ImageError, check_size

if TYPE_CHECKING:
    from emqa_core.pixels.images import ImageRoot

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
    uneven times are only known so.
    """
    n_given = 0
    try:
        import av

        with root.open(file) as stream, closing(av.open(stream)) as container:
            sizes = iter(zip(wanted, frame_sizes, strict=True))
            number, size = next(sizes)
            assert isinstance(container, av.container.InputContainer)
            for index, frame in enumerate(container.decode(video=0)):
                while index == number:
                    yield _as_rgb(frame, size, options)
                    n_given += 1
                    if n_given == len(wanted):
                        return
                    number, size = next(sizes)
        rest = ImageError(MISSING, f"the video has {index + 1} frames")
    except ImageError as error:
        rest = error
    except ImportError:
        rest = ImageError(UNREADABLE, "videos need PyAV: pip install emqa[video]")
    except (OSError, ValueError, IndexError, EOFError, RuntimeError, UnboundLocalError) as error:
        rest = ImageError(UNREADABLE, f"{type(error).__name__}: {error}"[:200])
    yield from [rest] * (len(wanted) - n_given)


def _as_rgb(frame: object, size: tuple[float, float], options: DecodeOptions) -> Array | ImageError:
    from av import VideoFrame

    assert isinstance(frame, VideoFrame)
    try:
        check_size((frame.width, frame.height), size, options)
    except ImageError as error:
        return error
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
