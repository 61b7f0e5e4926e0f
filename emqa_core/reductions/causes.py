"""Causes: why each prediction of a score run is right or false, and where a false one would be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.objects import Array

# In the order of the codes; 0 is a prediction that does not count. An error of place that would hold its
# label if it were fixed is `RELOCATED`; an error of class that would has a further row, in the class of the
# label, which is `RENAMED` and counts for nothing else.
CAUSES = (
    "none",
    "true_positive",
    "localization",
    "classification",
    "duplicate",
    "background",
    "classification_and_localization",
    "relocated",
    "renamed",
)
N_CAUSES = len(CAUSES)
TRUE_POSITIVE, FIRST_ERROR, RELOCATED, RENAMED = 1, 2, 7, 8
CAUSE_SHIFT = 25  # of the word of a score run, four bits


@dataclass(frozen=True)
class Causes:
    """Causes of P predictions at the chosen IoU threshold.

    code (P,) uint8: into CAUSES, without `RENAMED`. renamed_row (m,) int64, ascending, and renamed_class (m,)
    int32: predictions that would be right in another class.
    """

    code: Array
    renamed_row: Array
    renamed_class: Array

    @classmethod
    def none(cls, n_predictions: int) -> Causes:
        """Where nobody asked for them."""
        return cls(np.zeros(n_predictions, np.uint8), np.empty(0, np.int64), np.empty(0, np.int32))
