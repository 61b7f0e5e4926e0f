"""Geometry and score metrics of objects and frames; one code for labels and predictions."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.geometry.boxes import clip_boxes
from emqa_core.geometry.coverage import covered_areas, union_areas
from emqa_core.kernel import kernel
from emqa_core.objects import Array, Frames, Labels, Objects

_I64 = types.Array(types.int64, 1, "C", readonly=True)
_I32 = types.Array(types.int32, 1, "C", readonly=True)
_F64 = types.Array(types.float64, 1, "C", readonly=True)

_BOX_METRICS = (
    "object_area_px2",
    "object_area_relative",
    "object_width_px",
    "object_height_px",
    "object_aspect_ratio",
    "object_border_distance",
    "object_center_x",
    "object_center_y",
)


@kernel(types.float32[:, ::1](_I64, _F64, _F64, _F64, _F64, _F64, _F64), error_model="numpy")
def _box_metrics(frame_start, frame_width, frame_height, x, y, width, height):  # type: ignore[no-untyped-def]
    out = np.empty((8, x.shape[0]), np.float32)
    for frame in range(frame_start.shape[0] - 1):
        w_frame, h_frame = frame_width[frame], frame_height[frame]
        is_known = w_frame > 0.0 and h_frame > 0.0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            left, upper = x[row], y[row]
            right, lower = left + width[row], upper + height[row]
            area = width[row] * height[row]
            border = np.nan
            if is_known:
                if left < 0.0 or upper < 0.0 or right > w_frame or lower > h_frame:
                    inner_width = max(min(right, w_frame) - max(left, 0.0), 0.0)
                    area = inner_width * max(min(lower, h_frame) - max(upper, 0.0), 0.0)
                across = min(left, w_frame - right) / w_frame
                down = min(upper, h_frame - lower) / h_frame
                border = max(min(across, down), 0.0)
            out[0, row] = area
            out[1, row] = 100.0 * area / (w_frame * h_frame) if is_known else np.nan
            out[2, row] = width[row]
            out[3, row] = height[row]
            out[4, row] = width[row] / height[row] if height[row] > 0.0 else np.nan
            out[5, row] = border
            out[6, row] = (left + 0.5 * width[row]) / w_frame if is_known else np.nan
            out[7, row] = (upper + 0.5 * height[row]) / h_frame if is_known else np.nan
    return out


@kernel(types.int64[::1](_I64, _I32), error_model="numpy")
def _count_classes(frame_start, class_code):  # type: ignore[no-untyped-def]
    n_codes = 0
    for row in range(class_code.shape[0]):
        n_codes = max(n_codes, class_code[row] + 1)
    seen_in = np.full(n_codes, -1, np.int64)
    out = np.zeros(frame_start.shape[0] - 1, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if seen_in[class_code[row]] != frame:
                seen_in[class_code[row]] = frame
                out[frame] += 1
    return out


def box_metrics(frames: Frames, objects: Objects) -> dict[str, Array]:
    """The metrics of a single box, by name, each (n,) float32.

    Those relative to the frame are null where its size is not known (NaN or not positive).
    """
    boxes = (objects.x, objects.y, objects.width, objects.height)
    rows = _box_metrics(objects.frame_start, frames.width_px, frames.height_px, *boxes)
    return dict(zip(_BOX_METRICS, rows, strict=True))


def count_classes(labels: Labels) -> Array:
    """Distinct classes of the labels in each frame, (F,) int64."""
    return np.asarray(_count_classes(labels.frame_start, labels.class_code))


def occlusion(objects: Objects) -> Array:
    """Share of each box that others cover, (n,) float64; NaN for a box without area."""
    covered = covered_areas(objects.frame_start, objects.x, objects.y, objects.width, objects.height)
    # The area between the same edges as the sweep's, so that a box covered whole has exactly 1.
    area = ((objects.x + objects.width) - objects.x) * ((objects.y + objects.height) - objects.y)
    share = np.divide(covered, area, out=np.full(len(objects), np.nan), where=area > 0)
    return np.clip(share, 0.0, 1.0)


def density(frames: Frames, labels: Labels) -> Array:
    """100 x area of the union of the labels that count / frame area, (F,); NaN for a frame without area."""
    known = (frames.width_px > 0) & (frames.height_px > 0)
    frame_width, frame_height = np.where(known, frames.width_px, 0.0), np.where(known, frames.height_px, 0.0)
    counts = ~(labels.is_crowd | labels.is_ignored)
    frame = labels.frame_of_row()[counts]
    frame_start = np.concatenate([[0], np.cumsum(np.bincount(frame, minlength=labels.n_frames))])
    boxes = clip_boxes(
        labels.x[counts], labels.y[counts], labels.width[counts], labels.height[counts],
        frame_width[frame], frame_height[frame],
    )  # fmt: skip
    area = frame_width * frame_height
    share = np.divide(union_areas(frame_start, *boxes), area, out=np.full(len(area), np.nan), where=area > 0)
    return 100.0 * np.minimum(share, 1.0)
