"""Table metric_error equals the error types of the rows, put into the bins that table metric_bin has."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from tests.test_error_types import random_data

OPTIONS: dict[str, Any] = {"intervals": False, "iou_thresholds": [0.5], "run_date": "2026-03-01"}


def run_of(partitions: int, **options: Any) -> Any:
    """Two metrics of objects, one of frames, one by category; some without a value."""
    labels, predictions = random_data(4)
    rng = np.random.default_rng(4)
    frames = pd.DataFrame({"frame_id": range(12), "width_px": 60.0, "height_px": 60.0})
    frames["darkness"] = np.where(np.arange(12) % 5 == 0, np.nan, np.arange(12) / 7)
    labels = labels.assign(visibility=rng.choice([np.nan, 0.2, 0.5, 0.9], len(labels)))
    predictions = predictions.assign(tint=rng.choice(["red", "blue", "grey"], len(predictions)))
    cluster = {"address": "none", "partitions": partitions}
    return evaluate(
        labels=labels, predictions=predictions, frames=frames, cluster=cluster, **OPTIONS, **options
    )


def bin_of(value: Any, axis: list[dict[str, Any]]) -> int | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    for row in axis:
        if row["category"] is not None:
            if row["category"] == value:
                return int(row["bin_50"])
        elif value <= row["upper"] or row is axis[-1]:
            return int(row["bin_50"])
    return None


def rows_with_metric(run: Any, source: str, metric: str) -> list[tuple[str, str, Any]]:
    """Class, error and value of the rows that are errors; none where the metric is not one of the source."""
    rows = run.table(source).to_pylist()
    if metric.startswith("frame_"):
        of_frame = {row["frame_id"]: row[metric] for row in run.table("frame").to_pylist()}
        rows = [{**row, metric: of_frame[row["frame_id"]]} for row in rows]
    if metric == "confidence" and source == "prediction":
        # The catalogue's metrics are float32.
        rows = [{**row, metric: float(np.float32(row["score"]))} for row in rows]
    return [(row["class_id"], row["error_type"], row.get(metric)) for row in rows if row["error_type"]]


@pytest.mark.parametrize("partitions", [1, 4])
def test_cells_equal_the_rows(partitions: int) -> None:
    run = run_of(partitions)
    table = run.table("metric_error").to_pylist()
    metrics = {row["metric"] for row in run.table("metric_bin").to_pylist()}
    assert {"object_area_px2", "frame_darkness", "object_visibility", "object_tint", "confidence"} <= {
        *metrics, *(f"object_{name}" for name in metrics)
    }  # fmt: skip
    for metric in metrics:
        axis = [row for row in run.table("metric_bin").to_pylist() if row["metric"] == metric]
        axis.sort(key=lambda row: row["bin"])
        of_classes = 50 if axis[0]["category"] is not None else 10
        expected: Counter[tuple[Any, ...]] = Counter()
        for source in ("prediction", "label"):
            for class_id, error, value in rows_with_metric(run, source, metric):
                at = bin_of(value, axis)
                if at is not None:
                    expected[None, 50, at, source, error] += 1
                    expected[class_id, of_classes, at // (50 // of_classes), source, error] += 1
        found = {
            (row["class_id"], row["resolution"], row["bin"], row["source"], row["error_type"]): row["n"]
            for row in table
            if row["metric"] == metric
        }
        assert found == expected, metric
        assert expected, metric
        assert {row["scope"] for row in table if row["class_id"] is None} == {"all"}


def test_without_a_missing_value_they_are_all_there() -> None:
    """A metric of every object splits the numbers of table error_type."""
    run = run_of(2)
    for source in ("prediction", "label"):
        n = Counter()
        for row in run.table("metric_error").to_pylist():
            if row["metric"] == "object_area_px2" and row["source"] == source and row["scope"] == "all":
                n[row["error_type"]] += row["n"]
        whole = {
            row["error_type"]: row["n"]
            for row in run.table("error_type").to_pylist()
            if row["scope"] == "all" and row["source"] == source and row["n"]
        }
        whole.pop("false_positive", None)
        whole.pop("false_negative", None)
        assert n == whole


def test_it_is_left_out_with_the_error_types() -> None:
    assert run_of(2, error_types=False).table("metric_error").num_rows == 0
