"""Table `confusion`: what is predicted where a class is, and what is there where a class is predicted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.classes import ClassList
from emqa_core.objects import Array
from emqa_core.reductions.confusion_counts import ConfusionCounts


def confusion_table(
    classes: ClassList,
    n_positive: Array,
    counts: ConfusionCounts | None,
    iou_threshold: float,
    score_threshold: float,
) -> pa.Table:
    """Rows of table `confusion` without the common columns; none where errors were not told apart.

    n_positive (K,) int64: labels that count. score_threshold: NaN where no prediction is right.
    """
    if counts is None:
        return schema.CONFUSION.own.empty_table()
    n_classes = len(classes)
    # Background is the last row and the last column.
    n = np.zeros((n_classes + 1, n_classes + 1), np.int64)
    n[:-1, :-1] = counts.n_pairs
    n[:-1, -1] = n_positive - counts.n_pairs.sum(axis=1)
    n[-1, :-1] = counts.n_unpaired
    label, prediction = np.nonzero(n)
    size = len(label)
    return pa.table(
        [
            *_class_columns(classes, label),
            *_class_columns(classes, prediction),
            pa.array(np.full(size, iou_threshold)),
            pa.array(np.full(size, score_threshold), from_pandas=True),
            pa.array(n[label, prediction]),
        ],
        schema=schema.CONFUSION.own,
    )


def _class_columns(classes: ClassList, code: Array) -> tuple[pa.Array, pa.Array]:
    """Id and name, null for background."""
    is_background = code == len(classes)
    place = pa.array(np.where(is_background, 0, code).astype(np.int32), mask=is_background)
    ids, names = pa.array(classes.ids, pa.string()), pa.array(classes.names, pa.string())
    return pa.DictionaryArray.from_arrays(place, ids), pa.DictionaryArray.from_arrays(place, names)
