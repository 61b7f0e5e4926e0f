"""What matching found, and the outcomes that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from emqa_core.config import EvaluationConfig
from emqa_core.objects import Labels, OutcomeRows, Predictions
from emqa_core.reductions.causes import Causes
from emqa_core.reductions.score_runs import ScoreRuns
from emqa_core.reductions.scored_rows import ScoredRows

Array = np.ndarray


@dataclass(frozen=True)
class MatchOptions:
    """What a protocol needs to know.

    iou_thresholds (T,) float64 ascending, T <= 64. area_ranges (A, 2) float64 px², closed at both ends,
    row 0 is `all`, A <= 16. max_dets ascending. chosen: index of the chosen IoU threshold.
    """

    iou_thresholds: Array
    area_ranges: Array
    max_dets: tuple[int, ...]
    chosen: int
    score_threshold: float

    @classmethod
    def of(cls, config: EvaluationConfig) -> MatchOptions:
        return cls(
            np.array(config.evaluated_iou_thresholds, np.float64),
            np.array(list(config.area_ranges.values()), np.float64),
            config.max_dets,
            config.chosen_threshold_index,
            config.score_threshold,
        )

    @property
    def every_threshold(self) -> np.uint64:
        """A word with one bit set for each IoU threshold."""
        return np.uint64((1 << len(self.iou_thresholds)) - 1)


@dataclass(frozen=True)
class Matches:
    """The matches of P predictions with L labels at T thresholds in A area ranges.

    is_evaluated (P,) bool: among the first max_dets of its frame-class cell by score. outside (P,) uint16:
    bit a is set where the prediction's area lies outside range a. matched_row (m,) int64: predictions
    matched at any threshold in any range, in no particular order; matched_rank (m,) int32: their places in
    their cells by score, from 0; matched_bits (m, 2, A) uint64: bit t
    says at index 0 that it is a true positive, at index 1 that it is matched to an ignored label.
    label_ignored (L,) uint16: bit a. found (L,) uint64: bit t, area `all`, score threshold applied.

    At the chosen threshold, area `all`: label_of_prediction (P,) int32 or -1, iou (P,) float64 or NaN,
    prediction_of_label (L,) int32 or -1 (labels that count only), label_iou (L,) float64 or NaN.
    `best_iou` only, else None: iou_duplicate (P,) and iou_max (L,) float64.
    """

    is_evaluated: Array
    outside: Array
    matched_row: Array
    matched_rank: Array
    matched_bits: Array
    label_ignored: Array
    found: Array
    label_of_prediction: Array
    iou: Array
    prediction_of_label: Array
    label_iou: Array
    iou_duplicate: Array | None = None
    iou_max: Array | None = None

    @cached_property
    def true_positive_bits(self) -> Array:
        """True positives at each threshold in area range `all`, whatever the score, (P,) uint64."""
        bits = np.zeros(len(self.outside), np.uint64)
        bits[self.matched_row] = self.matched_bits[:, 0, 0]
        return bits

    def prediction_outcomes(
        self, predictions: Predictions, frame_group: Array, options: MatchOptions
    ) -> OutcomeRows:
        """Right and ignored bits of the predictions in area range `all`."""
        every = options.every_threshold
        ignored = np.zeros(len(self.outside), np.uint64)
        ignored[self.matched_row] = self.matched_bits[:, 1, 0]
        right = self.true_positive_bits
        # An unmatched prediction outside the range is ignored; for `all` that is an area above 1e10 px².
        outside = self.outside & np.uint16(1)
        if outside.any():
            unmatched_outside = np.flatnonzero(outside)
            ignored[unmatched_outside] |= every & ~right[unmatched_outside]
        if len(right) and not (
            self.is_evaluated.all() and predictions.score.min() >= options.score_threshold
        ):
            left_out = ~self.is_evaluated | (predictions.score < options.score_threshold)
            ignored[left_out] = every
            right = np.where(left_out, np.uint64(0), right)
        return OutcomeRows(
            predictions.frame_start, frame_group, predictions.class_code, right, ignored, predictions.key_hash
        )

    def label_outcomes(self, labels: Labels, frame_group: Array, options: MatchOptions) -> OutcomeRows:
        """Found and ignored bits of the labels in area range `all`."""
        is_ignored = (self.label_ignored & np.uint16(1)).astype(bool)
        ignored = np.where(is_ignored, options.every_threshold, np.uint64(0))
        found = np.where(is_ignored, np.uint64(0), self.found)
        return OutcomeRows(
            labels.frame_start, frame_group, labels.class_code, found, ignored, labels.key_hash
        )

    def scored_rows(
        self, predictions: Predictions, outcomes: OutcomeRows, options: MatchOptions
    ) -> ScoredRows:
        """Outcomes at the chosen threshold whatever the score. outcomes: of `prediction_outcomes`."""
        if (predictions.score < options.score_threshold).any():
            without = replace(options, score_threshold=-np.inf)
            outcomes = self.prediction_outcomes(predictions, outcomes.frame_group, without)
        shift = np.uint64(options.chosen)
        right = (outcomes.right >> shift & np.uint64(1)).astype(np.uint8)
        counts = 1 - (outcomes.ignored >> shift & np.uint64(1)).astype(np.uint8)
        holder = np.flatnonzero(right)
        held = self.label_of_prediction[holder]
        label_score, label_iou = np.full((2, len(self.label_ignored)), np.nan)
        label_score[held] = predictions.score[holder]
        label_iou[held] = self.iou[holder]
        return ScoredRows(counts + right, predictions.score, label_score, label_iou)

    def score_runs(
        self, predictions: Predictions, frame_group: Array, causes: Causes | None = None
    ) -> ScoreRuns:
        """What average precision needs of the predictions that were evaluated."""
        return ScoreRuns.of(
            frame_start=predictions.frame_start,
            frame_group=frame_group,
            class_code=predictions.class_code,
            is_evaluated=self.is_evaluated,
            outside=self.outside,
            score=predictions.score,
            matched_row=self.matched_row,
            matched_bits=self.matched_bits,
            causes=causes,
        )
