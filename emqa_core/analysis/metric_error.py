"""Table `metric_error`: error types by bin of a metric, at the chosen IoU threshold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.bin_axis import N_COARSE, MetricAxis
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.classes import ClassList
from emqa_core.matching.error_types import LABEL_ERRORS, PREDICTION_ERRORS
from emqa_core.objects import Array
from emqa_core.reductions.metric_errors import MetricErrors
from emqa_core.reductions.metric_scores import CLASS_BINS


def metric_error_table(axis: MetricAxis, counts: MetricErrors, classes: ClassList) -> pa.Table:
    """Rows of one metric without the common columns: cells that hold a row; scope all, then the classes."""
    tables = []
    for source, names, n in (
        ("prediction", PREDICTION_ERRORS, counts.prediction),
        ("label", LABEL_ERRORS, counts.label),
    ):
        of_classes, resolution = n, N_COARSE
        if not axis.is_categorical and n.shape[1]:
            class_bin = np.arange(n.shape[1]) * CLASS_BINS // n.shape[1]
            first = np.flatnonzero(np.diff(class_bin, prepend=-1))
            of_classes, resolution = np.add.reduceat(n, first, axis=1), CLASS_BINS
        tables.append(_rows(axis.metric, source, names, classes, n.sum(axis=0)[None], N_COARSE, -1))
        tables.append(_rows(axis.metric, source, names, classes, of_classes, resolution, 0))
    return pa.concat_tables(tables).unify_dictionaries()


def _rows(
    metric: str,
    source: str,
    names: tuple[str, ...],
    classes: ClassList,
    n: Array,
    resolution: int,
    code_offset: int,
) -> pa.Table:
    """n (scopes, bins, types); code_offset: the class code of the first scope."""
    scope, bins, error = np.nonzero(n)
    zeros = np.zeros(len(bins), np.int32)
    columns = {
        "metric": pa.DictionaryArray.from_arrays(zeros, pa.array([metric])),
        **scope_columns(classes, scope + code_offset),
        "resolution": pa.array(np.full(len(bins), resolution)),
        "bin": pa.array(bins),
        "source": pa.DictionaryArray.from_arrays(zeros, pa.array([source])),
        "error_type": pa.DictionaryArray.from_arrays(error.astype(np.int32), pa.array(names)),
        "n": pa.array(n[scope, bins, error]),
    }
    table = schema.METRIC_ERROR
    return pa.table([columns[column.name] for column in table.columns], schema=table.own)
