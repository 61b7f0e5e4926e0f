"""Further columns of the inputs as metrics: numbers, categories, nulls, and what the tables keep."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pytest

from emqa_core import schema
from emqa_core.quality.availability import Offer
from emqa_core.quality.columns import metric_of_column
from emqa_core.quality.compute import (
    MetricTables,
    compute_frame_metrics,
    compute_label_metrics,
    compute_prediction_metrics,
)
from emqa_core.quality.own_values import OwnErrors
from emqa_core.quality.registry import choose_metrics
from tests.quality_partition import frames_of, labels_of, predictions_of

NAN = np.nan


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([3, None, -1], pa.int8()), [3, NAN, -1]),
        (pa.array([2**62 + 1, 0], pa.int64()), [2**62, 0]),
        (pa.array([0.1, None, NAN, np.inf, -np.inf]), [0.1, NAN, NAN, NAN, NAN]),
        (pa.array([0.1], pa.float32()), [np.float32(0.1)]),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, NAN]),
        (pa.array([5, 7, None, 5]).dictionary_encode(), [5, 7, NAN, 5]),
        (pa.array([], pa.int64()), []),
    ],
)
def test_numbers_are_used_as_float64_and_kept_as_they_are(column, values):
    metric = metric_of_column(column)
    assert metric.values.dtype == np.float64 and metric.categories is None
    np.testing.assert_array_equal(metric.values, values)
    kept = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    assert metric.arrow().type == kept.type
    assert repr(metric.arrow().to_pylist()) == repr(kept.to_pylist())  # NaN beside null


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["rain", None, "sun", "rain"]),
        pa.array(["rain", None, "sun", "rain"], pa.large_string()),
        pa.array(["rain", None, "sun", "rain"], pa.string_view()),
        pa.chunked_array([["rain", None], ["sun", "rain"]]),
        pa.array(["rain", None, "sun", "rain"]).dictionary_encode(),
        pa.array(["rain", None, "sun", "rain"]).dictionary_encode("encode"),
        pa.chunked_array(
            [
                pa.array(["rain", None]).dictionary_encode(),
                pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), pa.array(["rain", "sun"])),
            ]
        ),
    ],
)
def test_text_becomes_categories(column):
    metric = metric_of_column(column)
    assert metric.values.dtype == np.int32 and metric.values[1] == -1
    assert [metric.categories[code] if code >= 0 else None for code in metric.values] == [
        "rain",
        None,
        "sun",
        "rain",
    ]
    assert metric.arrow().type == schema.LABEL
    assert metric.arrow().to_pylist() == ["rain", None, "sun", "rain"]


def test_booleans_become_the_categories_false_and_true():
    column = pa.array([True, None, False])
    metric = metric_of_column(column)
    assert metric.values.tolist() == [1, -1, 0] and metric.categories == ("false", "true")
    assert metric.arrow().equals(column)


def test_a_column_of_nulls_has_no_values():
    assert np.isnan(metric_of_column(pa.nulls(2, pa.float64())).values).all()
    assert metric_of_column(pa.nulls(2, pa.string())).values.tolist() == [-1, -1]


def test_further_columns_join_the_metrics_of_their_level():
    frame = pa.table({"frame_id": [1, 2], "blur": [0.5, None]})
    label = pa.table({"label_id": [1], "visibility": [0.25]})
    prediction = pa.table({"prediction_id": [4, 5], "visibility": [1, 2], "head": ["a", "b"]})
    columns = {"frame": frame.schema, "label": label.schema, "prediction": prediction.schema}
    chosen = choose_metrics(["columns", "frame_label_count"], Offer(columns))
    frames = frames_of([(10, 10), (10, 10)])
    labels, predictions = labels_of([[(0, 0, 1, 1)], []]), predictions_of([[(0, 0, 1, 1)], [(0, 0, 1, 1)]])

    def tables(rows):
        return MetricTables(rows, frame, OwnErrors(fails=True, frame_ids=frame["frame_id"]))

    of_frames = compute_frame_metrics(chosen, frames, labels, predictions, tables(frame))
    assert list(of_frames) == ["frame_label_count", "frame_random", "frame_blur"]
    assert of_frames["frame_blur"].arrow().to_pylist() == [0.5, None]
    of_labels = compute_label_metrics(chosen, frames, labels, tables(label))
    assert list(of_labels) == ["object_random", "visibility"]
    of_predictions = compute_prediction_metrics(chosen, frames, predictions, tables(prediction))
    assert of_predictions["visibility"].values.tolist() == [1, 2]
    assert of_predictions["head"].categories == ("a", "b")
    for level, metrics in (("frame", of_frames), ("label", of_labels), ("prediction", of_predictions)):
        declared = [(column.name, column.type) for column in chosen.declarations(level)]
        assert declared == [(name, column.arrow().type) for name, column in metrics.items()]
