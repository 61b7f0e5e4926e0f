"""Outcomes at the chosen IoU threshold whatever the score, from which those at any score threshold follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.objects import Array, OutcomeRows

_NO_HASH = np.empty(0, np.uint64)  # nothing that counts needs it


@dataclass(frozen=True)
class ScoredRows:
    """Both sides of a partition at the chosen T; the configured score threshold is not applied.

    kind (n,) uint8, of predictions: 0 does not count, 1 is wrong, 2 right. score (n,) float64.
    label_score, label_iou (m,) float64: of the prediction that holds the label, NaN without one.
    """

    kind: Array
    score: Array
    label_score: Array
    label_iou: Array

    def outcomes_at(self, side: str, rows: OutcomeRows, threshold: float) -> tuple[OutcomeRows, Array]:
        """The rows of a side that count at a score threshold, right at T number 0, the only one; and which
        of `rows`, those of the side, they are (k,) int64.

        Predictions below the threshold are left out; labels that they hold are missed.
        """
        if side == "prediction":
            own = np.flatnonzero((self.kind > 0) & (self.score >= threshold))
            right = self.kind[own] == 2
        else:
            own = np.flatnonzero(rows.ignored == 0)
            right = self.label_score[own] >= threshold
        outcomes = OutcomeRows(
            np.searchsorted(own, rows.frame_start),
            rows.frame_group,
            rows.class_code[own],
            right.astype(np.uint64),
            np.zeros(len(own), np.uint64),
            _NO_HASH,
        )
        return outcomes, own
