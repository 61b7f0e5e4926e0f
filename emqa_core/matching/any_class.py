"""Which label each prediction would hold if classes did not matter: the pairs of the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.config import MATCH_EPSILON
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_BOOL, READ_F64, READ_I32, READ_I64, READ_U16, READ_U64
from emqa_core.matching.cells import sort_cell
from emqa_core.matching.matches import Matches
from emqa_core.matching.near_pairs import NearPairs
from emqa_core.objects import Array, Labels, OutcomeRows, Predictions
from emqa_core.reductions.confusion_counts import HeldLabels


@dataclass(frozen=True)
class AnyClassMatches:
    """Who holds whom. prediction_of_label (L,) int64: the prediction that holds a label that counts, or -1.
    is_unpaired (P,) bool: predictions that hold no label and are not ignored.
    """

    prediction_of_label: Array
    is_unpaired: Array

    def held_labels(self, labels: Labels, predictions: Predictions) -> HeldLabels:
        """Classes and scores of the labels that a prediction holds."""
        label = np.flatnonzero(self.prediction_of_label >= 0)
        row = self.prediction_of_label[label]
        return HeldLabels(labels.class_code[label], predictions.class_code[row], predictions.score[row])


@kernel(
    types.Tuple((types.int64[::1], types.boolean[::1]))(
        READ_I64, READ_I32, READ_F64, READ_I32, READ_BOOL, READ_U64,
        READ_I64, READ_I32, READ_F64, READ_BOOL, READ_U16, types.int64, types.float64,
    ),
)  # fmt: skip
def _match(  # type: ignore[no-untyped-def]
    pair_start, pair_label, pair_iou, label_class, is_crowd, ignored,
    prediction_start, prediction_class, score, is_evaluated, outside, chosen, threshold,
):  # fmt: skip
    n_rows = prediction_class.shape[0]
    bit = np.uint64(1) << np.uint64(chosen)
    holder = np.full(label_class.shape[0], -1, np.int64)
    is_unpaired = np.empty(n_rows, np.bool_)
    most = 0
    for frame in range(prediction_start.shape[0] - 1):
        most = max(most, prediction_start[frame + 1] - prediction_start[frame])
    wanting = np.empty(most, np.int64)
    for frame in range(prediction_start.shape[0] - 1):
        n_wanting = 0
        for row in range(prediction_start[frame], prediction_start[frame + 1]):
            is_unpaired[row] = is_evaluated[row] and not outside[row] & np.uint16(1)
            highest = 0.0
            for pair in range(pair_start[row], pair_start[row + 1]):
                highest = max(highest, pair_iou[pair])
            if highest >= threshold and highest > 0.0:
                wanting[n_wanting] = row
                n_wanting += 1
        # The others hold nothing whatever their place: only these need an order.
        sort_cell(0, n_wanting, wanting, score)
        for index in range(n_wanting):
            row = wanting[index]
            best, best_iou, is_best_own, is_best_ignored = -1, 0.0, False, True
            for pair in range(pair_start[row], pair_start[row + 1]):
                label, iou = pair_label[pair], pair_iou[pair]
                is_ignored = (ignored[label] & bit) != 0
                is_own = label_class[label] == prediction_class[row]
                if iou < threshold or (is_ignored and not is_own):
                    continue
                if holder[label] >= 0 and not is_crowd[label]:
                    continue
                if is_ignored == is_best_ignored:
                    is_better = iou > best_iou or (iou == best_iou and is_own >= is_best_own)
                else:
                    is_better = not is_ignored
                if is_better:
                    best, best_iou, is_best_own, is_best_ignored = label, iou, is_own, is_ignored
            if best >= 0:
                holder[best] = row
                is_unpaired[row] = False
    for label in range(label_class.shape[0]):
        if ignored[label] & bit:
            holder[label] = -1
    return holder, is_unpaired


def match_any_class(
    pairs: NearPairs,
    labels: Labels,
    predictions: Predictions,
    matches: Matches,
    label_outcomes: OutcomeRows,
    iou_threshold: float,
    chosen: int,
) -> AnyClassMatches:
    """Match every frame at the chosen threshold whatever the classes.

    Predictions that were evaluated, by score, ties by input order; each takes the free label with the highest
    IoU >= min(T, 1 - 1e-10), of equal ones first one of its own class, then the later one. Only where there
    is none it may take an ignored label, of its own class alone, by the rules of protocol `coco`, and is left
    out. What a prediction holds depends on higher scores alone: a higher score threshold takes pairs away, no
    more. pairs: of all predictions that were evaluated, from T on at least.
    """
    holder, is_unpaired = _match(
        pairs.start, pairs.label, pairs.iou, labels.class_code, labels.is_crowd, label_outcomes.ignored,
        predictions.frame_start, predictions.class_code, predictions.score, matches.is_evaluated,
        matches.outside, chosen, min(iou_threshold, 1.0 - MATCH_EPSILON),
    )  # fmt: skip
    return AnyClassMatches(holder, is_unpaired)
