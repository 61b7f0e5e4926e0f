"""95% intervals of the measures of classes, area range `all`.

AP, AR and F1: delete-a-group jackknife on the logit scale. Precision and recall: Wilson's with the design
effect of frames; where the resampling unit is not the frame, whose clustering those sums do not hold, the
jackknife. Scope `all` first, then the classes; IoU thresholds ascending, their mean last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emqa_core.analysis.intervals import (
    Intervals,
    design_effect,
    logit_intervals,
    reason_where,
    unit_reasons,
    wilson_interval,
)
from emqa_core.objects import Array

if TYPE_CHECKING:
    from emqa_core.analysis.class_performance import ClassPerformance

NO_INTERVALS = "not_requested"


def average_precision_intervals(performance: ClassPerformance, chosen: Sequence[Sequence[int]]) -> Intervals:
    """Of AP averaged over each of several lists of thresholds, (K + 1, len(chosen))."""
    if performance.replicates is None:
        return Intervals.nothing((len(performance.classes) + 1, len(chosen)), NO_INTERVALS)
    return _of_means(performance, performance.average_precision[:, :, 0], performance.replicates, chosen)


def average_recall_intervals(performance: ClassPerformance, chosen: Sequence[Sequence[int]]) -> Intervals:
    """Of AR at the largest max_dets, likewise."""
    replicates = average_recall_replicates(performance)
    if replicates is None:
        return Intervals.nothing((len(performance.classes) + 1, len(chosen)), NO_INTERVALS)
    return _of_means(performance, performance.average_recall[:, :, 0, -1], replicates, chosen)


def average_recall_replicates(performance: ClassPerformance) -> Array | None:
    """AR at the largest max_dets without each group, (K, T, G); NaN where no label is left."""
    if performance.groups is None:
        return None
    found, labels = performance.groups.n_found, performance.counts.n_positive_group[:, None]
    left = labels.sum(axis=-1, keepdims=True) - labels
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(left > 0, (found.sum(axis=-1, keepdims=True) - found) / left, np.nan)


def _of_means(
    performance: ClassPerformance, value: Array, without: Array, chosen: Sequence[Sequence[int]]
) -> Intervals:
    """value (K, T), without (K, T, G): of a measure whose scope `all` is the mean of the classes."""
    per_group, n_frames = performance.counts.n_positive_group, performance.counts.n_frames_with_label
    shape = (len(value) + 1, len(chosen))
    values, replicates = np.empty(shape), np.empty((*shape, per_group.shape[1]))
    # A class that would lose all its labels keeps its full value.
    without = np.where(np.isnan(without), value[..., None], without)
    for index, thresholds in enumerate(chosen):
        own, left = value[:, thresholds].mean(axis=1), without[:, thresholds].mean(axis=1)
        values[:, index] = np.append(performance.mean_over_classes(own), own)
        replicates[:, index] = np.vstack([performance.mean_over_classes(left), left])
    holds = np.vstack([per_group.sum(axis=0), per_group])[:, None] > 0
    # For all, frames with labels of several classes are counted once for each: an upper bound that only
    # decides whether there are as few as ten.
    frames = np.append(n_frames.sum(), n_frames)[:, None]
    found = logit_intervals(values, np.where(holds, replicates, np.inf), frames)
    no_labels = reason_where(np.isnan(values), "no_labels")
    return found.unless(_of_units(performance, "label")).unless(no_labels)


def precision_intervals(performance: ClassPerformance) -> Intervals:
    """Of precision at the score threshold, (K + 1, T)."""
    groups = performance.groups
    if groups is None:
        return Intervals.nothing(_shape(performance), NO_INTERVALS)
    right, n = groups.n_true_positive, groups.n_prediction
    return _of_rates(performance, "prediction", groups.prediction_sums, right, n, "no_predictions")


def recall_intervals(performance: ClassPerformance) -> Intervals:
    """Of recall at the score threshold, (K + 1, T)."""
    groups = performance.groups
    if groups is None:
        return Intervals.nothing(_shape(performance), NO_INTERVALS)
    right = groups.n_true_positive
    labels = np.broadcast_to(performance.counts.n_positive_group[:, None], right.shape)
    return _of_rates(performance, "label", groups.label_sums, right, labels, "no_labels")


def f1_intervals(performance: ClassPerformance) -> Intervals:
    """Of F1 at the score threshold, (K + 1, T)."""
    groups = performance.groups
    if groups is None:
        return Intervals.nothing(_shape(performance), NO_INTERVALS)
    n = groups.n_prediction + performance.counts.n_positive_group[:, None]
    found = _of_shares(performance, 2 * groups.n_true_positive, n)
    for target in ("prediction", "label"):
        found = found.unless(_unit_reasons(performance, target))
    return found.unless(reason_where(_with_all(n).sum(axis=-1) == 0, "no_rows"))


def _of_rates(
    performance: ClassPerformance, target: str, sums: Array, right: Array, n: Array, empty: str
) -> Intervals:
    """sums (6, T, K + 1): of the target's rows. right, n (K, T, G): the same by group."""
    if performance.config.resampling_unit == "frame":
        all_first = np.roll(sums, 1, axis=2).transpose(0, 2, 1)
        low, high = wilson_interval(all_first[0], all_first[1], design_effect(*all_first))
        found = Intervals(low, high, np.full(low.shape, None, object))
    else:
        found = _of_shares(performance, right, n)
    is_empty = _with_all(n).sum(axis=-1) == 0
    return found.unless(_unit_reasons(performance, target)).unless(reason_where(is_empty, empty))


def _of_shares(performance: ClassPerformance, right: Array, n: Array) -> Intervals:
    """Jackknife of Σ right / Σ n, (K, T, G) each, for all classes together and for each."""
    right, n = _with_all(right), _with_all(n)
    all_right, all_n = right.sum(axis=-1), n.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = all_right / all_n
        without = (all_right[..., None] - right) / (all_n[..., None] - n)
    n_frames = performance.counts.n_frames_with_label
    frames = np.append(n_frames.sum(), n_frames)[:, None]
    return logit_intervals(value, np.where(n > 0, without, np.inf), frames)


def _with_all(values: Array) -> Array:
    return np.concatenate([values.sum(axis=0, keepdims=True), values])


def _unit_reasons(performance: ClassPerformance, target: str) -> Array:
    """Why the units of each scope, all first, support no interval, (K + 1, 1) object."""
    return np.roll(unit_reasons(performance.units[target]), 1)[:, None]


def _of_units(performance: ClassPerformance, target: str) -> Array:
    """The same where units are not frames: for frames, too few labels are told by the frames themselves."""
    if performance.config.resampling_unit == "frame":
        return np.array([[None]], object)
    return _unit_reasons(performance, target)


def _shape(performance: ClassPerformance) -> tuple[int, int]:
    return len(performance.classes) + 1, len(performance.config.evaluated_iou_thresholds)
