"""Boxes: IoU against pycocotools and pixel sets, clipping."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask

from emqa_core.geometry.boxes import clip_boxes, highest_iou_within_class, pairwise_iou
from tests.oracles.box_raster import highest_iou

SIDE = st.integers(0, 12)
BOX = st.tuples(st.integers(-6, 20), st.integers(-6, 20), SIDE, SIDE)
CLASSED_FRAMES = st.lists(st.lists(st.tuples(BOX, st.integers(0, 2)), max_size=9), max_size=4)


def arrays_of(frames: list[list[tuple[tuple[int, int, int, int], int]]]) -> tuple[np.ndarray, ...]:
    rows = [row for frame in frames for row in frame]
    frame_start = np.cumsum([0, *(len(frame) for frame in frames)])
    boxes = np.array([box for box, _ in rows], np.float64).reshape(-1, 4)
    class_code = np.array([code for _, code in rows], np.int32)
    return frame_start, class_code, *np.ascontiguousarray(boxes.T)


@given(CLASSED_FRAMES)
def test_highest_iou_equals_that_of_pixel_sets(frames):
    expected = [
        value
        for frame in frames
        for value in highest_iou([box for box, _ in frame], [code for _, code in frame])
    ]
    np.testing.assert_allclose(highest_iou_within_class(*arrays_of(frames)), expected, rtol=1e-15)


@given(CLASSED_FRAMES, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_highest_iou_follows_its_row_when_rows_change_places(frames, random):
    places = [random.sample(range(len(frame)), len(frame)) for frame in frames]
    moved = [[frame[place] for place in order] for frame, order in zip(frames, places, strict=True)]
    values = iter(highest_iou_within_class(*arrays_of(frames)).tolist())
    by_frame = [[next(values) for _ in frame] for frame in frames]
    expected = [row[place] for row, order in zip(by_frame, places, strict=True) for place in order]
    assert highest_iou_within_class(*arrays_of(moved)).tolist() == expected


def test_highest_iou_sees_its_own_class_and_frame_only():
    same = (0, 0, 10, 10)
    frames = [[(same, 0), (same, 1)], [(same, 0)], [], [(same, 2), ((5, 0, 10, 10), 2)]]
    assert highest_iou_within_class(*arrays_of(frames)).tolist() == [0, 0, 0, 1 / 3, 1 / 3]


def test_pairwise_iou_equals_pycocotools_to_the_bit():
    rng = np.random.default_rng(5)
    labels = np.column_stack([rng.uniform(0, 60, (40, 2)), rng.uniform(0, 50, (40, 2))])
    predictions = np.column_stack([rng.uniform(0, 60, (50, 2)), rng.uniform(0, 50, (50, 2))])
    labels[:3, 2], predictions[0, 3], predictions[1] = 0, 0, labels[4]
    is_crowd = rng.random(40) < 0.3
    expected = mask.iou(predictions, labels, is_crowd.astype(np.uint8)).T
    assert np.array_equal(pairwise_iou(labels, predictions, is_crowd), expected)
    assert np.array_equal(pairwise_iou(labels, predictions), mask.iou(predictions, labels, [0] * 40).T)


def test_pairwise_iou_of_an_empty_frame_has_no_entries():
    assert pairwise_iou(np.empty((0, 4)), np.empty((3, 4))).shape == (0, 3)


def test_clipping_keeps_what_lies_inside():
    #            inside  over the left  beyond the right  around the frame
    x, width = np.array([10.0, -5, 90, -10]), np.array([20.0, 10, 5, 200])
    y, height = np.array([10.0, -5, 10, -10]), np.array([20.0, 10, 5, 200])
    frame_width, frame_height = np.full(4, 80.0), np.full(4, 60.0)
    left, upper, w, h = clip_boxes(x, y, width, height, frame_width, frame_height)
    assert left.tolist() == [10, 0, 80, 0] and w.tolist() == [20, 5, 0, 80]
    assert upper.tolist() == [10, 0, 10, 0] and h.tolist() == [20, 5, 5, 60]
