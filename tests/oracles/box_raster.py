"""Areas of boxes with whole-number edges, by painting pixels: nothing shared with the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Box = tuple[int, int, int, int]  # x, y, width, height


class Raster:
    """How many boxes lie over each pixel of [-margin, size + margin) squared."""

    def __init__(self, boxes: Sequence[Box], size: int = 64, margin: int = 64) -> None:
        self.boxes, self.size, self.margin = boxes, size, margin
        self.depth = np.zeros((size + 2 * margin, size + 2 * margin), np.int64)
        for box in boxes:
            self.pixels(box)[...] += 1

    def pixels(self, box: Box) -> np.ndarray:
        x, y, width, height = box
        top, left = y + self.margin, x + self.margin
        return self.depth[top : top + height, left : left + width]

    def covered_by_others(self) -> list[int]:
        """Pixels of each box that another box covers too."""
        return [int(np.count_nonzero(self.pixels(box) >= 2)) for box in self.boxes]

    def union(self) -> int:
        return int(np.count_nonzero(self.depth))

    def union_inside(self, width: int, height: int) -> int:
        """Pixels of the union inside a frame of width x height."""
        return int(np.count_nonzero(self.pixels((0, 0, width, height))))


def highest_iou(boxes: Sequence[Box], classes: Sequence[int]) -> list[float]:
    """Highest IoU of each box with another of its class, from pixel sets."""
    pixels = [
        {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        for x, y, width, height in boxes
    ]
    best = []
    for one, mine in enumerate(pixels):
        others = [pixels[i] for i in range(len(boxes)) if i != one and classes[i] == classes[one]]
        best.append(max((len(mine & their) / max(len(mine | their), 1) for their in others), default=0.0))
    return best
