"""The arrays of one partition: frames, and the labels and predictions in them.

Rows of labels and predictions are sorted by frame (in frame order), then by `input_index`; frame f owns
the rows frame_start[f]:frame_start[f + 1]. Kernels take these values and know no table, path or cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Frames:
    """F frames in frame order.

    key_hash (F,) uint64: hash of frame_id. unit_hash (F,) uint64: hash of the resampling unit, equal to
    key_hash by default. width_px, height_px (F,) float64, NaN where unknown.
    """

    key_hash: Array
    unit_hash: Array
    width_px: Array
    height_px: Array

    def __len__(self) -> int:
        return len(self.key_hash)


@dataclass(frozen=True)
class Objects:
    """n labels or predictions of F frames.

    frame_start (F + 1,) int64. class_code (n,) int32: index into the run's class list. x, y, width,
    height (n,) float64 in px. key_hash (n,) uint64: hash of (frame_id, object id), (0,) where no metric is
    asked for and so nothing needs it.
    """

    frame_start: Array
    class_code: Array
    x: Array
    y: Array
    width: Array
    height: Array
    key_hash: Array

    def __len__(self) -> int:
        return len(self.class_code)

    @property
    def n_frames(self) -> int:
        return len(self.frame_start) - 1

    def frame_of_row(self) -> Array:
        """Index of the frame of each row, (n,) int64."""
        return np.repeat(np.arange(self.n_frames), np.diff(self.frame_start))


@dataclass(frozen=True)
class Labels(Objects):
    """Labels. area (n,) float64 px²: the one that decides the area range. is_crowd, is_ignored (n,) bool."""

    area: Array
    is_crowd: Array
    is_ignored: Array


@dataclass(frozen=True)
class Predictions(Objects):
    """Predictions. score (n,) float64."""

    score: Array

    def without_boxes(self) -> Predictions:
        """The same rows for those who need no geometry any more, half of what they hold."""
        none = np.empty(0)
        return replace(self, x=none, y=none, width=none, height=none)


@dataclass(frozen=True)
class OutcomeRows:
    """What reductions need to know of one side (labels or predictions) of a partition.

    frame_start (F + 1,) int64; frame_group (F,) uint8: jackknife group; class_code (n,) int32.
    right (n,) uint64: bit t is set where the prediction is a true positive, or the label found, at the
    t-th IoU threshold (area range `all`, score threshold applied). ignored (n,) uint64: bit t is set
    where the row is in no count at that threshold; a row is never right and ignored at once.
    """

    frame_start: Array
    frame_group: Array
    class_code: Array
    right: Array
    ignored: Array
    key_hash: Array

    def __len__(self) -> int:
        return len(self.class_code)

    def counts_at(self, threshold_index: int) -> Array:
        """Which rows count at a threshold, (n,) bool."""
        return (self.ignored >> np.uint64(threshold_index)) & np.uint64(1) == 0
