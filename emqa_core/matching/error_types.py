"""Why a prediction is false and a label missed: TIDE's error types (Bolya et al. 2020), in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.config import MATCH_EPSILON
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I32, READ_I64, READ_U64
from emqa_core.matching.near_pairs import NearPairs
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
ERROR_TYPES = (*PREDICTION_ERRORS, "missed")  # of either
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
        READ_I64,
        READ_I32,
        READ_F64,
        READ_I32,
        READ_U64,
        READ_U64,
        READ_I32,
        READ_F64,
        READ_U64,
        READ_U64,
        types.int64,
        types.float64,
    ),
)
def _error_types(  # type: ignore[no-untyped-def]
    pair_start, pair_label, pair_iou, label_class, label_found, label_ignored,
    prediction_class, score, right, ignored, chosen, threshold,
):  # fmt: skip
    """Errors of predictions and of labels, causes, and the prediction that would hold each label or -1."""
    n_labels, n_predictions = label_class.shape[0], prediction_class.shape[0]
    bit = np.uint64(1) << np.uint64(chosen)
    of_prediction = np.full(n_predictions, -1, np.int8)
    cause = np.zeros(n_predictions, np.uint8)
    of_label = np.full(n_labels, -1, np.int8)
    holder = np.full(n_labels, -1, np.int64)
    for label in range(n_labels):
        if not (label_found[label] | label_ignored[label]) & bit:
            of_label[label] = 0
    for row in range(n_predictions):
        if right[row] & bit:
            cause[row] = TRUE_POSITIVE
        if (right[row] | ignored[row]) & bit:
            continue
        same, other = 0.0, 0.0
        same_label, other_label = -1, -1
        for pair in range(pair_start[row], pair_start[row + 1]):
            label, iou = pair_label[pair], pair_iou[pair]
            if label_ignored[label] & bit:
                continue
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


def lowest_iou(iou_threshold: float) -> float:
    """The IoU below which a pair of a prediction and a label decides nothing about errors."""
    return min(BACKGROUND_IOU, iou_threshold)


def error_types(
    pairs: NearPairs,
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
    (first on ties) would hold it if it were fixed. pairs: of all predictions that were evaluated, from
    `lowest_iou` on.
    """
    of_prediction, of_label, code, holder = _error_types(
        pairs.start, pairs.label, pairs.iou, labels.class_code, label_outcomes.right, label_outcomes.ignored,
        predictions.class_code, predictions.score, prediction_outcomes.right, prediction_outcomes.ignored,
        chosen, min(iou_threshold, 1.0 - MATCH_EPSILON),
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
    # Rows without an error are counted too, and left out then: quicker than to pick the others.
    cell = class_code * np.int64(n_types + 1)
    cell += codes
    cell += 1
    return np.bincount(cell, minlength=n_classes * (n_types + 1)).reshape(n_classes, n_types + 1)[:, 1:]
