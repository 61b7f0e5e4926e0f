"""Causes: why each prediction of a score run is right or false, and where a false one would be right."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
UNPAIRED = 16  # beside the code: whatever the classes, the prediction holds no label
CAUSE_SHIFT = 25  # of the word of a score run, four bits and one for UNPAIRED


@dataclass(frozen=True)
class Causes:
    """Causes of P predictions at the chosen IoU threshold.

    code (P,) uint8: into CAUSES, without `RENAMED`, and perhaps UNPAIRED. renamed_row (m,) int64, ascending,
    and renamed_class (m,) int32: predictions that would be right in another class.
    """

    code: Array
    renamed_row: Array
    renamed_class: Array

    def with_unpaired(self, is_unpaired: Array) -> Causes:
        """Mark predictions (P,) bool that stand in the confusion matrix beside no label."""
        return replace(self, code=self.code | is_unpaired * np.uint8(UNPAIRED))

    @classmethod
    def none(cls, n_predictions: int) -> Causes:
        """Where nobody asked for them."""
        return cls(np.zeros(n_predictions, np.uint8), np.empty(0, np.int64), np.empty(0, np.int32))
