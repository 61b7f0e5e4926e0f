"""Protocol `coco`: the COCO evaluation, every threshold and area range in one pass.

The IoU is pycocotools' (maskApi.c, bbIou), operation by operation, so that equal boxes give equal bits.
A pair is first rejected without a division; only pairs that can reach the lowest threshold are divided.
One word per label and area range remembers at which thresholds the label is taken, one per prediction
at which it is done; a match is a few bit operations for all thresholds at once.
"""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.config import MATCH_EPSILON
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_F64_2D, READ_I32, READ_I64
from emqa_core.matching.cells import bucket_rows, order_rows
from emqa_core.matching.matches import Matches, MatchOptions
from emqa_core.objects import Labels, Predictions

U64 = np.uint64
_REJECT_MARGIN = 0.999999  # the rejection test may round the other way than the division


@kernel(
    types.Tuple(
        (
            types.boolean[::1], types.uint16[::1], types.int64[::1], types.int32[::1],
            types.uint64[:, :, ::1], types.uint16[::1], types.uint64[::1],
            types.int32[::1], types.float64[::1], types.int32[::1], types.float64[::1],
        )
    )(
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64, READ_F64, READ_BOOL, READ_BOOL,
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64, READ_F64,
        READ_F64, READ_F64_2D, types.int64, types.int64, types.int64, types.float64,
    ),
)  # fmt: skip
def _match(  # type: ignore[no-untyped-def]
    label_start, label_class, label_x, label_y, label_w, label_h, label_area, is_crowd, is_ignored,
    prediction_start, prediction_class, x, y, w, h, score,
    thresholds, area_ranges, max_det, n_classes, chosen, score_threshold,
):  # fmt: skip
    n_frames = label_start.shape[0] - 1
    n_labels = label_class.shape[0]
    n_predictions = prediction_class.shape[0]
    n_ranges = area_ranges.shape[0]
    n_thresholds = thresholds.shape[0]
    lowest = thresholds[0]
    chosen_bit = U64(1) << U64(chosen)
    every = ~U64(0)

    is_evaluated = np.ones(n_predictions, np.bool_)
    outside = np.zeros(n_predictions, np.uint16)
    capacity = n_predictions // 5 + 64
    matched_row = np.empty(capacity, np.int64)
    matched_rank = np.empty(capacity, np.int32)
    matched_bits = np.empty((capacity, 2, n_ranges), np.uint64)
    n_matched = 0
    label_ignored = np.zeros(n_labels, np.uint16)
    found = np.zeros(n_labels, np.uint64)
    label_of_prediction = np.full(n_predictions, -1, np.int32)
    iou_of_prediction = np.full(n_predictions, np.nan, np.float64)
    prediction_of_label = np.full(n_labels, -1, np.int32)
    iou_of_label = np.full(n_labels, np.nan, np.float64)

    for index in range(n_ranges):
        low = area_ranges[index, 0]
        high = area_ranges[index, 1]
        bit = np.uint16(1 << index)
        for label in range(n_labels):
            area = label_area[label]
            if is_crowd[label] or is_ignored[label] or area < low or area > high:
                label_ignored[label] |= bit

    most_rows = 1
    most_labels = 1
    for frame in range(n_frames):
        most_rows = max(most_rows, prediction_start[frame + 1] - prediction_start[frame])
        most_labels = max(most_labels, label_start[frame + 1] - label_start[frame])
    stamp = np.full(n_classes, -1, np.int64)
    slot = np.zeros(n_classes, np.int64)
    start = np.zeros(most_rows + 2, np.int64)
    rows = np.empty(most_rows, np.int64)
    unsorted = np.empty(max(most_rows, most_labels), np.int64)
    seen_stamp = np.full(n_classes, -1, np.int64)
    n_seen = np.zeros(n_classes, np.int64)
    label_stamp = np.full(n_classes, -1, np.int64)
    label_slot = np.zeros(n_classes, np.int64)
    cell_start = np.zeros(most_labels + 2, np.int64)
    label_rows = np.empty(most_labels, np.int64)
    # The labels of a frame, cell by cell, so that a cell's candidates lie side by side.
    x1 = np.empty(most_labels, np.float64)
    y1 = np.empty(most_labels, np.float64)
    x2 = np.empty(most_labels, np.float64)
    y2 = np.empty(most_labels, np.float64)
    box_area = np.empty(most_labels, np.float64)
    is_many = np.empty(most_labels, np.uint64)  # all bits of a crowd, which may be taken more than once
    is_out = np.empty((most_labels, n_ranges), np.uint64)  # all bits of a label ignored in the range
    candidate = np.empty(most_labels, np.int64)
    candidate_iou = np.empty(most_labels, np.float64)
    candidate_bits = np.empty(most_labels, np.uint64)
    candidate_gets = np.empty(most_labels, np.uint64)
    taken = np.zeros((most_labels, n_ranges), np.uint64)

    for frame in range(n_frames):
        first = prediction_start[frame]
        last = prediction_start[frame + 1]
        for index in range(n_ranges):
            low = area_ranges[index, 0]
            high = area_ranges[index, 1]
            for row in range(first, last):
                area = w[row] * h[row]
                # Without branches: whether a box is small or large is anybody's guess.
                outside[row] |= np.uint16((area < low) | (area > high)) << np.uint16(index)
        first_label = label_start[frame]
        n_label_slots = bucket_rows(
            frame, first_label, label_start[frame + 1], label_class, label_stamp, True, label_stamp,
            label_slot, cell_start, label_rows, unsorted,
        )  # fmt: skip
        # Classes without labels matter only where they may exceed max_det.
        n_rows = order_rows(
            frame, first, last, prediction_class, score, label_stamp, last - first > max_det, stamp, slot,
            start, rows, unsorted,
        )  # fmt: skip
        for place in range(cell_start[n_label_slots]):
            label = label_rows[place]
            x1[place] = label_x[label]
            y1[place] = label_y[label]
            x2[place] = label_w[label] + label_x[label]
            y2[place] = label_h[label] + label_y[label]
            box_area[place] = label_w[label] * label_h[label]
            is_many[place] = every if is_crowd[label] else U64(0)
            for index in range(n_ranges):
                taken[place, index] = U64(0)
                is_out[place, index] = every if label_ignored[label] & np.uint16(1 << index) else U64(0)

        for position in range(n_rows):
            row = rows[position]
            code = prediction_class[row]
            if seen_stamp[code] != frame:
                seen_stamp[code] = frame
                n_seen[code] = 0
            rank = n_seen[code]
            n_seen[code] = rank + 1
            if rank >= max_det:
                is_evaluated[row] = False
                continue
            if label_stamp[code] != frame:
                continue
            label_begin = cell_start[label_slot[code]]
            label_end = cell_start[label_slot[code] + 1]
            left_edge = x[row]
            top_edge = y[row]
            right = w[row] + left_edge
            bottom = h[row] + top_edge
            area = w[row] * h[row]
            n_candidates = 0
            for place in range(label_begin, label_end):
                # Read once into locals, so that minimum and maximum need no branch.
                label_left, label_top = x1[place], y1[place]
                label_right, label_bottom = x2[place], y2[place]
                left = left_edge if left_edge > label_left else label_left
                top = top_edge if top_edge > label_top else label_top
                shared_w = (right if right < label_right else label_right) - left
                shared_h = (bottom if bottom < label_bottom else label_bottom) - top
                inter = shared_w * shared_h
                union = area if is_many[place] else area + box_area[place] - inter
                # One branch for all that rules a pair out: each alone would be guessed wrong.
                if (shared_w <= 0.0) | (shared_h <= 0.0) | (inter < _REJECT_MARGIN * lowest * union):
                    continue
                iou = inter / union
                if iou < lowest:
                    continue
                bits = U64(0)
                for index in range(n_thresholds):
                    bits |= U64(iou >= thresholds[index]) << U64(index)
                # By IoU descending; on equal IoU the later label comes first.
                slot_of = n_candidates
                while slot_of > 0 and candidate_iou[slot_of - 1] <= iou:
                    candidate[slot_of] = candidate[slot_of - 1]
                    candidate_iou[slot_of] = candidate_iou[slot_of - 1]
                    candidate_bits[slot_of] = candidate_bits[slot_of - 1]
                    slot_of -= 1
                candidate[slot_of] = place
                candidate_iou[slot_of] = iou
                candidate_bits[slot_of] = bits
                n_candidates += 1
            if n_candidates == 0:
                continue

            if n_matched == capacity:
                grown_rows = np.empty(2 * capacity, np.int64)
                grown_rows[:capacity] = matched_row
                matched_row = grown_rows
                grown_ranks = np.empty(2 * capacity, np.int32)
                grown_ranks[:capacity] = matched_rank
                matched_rank = grown_ranks
                grown_bits = np.empty((2 * capacity, 2, n_ranges), np.uint64)
                grown_bits[:capacity] = matched_bits
                matched_bits = grown_bits
                capacity *= 2
            any_match = U64(0)
            for index in range(n_ranges):
                done = U64(0)
                for number in range(n_candidates):
                    place = candidate[number]
                    bits = candidate_bits[number] & ~(done | taken[place, index] | is_out[place, index])
                    taken[place, index] |= bits
                    done |= bits
                    candidate_gets[number] = bits
                matched_bits[n_matched, 0, index] = done
                right_bits = done
                for number in range(n_candidates):
                    place = candidate[number]
                    bits = candidate_bits[number] & is_out[place, index] & ~done
                    bits &= ~taken[place, index] | is_many[place]
                    taken[place, index] |= bits
                    done |= bits
                    candidate_gets[number] |= bits
                matched_bits[n_matched, 1, index] = done & ~right_bits
                any_match |= done
                if index > 0:
                    continue
                for number in range(n_candidates):
                    bits = candidate_gets[number]
                    if bits == U64(0):
                        continue
                    label = label_rows[candidate[number]]
                    is_right = is_out[candidate[number], 0] == U64(0)
                    is_kept = is_right and score[row] >= score_threshold
                    if is_kept:
                        found[label] |= bits
                    if bits & chosen_bit:
                        label_of_prediction[row] = label
                        iou_of_prediction[row] = candidate_iou[number]
                        if is_kept:
                            prediction_of_label[label] = row
                            iou_of_label[label] = candidate_iou[number]
            if any_match:
                matched_row[n_matched] = row
                matched_rank[n_matched] = rank
                n_matched += 1

    return (
        is_evaluated, outside, matched_row[:n_matched], matched_rank[:n_matched],
        matched_bits[:n_matched], label_ignored, found,
        label_of_prediction, iou_of_prediction, prediction_of_label, iou_of_label,
    )  # fmt: skip


def match_coco(labels: Labels, predictions: Predictions, n_classes: int, options: MatchOptions) -> Matches:
    """Match every frame by the COCO protocol, at all thresholds and area ranges.

    Per frame and class, predictions by score, ties by input order, at most the largest of max_dets; each
    takes the free label with the highest IoU >= min(T, 1 - 1e-10), the later one on equal IoU, labels
    that count before ignored ones; crowd labels can be taken more than once.
    """
    return Matches(
        *_match(
            labels.frame_start, labels.class_code, labels.x, labels.y, labels.width, labels.height,
            labels.area, labels.is_crowd, labels.is_ignored,
            predictions.frame_start, predictions.class_code, predictions.x, predictions.y,
            predictions.width, predictions.height, predictions.score,
            np.minimum(options.iou_thresholds, 1.0 - MATCH_EPSILON), options.area_ranges,
            options.max_dets[-1], max(n_classes, 1), options.chosen, options.score_threshold,
        )
    )  # fmt: skip
