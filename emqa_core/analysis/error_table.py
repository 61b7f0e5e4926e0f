"""Table `error_type`: how many errors of each type a class has, and all classes together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.classes import ClassList
from emqa_core.matching.error_types import LABEL_ERRORS, PREDICTION_ERRORS
from emqa_core.objects import Array
from emqa_core.reductions.class_counts import ClassCounts


def error_type_table(classes: ClassList, counts: ClassCounts) -> pa.Table:
    """Rows of table `error_type` without the common columns; none where errors were not told apart."""
    if not counts.n_prediction_error.shape[1]:
        return schema.ERROR_TYPE.own.empty_table()
    rows = []
    for source, names, n in (
        ("prediction", PREDICTION_ERRORS, counts.n_prediction_error),
        ("label", LABEL_ERRORS, counts.n_label_error),
    ):
        rows.append(_rows(source, names, classes, np.vstack([n.sum(axis=0), n])))
    return pa.concat_tables(rows).unify_dictionaries()


def _rows(source: str, names: tuple[str, ...], classes: ClassList, n: Array) -> pa.Table:
    """n (K + 1, types): of all classes, then of each."""
    n_scopes, n_types = n.shape
    total = n.sum(axis=1, keepdims=True)
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
        ],
        schema=schema.ERROR_TYPE.own,
    )
