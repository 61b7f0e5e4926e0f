"""Unions of boxes: the sweep against painted pixels, its laws, and its cost on crowded frames."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.geometry.coverage import covered_areas, union_areas
from tests.oracles.box_raster import Box, Raster

SIDE = st.integers(0, 40)
BOX = st.tuples(st.integers(-20, 60), st.integers(-20, 60), SIDE, SIDE)
FRAMES = st.lists(st.lists(BOX, max_size=12), max_size=4)


def arrays_of(frames: list[list[Box]]) -> tuple[np.ndarray, ...]:
    frame_start = np.cumsum([0, *(len(frame) for frame in frames)])
    boxes = np.array([box for frame in frames for box in frame], np.float64).reshape(-1, 4)
    return frame_start, *np.ascontiguousarray(boxes.T)


@given(FRAMES)
def test_areas_equal_painted_pixels(frames):
    rasters = [Raster(frame) for frame in frames]
    covered = [area for raster in rasters for area in raster.covered_by_others()]
    assert covered_areas(*arrays_of(frames)).tolist() == covered
    assert union_areas(*arrays_of(frames)).tolist() == [raster.union() for raster in rasters]


def test_areas_equal_painted_pixels_in_a_crowded_frame():
    rng = np.random.default_rng(1)
    corner, side = rng.integers(-20, 60, (700, 2)), rng.integers(0, 6, (700, 2))
    frame = [tuple(int(v) for v in row) for row in np.column_stack([corner, side])]
    raster = Raster(frame)
    assert covered_areas(*arrays_of([frame])).tolist() == raster.covered_by_others()
    assert union_areas(*arrays_of([frame])).tolist() == [raster.union()]


@given(st.lists(BOX, max_size=12), st.integers(-500, 500), st.integers(-500, 500))
def test_areas_do_not_change_when_the_frame_moves_turns_or_is_mirrored(frame, dx, dy):
    start, x, y, width, height = arrays_of([frame])
    covered, union = covered_areas(start, x, y, width, height), union_areas(start, x, y, width, height)
    for other in (
        (x + dx, y + dy, width, height),  # moved
        (-x - width, y, width, height),  # mirrored
        (y, x, height, width),  # turned over the diagonal
    ):
        assert covered_areas(start, *other).tolist() == covered.tolist()
        assert union_areas(start, *other).tolist() == union.tolist()


@given(st.lists(BOX, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_areas_follow_their_rows_when_rows_change_places(frame, random):
    order = random.sample(range(len(frame)), len(frame))
    covered = covered_areas(*arrays_of([frame]))
    moved = arrays_of([[frame[place] for place in order]])
    assert covered_areas(*moved).tolist() == covered[order].tolist()
    assert union_areas(*moved).tolist() == union_areas(*arrays_of([frame])).tolist()


def test_covered_area_is_exactly_zero_or_whole_where_it_is_so():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 600, 60), rng.uniform(0, 400, 60)
    width, height = rng.uniform(1, 80, 60), rng.uniform(1, 80, 60)
    x[0], y[0] = -1000.123, 5.456  # alone
    x[1:3], y[1:3], width[1:3], height[1:3] = 12.34, 56.78, 9.1, 11.12  # twins
    covered = covered_areas(np.array([0, 60]), x, y, width, height)
    assert covered[0] == 0
    np.testing.assert_allclose(covered[1:3], width[1:3] * height[1:3], rtol=1e-10)


def test_boxes_that_share_edges_do_not_cover_one_another():
    grid = [(10 * column, 10 * row, 10, 10) for column in range(5) for row in range(4)]
    assert covered_areas(*arrays_of([grid])).tolist() == [0] * 20
    assert union_areas(*arrays_of([grid])).tolist() == [2000]


def test_no_frames_and_no_boxes_are_ordinary():
    nothing = np.empty(0)
    assert covered_areas(np.array([0]), *[nothing] * 4).tolist() == []
    assert union_areas(np.array([0]), *[nothing] * 4).tolist() == []
    assert union_areas(np.array([0, 0, 0]), *[nothing] * 4).tolist() == [0, 0]


@pytest.mark.slow
def test_a_thousand_boxes_over_one_another_stay_affordable():
    n_boxes = 1000
    x, y = np.arange(n_boxes, dtype=np.float64), np.arange(n_boxes, dtype=np.float64)
    side = np.full(n_boxes, 2.0 * n_boxes)
    started = time.process_time()
    covered = covered_areas(np.array([0, n_boxes]), x, y, side, side)
    assert time.process_time() - started < 1  # 7 ms where it was measured
    # Along the diagonal only the corners that no neighbour reaches stay free: the first box's upper and
    # left border, the last one's lower and right border, and two pixels of every box between.
    assert covered[0] == 4 * n_boxes**2 - (4 * n_boxes - 1)
    assert covered[n_boxes // 2] == 4 * n_boxes**2 - 2
