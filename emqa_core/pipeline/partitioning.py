"""How the frames are cut into partitions, and the memory that promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emqa_core.config import ClusterConfig
from emqa_core.errors import PlanError
from emqa_core.objects import Array

# Measured on the generated M data set (docs/benchmarks): bytes a task holds at its peak.
BASE_BYTES = 260 << 20  # interpreter, libraries, compiled kernels
BYTES_PER_PREDICTION = 620
BYTES_PER_LABEL = 700
BYTES_PER_METRIC_VALUE = 12
_SNAP = 0.25  # a cut may move by this share of a partition to a row group's end
_OVER = 1.1  # partitions may be larger by so much, rather than one more of them


@dataclass(frozen=True)
class RowDensity:
    """How many rows lie in how many frames: exact at some positions of frames, even between them.

    position (k,) int64 ascending; rows (k,) float64: rows of the frames before each. Grows with row groups or
    rows that are held, not with frames.
    """

    position: Array
    rows: Array

    def before(self, positions: Array) -> Array:
        """Rows of the frames before each position, (n,) float64."""
        return (
            np.asarray(np.interp(positions, self.position, self.rows))
            if len(self.rows)
            else np.zeros(len(positions))
        )

    @classmethod
    def highest(cls, densities: Sequence[RowDensity], n_frames: int) -> RowDensity:
        """Where each frame has as many rows as in the source that has most there."""
        ends = [density.position for density in densities]
        position = np.unique(np.concatenate([np.array([0, n_frames], np.int64), *ends]))
        between = [np.diff(density.before(position)) for density in densities]
        most = np.max(between, axis=0) if between else np.zeros(len(position) - 1)
        return cls(position, np.append(0.0, np.cumsum(most)))


def cut_frames(density: RowDensity, n_frames: int, cluster: ClusterConfig, ends: Array) -> Array:
    """Bounds of the partitions: (n + 1,) int64 positions of frames, first 0, last F.

    density: of the predictions, maybe estimated. ends (g,) ascending: positions at which a row group ends; a
    cut near one is moved there, so that few row groups are read twice.
    """
    if n_frames == 0:
        return np.array([0, 0])
    total = float(density.rows[-1])
    n_wanted = cluster.partitions or max(1, int(np.ceil(total / (_OVER * cluster.partition_predictions))))
    n_partitions = min(n_wanted, n_frames)
    # Frames without predictions weigh a little, so that they spread too.
    weight = density.rows + density.position * ((total / n_frames if total else 1.0) * 1e-3)
    targets = weight[-1] * np.arange(1, n_partitions) / n_partitions
    cuts = np.ceil(np.interp(targets, weight, density.position) - 1e-6).astype(np.int64)
    if cluster.partitions is None and len(ends) and len(cuts):
        nearest = _nearest(ends, cuts)
        close = np.abs(nearest - cuts) <= _SNAP * n_frames / n_partitions
        cuts = np.where(close, nearest, cuts)
    bounds = np.concatenate([[0], cuts, [n_frames]]).astype(np.int64)
    if cluster.partitions is not None:
        # Exactly as many partitions as asked for: each at least one frame.
        floor = np.arange(n_partitions + 1)
        bounds = np.maximum.accumulate(bounds - floor) + floor
        bounds = np.minimum(bounds, n_frames - floor[::-1])
    return np.unique(np.clip(bounds, 0, n_frames))


def _nearest(ends: Array, cuts: Array) -> Array:
    """Of the ends, ascending, the nearest to each cut."""
    above = np.minimum(np.searchsorted(ends, cuts), len(ends) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(np.abs(ends[below] - cuts) <= np.abs(ends[above] - cuts), ends[below], ends[above])


def projected_bytes(n_predictions: float, n_labels: float, n_metrics: int) -> int:
    """Peak memory of a task that evaluates so many rows."""
    rows = n_predictions * BYTES_PER_PREDICTION + n_labels * BYTES_PER_LABEL
    return int(BASE_BYTES + rows + (n_predictions + n_labels) * n_metrics * BYTES_PER_METRIC_VALUE)


def check_memory(
    bounds: Array, predictions: RowDensity, labels: RowDensity, n_metrics: int, cluster: ClusterConfig
) -> int:
    """The largest projected memory of a partition, in bytes.

    Raises PlanError, naming the partition, when it exceeds what a worker has.
    """
    promised = cluster.memory_per_worker_mib << 20
    largest = 0
    n_predictions, n_labels = (np.diff(density.before(bounds)).tolist() for density in (predictions, labels))
    for index, n_frames in enumerate(np.diff(bounds).tolist()):
        needed = projected_bytes(n_predictions[index], n_labels[index], n_metrics)
        largest = max(largest, needed)
        if needed > promised:
            raise PlanError(
                f"partition {index} ({n_frames:,} frames, about {n_predictions[index]:,.0f} predictions)"
                f" needs about {needed / 2**30:.1f} GiB",
                expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
                next_step="lower cluster.partition_predictions, drop cluster.partitions,"
                " or raise cluster.memory_per_worker_mib",
            )
    return largest
