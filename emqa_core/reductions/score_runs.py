"""Score runs: what average precision needs of each prediction, class by class.

A state that adds by concatenation in partition order. Partitions hold ascending frames, so the position
in a class's run is its rank in frame order, by which pycocotools breaks ties of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from emqa_core.kernel_types import READ_F64, READ_I32, READ_I64, READ_U8, READ_U16
from emqa_core.objects import Array


@njit(
    types.Tuple(
        (
            types.int64[::1], types.int64[::1], types.float64[::1], types.uint16[::1],
            types.uint8[::1], types.boolean[::1], types.int64[::1],
        )
    )(READ_I64, READ_U8, READ_I32, READ_I32, READ_U16, READ_F64, READ_I64, types.int64, types.int64),
    cache=True,
)  # fmt: skip
def _collect(  # type: ignore[no-untyped-def]
    frame_start, frame_group, class_code, rank, outside, score, matched_row, max_det, n_classes
):
    n_rows = class_code.shape[0]
    match_of_row = np.full(n_rows, -1, np.int32)
    for index in range(matched_row.shape[0]):
        match_of_row[matched_row[index]] = index
    class_start = np.zeros(n_classes + 1, np.int64)
    match_start = np.zeros(n_classes + 1, np.int64)
    for row in range(n_rows):
        if rank[row] < max_det:
            class_start[class_code[row] + 1] += 1
            if match_of_row[row] >= 0:
                match_start[class_code[row] + 1] += 1
    for code in range(n_classes):
        class_start[code + 1] += class_start[code]
        match_start[code + 1] += match_start[code]
    n_kept = class_start[n_classes]
    out_score = np.empty(n_kept, np.float64)
    out_outside = np.empty(n_kept, np.uint16)
    out_group = np.empty(n_kept, np.uint8)
    out_matched = np.empty(n_kept, np.bool_)
    match_order = np.empty(match_start[n_classes], np.int64)
    place_of = class_start.copy()
    match_place_of = match_start.copy()
    for frame in range(frame_start.shape[0] - 1):
        for row in range(frame_start[frame], frame_start[frame + 1]):
            if rank[row] >= max_det:
                continue
            code = class_code[row]
            place = place_of[code]
            place_of[code] = place + 1
            out_score[place] = score[row]
            out_outside[place] = outside[row]
            out_group[place] = frame_group[frame]
            match = match_of_row[row]
            out_matched[place] = match >= 0
            if match >= 0:
                match_order[match_place_of[code]] = match
                match_place_of[code] += 1
    return class_start, match_start, out_score, out_outside, out_group, out_matched, match_order


@dataclass(frozen=True)
class ScoreRuns:
    """The evaluated predictions of K classes, grouped by class, in frame order within a class.

    class_start (K + 1,) int64: class c owns the rows class_start[c]:class_start[c + 1] of score (n,)
    float64, outside (n,) uint16 (bit a: area outside range a), group (n,) uint8 (jackknife group) and
    is_matched (n,) bool. The matched rows' words stand apart, in the same order: class c owns
    match_start[c]:match_start[c + 1] of true_positive and matched_ignored (m, A) uint64, bit t.
    """

    class_start: Array
    match_start: Array
    score: Array
    outside: Array
    group: Array
    is_matched: Array
    true_positive: Array
    matched_ignored: Array

    @classmethod
    def of(
        cls,
        *,
        frame_start: Array,
        frame_group: Array,
        class_code: Array,
        rank: Array,
        outside: Array,
        score: Array,
        matched_row: Array,
        true_positive: Array,
        matched_ignored: Array,
        max_det: int,
        n_classes: int,
    ) -> ScoreRuns:
        """The runs of one partition: rows of rank below max_det."""
        class_start, match_start, run_score, run_outside, group, is_matched, order = _collect(
            frame_start, frame_group, class_code, rank, outside, score, matched_row, max_det, n_classes
        )
        return cls(
            class_start, match_start, run_score, run_outside, group, is_matched,
            true_positive[order], matched_ignored[order],
        )  # fmt: skip

    @property
    def n_classes(self) -> int:
        return len(self.class_start) - 1

    def of_class(self, code: int) -> ScoreRuns:
        """The run of one class."""
        rows = slice(self.class_start[code], self.class_start[code + 1])
        matches = slice(self.match_start[code], self.match_start[code + 1])
        return ScoreRuns(
            np.array([0, rows.stop - rows.start]),
            np.array([0, matches.stop - matches.start]),
            self.score[rows],
            self.outside[rows],
            self.group[rows],
            self.is_matched[rows],
            self.true_positive[matches],
            self.matched_ignored[matches],
        )

    def select(self, codes: Sequence[int]) -> ScoreRuns:
        """The runs of some classes, in the order given, numbered from 0."""
        return ScoreRuns._stack([self.of_class(code) for code in codes], self.true_positive.shape[1])

    @staticmethod
    def _stack(runs: Sequence[ScoreRuns], n_ranges: int) -> ScoreRuns:
        """Runs of different classes, one after the other."""
        rows = np.cumsum([0, *(len(run.score) for run in runs)])
        matches = np.cumsum([0, *(len(run.true_positive) for run in runs)])
        empty = ScoreRuns.empty(0, n_ranges)
        parts = [empty, *runs]
        return ScoreRuns(
            rows.astype(np.int64),
            matches.astype(np.int64),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in _ROW_FIELDS),
        )

    @staticmethod
    def empty(n_classes: int, n_ranges: int) -> ScoreRuns:
        """The identity of addition."""
        return ScoreRuns(
            np.zeros(n_classes + 1, np.int64),
            np.zeros(n_classes + 1, np.int64),
            np.empty(0, np.float64),
            np.empty(0, np.uint16),
            np.empty(0, np.uint8),
            np.empty(0, np.bool_),
            np.empty((0, n_ranges), np.uint64),
            np.empty((0, n_ranges), np.uint64),
        )

    @staticmethod
    def combine_class(parts: Sequence[ScoreRuns], code: int) -> ScoreRuns:
        """One class of several partitions, in partition order."""
        return ScoreRuns.pool([part.of_class(code) for part in parts], parts[0].true_positive.shape[1])

    @staticmethod
    def pool(parts: Sequence[ScoreRuns], n_ranges: int) -> ScoreRuns:
        """All rows of all parts as one class."""
        joined = ScoreRuns._stack(parts, n_ranges)
        return ScoreRuns(
            joined.class_start[[0, -1]],
            joined.match_start[[0, -1]],
            *(getattr(joined, name) for name in _ROW_FIELDS),
        )

    def __add__(self, other: ScoreRuns) -> ScoreRuns:
        return ScoreRuns._stack(
            [ScoreRuns.combine_class((self, other), code) for code in range(self.n_classes)],
            self.true_positive.shape[1],
        )

    def to_arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in ("class_start", "match_start", *_ROW_FIELDS)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ScoreRuns:
        return cls(**{name: arrays[name] for name in ("class_start", "match_start", *_ROW_FIELDS)})


_ROW_FIELDS = ("score", "outside", "group", "is_matched", "true_positive", "matched_ignored")
