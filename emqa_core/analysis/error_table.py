"""Table `error_type`: how many errors of each type a class has, or all together, and what they cost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.class_performance import ClassPerformance, scope_columns
from emqa_core.analysis.error_costs import FIXES
from emqa_core.classes import ClassList
from emqa_core.matching.error_types import LABEL_ERRORS, PREDICTION_ERRORS
from emqa_core.objects import Array

_TYPES = {
    "prediction": (*PREDICTION_ERRORS, "false_positive"),
    "label": (*LABEL_ERRORS, "false_negative"),
}


def error_type_table(performance: ClassPerformance, costs: Array | None) -> pa.Table:
    """Rows of table `error_type` without the common columns; none where errors were not told apart.

    costs (K, F - 1): of `costs_of`.
    """
    if costs is None:
        return schema.ERROR_TYPE.own.empty_table()
    counts = performance.counts
    cost_of_fix = dict(
        zip(FIXES[1:], np.vstack([performance.mean_over_classes(costs), costs]).T, strict=True)
    )
    no_cost = np.full(len(costs) + 1, np.nan)
    tables = []
    for source, n in (("prediction", counts.n_prediction_error), ("label", counts.n_label_error)):
        names = _TYPES[source]
        # A label that a prediction lost is found again where the prediction is fixed; the cost stands there.
        told = [
            no_cost if source == "label" and name in PREDICTION_ERRORS else cost_of_fix[name]
            for name in names
        ]
        tables.append(
            _rows(source, names, performance.classes, np.vstack([n.sum(axis=0), n]), np.stack(told, axis=1))
        )
    return pa.concat_tables(tables).unify_dictionaries()


def _rows(source: str, names: tuple[str, ...], classes: ClassList, n: Array, cost: Array) -> pa.Table:
    """n (K + 1, types), without the last one, which is all of them; cost (K + 1, types)."""
    total = n.sum(axis=1, keepdims=True)
    n = np.hstack([n, total])
    n_scopes, n_types = n.shape
    share = np.divide(n, total, out=np.full(n.shape, np.nan), where=total > 0).ravel()
    code = np.repeat(np.arange(n_scopes) - 1, n_types)
    return pa.table(
        [
            *scope_columns(classes, code).values(),
            pa.array([source] * n.size).dictionary_encode(),
            pa.DictionaryArray.from_arrays(
                pa.array(np.tile(np.arange(n_types, dtype=np.int32), n_scopes)), pa.array(names)
            ),
            pa.array(n.ravel()),
            pa.array(share, from_pandas=True),
            pa.array(cost.ravel(), from_pandas=True),
        ],
        schema=schema.ERROR_TYPE.own,
    )
