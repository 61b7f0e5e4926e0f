"""Metric columns of a run beside the values that an oracle expects, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

BOX = ["x_px", "y_px", "width_px", "height_px"]
# What names a row of the input in each table: a frame's id, an object's place in its source.
KEYS = {"frame": "frame_id", "label": "input_index", "prediction": "input_index"}


def metric_values(run: Any, table: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Float64 columns of some metrics, NaN for null, in the order of the rows' key.

    Indexed by frame_id (text) or input_index. Metrics of the catalogue are float32, and what does not
    apply is null: a NaN that is no null would be counted, binned and averaged.
    """
    rows = run.table(table)
    columns = {}
    for name in metrics:
        column = rows[name]
        assert column.type == pa.float32(), f"{table}.{name} is {column.type}"
        values = column.to_numpy()
        assert np.isnan(values).sum() == column.null_count, f"{table}.{name} holds a NaN that is not null"
        columns[name] = values.astype(np.float64)
    return pd.DataFrame(columns, index=pd.Index(rows[KEYS[table]].to_pylist())).sort_index()


def assert_metrics(
    run: Any, table: str, expected: pd.DataFrame, *, rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """Every column of `expected` (indexed as `metric_values` is) equals the run's; NaN stands for null.

    rtol and atol 0: equal to the bit once the expected value is rounded to float32.
    """
    found = metric_values(run, table, list(expected.columns))
    expected = expected.sort_index()
    assert found.index.tolist() == expected.index.tolist()
    for name in expected.columns:
        ours = found[name].to_numpy()
        wanted = expected[name].to_numpy(np.float32).astype(np.float64)
        close = np.isclose(ours, wanted, rtol=rtol, atol=atol, equal_nan=True)
        if not close.all():
            row = int(np.flatnonzero(~close)[0])
            raise AssertionError(
                f"{table}.{name}: {int((~close).sum())} of {len(close)} rows differ, first "
                f"{found.index[row]!r}: {ours[row]!r}, reference {wanted[row]!r}"
            )


def object_rows(rows: Sequence[dict[str, Any]], id_column: str) -> pd.DataFrame:
    """A label or prediction table from rows of frame_id and box, ids counted from 0; one class unless said.

    Predictions have the score 0.5 unless said.
    """
    table = pd.DataFrame(rows)
    defaults: dict[str, Any] = {"class_id": 1, "class_name": "car"}
    if id_column == "prediction_id":
        defaults["score"] = 0.5
    for name, value in defaults.items():
        if name not in table:
            table[name] = value
    table.insert(0, id_column, np.arange(len(table)))
    return table


def box_of(row: dict[str, Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(row[name]) for name in BOX)
    return x, y, width, height
