"""The COCO evaluation's arrays of labels and predictions in memory, as pycocotools shapes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emqa_core.analysis.average_precision import RECALL_POINTS, ClassCurves
from emqa_core.analysis.ranked_matches import RankedMatches
from emqa_core.analysis.score_order import sorted_buckets
from emqa_core.matching.coco import match_coco
from emqa_core.matching.matches import MatchOptions
from emqa_core.objects import Array, Labels, Predictions
from emqa_core.reductions.class_counts import count_labels


def evaluate_arrays(
    labels: Labels, predictions: Predictions, n_classes: int, options: MatchOptions
) -> tuple[Array, Array, Array]:
    """precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M), -1 where no label counts.

    M runs over max_dets; each is matched on its own, as its predictions are a prefix of the next one's.
    """
    n_thresholds, n_ranges = len(options.iou_thresholds), len(options.area_ranges)
    shape = (n_thresholds, len(RECALL_POINTS), n_classes, n_ranges, len(options.max_dets))
    precision, scores = np.full(shape, -1.0), np.full(shape, -1.0)
    recall = np.full((n_thresholds, *shape[2:]), -1.0)
    group = np.zeros(predictions.n_frames, np.uint8)
    for m, max_det in enumerate(options.max_dets):
        matches = match_coco(labels, predictions, n_classes, replace(options, max_dets=(max_det,)))
        runs = matches.score_runs(predictions, group)
        n_positive, _, _ = count_labels(
            labels.frame_start, group, labels.class_code, matches.label_ignored, n_classes, n_ranges, 1
        )
        ranked = RankedMatches.of(runs.matched, n_classes)
        for bucket in sorted_buckets([runs], runs.matched):
            ranked.take(bucket)
        curves = ClassCurves.of(ranked, n_positive, n_thresholds)
        precision[..., m] = curves.precision.transpose(1, 3, 0, 2)
        scores[..., m] = curves.score.transpose(1, 3, 0, 2)
        found = curves.n_true_positive.transpose(1, 0, 2) / np.maximum(n_positive, 1)
        recall[..., m] = np.where(n_positive > 0, found, -1.0)
    return precision, recall, scores
