"""Why a prediction is false and a label missed: TIDE's error types (Bolya et al. 2020), in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.config import MATCH_EPSILON
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I32, READ_I64, READ_U64
from emqa_core.objects import Array, Labels, OutcomeRows, Predictions
from emqa_core.reductions.causes import FIRST_ERROR, RELOCATED, TRUE_POSITIVE, Causes

PREDICTION_ERRORS = (
    "localization",
    "classification",
    "duplicate",
    "background",
    "classification_and_localization",
)
LABEL_ERRORS = ("missed", "localization", "classification")
BACKGROUND_IOU = 0.1  # up to it a prediction stands for no label at all
_LOCALIZATION, _CLASSIFICATION, _DUPLICATE, _BACKGROUND, _BOTH = range(5)


@dataclass(frozen=True)
class ErrorTypes:
    """Codes of error types at the chosen IoU threshold, -1 for rows without an error.

    prediction (P,) int8: into PREDICTION_ERRORS, of false positives. label (L,) int8: into LABEL_ERRORS, of
    missed labels. causes: the same of the predictions, and which would hold a label if they were fixed.
    """

    prediction: Array
    label: Array
    causes: Causes


@kernel(
    types.Tuple((types.int8[::1], types.int8[::1], types.uint8[::1], types.int64[::1]))(
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64, READ_U64, READ_U64,
        READ_I64, READ_I32, READ_F64, READ_F64, READ_F64, READ_F64, READ_F64, READ_U64, READ_U64,
        types.int64, types.float64,
    ),
)  # fmt: skip
def _error_types(  # type: ignore[no-untyped-def]
    label_start, label_class, label_x, label_y, label_w, label_h, label_found, label_ignored,
    prediction_start, prediction_class, x, y, w, h, score, right, ignored, chosen, threshold,
):  # fmt: skip
    """Errors of predictions and of labels, causes, and the prediction that would hold each label or -1."""
    n_labels = label_class.shape[0]
    bit = np.uint64(1) << np.uint64(chosen)
    of_prediction = np.full(prediction_class.shape[0], -1, np.int8)
    cause = np.zeros(prediction_class.shape[0], np.uint8)
    of_label = np.full(n_labels, -1, np.int8)
    holder = np.full(n_labels, -1, np.int64)
    counts = np.empty(n_labels, np.bool_)
    for label in range(n_labels):
        counts[label] = (label_ignored[label] & bit) == 0
        if counts[label] and not label_found[label] & bit:
            of_label[label] = 0
    for frame in range(label_start.shape[0] - 1):
        first_label, last_label = label_start[frame], label_start[frame + 1]
        for row in range(prediction_start[frame], prediction_start[frame + 1]):
            if right[row] & bit:
                cause[row] = TRUE_POSITIVE
            if (right[row] | ignored[row]) & bit:
                continue
            right_edge, bottom, area = w[row] + x[row], h[row] + y[row], w[row] * h[row]
            same, other = 0.0, 0.0
            same_label, other_label = -1, -1
            for label in range(first_label, last_label):
                shared_w = min(right_edge, label_w[label] + label_x[label]) - max(x[row], label_x[label])
                shared_h = min(bottom, label_h[label] + label_y[label]) - max(y[row], label_y[label])
                if (shared_w <= 0.0) | (shared_h <= 0.0) | (not counts[label]):
                    continue
                shared = shared_w * shared_h
                iou = shared / (area + label_w[label] * label_h[label] - shared)
                if label_class[label] == prediction_class[row]:
                    if iou > same:
                        same, same_label = iou, label
                elif iou > other:
                    other, other_label = iou, label
            wanted = -1
            if BACKGROUND_IOU <= same <= threshold:
                of_prediction[row] = _LOCALIZATION
                wanted = same_label
                if of_label[wanted] == 0 or of_label[wanted] == 2:
                    of_label[wanted] = 1
            elif other >= threshold:
                of_prediction[row] = _CLASSIFICATION
                wanted = other_label
                if of_label[wanted] == 0:
                    of_label[wanted] = 2
            elif same >= threshold:  # a label that were still free would have been this prediction's
                of_prediction[row] = _DUPLICATE
            elif max(same, other) <= BACKGROUND_IOU:
                of_prediction[row] = _BACKGROUND
            else:
                of_prediction[row] = _BOTH
            cause[row] = np.uint8(np.int64(of_prediction[row]) + FIRST_ERROR)
            # Of several that want one label, errors of place and of class together, the highest score has it.
            if wanted >= 0 and of_label[wanted] > 0:
                before = holder[wanted]
                if before < 0 or score[row] > score[before]:
                    holder[wanted] = row
    return of_prediction, of_label, cause, holder


def error_types(
    labels: Labels,
    predictions: Predictions,
    prediction_outcomes: OutcomeRows,
    label_outcomes: OutcomeRows,
    iou_threshold: float,
    chosen: int,
) -> ErrorTypes:
    """The error of every false positive and every missed label at the chosen threshold.

    s is the highest IoU with a label of the prediction's class, used or not, o with one of another class,
    both among the frame's labels that count (first on ties). The first that holds:
    `localization` 0.1 <= s <= T;
    `classification` o >= T; `duplicate` s >= T and that label is found; `background` max(s, o) <= 0.1; else
    `classification_and_localization`. A missed label is `missed` unless it is the label of highest IoU of a
    localization error, or else of a classification error. Of these errors the one with the highest score
    (first on ties) would hold it if it were fixed.
    """
    of_prediction, of_label, code, holder = _error_types(
        labels.frame_start, labels.class_code, labels.x, labels.y, labels.width, labels.height,
        label_outcomes.right, label_outcomes.ignored,
        predictions.frame_start, predictions.class_code, predictions.x, predictions.y,
        predictions.width, predictions.height, predictions.score,
        prediction_outcomes.right, prediction_outcomes.ignored, chosen,
        min(iou_threshold, 1.0 - MATCH_EPSILON),
    )  # fmt: skip
    label = np.flatnonzero(holder >= 0)
    label = label[np.argsort(holder[label])]
    row = holder[label]
    is_renamed = of_prediction[row] == _CLASSIFICATION
    code[row[~is_renamed]] = RELOCATED
    causes = Causes(code, row[is_renamed], labels.class_code[label[is_renamed]])
    return ErrorTypes(of_prediction, of_label, causes)


def count_errors(
    errors: ErrorTypes, labels: Labels, predictions: Predictions, n_classes: int
) -> tuple[Array, Array]:
    """Errors by class and type: (K, 5) int64 of predictions, (K, 3) int64 of labels."""
    return (
        _by_class(errors.prediction, predictions.class_code, n_classes, len(PREDICTION_ERRORS)),
        _by_class(errors.label, labels.class_code, n_classes, len(LABEL_ERRORS)),
    )


def _by_class(codes: Array, class_code: Array, n_classes: int, n_types: int) -> Array:
    has_error = codes >= 0
    cell = class_code[has_error].astype(np.int64) * n_types + codes[has_error]
    return np.bincount(cell, minlength=n_classes * n_types).reshape(n_classes, n_types)
