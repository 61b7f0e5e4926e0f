"""The rows of metric_importance: order, noise floor, significance, nulls with their reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from emqa_core import schema
from emqa_core.analysis.metric_measures import MetricMeasures
from emqa_core.analysis.metric_tables import metric_bin_table, metric_importance_table
from emqa_core.classes import ClassList
from tests.metric_partitions import measure

N = 4000
CLASSES = ClassList(("3", "7"), ("car", "person"), True)
FRAME = np.arange(N) // 2


def named(measures: MetricMeasures, metric: str, level: str = "prediction") -> MetricMeasures:
    return replace(measures, metric=metric, level=level)


def measures() -> list[MetricMeasures]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, N)
    x = rng.random(N)
    right = rng.random(N) < 0.2 + 0.6 * x
    control, confidence = rng.random(N), right + 0.1 * rng.random(N)
    weak = right + 40 * rng.random(N)
    words = np.where(rng.random(N) < 0.5, "a", "b")
    return [
        named(measure(values, right, FRAME, class_code=codes), name)
        for name, values in (
            ("width", x),
            ("object_random", control),
            ("weak", weak),
            ("words", words),
            ("confidence", confidence),
        )
    ]


def without_common(table: schema.TableSchema) -> pa.Schema:
    return pa.schema([column.field for column in table.columns])


def by_metric(table: pa.Table, scope: str = "all") -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in table.to_pylist() if row["scope"] == scope}


def test_the_columns_are_those_declared() -> None:
    table = metric_importance_table(measures(), CLASSES, np.array([0.5]), 0, 0.0)
    table.validate(full=True)
    assert table.schema == without_common(schema.METRIC_IMPORTANCE)
    assert metric_importance_table([], CLASSES, np.array([0.5]), 0, 0.0).schema == table.schema
    assert metric_bin_table([], []).schema == without_common(schema.METRIC_BIN)


def test_rows_are_ordered_by_metric_then_scope_all_first() -> None:
    table = metric_importance_table(measures(), CLASSES, np.array([0.5]), 0, 0.0)
    found = [(row["metric"], row["scope"], row["class_id"], row["class_name"]) for row in table.to_pylist()]
    scopes = [("all", None, None), ("class", "3", "car"), ("class", "7", "person")]
    names = ("width", "object_random", "weak", "words", "confidence")
    assert found == [(name, *scope) for name in names for scope in scopes]


def test_the_noise_floor_is_the_control_of_the_level() -> None:
    held = measures()
    rows = by_metric(metric_importance_table(held, CLASSES, np.array([0.5]), 0, 0.0))
    floor = rows["object_random"]["importance"]
    assert {row["noise_floor"] for row in rows.values()} == {floor}
    frames = [named(each, each.metric, "frame") for each in held]
    table = metric_importance_table(frames, CLASSES, np.array([0.5]), 0, 0.0)
    assert table["noise_floor"].null_count == len(table)  # object_random is no control of frame metrics


def test_significance_asks_for_a_small_p_and_more_than_noise() -> None:
    rows = by_metric(metric_importance_table(measures(), CLASSES, np.array([0.5]), 0, 0.0))
    assert rows["width"]["is_significant"] is True
    assert rows["confidence"]["is_significant"] is True
    assert rows["object_random"]["is_significant"] is False
    assert rows["words"]["is_significant"] is False


def test_significance_is_adjusted_without_confidence_and_controls() -> None:
    held = measures()
    # p .03 is the second smallest of the three tested: adjusted .045. With confidence and the control in the
    # family of five it would be .05 and more.
    p_values = {"width": 1e-9, "weak": 0.03, "words": 0.9, "object_random": 0.02, "confidence": 0.04}
    fixed = [
        replace(
            each,
            p_value=np.full_like(each.p_value, p_values[each.metric]),
            importance=replace(
                each.importance,
                value=np.full_like(each.importance.value, 0.0 if each.metric == "object_random" else 0.5),
            ),
        )
        for each in held
    ]
    rows = by_metric(metric_importance_table(fixed, CLASSES, np.array([0.5]), 0, 0.0))
    assert [rows[name]["is_significant"] for name in ("width", "weak", "words", "confidence")] == [
        True, True, False, True,
    ]  # fmt: skip
    for name in ("weak", "width"):
        p_values[name] = 0.03
    fixed = [replace(each, p_value=np.full_like(each.p_value, p_values[each.metric] * 1.2)) for each in fixed]
    rows = by_metric(metric_importance_table(fixed, CLASSES, np.array([0.5]), 0, 0.0))
    assert rows["weak"]["is_significant"] is False  # .036 · 3/2 = .054


def test_a_null_importance_is_neither_significant_nor_not() -> None:
    nothing = named(measure(np.full(100, np.nan), np.arange(100) % 2), "empty")
    row = metric_importance_table(
        [nothing], ClassList(("3",), ("car",)), np.array([0.5]), 0, 0.0
    ).to_pylist()[0]
    assert row["is_significant"] is None
    assert row["reason"] == "insufficient_support"
    assert (row["n"], row["n_missing"]) == (0, 100)


def test_the_nearest_neighbour_estimate_stands_with_all_at_the_chosen_threshold() -> None:
    held = measures()
    estimates = {("width", "prediction", "prediction"): (0.05, None)}
    table = metric_importance_table(held, CLASSES, np.array([0.5]), 0, 0.0, estimates)
    for row in table.to_pylist():
        expected = 0.05 if row["metric"] == "width" and row["scope"] == "all" else None
        assert row["mutual_information_knn"] == expected
        assert (row["mutual_information_knn_reason"] is None) == (expected is not None)
    unasked = metric_importance_table(held, CLASSES, np.array([0.5]), 0, 0.0)
    assert set(unasked["mutual_information_knn_reason"].to_pylist()) == {"not_requested"}


@pytest.mark.parametrize("column", ["n", "n_missing", "n_bins"])
def test_counts_are_there_for_every_scope(column: str) -> None:
    table = metric_importance_table(measures(), CLASSES, np.array([0.5]), 0, 0.0)
    rows = [row for row in table.to_pylist() if row["metric"] == "width"]
    if column == "n":
        assert rows[0]["n"] == N == rows[1]["n"] + rows[2]["n"]
    assert all(row[column] >= 0 for row in rows)
