"""No classes, frames, rows or values, nothing that counts: ordinary inputs on the whole way to the tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from emqa_core import schema
from emqa_core.analysis.bin_axis import decide_axis
from emqa_core.analysis.merged_bins import scopes_to_merge
from emqa_core.analysis.metric_counts import count_bin_pairs, count_metric
from emqa_core.analysis.metric_measures import measure_metric
from emqa_core.analysis.metric_tables import (
    metric_bin_table,
    metric_importance_table,
    metric_performance_table,
)
from emqa_core.classes import ClassList
from emqa_core.keys import hash_column
from emqa_core.objects import Array
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.target_rows import TargetRows
from emqa_core.reductions.unit_totals import UnitTotals
from tests.metric_partitions import outcome_rows

CASES: dict[str, tuple[int, int, int, Array | pa.Array, int, str]] = {
    # classes, frames, thresholds, values, ignored bits, reason
    "nothing at all": (0, 0, 1, np.empty(0), 0, "insufficient_support"),
    "frames without classes": (0, 5, 10, np.empty(0), 0, "insufficient_support"),
    "classes without frames": (2, 0, 1, np.empty(0), 0, "insufficient_support"),
    "frames without rows": (3, 4, 2, np.empty(0), 0, "insufficient_support"),
    "no values": (2, 10, 3, np.full(50, np.nan), 0, "insufficient_support"),
    "no categories": (2, 10, 1, pa.nulls(50, pa.string()), 0, "insufficient_support"),
    "no row that counts": (2, 100, 3, np.arange(500.0), 7, "insufficient_support"),
    "too many categories": (2, 100, 1, pa.array(map(str, range(10_001))), 0, "too_many_categories"),
    "one category": (1, 100, 1, pa.array(["a"] * 500), 0, "constant_metric"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_empty_is_null_with_its_reason(name: str) -> None:
    n_classes, n_frames, n_thresholds, values, ignored, reason = CASES[name]
    n = len(values)
    row = np.arange(n)
    objects = outcome_rows(
        row * max(n_frames, 1) // max(n, 1), row % max(n_classes, 1), row % 2 * (ignored == 0),
        np.full(n, ignored), n_frames,
    )  # fmt: skip
    if isinstance(values, np.ndarray):
        counted = values[objects.counts_at(0)]
        axis = decide_axis("x", DistinctValues.of(counted, None), counted, None)
    else:
        axis = decide_axis("x", DistinctValues.of_categories(values, None), None, None)
    thresholds = np.linspace(0.5, 0.9, n_thresholds)
    classes = ClassList.of((code, f"class {code}") for code in range(n_classes))
    rows = TargetRows.of_objects("prediction", objects, n_classes, n_thresholds, 0)
    counts = count_metric(axis, "prediction", rows, values)
    counts = counts + counts
    pairs = count_bin_pairs(axis, rows, values, *scopes_to_merge(axis, counts, 0))
    unit_hash = hash_column(pa.array(np.arange(n_frames)))
    measures = [measure_metric(axis, counts, pairs, UnitTotals.of(rows, unit_hash, whole_units=True), 0)]
    frames = TargetRows.of_frames(rows, rows)
    of_frames = count_metric(axis, "frame", frames, values[:n_frames] if n else np.zeros(n_frames))
    measures.append(
        measure_metric(axis, of_frames, None, UnitTotals.of(frames, unit_hash, whole_units=False), 0)
    )
    table = metric_importance_table(measures, classes, thresholds, 0, 0.0)
    table.validate(full=True)
    assert len(table) == 2 * n_thresholds * (n_classes + 1)
    assert set(table["reason"].to_pylist()[: len(table) // 2]) == {reason}
    assert table["importance"].null_count == len(table)
    performance = metric_performance_table(axis, counts, None, classes, thresholds, 0)
    performance.validate(full=True)
    assert performance.schema.names == [column.name for column in schema.METRIC_PERFORMANCE.columns]
    metric_bin_table([axis], [counts]).validate(full=True)
