"""Performance by class: the numbers of the class tables, and the columns they are written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.average_precision import RECALL_POINTS, ClassCurve
from emqa_core.analysis.jackknife_precision import Interval, logit_interval
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.reductions.class_counts import ClassCounts


@dataclass(frozen=True)
class ClassPerformance:
    """Everything known of K classes at T IoU thresholds in A area ranges.

    curves: one per class; pooled: the curve of all rows together, of which only `best` is used.
    replicates (K, T, G) float64: AP in range `all` without each group, NaN where no label is left; None
    where intervals are off.
    """

    classes: ClassList
    config: EvaluationConfig
    counts: ClassCounts
    curves: list[ClassCurve]
    pooled: ClassCurve
    replicates: Array | None

    @cached_property
    def average_precision(self) -> Array:
        """101-point AP, (K, T, A); NaN where no label counts."""
        return self._stack([curve.precision.mean(axis=2) for curve in self.curves])

    @cached_property
    def average_recall(self) -> Array:
        """Recall at each of max_dets, (K, T, A, M); NaN where no label counts."""
        found = self.counts.n_true_by_rank.transpose(0, 2, 1, 3)
        positives = self.counts.n_positive[:, None, :, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(positives > 0, found / positives, np.nan)

    @cached_property
    def voc07(self) -> Array:
        return self._stack([curve.voc07 for curve in self.curves])

    @cached_property
    def all_point(self) -> Array:
        return self._stack([curve.all_point for curve in self.curves])

    def _stack(self, values: list[Array]) -> Array:
        shape = (len(self.curves), len(self.config.evaluated_iou_thresholds), len(self.config.area_ranges))
        stacked = np.stack(values) if values else np.empty(shape)
        return np.where(self.counts.n_positive[:, None, :] > 0, stacked, np.nan)

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
    return pa.table(arrays, schema=pa.schema([column.field for column in table.columns]))


def class_performance_table(performance: ClassPerformance) -> pa.Table:
    """Table `class_performance`: scope `all` first, then classes; T ascending, the mean over T last."""
    config, counts = performance.config, performance.counts
    thresholds = config.evaluated_iou_thresholds
    precision = _ratio(counts.n_true_positive, counts.n_prediction)
    recall = _ratio(counts.n_true_positive, counts.n_positive[:, :, None])
    f1 = _ratio(2 * counts.n_true_positive, counts.n_prediction + counts.n_positive[:, :, None])
    largest = len(config.max_dets) - 1
    rows: list[dict[str, object]] = []
    for code in (None, *range(len(performance.classes))):
        for a, area_range in enumerate(config.area_ranges):
            for t in (*range(len(thresholds)), None):
                chosen = performance.averaged_thresholds if t is None else [t]
                row = _scope(performance.classes, code)
                row["area_range"] = area_range
                row["iou_threshold"] = None if t is None else thresholds[t]
                row["n_labels"] = int(_of(counts.n_positive[:, a], code))
                for name, values in (
                    ("average_precision", performance.average_precision[:, chosen, a]),
                    ("average_precision_voc07", performance.voc07[:, chosen, a]),
                    ("average_precision_all_point", performance.all_point[:, chosen, a]),
                    ("average_recall", performance.average_recall[:, chosen, a, largest]),
                ):
                    per_class = values.mean(axis=1)
                    row[name] = float(
                        performance.mean_over_classes(per_class) if code is None else per_class[code]
                    )
                if a == 0:
                    interval = performance.interval(chosen, code)
                else:
                    interval = Interval(None, None, "area_range")
                row["average_precision_low"] = interval.low
                row["average_precision_high"] = interval.high
                row["average_precision_reason"] = interval.reason
                if t is not None:
                    n_prediction = int(_of(counts.n_prediction[:, a, t], code))
                    n_true = int(_of(counts.n_true_positive[:, a, t], code))
                    n_labels = int(_of(counts.n_positive[:, a], code))
                    curve = performance.pooled if code is None else performance.curves[code]
                    best = curve.best[t, a]
                    row.update(
                        n_predictions=n_prediction,
                        n_true_positive=n_true,
                        n_false_positive=n_prediction - n_true,
                        n_missed=n_labels - n_true,
                        precision=n_true / n_prediction if n_prediction else None,
                        recall=n_true / n_labels if n_labels else None,
                        f1=2 * n_true / (n_prediction + n_labels) if n_prediction + n_labels else None,
                        best_score_threshold=float(best[0]),
                        best_precision=float(best[1]),
                        best_recall=float(best[2]),
                        best_f1=float(best[3]),
                    )
                    if code is None:
                        row["macro_precision"] = _mean_present(precision[:, a, t])
                        row["macro_recall"] = _mean_present(recall[:, a, t])
                        row["macro_f1"] = _mean_present(f1[:, a, t])
                rows.append(row)
    return table_of(schema.CLASS_PERFORMANCE, rows)


def _of(values: Array, code: int | None) -> int:
    return int(values.sum() if code is None else values[code])


def _mean_present(values: Array) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def _scope(classes: ClassList, code: int | None) -> dict[str, object]:
    if code is None:
        return {"scope": "all", "class_id": None, "class_name": None}
    return {"scope": "class", "class_id": classes.ids[code], "class_name": classes.names[code]}


def precision_recall_table(performance: ClassPerformance) -> pa.Table:
    """Table `precision_recall`: the curve of each class with labels, area range `all`."""
    config, classes = performance.config, performance.classes
    thresholds = np.array(config.evaluated_iou_thresholds)
    codes = np.flatnonzero(performance.counts.n_positive[:, 0] > 0)
    n_points = len(RECALL_POINTS)
    per_class = len(thresholds) * n_points
    code_of_row = np.repeat(codes, per_class).astype(np.int32)
    empty = np.empty((0, len(thresholds), n_points))
    precision = np.concatenate([empty, *(performance.curves[c].precision[None, :, 0] for c in codes)])
    score = np.concatenate([empty, *(performance.curves[c].score[None, :, 0] for c in codes)])
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(code_of_row, pa.array(classes.ids, pa.string())),
            pa.DictionaryArray.from_arrays(code_of_row, pa.array(classes.names, pa.string())),
            pa.array(np.tile(np.repeat(thresholds, n_points), len(codes))),
            pa.array(np.tile(RECALL_POINTS, len(codes) * len(thresholds))),
            pa.array(precision.ravel()),
            pa.array(score.ravel()),
        ],
        schema=pa.schema([column.field for column in schema.PRECISION_RECALL.columns]),
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
        schema=pa.schema([column.field for column in schema.CLASS_COOCCURRENCE.columns]),
    )
