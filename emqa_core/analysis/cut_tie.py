"""Rows of one score that a cut of the score order parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from emqa_core.errors import PlanError
from emqa_core.objects import Array
from emqa_core.reductions.score_runs import score_of

_MOST = (1 << 32) - 1  # rows up to the end of a tie are counted in four bytes


@dataclass(frozen=True)
class CutTie:
    """The tie that a stretch ends in: its key, and rest (K, A) int64, its rows in the stretches after.

    A score threshold keeps a tie whole, so that rows kept are counted to its end wherever that lies.
    """

    key: np.uint64
    rest: Array

    @classmethod
    def none(cls, n_classes: int, n_ranges: int) -> Self:
        """No tie is cut; the key is one that no score has."""
        return cls(~np.uint64(0), np.zeros((n_classes, n_ranges), np.int64))

    def check(self, n_rows: int) -> None:
        """PlanError where a tie, of which a stretch of n_rows holds a part, is too long to be counted."""
        if n_rows + int(self.rest.max(initial=0)) > _MOST:
            raise PlanError(
                f"the score {float(score_of(np.array([self.key]))[0])!r} stands at too many predictions",
                expected="less than 2**32 predictions of one score",
                next_step="write scores with more digits",
            )
