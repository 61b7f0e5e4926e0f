"""Table `metric_score`: outcomes by bin of a metric and level of the score, at the chosen IoU threshold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from emqa_core import schema
from emqa_core.analysis.bin_axis import N_COARSE
from emqa_core.analysis.class_performance import scope_columns
from emqa_core.classes import ClassList
from emqa_core.objects import Array
from emqa_core.reductions.metric_scores import CLASS_BINS, MetricScores
from emqa_core.reductions.score_levels import ScoreAxis


def metric_score_table(
    metric: str, counts: MetricScores, scores: ScoreAxis, classes: ClassList, *, has: tuple[bool, bool]
) -> pa.Table:
    """Rows of one metric without the common columns: cells that hold a row; scope all, then the classes.

    has: whether the metric has predictions, and labels; the counts of a side that it has not are null.
    """
    first = np.searchsorted(scores.fine.edges, scores.shown.edges)
    of_all = np.add.reduceat(counts.predictions().sum(axis=1), first, axis=2)
    of_all = np.concatenate([of_all, counts.found[None]])[:, :-1]
    of_classes = np.concatenate([counts.class_predictions(), counts.class_found[None]])[:, :, :-1]
    tables = []
    for resolution, code_offset, cells in (
        (N_COARSE, -1, of_all[:, None]),
        (CLASS_BINS if counts.is_binned else N_COARSE, 0, of_classes),
    ):
        scope, bins, level = np.nonzero(cells.any(axis=0))
        values = cells[:, scope, bins, level]
        columns = {
            "metric": pa.DictionaryArray.from_arrays(np.zeros(len(bins), np.int32), pa.array([metric])),
            **scope_columns(classes, scope + code_offset),
            "resolution": pa.array(np.full(len(bins), resolution)),
            "bin": pa.array(bins),
            "score_lower": pa.array(scores.shown.edges[level]),
            "n_predictions": _side(values[0], has[0]),
            "n_true_positive": _side(values[1], has[0]),
            "n_found": _side(values[2], has[1]),
        }
        table = schema.METRIC_SCORE
        tables.append(pa.table([columns[column.name] for column in table.columns], schema=table.own))
    return pa.concat_tables(tables).unify_dictionaries()


def _side(values: Array, is_there: bool) -> pa.Array:
    return pa.array(values) if is_there else pa.nulls(len(values), pa.int64())
