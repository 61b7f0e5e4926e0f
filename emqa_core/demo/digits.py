"""Handwritten digits in two halves that never meet: one is pasted into frames, one trains the detector.

They come with scikit-learn: 1,797 images of 8 x 8 pixels from the UCI test set of optical recognition of
handwritten digits (Alpaydin and Kaynak 1998, CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# How far a digit may be slimmer or wider than handwritten: natural logarithm of the factor on its height, and
# of the divisor of its width. Without it the shape of a box would betray what it holds.
STRETCH = 0.2


@dataclass(frozen=True)
class Digits:
    """n digits. ink (n, 8, 8) float64 in 0..1; value (n,) int64 in 0..9."""

    ink: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.value)


def read_digits() -> tuple[Digits, Digits]:
    """The digits to paste and the digits to learn from: the even and the odd rows of the bundled set."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    ink = bundle.images / 16.0
    return Digits(ink[0::2], bundle.target[0::2]), Digits(ink[1::2], bundle.target[1::2])


def draw_digit(ink: np.ndarray, height: int, width: int) -> np.ndarray:
    """The digit's ink (8, 8) at another size: (height, width) float64 in 0..1."""
    scale = (height / 8, width / 8)
    return np.asarray(np.clip(ndimage.zoom(ink, scale, order=1, grid_mode=True, mode="nearest"), 0, 1))


def inked_part(drawn: np.ndarray, share: float) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around the pixels with at least `share` of the brightest one."""
    inked = drawn >= share * drawn.max()
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
