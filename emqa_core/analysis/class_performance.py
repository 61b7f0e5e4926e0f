"""Performance by class: the numbers of the class tables, and the columns that tables by class share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.average_precision import ClassCurves
from emqa_core.analysis.best_threshold import BestThreshold
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.objects import Array
from emqa_core.reductions.class_counts import ClassCounts
from emqa_core.reductions.class_groups import ClassGroups
from emqa_core.reductions.unit_totals import UnitTotals


@dataclass(frozen=True)
class ClassPerformance:
    """Everything known of K classes at T IoU thresholds in A area ranges.

    pooled: the best score threshold of all rows together.
    replicates (K, T, G) float64: AP in range `all` without each group, NaN where no label is left; groups:
    counts by group; None where intervals are off. units: resampling units of predictions and labels.
    """

    classes: ClassList
    config: EvaluationConfig
    counts: ClassCounts
    curves: ClassCurves
    pooled: BestThreshold
    replicates: Array | None
    groups: ClassGroups | None
    units: Mapping[str, UnitTotals]

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
        return mean_over_classes(values, self.config.absent_classes)


def mean_over_classes(values: Array, absent_classes: str) -> Array:
    """Mean over axis 0 (classes); those without labels, NaN, left out, or 0 for `absent_classes: zero`."""
    if absent_classes == "zero":
        values = np.nan_to_num(values, nan=0.0)
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 0, np.where(present, values, 0.0).sum(axis=0) / n, np.nan)


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
