"""Protocol `best_iou`: each prediction belongs to its highest-IoU label, without a second choice.

Encord Active's rule. It needs no threshold to attach, so that every prediction gets an interval of
thresholds at which it is a true positive: iou_duplicate < T <= iou. Every label is missed exactly when
iou_max < T.
"""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I32, READ_I64
from emqa_core.matching.cells import bucket_rows, sort_cell
from emqa_core.matching.matches import Matches, MatchOptions
from emqa_core.objects import Array, Labels, Predictions

U64 = np.uint64


@kernel(
    types.Tuple(
        (types.int32[::1], types.int64[::1], types.float64[::1], types.float64[::1])
    )(
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64,
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64, READ_F64,
        types.int64, types.int64,
    ),
)  # fmt: skip
def _attach(  # type: ignore[no-untyped-def]
    label_start, label_class, label_x, label_y, label_w, label_h,
    prediction_start, prediction_class, x, y, w, h, score, max_det, n_classes,
):  # fmt: skip
    """Rank of each prediction in its cell, its label or -1, its IoU, and the lower end of its interval."""
    n_frames = label_start.shape[0] - 1
    n_predictions = prediction_class.shape[0]
    rank = np.zeros(n_predictions, np.int32)
    attached = np.full(n_predictions, -1, np.int64)
    iou_of = np.zeros(n_predictions, np.float64)
    iou_duplicate = np.zeros(n_predictions, np.float64)
    best_so_far = np.full(label_class.shape[0], -1.0, np.float64)

    most_rows = 1
    for frame in range(n_frames):
        most_rows = max(most_rows, prediction_start[frame + 1] - prediction_start[frame])
    stamp = np.full(n_classes, -1, np.int64)
    slot = np.zeros(n_classes, np.int64)
    start = np.zeros(most_rows + 2, np.int64)
    rows = np.empty(most_rows, np.int64)
    unsorted = np.empty(most_rows, np.int64)

    for frame in range(n_frames):
        n_slots = bucket_rows(
            frame, prediction_start[frame], prediction_start[frame + 1], prediction_class, stamp, True,
            stamp, slot, start, rows, unsorted,
        )  # fmt: skip
        for cell in range(n_slots):
            sort_cell(start[cell], start[cell + 1], rows, score)
            for position in range(start[cell], start[cell + 1]):
                row = rows[position]
                rank[row] = position - start[cell]
                if rank[row] >= max_det:
                    continue
                area = w[row] * h[row]
                for label in range(label_start[frame], label_start[frame + 1]):
                    if label_class[label] != prediction_class[row]:
                        continue
                    shared_w = min(w[row] + x[row], label_w[label] + label_x[label]) - max(
                        x[row], label_x[label]
                    )
                    if shared_w <= 0.0:
                        continue
                    shared_h = min(h[row] + y[row], label_h[label] + label_y[label]) - max(
                        y[row], label_y[label]
                    )
                    if shared_h <= 0.0:
                        continue
                    inter = shared_w * shared_h
                    iou = inter / (area + label_w[label] * label_h[label] - inter)
                    if iou > iou_of[row]:
                        iou_of[row] = iou
                        attached[row] = label
            # Holders of a label in order: score, on equal scores the higher IoU, then input order.
            for position in range(start[cell] + 1, start[cell + 1]):
                row = rows[position]
                place = position
                while (
                    place > start[cell]
                    and score[rows[place - 1]] == score[row]
                    and iou_of[rows[place - 1]] < iou_of[row]
                ):
                    rows[place] = rows[place - 1]
                    place -= 1
                rows[place] = row
            for position in range(start[cell], start[cell + 1]):
                row = rows[position]
                label = attached[row]
                if label < 0:
                    continue
                iou_duplicate[row] = min(best_so_far[label], iou_of[row])
                best_so_far[label] = max(best_so_far[label], iou_of[row])
    return rank, attached, iou_of, iou_duplicate


def match_best_iou(
    labels: Labels, predictions: Predictions, n_classes: int, options: MatchOptions
) -> Matches:
    """Attach every prediction to its highest-IoU label of its class (IoU > 0, the first on ties).

    At T a label's true positive is its highest-score attached prediction with IoU >= T (ties: higher IoU,
    then input order). Crowd and ignored labels attach like others, by plain IoU, and make their
    predictions ignored at every T; max_dets applies before.
    """
    rank, attached, iou, iou_duplicate = _attach(
        labels.frame_start, labels.class_code, labels.x, labels.y, labels.width, labels.height,
        predictions.frame_start, predictions.class_code, predictions.x, predictions.y, predictions.width,
        predictions.height, predictions.score, options.max_dets[-1], max(n_classes, 1),
    )  # fmt: skip
    ranges = options.area_ranges
    label_ignored = np.zeros(len(labels), np.uint16)
    outside = np.zeros(len(predictions), np.uint16)
    area = predictions.width * predictions.height
    for index, (low, high) in enumerate(ranges):
        bit = np.uint16(1 << index)
        label_out = labels.is_crowd | labels.is_ignored | (labels.area < low) | (labels.area > high)
        label_ignored[label_out] |= bit
        outside[(area < low) | (area > high)] |= bit

    thresholds = options.iou_thresholds
    matched_row = np.flatnonzero(attached >= 0)
    holder_of = attached[matched_row]
    # Bits of the thresholds in (iou_duplicate, iou]: those up to iou without those up to iou_duplicate.
    in_interval = _bits_up_to(thresholds, iou[matched_row]) & ~_bits_up_to(
        thresholds, iou_duplicate[matched_row]
    )
    matched_bits = np.zeros((len(matched_row), 2, len(ranges)), np.uint64)
    for index in range(len(ranges)):
        ignores = (label_ignored[holder_of] >> np.uint16(index)) & np.uint16(1) == 1
        matched_bits[:, 0, index] = np.where(ignores, np.uint64(0), in_interval)
        matched_bits[:, 1, index] = np.where(ignores, options.every_threshold, np.uint64(0))

    enough = predictions.score[matched_row] >= options.score_threshold
    iou_max = np.full(len(labels), -1.0)
    np.maximum.at(iou_max, holder_of[enough], iou[matched_row][enough])
    counts = label_ignored & np.uint16(1) == 0
    found = np.where(counts, _bits_up_to(thresholds, iou_max), np.uint64(0))
    prediction_of_label = np.full(len(labels), -1, np.int32)
    label_iou = np.full(len(labels), np.nan)
    chosen = (matched_bits[:, 0, 0] >> np.uint64(options.chosen)) & np.uint64(1) == 1
    finders = matched_row[chosen & enough]
    prediction_of_label[attached[finders]] = finders
    label_iou[attached[finders]] = iou[finders]
    is_evaluated = rank < options.max_dets[-1]
    return Matches(
        is_evaluated, outside, matched_row, rank[matched_row], matched_bits, label_ignored, found,
        attached.astype(np.int32), iou, prediction_of_label, label_iou, iou_duplicate, iou_max,
    )  # fmt: skip


def _bits_up_to(thresholds: Array, values: Array) -> Array:
    """Bit t set where thresholds[t] <= value, (n,) uint64."""
    n_reached = np.searchsorted(thresholds, values, side="right").astype(np.uint64)
    full = n_reached >= 64
    shifted = (np.uint64(1) << np.where(full, np.uint64(0), n_reached)) - np.uint64(1)
    return np.where(full, ~np.uint64(0), shifted)
