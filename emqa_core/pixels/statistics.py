"""The pixel statistics of a frame and of the boxes in it, from the planes of one decoded image."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32_2D, READ_U8_2D
from emqa_core.objects import Array
from emqa_core.pixels.planes import PixelPlanes
from emqa_core.pixels.statistic_names import N_STATISTICS

_DARK_BELOW, _BRIGHT_ABOVE = 26, 229
_READ_I16_2D = types.Array(types.int16, 2, "C", readonly=True)


def pixel_boxes(x: Array, y: Array, width: Array, height: Array) -> Array:
    """The pixels that boxes touch, not yet clipped: (n, 4) int32 of left, top, right, bottom, ends open.

    x, y, width, height (n,) in px: floor(x)..ceil(x + w) by floor(y)..ceil(y + h).
    """
    edges = np.stack([np.floor(x), np.floor(y), np.ceil(x + width), np.ceil(y + height)], axis=1)
    return np.clip(edges, -(2**31), 2**31 - 1).astype(np.int32)


def region_statistics(planes: PixelPlanes, boxes: Array) -> Array:
    """The statistics of each box, (n, N_STATISTICS) float32, NaN for a box without a pixel of the image.

    boxes (n, 4) int32: left, top, right, bottom in pixels, ends open; clipped here.
    """
    return np.asarray(
        _statistics(
            planes.luma, planes.laplacian, planes.saturation, planes.colour, np.ascontiguousarray(boxes)
        )
    )


@kernel(
    types.float32[:, ::1](READ_U8_2D, _READ_I16_2D, READ_U8_2D, READ_U8_2D, READ_I32_2D), error_model="numpy"
)
def _statistics(luma, laplacian, saturation, colour, boxes):  # type: ignore[no-untyped-def]
    height, width = luma.shape
    out = np.full((boxes.shape[0], N_STATISTICS), np.nan, np.float32)
    # Equal neighbours would wait for one another's count: each of four columns in turn has its own.
    counts = np.zeros((4, 256), np.int32)
    for box in range(boxes.shape[0]):
        left, top = max(boxes[box, 0], 0), max(boxes[box, 1], 0)
        right, bottom = min(boxes[box, 2], width), min(boxes[box, 3], height)
        if right <= left or bottom <= top:
            continue
        counts[:] = 0
        sum_laplacian, sum_squares, sum_saturation = np.int64(0), np.int64(0), np.int64(0)
        n_red, n_green, n_blue = np.int64(0), np.int64(0), np.int64(0)
        for row in range(top, bottom):
            of_luma = luma[row, left:right]
            n = of_luma.shape[0]
            for column in range(0, n - 3, 4):
                counts[0, of_luma[column]] += 1
                counts[1, of_luma[column + 1]] += 1
                counts[2, of_luma[column + 2]] += 1
                counts[3, of_luma[column + 3]] += 1
            for column in range(n - n % 4, n):
                counts[0, of_luma[column]] += 1
            of_laplacian = laplacian[row, left:right]
            row_sum, row_squares = np.int32(0), np.int64(0)
            for column in range(n):
                value = np.int32(of_laplacian[column])
                row_sum += value
                row_squares += value * value
            sum_laplacian += row_sum
            sum_squares += row_squares
            of_saturation, of_colour = saturation[row, left:right], colour[row, left:right]
            row_saturation = np.int32(0)
            row_red, row_green, row_blue = np.int32(0), np.int32(0), np.int32(0)
            for column in range(n):
                row_saturation += np.int32(of_saturation[column])
                row_red += np.int32(of_colour[column] == 1)
                row_green += np.int32(of_colour[column] == 2)
                row_blue += np.int32(of_colour[column] == 4)
            sum_saturation += row_saturation
            n_red += row_red
            n_green += row_green
            n_blue += row_blue
        n_pixels = np.float64((right - left) * np.int64(bottom - top))
        total, squares, dark, bright, entropy = np.int64(0), np.int64(0), np.int64(0), np.int64(0), 0.0
        for level in range(256):
            count = np.int64(counts[0, level]) + counts[1, level] + counts[2, level] + counts[3, level]
            if count == 0:
                continue
            total += count * level
            squares += count * level * level
            if level < _DARK_BELOW:
                dark += count
            if level > _BRIGHT_ABOVE:
                bright += count
            share = count / n_pixels
            entropy -= share * np.log2(share)
        mean, mean_laplacian = total / n_pixels, sum_laplacian / n_pixels
        out[box, 0] = mean / 255.0
        out[box, 1] = np.sqrt(max(squares / n_pixels - mean * mean, 0.0)) / 127.5
        out[box, 2] = max(sum_squares / n_pixels - mean_laplacian * mean_laplacian, 0.0)
        out[box, 3] = n_red / n_pixels
        out[box, 4] = n_green / n_pixels
        out[box, 5] = n_blue / n_pixels
        out[box, 6] = sum_saturation / n_pixels / 255.0
        out[box, 7] = max(entropy, 0.0)
        out[box, 8] = dark / n_pixels
        out[box, 9] = bright / n_pixels
    return out
