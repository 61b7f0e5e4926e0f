"""The images of some frames, decoded one after the other: files fetched ahead, videos in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emqa_core.objects import Array
from emqa_core.pixels.decode import DecodeOptions, ImageError, decode_image
from emqa_core.pixels.images import ImageRoot
from emqa_core.pixels.video import video_frame, video_frames


def decoded_images(
    root: ImageRoot, uris: Sequence[str], frame_sizes: Sequence[tuple[float, float]], options: DecodeOptions
) -> Iterator[tuple[int, Array | ImageError]]:
    """(which of the uris, its image or its error) for each; a file is read once.

    frame_sizes: width and height of each frame in px, NaN where unknown. Images come in the order of their
    uris, each video's frames after them.
    """
    places: dict[str, list[int]] = {}
    videos: dict[str, list[tuple[int, int]]] = {}
    for place, uri in enumerate(uris):
        address = video_frame(uri)
        if address is None:
            places.setdefault(uri, []).append(place)
        else:
            videos.setdefault(address[0], []).append((address[1], place))
    for uri, data in zip(places, root.fetch(list(places)), strict=True):
        for place in places[uri]:
            yield place, _decoded(data, frame_sizes[place], options)
    for file, frames in videos.items():
        frames.sort()
        sizes = [frame_sizes[place] for _, place in frames]
        found = video_frames(root, file, [number for number, _ in frames], sizes, options)
        for (_, place), image in zip(frames, found, strict=True):
            yield place, image


def _decoded(
    data: bytes | ImageError, size: tuple[float, float], options: DecodeOptions
) -> Array | ImageError:
    if isinstance(data, ImageError):
        return data
    try:
        return decode_image(data, size, options)
    except ImageError as error:
        return error
