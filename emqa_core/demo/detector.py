"""A small detector that really detects: connected components, then a classifier of their pixels.

Its weaknesses are honest ones. Components of few pixels carry little shape, touching digits become one
component, faint ones drown in noise and texture, and blur both widens boxes and wipes out shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from emqa_core.demo.digits import STRETCH, Digits, draw_digit, inked_part

_BACKGROUND_PX = 24.0  # scale of what is subtracted as background
_SMALLEST_AREA_PX2 = 20
_COPIES = 3  # training copies of each digit
_NOISE_MULTIPLE = 4.0
_EDGE_SHARE = 0.35  # a component's box holds the pixels with at least this share of its peak


@dataclass(frozen=True)
class Detection:
    """A prediction: digit in 0..9, probability in 0..1, box in whole pixels."""

    value: int
    score: float
    x: int
    y: int
    width: int
    height: int


class Detector:
    """Learns from 8 x 8 digits, then detects digits in grey images of any size."""

    def __init__(self, digits: Digits, seed: int) -> None:
        from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

        rng = np.random.default_rng(seed)
        shapes = [_shape(_degraded(ink, rng)) for ink in digits.ink for _ in range(_COPIES)]
        self._classifier: Any = QuadraticDiscriminantAnalysis(reg_param=0.1)
        self._classifier.fit(np.stack(shapes), np.repeat(digits.value, _COPIES))

    def detect(self, pixels: np.ndarray) -> list[Detection]:
        """Detections in a grey image (height, width) uint8, from top left to bottom right.

        A component gives one detection: its likeliest class.
        """
        grey = pixels.astype(np.float32) / 255
        signal = ndimage.gaussian_filter(grey, 0.6) - _background(grey)
        every_fourth = signal[::2, ::2]
        spread = 1.4826 * float(np.median(np.abs(every_fourth - np.median(every_fourth))))
        components, _ = ndimage.label(signal > _NOISE_MULTIPLE * spread, structure=np.ones((3, 3)))
        shapes, boxes = [], []
        for number, (rows, columns) in enumerate(ndimage.find_objects(components), start=1):
            crop = np.where(components[rows, columns] == number, signal[rows, columns], 0)
            high, wide = inked_part(crop, _EDGE_SHARE)
            crop = crop[high, wide]
            if crop.size < _SMALLEST_AREA_PX2:
                continue
            shapes.append(_shape(crop))
            boxes.append((columns.start + wide.start, rows.start + high.start, crop.shape[1], crop.shape[0]))
        if not shapes:
            return []
        probabilities = self._classifier.predict_proba(np.stack(shapes))
        return [
            Detection(value, round(float(probabilities[row, value]), 4), *boxes[row])
            for row, value in enumerate(probabilities.argmax(axis=1).tolist())
        ]


def _background(grey: np.ndarray) -> np.ndarray:
    """Slow changes of brightness: medians of coarse cells, which most digits are too small to move."""
    height, width = grey.shape
    coarse = Image.fromarray(grey).resize((width // 8, height // 8), Image.Resampling.BOX)
    medians = ndimage.median_filter(np.asarray(coarse), size=9, mode="nearest")
    return np.asarray(Image.fromarray(medians).resize((width, height), Image.Resampling.BILINEAR))


def _degraded(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A training digit as a camera might see it, cut out as the detector will cut it out."""
    size, slimness = rng.uniform(10, 50), np.exp(rng.uniform(-STRETCH, STRETCH))
    drawn = np.pad(draw_digit(ink, round(size * slimness), round(size / slimness)), 4)
    drawn = ndimage.gaussian_filter(drawn, rng.uniform(0.0, 2.5))
    drawn += rng.uniform(0.0, 0.1) * rng.standard_normal(drawn.shape)
    return np.asarray(drawn[inked_part(drawn, _EDGE_SHARE)])


def _shape(crop: np.ndarray) -> np.ndarray:
    """What the classifier sees, (65,): the crop at 8 x 8 pixels, brightest 1, and its aspect ratio."""
    small = Image.fromarray(crop.astype(np.float32)).resize((8, 8), Image.Resampling.BOX)
    pixels = np.asarray(small).ravel()
    aspect = min(crop.shape[1] / crop.shape[0], 3.0)
    return np.append(pixels / max(float(pixels.max()), 1e-6), aspect)
