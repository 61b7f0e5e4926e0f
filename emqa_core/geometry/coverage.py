"""Exact areas of unions of boxes, by one sweep over each frame.

The vertical edges of a frame's boxes cut it into columns. The sweep visits the horizontal edges from top
to bottom; each column knows how many boxes lie over it and how much of it was covered, and is brought up
to date only when a box over it begins or ends. A frame of n boxes costs at most 2n visits of 2n columns,
however the boxes lie.
"""

from __future__ import annotations

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.objects import Array

_I64 = types.Array(types.int64, 1, "C", readonly=True)
_F64 = types.Array(types.float64, 1, "C", readonly=True)
_SPACE = types.float64[::1]
_PLACES = types.int64[::1]
_INT = types.int64

_LANES = 32


@kernel(types.void(_SPACE, _INT, _PLACES), error_model="numpy")
def _order_edges(edges, n_edges, order):  # type: ignore[no-untyped-def]
    """Indices of the edges in ascending order, equal ones as they come; room for a multiple of 32."""
    # The rank of an edge is the number of smaller ones: no branch, whole SIMD registers. For the number of
    # boxes that frames have it takes half the time of a sort, and it grows no faster than the sweep.
    padded = (n_edges + _LANES - 1) // _LANES * _LANES
    edges[n_edges:padded] = np.inf
    order[:n_edges] = -1
    for edge in range(n_edges):
        value = edges[edge]
        rank = np.int64(0)
        for other in range(padded):
            rank += np.int64(edges[other] < value)
        while order[rank] >= 0:
            rank += 1
        order[rank] = edge


@kernel(
    types.float64(_SPACE, _SPACE, _SPACE, _PLACES, _INT, _INT, _INT, types.float64, _INT),
    error_model="numpy",
)
def _visit(covered, seen_to, size, depth, first, last, step, now, min_depth):  # type: ignore[no-untyped-def]
    """Bring columns first..last-1 up to `now`, change their depth, and return their covered area."""
    even, odd = 0.0, 0.0  # two sums: one would wait for each addition
    column = first
    if (last - first) & 1:
        if depth[column] >= min_depth:
            covered[column] += (now - seen_to[column]) * size[column]
        seen_to[column] = now
        depth[column] += step
        even += covered[column]
        column += 1
    while column < last:
        grown = (now - seen_to[column]) * size[column]
        area = covered[column] + (grown if depth[column] >= min_depth else 0.0)
        covered[column] = area
        seen_to[column] = now
        depth[column] += step
        even += area
        column += 1
        grown = (now - seen_to[column]) * size[column]
        area = covered[column] + (grown if depth[column] >= min_depth else 0.0)
        covered[column] = area
        seen_to[column] = now
        depth[column] += step
        odd += area
        column += 1
    return even + odd


@kernel(
    types.Tuple((types.float64[::1], types.float64[::1]))(_I64, _F64, _F64, _F64, _F64, _INT),
    error_model="numpy",
)
def _sweep(frame_start, x, y, width, height, min_depth):  # type: ignore[no-untyped-def]
    """Area of each box, and of each frame, that lies under at least `min_depth` boxes."""
    n_frames, most = frame_start.shape[0] - 1, 0
    for frame in range(n_frames):
        most = max(most, frame_start[frame + 1] - frame_start[frame])
    room = 2 * most + _LANES
    x_edge, y_edge = np.empty(room), np.empty(room)
    x_order, y_order = np.empty(room, np.int64), np.empty(room, np.int64)
    column_of, depth = np.empty(room, np.int64), np.empty(room, np.int64)
    covered, seen_to, size = np.empty(room), np.empty(room), np.empty(room)
    box_area, frame_area = np.zeros(x.shape[0]), np.zeros(n_frames)
    for frame in range(n_frames):
        first, n_boxes = frame_start[frame], frame_start[frame + 1] - frame_start[frame]
        if n_boxes < min_depth:
            continue
        n_edges = 2 * n_boxes
        for box in range(n_boxes):
            row = first + box
            x_edge[box], x_edge[n_boxes + box] = x[row], x[row] + width[row]
            y_edge[box], y_edge[n_boxes + box] = y[row], y[row] + height[row]
        _order_edges(x_edge, n_edges, x_order)
        _order_edges(y_edge, n_edges, y_order)
        for column in range(n_edges):
            column_of[x_order[column]] = column
            depth[column], covered[column], seen_to[column] = 0, 0.0, 0.0
            size[column] = 0.0
        for column in range(n_edges - 1):
            size[column] = x_edge[x_order[column + 1]] - x_edge[x_order[column]]
        for place in range(n_edges):
            edge = y_order[place]
            begins = edge < n_boxes
            box = edge if begins else edge - n_boxes
            area = _visit(
                covered, seen_to, size, depth, column_of[box], column_of[n_boxes + box],
                1 if begins else -1, y_edge[edge], min_depth,
            )  # fmt: skip
            box_area[first + box] = area if begins else area - box_area[first + box]
        total = 0.0
        for column in range(n_edges):
            total += covered[column]
        frame_area[frame] = total
    return box_area, frame_area


def covered_areas(frame_start: Array, x: Array, y: Array, width: Array, height: Array) -> Array:
    """Area of each box that other boxes of its frame cover, (n,) float64 in px², their union counted once.

    frame_start (F + 1,) int64, x, y, width, height (n,) float64 in px. Exactly 0 where nothing covers.
    A box is covered by the others exactly where at least two boxes lie, itself and another, so that one
    sweep over the frame answers for all its boxes.
    """
    return np.asarray(_sweep(frame_start, x, y, width, height, 2)[0])


def union_areas(frame_start: Array, x: Array, y: Array, width: Array, height: Array) -> Array:
    """Area of the union of each frame's boxes, (F,) float64 in px²; 0 for a frame without boxes.

    frame_start (F + 1,) int64, x, y, width, height (n,) float64 in px.
    """
    return np.asarray(_sweep(frame_start, x, y, width, height, 1)[1])
