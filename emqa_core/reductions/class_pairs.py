"""Pairs of classes that share frames: how their rows cluster together, for intervals of several classes.

Whole numbers, the same for any partitioning. Of a thousand classes few pairs meet: those alone are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64, READ_U64
from emqa_core.objects import Array, OutcomeRows


@kernel(
    types.int64[:, :, ::1](READ_I64, READ_I32, READ_U64, READ_U64, types.uint64, types.int64, types.int64)
)
def _cooccurrence(frame_start, class_code, ignored, right, wanted, chosen, n_classes):  # type: ignore[no-untyped-def]
    total = np.zeros((4, n_classes, n_classes), np.int64)
    n_rows = np.zeros(n_classes, np.int64)
    n_wanted = np.zeros(n_classes, np.int64)
    present = np.empty(n_classes, np.int64)
    for frame in range(frame_start.shape[0] - 1):
        n_present = 0
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if not (ignored[row] >> np.uint64(chosen)) & np.uint64(1):
                code = class_code[row]
                if n_rows[code] == 0:
                    present[n_present] = code
                    n_present += 1
                n_rows[code] += 1
                n_wanted[code] += ((right[row] >> np.uint64(chosen)) & np.uint64(1)) == wanted
        for i in range(n_present):
            own = present[i]
            # One of each pair and its mirror image: which of the two does not matter until the end.
            for j in range(i + 1):
                total[0, own, present[j]] += n_rows[own] * n_rows[present[j]]
                total[3, own, present[j]] += 1
            if n_wanted[own] == 0:
                continue
            for j in range(n_present):
                total[1, present[j], own] += n_rows[present[j]] * n_wanted[own]
                total[2, own, present[j]] += n_wanted[own] * n_wanted[present[j]]
        for i in range(n_present):
            n_rows[present[i]] = 0
            n_wanted[present[i]] = 0
    for kind in (0, 3):
        for i in range(n_classes):
            for j in range(i):
                both = total[kind, i, j] + total[kind, j, i]
                total[kind, i, j] = both
                total[kind, j, i] = both
    return total


@dataclass(frozen=True)
class ClassPairs:
    """Of K classes the m pairs with a frame in common, a class with itself too.

    pair (m,) int64 ascending: class * K + other. sums (4, m) int64: Σ over frames of n_class · n_other,
    n_class · y_other, y_class · y_other, and 1 where neither n is 0; n: rows that count, y: the right ones
    among them, or the wrong ones.
    """

    n_classes: int
    pair: Array
    sums: Array

    @classmethod
    def of(cls, rows: OutcomeRows, chosen: int, n_classes: int, *, of_right: bool) -> ClassPairs:
        """Of the rows that count at a threshold."""
        total = _cooccurrence(
            rows.frame_start, rows.class_code, rows.ignored, rows.right, np.uint64(of_right), chosen,
            n_classes,
        )  # fmt: skip
        pair = np.flatnonzero(total[0])
        return cls(n_classes, pair, total.reshape(4, -1)[:, pair])

    def __add__(self, other: ClassPairs) -> ClassPairs:
        pair = np.union1d(self.pair, other.pair)
        sums = np.zeros((4, len(pair)), np.int64)
        for each in (self, other):
            sums[:, np.searchsorted(pair, each.pair)] += each.sums
        return ClassPairs(self.n_classes, pair, sums)
