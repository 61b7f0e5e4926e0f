"""Whether two runs say the same: rows by their keys, numbers to the bit or to a tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

TOLERANCE = 1e-12
# What identifies a row in each table.
KEYS = {
    "prediction": ("frame_id", "prediction_id"),
    "label": ("frame_id", "label_id"),
    "frame": ("frame_id",),
    "class_performance": ("scope", "class_id", "iou_threshold", "area_range"),
    "summary": ("measure",),
    "precision_recall": ("class_id", "iou_threshold", "recall"),
    "calibration": ("scope", "class_id", "bin"),
    "score_performance": ("scope", "class_id", "iou_threshold", "score_threshold"),
    "confusion": ("label_class_id", "predicted_class_id"),
    "error_type": ("scope", "class_id", "source", "error_type"),
    "class_cooccurrence": ("source", "class_id", "other_class_id"),
    "class_group": ("class_id", "iou_threshold", "group"),
    "metric_importance": (
        "metric",
        "level",
        "target",
        "scope",
        "class_id",
        "iou_threshold",
        "score_threshold",
    ),
    "metric_bin": ("metric", "bin"),
    "metric_performance": ("metric", "scope", "class_id", "iou_threshold", "resolution", "bin"),
    "metric_error": ("metric", "scope", "class_id", "resolution", "bin", "source", "error_type"),
    "metric_score": ("metric", "scope", "class_id", "resolution", "bin", "score_lower"),
    "slice": ("target", "rank"),
    "recommendation": ("rank",),
    "quarantine": ("source", "row", "column"),
    "run": ("run_id",),
}
# Sums of floats in partition order; everything else is decided by integers.
ROUNDED = {
    "recommendation": ("correlation", "correlation_partial"),
    "metric_bin": ("mean",),
    "metric_importance": tuple(
        f"{name}{suffix}"
        for name in ("correlation", "correlation_spearman", "correlation_partial")
        for suffix in ("", "_low", "_high")
    ),
}
# Times, cost, and how the work was cut.
APART = {
    "run": (
        "started_at",
        "finished_at",
        "wall_s",
        "cpu_s",
        "bytes_read",
        "bytes_written",
        "n_partitions",
        "cluster",
    )
}
OF_A_RUN = ("run_id", "digest", "code_version")


def tables_of(run: Any) -> dict[str, pa.Table]:
    return {name: run.table(name) for name in KEYS}


def differences(
    found: dict[str, pa.Table], expected: dict[str, pa.Table], *, apart: tuple[str, ...] = ()
) -> list[str]:
    """What differs between two runs, in words. `apart`: columns left out of the comparison."""
    result: list[str] = []
    for name, keys in KEYS.items():
        ours, other = found[name], expected[name]
        if ours.schema.names != other.schema.names:
            result.append(f"{name}: columns {set(ours.schema.names) ^ set(other.schema.names)}")
            continue
        if ours.num_rows != other.num_rows:
            result.append(f"{name}: {ours.num_rows} rows, expected {other.num_rows}")
            continue
        left, right = (_sorted(table, keys) for table in (ours, other))
        for column in left.columns:
            if column in APART.get(name, ()) or column in apart:
                continue
            rounded = column in ROUNDED.get(name, ())
            differing = _differing(left[column], right[column], rounded)
            if differing.any():
                row = int(np.flatnonzero(differing)[0])
                key = {key: left[key].iloc[row] for key in keys}
                result.append(
                    f"{name}.{column}: {int(differing.sum())} rows, first {key}: "
                    f"{left[column].iloc[row]!r}, expected {right[column].iloc[row]!r}"
                )
    return result


def _sorted(table: pa.Table, keys: tuple[str, ...]) -> pd.DataFrame:
    rows = table.to_pandas()
    for column in rows.columns:
        if isinstance(rows[column].dtype, pd.CategoricalDtype | pd.StringDtype):
            rows[column] = rows[column].astype(object)
    order = rows[list(keys)].astype(str).sort_values(list(keys), kind="stable").index
    return rows.loc[order].reset_index(drop=True)


def _differing(left: pd.Series, right: pd.Series, rounded: bool) -> np.ndarray:
    nulls = left.isna().to_numpy()
    differing = nulls != right.isna().to_numpy()
    both = ~nulls & ~differing
    a, b = left.to_numpy()[both], right.to_numpy()[both]
    if rounded:
        differing[both] = np.abs(a.astype(float) - b.astype(float)) > TOLERANCE * np.maximum(
            1.0, np.abs(b.astype(float))
        )
    else:
        differing[both] = a != b
    return differing
