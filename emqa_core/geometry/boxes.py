"""Axis-aligned boxes: x, y of the upper left corner, width, height, in pixels."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.objects import Array

_I64 = types.Array(types.int64, 1, "C", readonly=True)
_I32 = types.Array(types.int32, 1, "C", readonly=True)
_F64 = types.Array(types.float64, 1, "C", readonly=True)


def clip_boxes(
    x: Array, y: Array, width: Array, height: Array, frame_width: Array, frame_height: Array
) -> tuple[Array, Array, Array, Array]:
    """The part of each box inside its frame, as x, y, width, height, each (n,) float64 in px.

    frame_width, frame_height (n,): size of each box's frame. A box outside its frame keeps no width or no
    height.
    """
    left, right = np.clip(x, 0.0, frame_width), np.clip(x + width, 0.0, frame_width)
    upper, lower = np.clip(y, 0.0, frame_height), np.clip(y + height, 0.0, frame_height)
    return left, upper, right - left, lower - upper


def pairwise_iou(labels: Array, predictions: Array, is_crowd: Array | None = None) -> Array:
    """Overlap of every label with every prediction of one frame.

    labels (L, 4), predictions (P, 4): x, y, width, height in pixels. is_crowd (L,) bool. Returns (L, P)
    in [0, 1]: intersection / union, for a crowd label intersection / area of the prediction; 0 where the
    boxes do not overlap. COCO's definition and order of operations (pycocotools' bbIou), float64.
    """
    right = np.minimum.outer(labels[:, 0] + labels[:, 2], predictions[:, 0] + predictions[:, 2])
    lower = np.minimum.outer(labels[:, 1] + labels[:, 3], predictions[:, 1] + predictions[:, 3])
    width = right - np.maximum.outer(labels[:, 0], predictions[:, 0])
    height = lower - np.maximum.outer(labels[:, 1], predictions[:, 1])
    intersection = np.where((width > 0) & (height > 0), width * height, 0.0)
    label_area, prediction_area = labels[:, 2] * labels[:, 3], predictions[:, 2] * predictions[:, 3]
    reference = np.add.outer(label_area, prediction_area) - intersection
    if is_crowd is not None:
        reference[is_crowd] = prediction_area
    return np.divide(intersection, reference, out=np.zeros_like(intersection), where=intersection > 0)


@kernel(types.float64[::1](_I64, _I32, _F64, _F64, _F64, _F64), error_model="numpy")
def _highest_iou(frame_start, class_code, x, y, width, height):  # type: ignore[no-untyped-def]
    n_rows = class_code.shape[0]
    most, n_codes = 0, 0
    for frame in range(frame_start.shape[0] - 1):
        most = max(most, frame_start[frame + 1] - frame_start[frame])
    for row in range(n_rows):
        n_codes = max(n_codes, class_code[row] + 1)
    cell = np.zeros(n_codes, np.int64)  # first a count, then the place of the next row, of each class
    present = np.empty(most, np.int64)
    row_at = np.empty(most, np.int64)
    left, upper = np.empty(most), np.empty(most)
    right, lower = np.empty(most), np.empty(most)
    area, best = np.empty(most), np.empty(most)
    out = np.zeros(n_rows)
    for frame in range(frame_start.shape[0] - 1):
        first, last = frame_start[frame], frame_start[frame + 1]
        n_present = 0
        for row in range(first, last):
            code = class_code[row]
            if cell[code] == 0:
                present[n_present] = code
                n_present += 1
            cell[code] += 1
        place = 0
        for index in range(n_present):
            count = cell[present[index]]
            cell[present[index]] = place
            place += count
        for row in range(first, last):
            place = cell[class_code[row]]
            cell[class_code[row]] = place + 1
            row_at[place] = row
            left[place], upper[place] = x[row], y[row]
            right[place], lower[place] = x[row] + width[row], y[row] + height[row]
            area[place] = width[row] * height[row]
            best[place] = 0.0
        begin = 0
        for index in range(n_present):
            end = cell[present[index]]
            cell[present[index]] = 0
            for one in range(begin, end):
                one_left, one_upper = left[one], upper[one]
                one_right, one_lower, one_area = right[one], lower[one], area[one]
                left[one] = np.inf  # no overlap with itself, and no branch in the loop below: it runs in SIMD
                for other in range(begin, end):
                    w = (one_right if one_right < right[other] else right[other]) - (
                        one_left if one_left > left[other] else left[other]
                    )
                    h = (one_lower if one_lower < lower[other] else lower[other]) - (
                        one_upper if one_upper > upper[other] else upper[other]
                    )
                    intersection = (w if w > 0.0 else 0.0) * (h if h > 0.0 else 0.0)
                    iou = intersection / ((one_area + area[other]) - intersection)
                    best[other] = iou if iou > best[other] else best[other]
                left[one] = one_left
            for place in range(begin, end):
                out[row_at[place]] = best[place]
            begin = end
    return out


def highest_iou_within_class(
    frame_start: Array, class_code: Array, x: Array, y: Array, width: Array, height: Array
) -> Array:
    """Highest IoU of each box with another box of its frame and class, (n,) float64 in [0, 1].

    frame_start (F + 1,) int64, class_code (n,) int32 from 0, x, y, width, height (n,) float64 in px.
    0 for a box without another, or without area. Time grows with the square of a class's boxes in a frame.
    """
    return np.asarray(_highest_iou(frame_start, class_code, x, y, width, height))
