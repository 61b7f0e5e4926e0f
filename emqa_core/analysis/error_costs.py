"""What each error type costs: the average precision gained if nobody made it (TIDE, Bolya et al. 2020).

All fixes are read off one walk in score order. Precision changes its course at the rows that are right, or
would be if they were fixed; of each the rows before it are kept by cause, and a fix is another sum of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numba import types

from emqa_core.analysis.average_precision import RECALL_POINTS, needed_for
from emqa_core.analysis.score_bucket import ScoreBucket
from emqa_core.kernel import kernel
from emqa_core.kernel_types import (
    READ_F64,
    READ_F64_2D,
    READ_I64,
    READ_I64_2D,
    READ_U8,
    READ_U32_2D,
    READ_U64,
)
from emqa_core.matching.error_types import PREDICTION_ERRORS
from emqa_core.objects import Array
from emqa_core.reductions.causes import CAUSE_SHIFT, FIRST_ERROR, N_CAUSES, RELOCATED, RENAMED, TRUE_POSITIVE
from emqa_core.reductions.class_counts import ClassCounts

U64 = np.uint64
# What is fixed; nothing first.
FIXES = ("none", *PREDICTION_ERRORS, "missed", "false_negative", "false_positive")
_LOCALIZATION, _CLASSIFICATION = FIXES.index("localization"), FIXES.index("classification")
_MISSED, _FALSE_POSITIVE = FIXES.index("missed"), FIXES.index("false_positive")
_EPSILON = np.spacing(1)
# Precisions are summed as integers of such units: no order of summation changes the sum.
_UNIT = 1 << 56


def positives_when_fixed(counts: ClassCounts) -> Array:
    """Labels that count if each of FIXES is made, (K, F) int64; (K, 0) where errors were not told apart.

    Missed labels no longer count where `missed` is fixed, those of other names neither for `false_negative`.
    """
    n_errors = counts.n_label_error
    if not n_errors.shape[1]:
        return np.zeros((len(n_errors), 0), np.int64)
    n_positive = np.repeat(counts.n_positive[:, :1], len(FIXES), axis=1)
    n_positive[:, _MISSED] -= n_errors[:, 0]
    n_positive[:, FIXES.index("false_negative")] -= n_errors.sum(axis=1)
    return n_positive


@kernel(types.int64(READ_U64, types.int64[:, ::1], types.int32[::1], types.uint8[::1], types.uint32[:, ::1]))
def _walk(words, counts, code_of, cause_of, before):  # type: ignore[no-untyped-def]
    """Count rows by class and cause, and note those that are right or would be; returns their number."""
    n_found = 0
    for row in range(words.shape[0]):
        word = words[row]
        cause = np.int64(word >> U64(CAUSE_SHIFT)) & 15
        code = np.int64(word >> U64(32))
        if (cause == TRUE_POSITIVE) | (cause >= RELOCATED):
            code_of[n_found] = code
            cause_of[n_found] = cause
            for each in range(counts.shape[1]):
                before[n_found, each] = counts[code, each]
            n_found += 1
        counts[code, cause] += 1
    return n_found


@kernel(types.int64(READ_U64))
def _n_noted(words):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(words.shape[0]):
        cause = (words[row] >> U64(CAUSE_SHIFT)) & U64(15)
        n += np.int64((cause == U64(TRUE_POSITIVE)) | (cause >= U64(RELOCATED)))  # type: ignore[assignment]
    return n


@dataclass(frozen=True)
class ErrorSteps:
    """Rows of K classes by cause, and the rows before each that is right or would be; filled by `take`.

    counts (K, 9) int64: rows so far by class and cause.
    """

    counts: Array
    _codes: list[Array] = field(default_factory=list)
    _causes: list[Array] = field(default_factory=list)
    _before: list[Array] = field(default_factory=list)

    @classmethod
    def of(cls, n_classes: int) -> ErrorSteps:
        """Nothing counted yet."""
        return cls(np.zeros((n_classes, N_CAUSES), np.int64))

    def take(self, bucket: ScoreBucket) -> None:
        """The rows of the next bucket of `sorted_buckets`."""
        n = _n_noted(bucket.word)
        code, cause, before = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty((n, N_CAUSES), np.uint32)
        _walk(bucket.word, self.counts, code, cause, before)
        self._codes.append(code)
        self._causes.append(cause)
        self._before.append(before)

    def by_class(self) -> tuple[Array, Array, Array]:
        """The noted rows, class after class in score order: where each class begins, causes, rows before."""
        if not self._codes:
            start = np.zeros(len(self.counts) + 1, np.int64)
            return start, np.empty(0, np.uint8), np.empty((0, N_CAUSES), np.uint32)
        code = np.concatenate(self._codes)
        order = np.argsort(code, kind="stable")
        n_of_class = np.bincount(code, minlength=len(self.counts))
        start = np.concatenate([[0], np.cumsum(n_of_class)]).astype(np.int64)
        return start, np.concatenate(self._causes)[order], np.concatenate(self._before)[order]


@kernel(
    types.Tuple((types.int64[:, ::1], types.float64[:, ::1]))(
        READ_I64, READ_U8, READ_U32_2D, READ_I64_2D, READ_I64_2D, READ_F64_2D, READ_F64
    ),
    error_model="numpy",  # no divisor is 0: no branch for it
)
def _fix(class_start, causes, before, first_counts, n_positive, peak_after, points):  # type: ignore[no-untyped-def]
    n_classes, n_fixes = n_positive.shape
    total = np.zeros((n_classes, n_fixes), np.int64)
    peak = peak_after.copy()
    most = 1
    for code in range(n_classes):
        most = max(most, class_start[code + 1] - class_start[code])
    envelope = np.empty(most)
    all_wrong = np.empty(most, np.int64)
    for code in range(n_classes):
        first = first_counts[code]
        begin, end = class_start[code], class_start[code + 1]
        for index in range(begin, end):
            wrong = 0
            for each in range(FIRST_ERROR, RENAMED):
                wrong += first[each] + before[index, each]
            all_wrong[index - begin] = wrong
        needed, needed_of = np.empty(0, np.int64), np.int64(0)
        for fix in range(n_fixes):
            n_labels = n_positive[code, fix]
            if n_labels <= 0:
                continue
            if n_labels != needed_of:
                needed, needed_of = needed_for(points, n_labels), n_labels
            extra = 0  # the cause whose rows are right once this is fixed
            if fix == _LOCALIZATION:
                extra = RELOCATED
            elif fix == _CLASSIFICATION:
                extra = RENAMED
            n_first = first[TRUE_POSITIVE]
            if extra:
                n_first += first[extra]
            n_right = n_first
            for index in range(begin, end):
                cause = causes[index]
                if cause != TRUE_POSITIVE and cause != extra:
                    continue
                wrong = 0
                if fix != _FALSE_POSITIVE:
                    wrong = all_wrong[index - begin]
                    if 0 < fix < _MISSED:
                        gone = fix - 1 + FIRST_ERROR
                        wrong -= first[gone] + before[index, gone]
                    if fix == _LOCALIZATION:
                        wrong -= first[RELOCATED] + before[index, RELOCATED]
                envelope[n_right - n_first] = (n_right + 1.0) / (wrong + (n_right + 1.0) + _EPSILON)
                n_right += 1
            highest = peak_after[code, fix]
            for index in range(n_right - n_first - 1, -1, -1):
                highest = max(highest, envelope[index])
                envelope[index] = highest
            peak[code, fix] = highest
            for point in range(points.shape[0]):
                if n_first <= needed[point] < n_right:
                    total[code, fix] += np.int64(envelope[needed[point] - n_first] * _UNIT)
    return total, peak


@dataclass(frozen=True)
class CostStretch:
    """What a stretch of the score order gives to the AP of K classes with each of F fixes.

    total (K, F) int64: sum of the precision at the recall points reached in it, in units of 2**-56.
    peak (K, F): highest precision in the stretch and after it.
    """

    total: Array
    peak: Array

    @classmethod
    def of(
        cls,
        steps: ErrorSteps,
        n_positive: Array,
        before: Array | None = None,
        peak_after: Array | None = None,
    ) -> CostStretch:
        """The stretch that `steps` holds.

        n_positive (K, F) int64: `positives_when_fixed`. before (K, 9): rows before the stretch by cause;
        peak_after (K, F): `peak` of the next one; None where there are none.
        """
        start, causes, rows_before = steps.by_class()
        if before is None:
            before = np.zeros_like(steps.counts)
        if peak_after is None:
            peak_after = np.zeros(n_positive.shape)
        return cls(*_fix(start, causes, rows_before, before, n_positive, peak_after, RECALL_POINTS))


def costs_of(stretches: Sequence[CostStretch], n_positive: Array) -> Array:
    """AP that each of FIXES but the first gains, (K, F - 1) float64 >= 0; NaN for a class without labels."""
    total = np.sum([each.total for each in stretches], axis=0)
    gained = (total[:, 1:] - total[:, :1]) / _UNIT / len(RECALL_POINTS)
    return np.where(n_positive[:, :1] > 0, gained, np.nan)
