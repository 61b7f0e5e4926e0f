"""Counts that say whether scores are probabilities: predictions by class and score, how many are right."""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64, READ_I32, READ_U64
from emqa_core.objects import Array, OutcomeRows

N_CALIBRATION_BINS = 20
# Scores are summed as whole numbers of this, so that the order of the rows does not show in the last bit.
SCORE_UNIT = 2.0**-30


@kernel(types.int64[:, :, ::1](READ_I32, READ_F64, READ_U64, READ_U64, types.int64, types.int64, types.int64))
def _count(class_code, score, right, ignored, chosen, n_classes, n_bins):  # type: ignore[no-untyped-def]
    out = np.zeros((3, n_classes, n_bins), np.int64)
    shift = np.uint64(chosen)
    for row in range(class_code.shape[0]):
        value = score[row]
        if (ignored[row] >> shift) & np.uint64(1) or not 0.0 <= value <= 1.0:
            continue
        place = min(np.int64(value * n_bins), n_bins - 1)
        place -= np.int64(value < place / n_bins)  # the product may be rounded up to a bin's edge
        code = class_code[row]
        out[0, code, place] += 1
        out[1, code, place] += np.int64((right[row] >> shift) & np.uint64(1))
        out[2, code, place] += np.int64(np.rint(value / SCORE_UNIT))
    return out


def count_calibration(outcomes: OutcomeRows, score: Array, chosen: int, n_classes: int) -> Array:
    """Predictions, true positives and the sum of scores in SCORE_UNIT, (3, K, 20) int64.

    Of the predictions that count at the threshold, by class and by score: bin k holds k / 20 <= score <
    (k + 1) / 20, the last one 1 too. Scores outside 0..1 are no probabilities and are left out.
    """
    return np.asarray(
        _count(
            outcomes.class_code,
            score,
            outcomes.right,
            outcomes.ignored,
            chosen,
            n_classes,
            N_CALIBRATION_BINS,
        )
    )
