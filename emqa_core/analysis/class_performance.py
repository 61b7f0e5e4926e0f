"""Performance by class: the numbers of the class tables, and the columns they are written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.average_precision import RECALL_POINTS, ClassCurves
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.analysis.jackknife_precision import Interval, logit_interval
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.reductions.class_counts import ClassCounts


@dataclass(frozen=True)
class ClassPerformance:
    """Everything known of K classes at T IoU thresholds in A area ranges.

    pooled: the best score threshold of all rows together.
    replicates (K, T, G) float64: AP in range `all` without each group, NaN where no label is left; None
    where intervals are off.
    """

    classes: ClassList
    config: EvaluationConfig
    counts: ClassCounts
    curves: ClassCurves
    pooled: BestThreshold
    replicates: Array | None

    @cached_property
    def average_precision(self) -> Array:
        """101-point AP, (K, T, A); NaN where no label counts."""
        return self._of_labels(self.curves.precision.mean(axis=3))

    @cached_property
    def average_recall(self) -> Array:
        """Recall at each of max_dets, (K, T, A, M); NaN where no label counts."""
        found = self.counts.n_true_by_rank.transpose(0, 2, 1, 3)
        positives = self.counts.n_positive[:, None, :, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(positives > 0, found / positives, np.nan)

    @cached_property
    def voc07(self) -> Array:
        return self._of_labels(self.curves.voc07)

    @cached_property
    def all_point(self) -> Array:
        return self._of_labels(self.curves.all_point)

    def _of_labels(self, values: Array) -> Array:
        """(K, T, A) values; NaN where no label counts."""
        return np.where(self.counts.n_positive[:, None, :] > 0, values, np.nan)

    @cached_property
    def averaged_thresholds(self) -> list[int]:
        """Indices of `iou_thresholds` among the evaluated ones."""
        wanted = set(self.config.iou_thresholds)
        return [i for i, t in enumerate(self.config.evaluated_iou_thresholds) if t in wanted]

    def mean_over_classes(self, values: Array) -> Array:
        """Mean over axis 0 (classes); those without labels left out, or 0 for `absent_classes: zero`."""
        if self.config.absent_classes == "zero":
            values = np.nan_to_num(values, nan=0.0)
        present = ~np.isnan(values)
        n = present.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(n > 0, np.where(present, values, 0.0).sum(axis=0) / n, np.nan)

    def interval(self, thresholds: list[int], code: int | None) -> Interval:
        """Interval of AP in range `all`, averaged over thresholds, of one class or of the mean."""
        if self.replicates is None:
            return Interval(None, None, "not_requested")
        full = self.average_precision[:, thresholds, 0]
        per_group = self.counts.n_positive_group
        if code is not None:
            value, holds = full[code].mean(), per_group[code] > 0
            replicates = self.replicates[code][thresholds].mean(axis=0)
            replicates = np.where(np.isnan(replicates), value, replicates)[holds]
            n_frames = int(self.counts.n_frames_with_label[code])
        else:
            value = self.mean_over_classes(full).mean()
            holds = per_group.sum(axis=0) > 0
            kept = np.where(np.isnan(self.replicates), self.average_precision[:, :, :1], self.replicates)
            replicates = self.mean_over_classes(kept[:, thresholds].mean(axis=1))[holds]
            # Frames that hold a label of several classes are counted once for each: an upper bound that
            # only decides whether there are as few as ten.
            n_frames = int(self.counts.n_frames_with_label.sum())
        if np.isnan(value):
            return Interval(None, None, "no_labels")
        return logit_interval(float(value), replicates, n_frames)


def _ratio(numerator: Array, denominator: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def table_of(table: schema.TableSchema, rows: list[dict[str, object]]) -> pa.Table:
    """Rows as a table with the declared columns except the common ones; NaN becomes null."""
    arrays = []
    for column in table.columns:
        values = [row.get(column.name) for row in rows]
        cleaned = [None if isinstance(v, float) and np.isnan(v) else v for v in values]
        if pa.types.is_dictionary(column.type):
            arrays.append(pa.array(cleaned, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(cleaned, column.type))
    return pa.table(arrays, schema=table.own)


def class_performance_table(performance: ClassPerformance) -> pa.Table:
    """Table `class_performance`: scope `all` first, then classes; T ascending, the mean over T last."""
    config, counts, classes = performance.config, performance.counts, performance.classes
    thresholds = config.evaluated_iou_thresholds
    n_classes, n_ranges, n_thresholds = len(classes), len(config.area_ranges), len(thresholds)
    shape = (n_classes + 1, n_ranges, n_thresholds + 1)

    def with_all(values: Array) -> Array:
        """Sums over classes in front of the classes' own numbers."""
        return np.concatenate([values.sum(axis=0, keepdims=True), values])

    def with_means(values: Array) -> Array:
        """(K, T, A) values: the mean over classes in front, the mean over T at the end; (K + 1, A, T + 1)."""
        over_t = values[:, performance.averaged_thresholds].mean(axis=1, keepdims=True)
        extended = np.concatenate([values, over_t], axis=1)
        mean = performance.mean_over_classes(extended)[None]
        return np.concatenate([mean, extended]).transpose(0, 2, 1)

    def at_thresholds(values: Array) -> pa.Array:
        """(K + 1, A, T) values, null for the mean over T."""
        missing = np.full((*shape[:2], 1), np.nan)
        padded = np.concatenate([values.astype(np.float64), missing], axis=2).ravel()
        array = pa.array(padded, mask=np.isnan(padded))
        return array.cast(pa.int64()) if values.dtype.kind == "i" else array

    n_labels = with_all(counts.n_positive)
    n_prediction, n_true = with_all(counts.n_prediction), with_all(counts.n_true_positive)
    labels_at = np.broadcast_to(n_labels[:, :, None], n_true.shape)
    precision, recall = _ratio(n_true, n_prediction), _ratio(n_true, labels_at)
    f1 = _ratio(2 * n_true, n_prediction + labels_at)
    best = np.concatenate([performance.pooled.best()[None], performance.curves.best]).transpose(3, 0, 2, 1)
    macro = np.full((3, *n_true.shape), np.nan)
    for index, values in enumerate((precision, recall, f1)):
        macro[index, 0] = _mean_present(values[1:])
    low, high, reason = _intervals(performance, shape)
    code = np.repeat(np.arange(-1, n_classes), n_ranges * (n_thresholds + 1))
    columns = {
        **scope_columns(classes, code),
        "iou_threshold": pa.array(
            np.tile(np.append(thresholds, np.nan), shape[0] * n_ranges), from_pandas=True
        ),
        "area_range": pa.DictionaryArray.from_arrays(
            np.tile(np.repeat(np.arange(n_ranges, dtype=np.int32), n_thresholds + 1), shape[0]),
            pa.array(list(config.area_ranges), pa.string()),
        ),
        "n_labels": pa.array(np.broadcast_to(n_labels[:, :, None], shape).ravel()),
        "n_predictions": at_thresholds(n_prediction),
        "n_true_positive": at_thresholds(n_true),
        "n_false_positive": at_thresholds(n_prediction - n_true),
        "n_missed": at_thresholds(labels_at - n_true),
        "average_precision": _nullable(with_means(performance.average_precision)),
        "average_precision_low": _nullable(low),
        "average_precision_high": _nullable(high),
        "average_precision_reason": pa.array(reason.ravel(), pa.string()).dictionary_encode(),
        "average_precision_voc07": _nullable(with_means(performance.voc07)),
        "average_precision_all_point": _nullable(with_means(performance.all_point)),
        "average_recall": _nullable(with_means(performance.average_recall[..., -1])),
        "precision": at_thresholds(precision),
        "recall": at_thresholds(recall),
        "f1": at_thresholds(f1),
        "best_score_threshold": at_thresholds(best[0]),
        "best_precision": at_thresholds(best[1]),
        "best_recall": at_thresholds(best[2]),
        "best_f1": at_thresholds(best[3]),
        "macro_precision": at_thresholds(macro[0]),
        "macro_recall": at_thresholds(macro[1]),
        "macro_f1": at_thresholds(macro[2]),
    }
    table = schema.CLASS_PERFORMANCE
    return pa.table([columns[column.name] for column in table.columns], schema=table.own)


