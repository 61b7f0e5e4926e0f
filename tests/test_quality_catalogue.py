"""Every row of the catalogue against a closed form or painted pixels, and the laws they share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core import keys
from emqa_core.objects import Frames
from emqa_core.quality.availability import Offer
from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.quality.compute import (
    compute_frame_metrics,
    compute_label_metrics,
    compute_prediction_metrics,
)
from emqa_core.quality.registry import choose_metrics
from tests.oracles.box_raster import Raster, highest_iou
from tests.quality_partition import frames_of, labels_of, predictions_of

SIZES = pa.schema({"width_px": pa.float64(), "height_px": pa.float64()})
CHOSEN = choose_metrics(["catalogue"], Offer({"frame": SIZES}))
NAN = np.nan
FRAMES = frames_of([(100, 50), (200, 80), (NAN, NAN), (100, 50)])
# Frame 0: inside; over the left edge; outside on the right; around the frame; no width; no height.
BOXES = [
    [
        (10, 5, 20, 10),
        (-10, 20, 30, 10),
        (120, 10, 10, 10),
        (-5, -5, 110, 60),
        (50, 25, 0, 4),
        (50, 25, 8, 0),
    ],
    [(100, 40, 50, 20)],
    [(3, 4, 10, 5), (3, 4, 10, 10)],
    [],
]
CLASSES = [[0, 0, 0, 0, 0, 0], [3], [1, 1], []]
EXPECTED = {
    "object_area_px2": [200, 200, 0, 5000, 0, 0, 1000, 50, 100],
    "object_area_relative": [4, 4, 0, 100, 0, 0, 6.25, NAN, NAN],
    "object_width_px": [20, 30, 10, 110, 0, 8, 50, 10, 10],
    "object_height_px": [10, 10, 10, 60, 4, 0, 20, 5, 10],
    "object_aspect_ratio": [2, 3, 1, 110 / 60, 0, NAN, 2.5, 2, 1],
    # left / width, top / height, right / width, bottom / height: the smallest, and never below 0.
    "object_border_distance": [0.1, 0, 0, 0, 21 / 50, 0.42, 20 / 80, NAN, NAN],
    # The box around the frame holds both inner ones: IoU is area / 6600, and 250 of box 1 lie in it.
    "object_overlap": [200 / 6600, 250 / 6650, 0, 250 / 6650, 0, 0, 0, 0.5, 0.5],
    "object_occlusion": [1, 250 / 300, 0, 450 / 6600, NAN, NAN, 0, 1, 0.5],
    "object_center_x": [0.2, 0.05, 1.25, 0.5, 0.5, 0.54, 125 / 200, NAN, NAN],
    "object_center_y": [0.2, 0.5, 0.3, 0.5, 0.54, 0.5, 50 / 80, NAN, NAN],
}
SCORES = [0.9, 0.1, 1.5, -2, 0, 1, 1 / 3, 0.25, 0.75]


@pytest.mark.parametrize("metric", EXPECTED)
def test_object_metrics_of_labels_and_predictions(metric):
    expected = np.array(EXPECTED[metric], np.float32)
    columns = (
        compute_label_metrics(CHOSEN, FRAMES, labels_of(BOXES, CLASSES, crowd=[1], ignored=[3]))[metric],
        compute_prediction_metrics(CHOSEN, FRAMES, predictions_of(BOXES, CLASSES))[metric],
    )
    for column in columns:
        assert column.values.dtype == np.float32
        np.testing.assert_array_equal(column.values, expected)


def test_confidence_is_the_score_of_predictions_alone():
    predictions = predictions_of(BOXES, CLASSES, SCORES)
    values = compute_prediction_metrics(CHOSEN, FRAMES, predictions)["confidence"].values
    np.testing.assert_array_equal(values, np.array(SCORES, np.float32))
    assert "confidence" not in compute_label_metrics(CHOSEN, FRAMES, labels_of(BOXES))


FRAME_EXPECTED = {
    "frame_width_px": [100, 200, NAN, 100],
    "frame_height_px": [50, 80, NAN, 50],
    "frame_area_px2": [5000, 16000, NAN, 5000],
    "frame_aspect_ratio": [2, 2.5, NAN, 2],
    "frame_label_count": [6, 1, 2, 0],
    "frame_class_count": [3, 1, 1, 0],
    "frame_prediction_count": [1, 0, 0, 2],
    # Without the crowd box around the frame: 20 x 10 + 20 x 10 apart from one another; all of 50 x 20.
    "frame_density": [8, 6.25, NAN, 0],
}


@pytest.mark.parametrize("metric", FRAME_EXPECTED)
def test_frame_metrics(metric):
    labels = labels_of(BOXES, [[0, 0, 4, 4, 2, 2], [3], [1, 1], []], crowd=[3])
    predictions = predictions_of([[(1, 2, 3, 4)], [], [], [(1, 2, 3, 4), (9, 9, 9, 9)]])
    column = compute_frame_metrics(CHOSEN, FRAMES, labels, predictions)[metric]
    assert column.values.dtype == np.float32
    np.testing.assert_array_equal(column.values, np.array(FRAME_EXPECTED[metric], np.float32))


def test_density_leaves_out_ignored_labels():
    labels = labels_of([[(0, 0, 10, 50), (50, 0, 50, 50)]], ignored=[1])
    columns = compute_frame_metrics(CHOSEN, frames_of([(100, 50)]), labels, predictions_of([[]]))
    assert columns["frame_density"].values.tolist() == [10]
    assert columns["frame_label_count"].values.tolist() == [2]


@pytest.mark.parametrize("metric", ["object_random", "frame_random"])
def test_controls_are_uniform_and_belong_to_the_key(metric):
    n = 20_000
    key_hash = keys.hash_column(pa.array(range(n)))
    size = np.full(n, 100.0)
    frames = Frames(key_hash, key_hash, size, size)
    none = predictions_of([[]] * n)
    objects = dataclasses.replace(
        predictions_of([[(0, 0, 1, 1)]] * n), key_hash=key_hash, frame_start=np.arange(n + 1)
    )
    if metric == "object_random":
        values = compute_prediction_metrics(CHOSEN, frames, objects)[metric].values
    else:
        values = compute_frame_metrics(CHOSEN, frames, labels_of([[]] * n), none)[metric].values
    assert values.min() >= 0 and values.max() <= 1
    # Kolmogorov-Smirnov distance to the uniform distribution, critical value at 0.1%.
    distance = np.abs(np.sort(values) - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.95 / np.sqrt(n)
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.03
    expected = keys.uniform(keys.salted(key_hash, keys.SALT_CONTROL)).astype(np.float32)
    assert values.tolist() == expected.tolist()


def test_every_row_of_the_catalogue_is_tested():
    tested = {*EXPECTED, *FRAME_EXPECTED, "confidence", "object_random", "frame_random"}
    assert tested == {
        metric.name for metric in CATALOGUE if metric.group in ("geometry", "score", "controls")
    }
    # Those of pixels, tracks and embeddings: test_reference_pixels, _tracks, _embeddings.


def test_values_lie_in_the_declared_range():
    rng = np.random.default_rng(3)
    boxes = [
        [tuple(row) for row in np.column_stack([rng.uniform(0, 70, (20, 2)), rng.uniform(0, 30, (20, 2))])]
        for _ in range(30)
    ]
    frames, labels = frames_of([(100, 100)] * 30), labels_of(boxes)
    predictions = predictions_of(boxes)
    columns = {
        **compute_label_metrics(CHOSEN, frames, labels),
        **compute_frame_metrics(CHOSEN, frames, labels, predictions),
        **compute_prediction_metrics(CHOSEN, frames, predictions),
    }
    for metric in CHOSEN:
        declared = next(entry for entry in CATALOGUE if entry.name == metric.name)
        values = columns[metric.name].values
        assert not np.isnan(values).any()
        assert declared.low is None or values.min() >= declared.low
        assert declared.high is None or values.max() <= declared.high


WHOLE_BOX = st.tuples(st.integers(-20, 50), st.integers(-20, 50), st.integers(0, 30), st.integers(0, 30))
OBJECTS = st.lists(st.tuples(WHOLE_BOX, st.integers(0, 2)), max_size=10)


@given(st.lists(OBJECTS, min_size=1, max_size=3))
@settings(max_examples=60)
def test_overlap_occlusion_and_density_equal_painted_pixels(frames):
    boxes = [[box for box, _ in frame] for frame in frames]
    classes = [[code for _, code in frame] for frame in frames]
    sizes = frames_of([(40, 30)] * len(frames))
    labels = labels_of(boxes, classes)
    columns = compute_label_metrics(CHOSEN, sizes, labels)
    rasters = [Raster(frame) for frame in boxes]
    occlusion = [
        covered / (box[2] * box[3]) if box[2] * box[3] else NAN
        for frame, raster in zip(boxes, rasters, strict=True)
        for box, covered in zip(frame, raster.covered_by_others(), strict=True)
    ]
    overlap = [iou for frame, codes in zip(boxes, classes, strict=True) for iou in highest_iou(frame, codes)]
    density = [100 * raster.union_inside(40, 30) / 1200 for raster in rasters]
    np.testing.assert_array_equal(columns["object_occlusion"].values, np.array(occlusion, np.float32))
    np.testing.assert_array_equal(columns["object_overlap"].values, np.array(overlap, np.float32))
    frame_columns = compute_frame_metrics(CHOSEN, sizes, labels, predictions_of(boxes))
    np.testing.assert_allclose(frame_columns["frame_density"].values, density, rtol=1e-6)


@given(OBJECTS)
@settings(max_examples=60)
def test_a_mirrored_frame_has_mirrored_metrics(objects):
    width, height = 64, 32
    boxes, classes = [box for box, _ in objects], [code for _, code in objects]
    mirrored = [(width - x - w, y, w, h) for x, y, w, h in boxes]
    frames = frames_of([(width, height)])
    before, after = (
        compute_prediction_metrics(CHOSEN, frames, predictions_of([rows], [classes]))
        for rows in (boxes, mirrored)
    )
    for name, column in before.items():
        expected = 1 - column.values if name == "object_center_x" else column.values
        np.testing.assert_array_equal(after[name].values, expected, err_msg=name)


def test_a_partition_gives_its_rows_what_the_whole_gives_them():
    rng = np.random.default_rng(4)
    boxes = [[tuple(row) for row in rng.uniform(0, 60, (rng.integers(0, 8), 4))] for _ in range(12)]
    sizes = [(80.0, 60.0)] * 12
    whole = compute_prediction_metrics(CHOSEN, frames_of(sizes), predictions_of(boxes))
    first = 0
    for part in (slice(0, 1), slice(1, 5), slice(5, 12)):
        rows = compute_prediction_metrics(CHOSEN, frames_of(sizes[part]), predictions_of(boxes[part]))
        last = first + len(rows["object_area_px2"])
        for name in set(rows) - {"object_random"}:  # the tests' keys count from 0 in each partition
            np.testing.assert_array_equal(rows[name].values, whole[name].values[first:last], err_msg=name)
        first = last


def test_empty_partitions_and_empty_frames_are_ordinary():
    for n_frames in (0, 3):
        frames = frames_of([(10, 10)] * n_frames)
        labels, predictions = labels_of([[]] * n_frames), predictions_of([[]] * n_frames)
        for column in compute_label_metrics(CHOSEN, frames, labels).values():
            assert len(column) == 0 and len(column.arrow()) == 0
        assert set(compute_prediction_metrics(CHOSEN, frames, predictions)) >= {"confidence"}
        columns = compute_frame_metrics(CHOSEN, frames, labels, predictions)
        assert columns["frame_density"].values.tolist() == [0] * n_frames


def test_a_value_beyond_float32_is_null():
    columns = compute_prediction_metrics(
        CHOSEN, frames_of([(NAN, NAN)]), predictions_of([[(0, 0, 1e30, 1e30), (0, 0, 1, 1e-300)]])
    )
    assert np.isnan(columns["object_area_px2"].values[0])
    assert np.isnan(columns["object_aspect_ratio"].values[1])
    assert columns["object_area_px2"].arrow().null_count == 1
