"""Frames with handwritten digits on textured backgrounds, whose difficulty is planted and known.

Four things are varied on purpose, independently of one another: the size of a digit, how crowded the digits
stand, and the frame's contrast and blur. Noise and texture vary too, within limits that hurt little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from emqa_core.demo.digits import STRETCH, Digits, draw_digit, inked_part

WIDTH_PX, HEIGHT_PX = 320, 240
SMALLEST_PX, LARGEST_PX = 8, 80  # square root of the area that a digit is drawn on
TEXTURES = ("smooth", "grain", "stripes")
_INK_EDGE = 0.3  # a digit's box is drawn around the pixels with at least this share of full ink


@dataclass(frozen=True)
class DigitLabel:
    """A digit in a frame: its value in 0..9 and its box in whole pixels."""

    value: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class RenderedFrame:
    """pixels (HEIGHT_PX, WIDTH_PX) uint8; the labels in it; what was planted in it.

    digit_contrast: brightness of full ink above the background, in 0..1 of the grey scale. blur_px: standard
    deviation of the Gaussian over the frame. noise_level: standard deviation of the noise, in 0..1.
    """

    pixels: np.ndarray
    labels: tuple[DigitLabel, ...]
    digit_contrast: float
    blur_px: float
    noise_level: float
    texture: str


def render_frame(digits: Digits, index: int, seed: int) -> RenderedFrame:
    """The frame of this index: the same for the same seed, whichever others are rendered."""
    rng = np.random.default_rng([seed, index])
    digit_contrast = round(float(rng.uniform(0.08, 0.7)), 3)
    blur_px = round(float(rng.uniform(0.0, 4.2)), 2)
    noise_level = round(float(rng.uniform(0.02, 0.05)), 4)
    texture = TEXTURES[int(rng.integers(len(TEXTURES)))]

    ink, labels = _place_digits(digits, rng)
    grey = 0.25 + _background(texture, rng) + digit_contrast * ink
    grey = ndimage.gaussian_filter(grey, blur_px, truncate=3.0) if blur_px else grey
    grey += noise_level * rng.standard_normal(grey.shape)
    pixels = np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)
    return RenderedFrame(pixels, tuple(labels), digit_contrast, blur_px, noise_level, texture)


def _place_digits(digits: Digits, rng: np.random.Generator) -> tuple[np.ndarray, list[DigitLabel]]:
    """Ink of the whole frame in 0..1, and the labels.

    In a crowded frame most digits are pasted against an earlier one, often onto it; elsewhere each has room.
    """
    ink = np.zeros((HEIGHT_PX, WIDTH_PX))
    labels: list[DigitLabel] = []
    crowding = rng.uniform(-0.4, 0.7)  # none at all in some frames
    for _ in range(int(rng.integers(2, 13))):
        chosen = int(rng.integers(len(digits)))
        size = np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(LARGEST_PX)))
        slimness = np.exp(rng.uniform(-STRETCH, STRETCH))
        drawn = draw_digit(digits.ink[chosen], round(size * slimness), round(size / slimness))
        patch = drawn[inked_part(drawn, _INK_EDGE)]
        height, width = patch.shape
        beside = labels[int(rng.integers(len(labels)))] if labels and rng.random() < crowding else None
        corner = _beside(beside, width, height, rng) if beside else _free_corner(labels, width, height, rng)
        if corner is None:
            continue
        x, y = corner
        region = ink[y : y + height, x : x + width]
        np.maximum(region, patch, out=region)
        labels.append(DigitLabel(int(digits.value[chosen]), x, y, width, height))
    return ink, labels


def _free_corner(
    labels: list[DigitLabel], width: int, height: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A place at least six pixels from every other digit; None where twenty tries find none."""
    gap = 6
    for _ in range(20):
        x = int(rng.integers(0, WIDTH_PX - width + 1))
        y = int(rng.integers(0, HEIGHT_PX - height + 1))
        if all(
            x >= other.x + other.width + gap
            or other.x >= x + width + gap
            or y >= other.y + other.height + gap
            or other.y >= y + height + gap
            for other in labels
        ):
            return x, y
    return None


def _beside(other: DigitLabel, width: int, height: int, rng: np.random.Generator) -> tuple[int, int] | None:
    """A place that touches or partly covers another digit; None where it would leave the frame."""
    shift = rng.uniform(0.6, 1.15)
    side = int(rng.integers(4))
    if side < 2:
        x = other.x + round(shift * other.width) if side else other.x - round(shift * width)
        y = other.y + int(rng.integers(-height // 3, max(other.height - height // 2, 1)))
    else:
        y = other.y + round(shift * other.height) if side == 2 else other.y - round(shift * height)
        x = other.x + int(rng.integers(-width // 3, max(other.width - width // 2, 1)))
    inside = 0 <= x <= WIDTH_PX - width and 0 <= y <= HEIGHT_PX - height
    return (x, y) if inside else None


def _background(texture: str, rng: np.random.Generator) -> np.ndarray:
    """Deviation from the mean grey, (HEIGHT_PX, WIDTH_PX), within about 0.1."""
    if texture == "stripes":
        angle, period, phase = rng.uniform(0, np.pi), rng.uniform(120, 240), rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
        return np.asarray(0.04 * np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase))
    cell = 40 if texture == "smooth" else 10
    coarse = rng.standard_normal((HEIGHT_PX // cell, WIDTH_PX // cell))
    amplitude = 0.05 if texture == "smooth" else 0.012
    return np.asarray(amplitude * ndimage.zoom(coarse, cell, order=1, grid_mode=True, mode="nearest"))
