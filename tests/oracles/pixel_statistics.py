"""Pixel metrics by their definitions: luma and HSV from OpenCV, the rest in plain NumPy.

Pictures are (H, W, 3) uint8 arrays of red, green, blue, decoded at full resolution. Nothing is summed up
beforehand: each metric is worked out from the pixels themselves in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Box = tuple[float, float, float, float]  # x, y, width, height

DARK_BELOW, BRIGHT_ABOVE = 26, 229
COLOUR_SATURATION, COLOUR_VALUE = 50, 40
# Red lies at both ends of the circle of hues; OpenCV counts it in steps of 2 degrees, 0 to 179.
HUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "red": lambda hue: (hue <= 10) | (hue >= 170),
    "green": lambda hue: (hue >= 35) & (hue <= 75),
    "blue": lambda hue: (hue >= 90) & (hue <= 130),
}


@dataclass(frozen=True)
class Planes:
    """What the metrics are made of; all arrays of one shape, (H, W) for a frame."""

    luma: np.ndarray
    laplacian: np.ndarray
    hue: np.ndarray
    saturation: np.ndarray
    value: np.ndarray

    def inside(self, box: Box) -> Planes:
        """The pixels of an object: its window of the frame's planes, which may be empty.

        The Laplacian is the frame's, so that pixels beside the box take part in that of its edge.
        """
        window = pixel_window(box, *self.luma.shape)
        return Planes(
            *(plane[window] for plane in (self.luma, self.laplacian, self.hue, self.saturation, self.value))
        )


def planes_of(picture: np.ndarray) -> Planes:
    """Luma, its Laplacian and HSV of a whole frame."""
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    picture = np.ascontiguousarray(picture)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    return Planes(luma, laplacian_of(luma), hue, saturation, value)


def laplacian_of(luma: np.ndarray) -> np.ndarray:
    """Signed, with kernel [[0,1,0],[1,-4,1],[0,1,0]]; beyond an edge lies the pixel that lies inside it.

    Reflect-101: column -1 is column 1, not column 0. A side of one pixel reflects that pixel.
    """
    wide = np.pad(luma.astype(np.int64), 1, mode="reflect")
    middle = wide[1:-1, 1:-1]
    return wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * middle


def pixel_window(box: Box, n_rows: int, n_columns: int) -> tuple[slice, slice]:
    """Rows and columns that a box touches: floor of its first edge to ceil of its last, clipped."""
    x, y, width, height = (float(side) for side in box)
    left, right = max(math.floor(x), 0), min(math.ceil(x + width), n_columns)
    top, bottom = max(math.floor(y), 0), min(math.ceil(y + height), n_rows)
    return slice(top, max(bottom, top)), slice(left, max(right, left))


def _brightness(planes: Planes) -> float:
    return float(np.mean(planes.luma, dtype=np.float64)) / 255


def _contrast(planes: Planes) -> float:
    return float(np.std(planes.luma, dtype=np.float64)) / 127.5


def _sharpness(planes: Planes) -> float:
    return float(np.var(planes.laplacian.astype(np.float64)))


def _colour_share(planes: Planes, colour: str) -> float:
    strong = (planes.saturation >= COLOUR_SATURATION) & (planes.value >= COLOUR_VALUE)
    return float(np.mean(strong & HUES[colour](planes.hue)))


def _saturation(planes: Planes) -> float:
    return float(np.mean(planes.saturation, dtype=np.float64)) / 255


def _entropy(planes: Planes) -> float:
    """In bits; a value of luma that does not occur adds nothing."""
    _, counts = np.unique(planes.luma, return_counts=True)
    shares = counts / counts.sum()
    return float(abs(np.sum(shares * np.log2(shares))))


def _dark_share(planes: Planes) -> float:
    return float(np.mean(planes.luma < DARK_BELOW))


def _bright_share(planes: Planes) -> float:
    return float(np.mean(planes.luma > BRIGHT_ABOVE))


STATISTICS: dict[str, Callable[[Planes], float]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "red": lambda planes: _colour_share(planes, "red"),
    "green": lambda planes: _colour_share(planes, "green"),
    "blue": lambda planes: _colour_share(planes, "blue"),
    "saturation": _saturation,
    "entropy": _entropy,
    "dark_share": _dark_share,
    "bright_share": _bright_share,
}
FRAME_METRICS = tuple(f"frame_{name}" for name in STATISTICS)
OBJECT_METRICS = tuple(f"object_{name}" for name in STATISTICS)


def frame_statistics(planes: Planes) -> dict[str, float]:
    """Every pixel metric of a frame, by its name in the tables."""
    return {f"frame_{name}": statistic(planes) for name, statistic in STATISTICS.items()}


def object_statistics(planes: Planes, box: Box) -> dict[str, float]:
    """Every pixel metric of an object, by its name in the tables; NaN where no pixel is left of it."""
    inside = planes.inside(box)
    if inside.luma.size == 0:
        return dict.fromkeys(OBJECT_METRICS, math.nan)
    return {f"object_{name}": statistic(inside) for name, statistic in STATISTICS.items()}
