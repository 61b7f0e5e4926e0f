"""Predictions and labels of one frame that overlap, of whatever classes: what errors are told apart by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I64
from emqa_core.objects import Array, Labels, Predictions


@kernel(
    types.Tuple((types.int64[::1], types.int32[::1], types.float64[::1]))(
        READ_I64, READ_F64, READ_F64, READ_F64, READ_F64, READ_BOOL,
        READ_I64, READ_F64, READ_F64, READ_F64, READ_F64, READ_BOOL, types.float64,
    ),
    error_model="numpy",  # the quotient of an empty union is NaN, and near nothing: no branch for it
)  # fmt: skip
def _near_pairs(  # type: ignore[no-untyped-def]
    label_start, label_x, label_y, label_w, label_h, is_crowd,
    prediction_start, x, y, w, h, is_evaluated, lowest,
):  # fmt: skip
    all_right, all_bottom, all_area = label_w + label_x, label_h + label_y, label_w * label_h
    most = 0
    for frame in range(label_start.shape[0] - 1):
        most = max(most, label_start[frame + 1] - label_start[frame])
    iou = np.empty(most)
    start = np.empty(x.shape[0] + 1, np.int64)
    capacity = 2 * x.shape[0] + most
    pair_label, pair_iou = np.empty(capacity, np.int32), np.empty(capacity)
    n_pairs = 0
    for frame in range(label_start.shape[0] - 1):
        first, last = label_start[frame], label_start[frame + 1]
        n_labels = last - first
        # From 0 on, without a branch: then several labels are worked on at once.
        lefts, tops, rights, bottoms = (
            label_x[first:last], label_y[first:last], all_right[first:last], all_bottom[first:last]
        )  # fmt: skip
        areas, are_crowd = all_area[first:last], is_crowd[first:last]
        for row in range(prediction_start[frame], prediction_start[frame + 1]):
            start[row] = n_pairs
            if not is_evaluated[row]:
                continue
            left, top, area = x[row], y[row], w[row] * h[row]
            right, bottom = w[row] + left, h[row] + top
            for index in range(n_labels):
                edge = lefts[index] if lefts[index] > left else left
                shared_w = (rights[index] if rights[index] < right else right) - edge
                edge = tops[index] if tops[index] > top else top
                shared_h = (bottoms[index] if bottoms[index] < bottom else bottom) - edge
                shared = (shared_w if shared_w > 0.0 else 0.0) * (shared_h if shared_h > 0.0 else 0.0)
                union = area if are_crowd[index] else area + areas[index] - shared
                iou[index] = shared / union
            if n_pairs + n_labels > capacity:
                capacity *= 2
                grown_label, grown_iou = np.empty(capacity, np.int32), np.empty(capacity)
                grown_label[:n_pairs], grown_iou[:n_pairs] = pair_label[:n_pairs], pair_iou[:n_pairs]
                pair_label, pair_iou = grown_label, grown_iou
            for index in range(n_labels):
                # Written whether near or not: a branch would be guessed wrong.
                pair_label[n_pairs] = first + index
                pair_iou[n_pairs] = iou[index]
                n_pairs += np.int64((iou[index] >= lowest) & (iou[index] > 0.0))  # type: ignore[assignment]
    start[x.shape[0]] = n_pairs
    return start, pair_label[:n_pairs], pair_iou[:n_pairs]


@dataclass(frozen=True)
class NearPairs:
    """m pairs of P predictions with labels of their frames; those of prediction p are start[p]:start[p + 1].

    start (P + 1,) int64. label (m,) int32, ascending for each prediction. iou (m,) float64 > 0: in
    pycocotools' order of operations; for a crowd label the intersection over the prediction's area.
    """

    start: Array
    label: Array
    iou: Array

    @classmethod
    def of(cls, labels: Labels, predictions: Predictions, is_evaluated: Array, lowest: float) -> NearPairs:
        """All pairs with an IoU of at least `lowest`, of predictions that are evaluated, (P,) bool."""
        return cls(
            *_near_pairs(
                labels.frame_start, labels.x, labels.y, labels.width, labels.height, labels.is_crowd,
                predictions.frame_start, predictions.x, predictions.y, predictions.width, predictions.height,
                is_evaluated, lowest,
            )
        )  # fmt: skip
