"""How the frames are cut into partitions, and the memory that promises."""

from __future__ import annotations

from itertools import pairwise

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


def cut_frames(predictions_per_frame: Array, cluster: ClusterConfig, ends: Array) -> Array:
    """Bounds of the partitions: (n + 1,) int64 positions of frames, first 0, last F.

    predictions_per_frame (F,) float64, maybe estimated. ends: positions at which a row group ends; a cut
    near one is moved there, so that few row groups are read twice.
    """
    n_frames = len(predictions_per_frame)
    if n_frames == 0:
        return np.array([0, 0])
    total = float(predictions_per_frame.sum())
    n_wanted = cluster.partitions or max(1, int(np.ceil(total / (_OVER * cluster.partition_predictions))))
    n_partitions = min(n_wanted, n_frames)
    weight = np.cumsum(predictions_per_frame + (total / n_frames if total else 1.0) * 1e-3)
    targets = weight[-1] * np.arange(1, n_partitions) / n_partitions
    cuts = np.searchsorted(weight, targets, side="left") + 1
    if cluster.partitions is None and len(ends) and len(cuts):
        nearest = ends[np.argmin(np.abs(ends[None, :] - cuts[:, None]), axis=1)]
        close = np.abs(nearest - cuts) <= _SNAP * n_frames / n_partitions
        cuts = np.where(close, nearest, cuts)
    bounds = np.concatenate([[0], cuts, [n_frames]]).astype(np.int64)
    if cluster.partitions is not None:
        # Exactly as many partitions as asked for: each at least one frame.
        floor = np.arange(n_partitions + 1)
        bounds = np.maximum.accumulate(bounds - floor) + floor
        bounds = np.minimum(bounds, n_frames - floor[::-1])
    return np.unique(bounds)


def projected_bytes(n_predictions: float, n_labels: float, n_metrics: int) -> int:
    """Peak memory of a task that evaluates so many rows."""
    rows = n_predictions * BYTES_PER_PREDICTION + n_labels * BYTES_PER_LABEL
    return int(BASE_BYTES + rows + (n_predictions + n_labels) * n_metrics * BYTES_PER_METRIC_VALUE)


def check_memory(
    bounds: Array, predictions: Array, labels: Array, n_metrics: int, cluster: ClusterConfig
) -> int:
    """The largest projected memory of a partition, in bytes.

    Raises PlanError, naming the partition, when it exceeds what a worker has.
    """
    promised = cluster.memory_per_worker_mib << 20
    largest = 0
    for index, (first, last) in enumerate(pairwise(bounds)):
        n_predictions = float(predictions[first:last].sum())
        needed = projected_bytes(n_predictions, float(labels[first:last].sum()), n_metrics)
        largest = max(largest, needed)
        if needed > promised:
            raise PlanError(
                f"partition {index} ({last - first:,} frames, about {n_predictions:,.0f} predictions)"
                f" needs about {needed / 2**30:.1f} GiB",
                expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
                next_step="lower cluster.partition_predictions, drop cluster.partitions,"
                " or raise cluster.memory_per_worker_mib",
            )
    return largest