def _intervals(performance: ClassPerformance, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Low, high and reason of the intervals of AP; those of area range `all` only are estimated."""
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    reason = np.full(shape, "area_range", object)
    if performance.replicates is None:
        reason[:, 0] = performance.interval([], None).reason
        return low, high, reason
    n_thresholds = shape[2] - 1
    for scope in range(shape[0]):
        for t in range(shape[2]):
            chosen = performance.averaged_thresholds if t == n_thresholds else [t]
            interval = performance.interval(chosen, None if scope == 0 else scope - 1)
            low[scope, 0, t] = np.nan if interval.low is None else interval.low
            high[scope, 0, t] = np.nan if interval.high is None else interval.high
            reason[scope, 0, t] = interval.reason
    return low, high, reason


def _nullable(values: Array) -> pa.Array:
    flat = np.ascontiguousarray(values).ravel()
    return pa.array(flat, mask=np.isnan(flat))


def _mean_present(values: Array) -> Array:
    """Mean over axis 0 of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=0), present.sum(axis=0))


def scope_columns(classes: ClassList, code: Array) -> dict[str, pa.Array]:
    """Columns scope, class_id and class_name of rows with a class code, -1 for all classes together."""
    is_all = code < 0
    place = pa.array(np.where(is_all, 0, code).astype(np.int32), mask=is_all)
    return {
        "scope": pa.DictionaryArray.from_arrays(
            pa.array(np.where(is_all, 0, 1).astype(np.int32)), pa.array(["all", "class"])
        ),
        "class_id": pa.DictionaryArray.from_arrays(place, pa.array(classes.ids, pa.string())),
        "class_name": pa.DictionaryArray.from_arrays(place, pa.array(classes.names, pa.string())),
    }


