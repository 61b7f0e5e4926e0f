"""Outcomes that have a size, F1 and IoU, in levels: 0, then (0, .1], ..., (.9, 1]."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I32_2D
from emqa_core.objects import Array
from emqa_core.reductions.object_pairs import ObjectPairs

N_TENTHS = 10

_ONE = np.uint64(1)
_I32, _U64 = types.int32[::1], types.uint64[::1]
_PAIRS = (READ_I32, READ_I32, READ_I32, READ_I32, READ_I32_2D)


def tenth_of(values: Array) -> Array:
    """0 for 0, else the tenth (0, .1] -> 1, ..., (.9, 1] -> 10 that holds it, uint8 of the same shape."""
    return np.searchsorted(np.arange(N_TENTHS) / N_TENTHS, values, side="left").astype(np.uint8)


@kernel(
    types.Tuple((_I32, _I32, _U64, _U64, _I32, types.uint8[:, ::1], types.float64[:, ::1]))(
        *_PAIRS, READ_I32_2D, *_PAIRS, types.int64, types.int64
    ),
)
def _join(  # type: ignore[no-untyped-def]
    frame, scope, n, listed, sometimes, hits, label_frame, label_scope, label_n, label_listed,
    label_sometimes, n_classes, n_frames,
):  # fmt: skip
    n_thresholds = hits.shape[1]
    most = frame.shape[0] + label_frame.shape[0]
    out_frame = np.empty(most, np.int32)
    out_scope = np.empty(most, np.int32)
    counted = np.empty(most, np.uint64)
    right = np.zeros(most, np.uint64)
    out_listed = np.empty(listed.shape[0], np.int32)
    level = np.zeros((listed.shape[0], n_thresholds), np.uint8)
    y = np.zeros((listed.shape[0], n_thresholds), np.float64)
    everywhere = ~np.uint64(0) >> np.uint64(64 - n_thresholds)
    list_of = np.full(frame.shape[0], -1, np.int32)
    for i in range(listed.shape[0]):
        list_of[listed[i]] = i
    label_list_of = np.full(label_frame.shape[0], -1, np.int32)
    for i in range(label_listed.shape[0]):
        label_list_of[label_listed[i]] = i
    # The pair of either side that holds a scope in the frame at hand, -1 for none.
    of_scope = np.full((2, n_classes + 1), -1, np.int64)
    rows = 0
    n_listed = 0
    first = 0
    label_first = 0
    for f in range(n_frames):
        end = first
        while end < frame.shape[0] and frame[end] == f:
            of_scope[0, scope[end]] = end
            end += 1
        label_end = label_first
        while label_end < label_frame.shape[0] and label_frame[label_end] == f:
            of_scope[1, label_scope[label_end]] = label_end
            label_end += 1
        for i in range(end - first + label_end - label_first):
            is_label = i >= end - first
            s = label_scope[label_first + i - (end - first)] if is_label else scope[first + i]
            if is_label and of_scope[0, s] >= 0:
                continue  # the prediction's pair has brought it
            p, q = of_scope[0, s], of_scope[1, s]
            always = (n[p] if p >= 0 else 0) + (label_n[q] if q >= 0 else 0)
            at_p = list_of[p] if p >= 0 else -1
            at_q = label_list_of[q] if q >= 0 else -1
            out_frame[rows] = f
            out_scope[rows] = s
            word = everywhere if always > 0 else np.uint64(0)
            hit_word = np.uint64(0)
            if at_p >= 0 or at_q >= 0:
                for t in range(n_thresholds):
                    held = np.int64(always)
                    true = np.int64(0)
                    if at_p >= 0:
                        held += sometimes[at_p, t]
                        true = np.int64(hits[at_p, t])
                    if at_q >= 0:
                        held += label_sometimes[at_q, t]
                    if held > 0:
                        word |= _ONE << np.uint64(t)
                    if true > 0:
                        hit_word |= _ONE << np.uint64(t)
                        # Whole numbers: ceil of a quotient that is exactly a tenth must not depend on
                        # rounding. The minimum guards memory against rows with more hits than labels.
                        tenth = (N_TENTHS * 2 * true + held - 1) // held
                        level[n_listed, t] = min(tenth, N_TENTHS)
                        y[n_listed, t] = 2 * true / held
            counted[rows] = word
            right[rows] = hit_word
            if hit_word:
                out_listed[n_listed] = rows
                n_listed += 1
            rows += 1
        for i in range(first, end):
            of_scope[0, scope[i]] = -1
        for i in range(label_first, label_end):
            of_scope[1, label_scope[i]] = -1
        first = end
        label_first = label_end
    return (
        out_frame[:rows].copy(), out_scope[:rows].copy(), counted[:rows].copy(), right[:rows].copy(),
        out_listed[:n_listed].copy(), level[:n_listed].copy(), y[:n_listed].copy(),
    )  # fmt: skip


def f1_of_pairs(
    predictions: ObjectPairs, labels: ObjectPairs, n_frames: int
) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """F1 = 2 TP / (n_predictions + n_labels) of every pair of a frame and a scope that counts at some T.

    Frame and scope (r,) int32 of each, words (r,) uint64 of the T at which it counts and at which it has a
    true positive; of those that have any: which rows they are (m,) int32, tenth (m, T) uint8 and F1 (m, T).
    """
    joined: tuple[Array, Array, Array, Array, Array, Array, Array] = _join(
        predictions.frame, predictions.scope, predictions.n, predictions.listed, predictions.sometimes,
        predictions.hits, labels.frame, labels.scope, labels.n, labels.listed, labels.sometimes,
        predictions.n_classes, n_frames,
    )  # fmt: skip
    return joined
