"""Score runs: what average precision needs of each prediction.

A state that adds by concatenation in partition order. Partitions hold ascending frames, so of two rows of
a class the earlier one is the earlier in frame order, by which pycocotools breaks ties of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from emqa_core.objects import Array


@dataclass(frozen=True)
class ScoreRuns:
    """n evaluated predictions of K classes, in frame order.

    class_code (n,) int32, score (n,) float64, outside (n,) uint16 (bit a: area outside range a), group
    (n,) uint8 (jackknife group). m of them are matched at some threshold in some range, in any order:
    match_row (m,) int64 says which, true_positive and matched_ignored (m, A) uint64 hold bit t.
    """

    class_code: Array
    score: Array
    outside: Array
    group: Array
    match_row: Array
    true_positive: Array
    matched_ignored: Array

    @classmethod
    def of(
        cls,
        *,
        frame_start: Array,
        frame_group: Array,
        class_code: Array,
        is_evaluated: Array,
        outside: Array,
        score: Array,
        matched_row: Array,
        true_positive: Array,
        matched_ignored: Array,
    ) -> ScoreRuns:
        """The runs of one partition: the evaluated rows, to which all matched ones belong."""
        group = np.repeat(frame_group, np.diff(frame_start))
        runs = cls(class_code, score, outside, group, matched_row, true_positive, matched_ignored)
        return runs if is_evaluated.all() else runs._filter(is_evaluated)

    def __len__(self) -> int:
        return len(self.class_code)

    @property
    def n_ranges(self) -> int:
        return int(self.true_positive.shape[1])

    def select(self, codes: Sequence[int], n_classes: int) -> ScoreRuns:
        """The rows of some classes, which are numbered from 0 in the order given."""
        renumbered = np.full(n_classes, -1, np.int32)
        renumbered[list(codes)] = np.arange(len(codes), dtype=np.int32)
        code = renumbered[self.class_code]
        chosen = self._filter(code >= 0)
        return ScoreRuns(
            renumbered[chosen.class_code],
            *(getattr(chosen, field.name) for field in fields(ScoreRuns)[1:]),
        )

    def _filter(self, kept: Array) -> ScoreRuns:
        """The rows where `kept` (n,) bool."""
        matches = kept[self.match_row]
        position = np.cumsum(kept) - 1
        return ScoreRuns(
            self.class_code[kept],
            self.score[kept],
            self.outside[kept],
            self.group[kept],
            position[self.match_row[matches]],
            self.true_positive[matches],
            self.matched_ignored[matches],
        )

    @staticmethod
    def empty(n_ranges: int) -> ScoreRuns:
        """The identity of addition."""
        return ScoreRuns(
            np.empty(0, np.int32),
            np.empty(0, np.float64),
            np.empty(0, np.uint16),
            np.empty(0, np.uint8),
            np.empty(0, np.int64),
            np.empty((0, n_ranges), np.uint64),
            np.empty((0, n_ranges), np.uint64),
        )

    @staticmethod
    def concat(parts: Sequence[ScoreRuns]) -> ScoreRuns:
        """The sum of one or more runs of the same classes, in the order of their partitions."""
        if len(parts) == 1:
            return parts[0]
        first_row = np.cumsum([0, *(len(part) for part in parts)])
        joined = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(ScoreRuns)
        }
        joined["match_row"] = np.concatenate(
            [part.match_row + first for part, first in zip(parts, first_row, strict=False)]
        )
        return ScoreRuns(**joined)

    def __add__(self, other: ScoreRuns) -> ScoreRuns:
        return ScoreRuns.concat([self, other])

    def to_arrays(self) -> dict[str, Array]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ScoreRuns:
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})