def precision_recall_table(performance: ClassPerformance) -> pa.Table:
    """Table `precision_recall`: the curve of each class with labels, area range `all`."""
    config, classes = performance.config, performance.classes
    thresholds = np.array(config.evaluated_iou_thresholds)
    codes = np.flatnonzero(performance.counts.n_positive[:, 0] > 0)
    n_points = len(RECALL_POINTS)
    per_class = len(thresholds) * n_points
    code_of_row = np.repeat(codes, per_class).astype(np.int32)
    precision = performance.curves.precision[codes, :, 0]
    score = performance.curves.score[codes, :, 0]
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(code_of_row, pa.array(classes.ids, pa.string())),
            pa.DictionaryArray.from_arrays(code_of_row, pa.array(classes.names, pa.string())),
            pa.array(np.tile(np.repeat(thresholds, n_points), len(codes))),
            pa.array(np.tile(RECALL_POINTS, len(codes) * len(thresholds))),
            pa.array(precision.ravel()),
            pa.array(score.ravel()),
        ],
        schema=schema.PRECISION_RECALL.own,
    )


def class_cooccurrence_table(performance: ClassPerformance) -> pa.Table:
    """Table `class_cooccurrence`: pairs of classes that share a frame."""
    classes, counts = performance.classes, performance.counts
    sources, codes, others, products = [], [], [], []
    for source, matrix in (
        ("prediction", counts.cooccurrence_prediction),
        ("label", counts.cooccurrence_label),
    ):
        first, second = np.nonzero(matrix)
        sources += [source] * len(first)
        codes.append(first)
        others.append(second)
        products.append(matrix[first, second])
    code, other = (np.concatenate(c).astype(np.int32) for c in (codes, others))
    ids, names = pa.array(classes.ids, pa.string()), pa.array(classes.names, pa.string())
    return pa.table(
        [
            pa.array(sources, pa.string()).dictionary_encode(),
            pa.DictionaryArray.from_arrays(code, ids),
            pa.DictionaryArray.from_arrays(code, names),
            pa.DictionaryArray.from_arrays(other, ids),
            pa.DictionaryArray.from_arrays(other, names),
            pa.array(np.concatenate(products).astype(np.int64)),
        ],
        schema=schema.CLASS_COOCCURRENCE.own,
    )
