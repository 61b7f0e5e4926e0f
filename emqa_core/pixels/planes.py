"""What is computed of every pixel once: luma, its Laplacian, saturation and colour.

Luma and HSV are OpenCV's for 8 bits, to the last bit: in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.objects import Array

_READ_U8_3D = types.Array(types.uint8, 3, "C", readonly=True)

# Y = 0.299 R + 0.587 G + 0.114 B in fractions of 2**15, as cvtColor(RGB2GRAY) has them.
_LUMA_SHIFT = 15
_RED, _GREEN, _BLUE = 9798, 19235, 3735
_HALF_LUMA = 1 << (_LUMA_SHIFT - 1)
# cvtColor(RGB2HSV) multiplies by a reciprocal in fractions of 2**12.
_HSV_SHIFT = 12
_HALF_HSV = 1 << (_HSV_SHIFT - 1)
_PER_VALUE = np.float32(255 << _HSV_SHIFT)
_PER_CHROMA = np.float32((180 << _HSV_SHIFT) / 6)
_ONE = np.int32(1)
_ROUNDED = np.float32(1.5 * 2**23)  # added to a float32 it leaves no place for a fraction

RED, GREEN, BLUE = 1, 2, 4  # values of the plane of colours; 0 is none of them
_MIN_SATURATION, _MIN_VALUE = 50, 40


@dataclass(frozen=True)
class PixelPlanes:
    """The planes of one image, each (height, width).

    luma uint8. laplacian int16: kernel [[0, 1, 0], [1, -4, 1], [0, 1, 0]] of luma, reflect-101 at the edges.
    saturation uint8: S of HSV. colour uint8: RED, GREEN or BLUE where a pixel is vivid and of that hue,
    else 0.
    """

    luma: Array
    laplacian: Array
    saturation: Array
    colour: Array

    @property
    def width(self) -> int:
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        return int(self.luma.shape[0])

    @classmethod
    def of(cls, rgb: Array) -> PixelPlanes:
        """From an image of 8 bits, (height, width, 3) uint8."""
        return cls(*_planes(rgb))


_PLANE = types.uint8[:, ::1]


@kernel(
    types.Tuple((_PLANE, types.int16[:, ::1], _PLANE, _PLANE))(_READ_U8_3D),
    error_model="numpy",
)
def _planes(rgb):  # type: ignore[no-untyped-def]
    height, width = rgb.shape[0], rgb.shape[1]
    luma = np.empty((height, width), np.uint8)
    saturation = np.empty((height, width), np.uint8)
    colour = np.empty((height, width), np.uint8)
    red, green, blue = np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.int32)
    for row in range(height):
        # A loop for every step: the compiler makes each of them work on many pixels at once, if sums of 32
        # bits are said to have no more.
        flat = rgb[row].ravel()
        for column in range(width):
            first = np.uint64(3) * np.uint64(column)
            red[column] = flat[first]
            green[column] = flat[first + np.uint64(1)]
            blue[column] = flat[first + np.uint64(2)]
        of_luma, of_saturation, of_colour = luma[row], saturation[row], colour[row]
        for column in range(width):
            y = np.int32(red[column] * _RED + green[column] * _GREEN + blue[column] * _BLUE + _HALF_LUMA)
            of_luma[column] = y >> _LUMA_SHIFT
        for column in range(width):
            r, g, b = red[column], green[column], blue[column]
            value = max(r, g, b)
            chroma = np.int32(value - min(r, g, b))
            # Exact for every value: rounded to even by the last bit of what is added.
            by_value = np.int32((_PER_VALUE / np.float32(max(value, _ONE)) + _ROUNDED) - _ROUNDED)
            by_chroma = np.int32((_PER_CHROMA / np.float32(max(chroma, _ONE)) + _ROUNDED) - _ROUNDED)
            s = np.int32(np.int32(chroma * by_value + _HALF_HSV) >> _HSV_SHIFT)
            if_green, if_blue = np.int32(b - r + 2 * chroma), np.int32(r - g + 4 * chroma)
            turned = np.int32(g - b) if value == r else (if_green if value == g else if_blue)
            hue = np.int32(np.int32(turned * by_chroma + _HALF_HSV) >> _HSV_SHIFT)
            # A hue below 0 is one below 180 in OpenCV.
            is_red = (hue >= np.int32(-10)) & (hue <= np.int32(10)) | (hue >= np.int32(170))
            is_green = (hue >= np.int32(35)) & (hue <= np.int32(75))
            is_blue = (hue >= np.int32(90)) & (hue <= np.int32(130))
            is_vivid = (s >= np.int32(_MIN_SATURATION)) & (value >= np.int32(_MIN_VALUE))
            named = np.int32(is_red) + np.int32(2) * np.int32(is_green) + np.int32(4) * np.int32(is_blue)
            of_saturation[column] = s
            of_colour[column] = np.int32(named) * np.int32(is_vivid)
    return luma, _laplacian(luma), saturation, colour


@kernel(types.int16[:, ::1](_PLANE))
def _laplacian(luma):  # type: ignore[no-untyped-def]
    height, width = luma.shape
    out = np.empty((height, width), np.int16)
    for row in range(height):
        # Reflect-101: before the first row lies the second; about a single row, the row itself.
        above = luma[row - 1 if row > 0 else min(1, height - 1)]
        below = luma[row + 1 if row < height - 1 else max(height - 2, 0)]
        here, result = luma[row], out[row]
        for column in range(1, width - 1):
            around = np.int16(here[column - 1]) + np.int16(here[column + 1])
            across = np.int16(above[column]) + np.int16(below[column])
            result[column] = around + across - np.int16(4) * np.int16(here[column])
        for column in (0, width - 1):
            left = here[column - 1 if column > 0 else min(1, width - 1)]
            right = here[column + 1 if column < width - 1 else max(width - 2, 0)]
            around, across = (
                np.int16(left) + np.int16(right),
                np.int16(above[column]) + np.int16(below[column]),
            )
            result[column] = around + across - np.int16(4) * np.int16(here[column])
    return out
