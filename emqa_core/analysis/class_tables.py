"""The tables by class: performance, precision-recall curves, jackknife groups, classes that share frames."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.average_precision import RECALL_POINTS
from emqa_core.analysis.class_intervals import (
    average_precision_intervals,
    average_recall_intervals,
    average_recall_replicates,
    f1_intervals,
    precision_intervals,
    recall_intervals,
)
from emqa_core.analysis.class_performance import ClassPerformance, scope_columns
from emqa_core.analysis.intervals import Intervals
from emqa_core.classes import ClassList
from emqa_core.objects import Array


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
    n_frames = np.full(shape, np.nan)
    n_frames[:, 0] = with_all(counts.n_frames_with_label)[:, None]
    n_prediction, n_true = with_all(counts.n_prediction), with_all(counts.n_true_positive)
    labels_at = np.broadcast_to(n_labels[:, :, None], n_true.shape)
    precision, recall = _ratio(n_true, n_prediction), _ratio(n_true, labels_at)
    f1 = _ratio(2 * n_true, n_prediction + labels_at)
    best = np.concatenate([performance.pooled.best()[None], performance.curves.best]).transpose(3, 0, 2, 1)
    macro = np.full((3, *n_true.shape), np.nan)
    for index, values in enumerate((precision, recall, f1)):
        macro[index, 0] = _mean_present(values[1:])
    each = [*([t] for t in range(n_thresholds)), performance.averaged_thresholds]
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
        "n_frames_with_label": _nullable(n_frames).cast(pa.int64()),
        "n_predictions": at_thresholds(n_prediction),
        "n_true_positive": at_thresholds(n_true),
        "n_false_positive": at_thresholds(n_prediction - n_true),
        "n_missed": at_thresholds(labels_at - n_true),
        "average_precision": _nullable(with_means(performance.average_precision)),
        **_interval_columns("average_precision", average_precision_intervals(performance, each), shape),
        "average_precision_voc07": _nullable(with_means(performance.voc07)),
        "average_precision_all_point": _nullable(with_means(performance.all_point)),
        "average_recall": _nullable(with_means(performance.average_recall[..., -1])),
        **_interval_columns("average_recall", average_recall_intervals(performance, each), shape),
        "precision": at_thresholds(precision),
        **_interval_columns("precision", precision_intervals(performance), shape),
        "recall": at_thresholds(recall),
        **_interval_columns("recall", recall_intervals(performance), shape),
        "f1": at_thresholds(f1),
        **_interval_columns("f1", f1_intervals(performance), shape),
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


def _interval_columns(name: str, found: Intervals, shape: tuple[int, int, int]) -> dict[str, pa.Array]:
    """Columns low, high and reason of a measure; shape (K + 1, A, T + 1): of the table.

    found (K + 1, T + 1) in area range `all`, or (K + 1, T) of a measure without a mean over thresholds.
    """
    every = Intervals.nothing(shape, "area_range")
    every.reason[:, 0] = "mean_over_thresholds"
    for values, own in ((every.low, found.low), (every.high, found.high), (every.reason, found.reason)):
        values[:, 0, : own.shape[1]] = own
    return {
        f"{name}_low": _nullable(every.low),
        f"{name}_high": _nullable(every.high),
        f"{name}_reason": pa.array(every.reason.ravel(), pa.string()).dictionary_encode(),
    }


def _nullable(values: Array) -> pa.Array:
    flat = np.ascontiguousarray(values).ravel()
    return pa.array(flat, mask=np.isnan(flat))


def _ratio(numerator: Array, denominator: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _mean_present(values: Array) -> Array:
    """Mean over axis 0 of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=0), present.sum(axis=0))


def precision_recall_table(performance: ClassPerformance) -> pa.Table:
    """Table `precision_recall`: the curve of each class with labels, area range `all`."""
    config, classes = performance.config, performance.classes
    thresholds = np.array(config.evaluated_iou_thresholds)
    codes = np.flatnonzero(performance.counts.n_positive[:, 0] > 0)
    n_points = len(RECALL_POINTS)
    per_class = len(thresholds) * n_points
    precision = performance.curves.precision[codes, :, 0]
    score = performance.curves.score[codes, :, 0]
    return pa.table(
        [
            *_class_columns(classes, np.repeat(codes, per_class)),
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
    for source, pairs in (("prediction", counts.prediction_pairs), ("label", counts.label_pairs)):
        first, second = np.divmod(pairs.pair, pairs.n_classes)
        sources += [source] * len(first)
        codes.append(first)
        others.append(second)
        products.append(pairs.sums)
    columns = [
        *_class_columns(classes, np.concatenate(codes)),
        *_class_columns(classes, np.concatenate(others)),
        *map(pa.array, np.concatenate(products, axis=1)),
    ]
    return pa.table(
        [pa.array(sources, pa.string()).dictionary_encode(), *columns], schema=schema.CLASS_COOCCURRENCE.own
    )


def class_group_table(performance: ClassPerformance) -> pa.Table:
    """Table `class_group`: what each jackknife group holds of a class, and AP and AR without it; no rows
    where intervals are off.
    """
    groups, precision = performance.groups, performance.replicates
    recall = average_recall_replicates(performance)
    if groups is None or precision is None or recall is None:
        return schema.CLASS_GROUP.own.empty_table()
    n_classes, n_thresholds, n_groups = precision.shape
    thresholds = np.array(performance.config.evaluated_iou_thresholds)
    n_labels = np.broadcast_to(performance.counts.n_positive_group[:, None], precision.shape)
    return pa.table(
        [
            *_class_columns(performance.classes, np.repeat(np.arange(n_classes), n_thresholds * n_groups)),
            pa.array(np.tile(np.repeat(thresholds, n_groups), n_classes)),
            pa.array(np.tile(np.arange(n_groups), n_classes * n_thresholds)),
            *(pa.array(n.ravel()) for n in (groups.n_prediction, groups.n_true_positive, n_labels)),
            _nullable(precision),
            _nullable(recall),
        ],
        schema=schema.CLASS_GROUP.own,
    )


def _class_columns(classes: ClassList, code: Array) -> tuple[pa.Array, pa.Array]:
    """Columns class_id and class_name of rows with a class code."""
    place = pa.array(code.astype(np.int32))
    return (
        pa.DictionaryArray.from_arrays(place, pa.array(classes.ids, pa.string())),
        pa.DictionaryArray.from_arrays(place, pa.array(classes.names, pa.string())),
    )
