"""How the frames are cut into partitions, and the memory that promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emqa_core.config import ClusterConfig
from emqa_core.errors import PlanError
from emqa_core.objects import Array
from emqa_core.quality.neighbours import index_bytes

# Upper bounds of the highest resident memory (VmHWM) of a fresh process that ran all tasks of a stage, on the
# generated data sets S and M with labels in frame order, at 50,000 to 1,000,000 predictions a partition, with
# no metric and with all 21 of the catalogue. What was measured: docs/decisions/0006-driver-without-rows.md.
BASE_BYTES = 540 << 20  # interpreter, libraries, compiled kernels, and what a heap keeps
BYTES_PER_PREDICTION = 220
BYTES_PER_LABEL = 400
BYTES_PER_METRIC_VALUE = 12
BYTES_PER_VECTOR = 40  # row, class and hash of each, and what was found
PIXEL_BYTES_AHEAD = 160 << 20  # libraries, files fetched and not yet decoded, a decoder's own
BYTES_PER_PIXEL = 16  # file, RGB, a copy on the way to it, four planes
PIXEL_BYTES_PER_ROW = 400  # statistics, and the keys by which they are looked up and kept
_INPUT_BYTES = 64  # of a row as it is read, contained in the numbers above
_TIMES_READ = 2  # a wider row, or one of another partition in the same row group: as read, and as converted
# What a count adds to the tables of each metric for a row, until each of a class's cells has a place there.
COUNT_BYTES_PER_ROW = 400
COUNT_BYTES_PER_CLASS = 1_500_000
STRETCH_BYTES_PER_PREDICTION = 270  # a stretch of the order, read from the scratch of every partition
REDUCE_BYTES_PER_PREDICTION = 70  # a score run, sorted bucket by bucket, and the matched rows of all
SCRATCH_BYTES_PER_ROW = 60  # outcomes and score runs kept in memory between stages
SCRATCH_BYTES_PER_METRIC_VALUE = 4
PREPARED_BYTES_PER_ROW = 110  # rows as all metrics take them, kept in memory while they are counted
_SCRATCH_SHARE = 0.25  # of the memory promised, up to which a run in this process holds its scratch
_MOST_IN_ONE_STRETCH = 1 << 31  # what stays in memory is reduced at once, and counted in four bytes
SNAP_TO_ROW_GROUP = 0.25  # a cut may move by this share of a partition to a row group's end
MOST_SNAPPED = 1.5  # of a partition may be in one that keeps sequences together
SNAP_TO_SEQUENCE = 0.5  # and by this one to a sequence's: those shorter than a partition stay together
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


def cut_frames(
    density: RowDensity, n_frames: int, cluster: ClusterConfig, ends: Array, snap: float = SNAP_TO_ROW_GROUP
) -> Array:
    """Bounds of the partitions: (n + 1,) int64 positions of frames, first 0, last F.

    density: of the predictions, maybe estimated. ends (g,) ascending: positions at which a row group or a
    sequence ends; a cut within `snap` of a partition is moved there, so that few are read twice.
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
        close = np.abs(nearest - cuts) <= snap * n_frames / n_partitions
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


@dataclass(frozen=True)
class PartitionRows:
    """Rows of a source in each partition, (P,) float64, and bytes of input that are read for them, (P,)."""

    n_rows: Array
    bytes_read: Array

    @property
    def unforeseen_bytes(self) -> Array:
        """What a task holds of its input beyond rows of the usual width, (P,)."""
        return np.asarray(_TIMES_READ * np.maximum(self.bytes_read - _INPUT_BYTES * self.n_rows, 0))


def evaluate_bytes(predictions: Sequence[PartitionRows], labels: PartitionRows, n_metrics: int) -> Array:
    """Peak memory of the task of each partition, (P,) float64; predictions: of each model, one by one."""
    n_values = n_metrics * BYTES_PER_METRIC_VALUE
    of_labels = labels.n_rows * (BYTES_PER_LABEL + n_values) + labels.unforeseen_bytes
    of_models = [
        each.n_rows * (BYTES_PER_PREDICTION + n_values) + each.unforeseen_bytes for each in predictions
    ]
    return np.asarray(BASE_BYTES + of_labels + (np.max(of_models, axis=0) if of_models else 0.0))


def pixel_bytes(n_rows: Array, largest_px: float) -> Array:
    """What the pixel pass adds to each partition, (P,): images fetched ahead, one decoded, statistics.

    n_rows (P,): labels and predictions of all models. largest_px: of an image.
    """
    return np.asarray(PIXEL_BYTES_AHEAD + largest_px * BYTES_PER_PIXEL + n_rows * PIXEL_BYTES_PER_ROW)


def relate_bytes(n_vectors: int, d: int) -> float:
    """Peak memory of the task that compares n embeddings of length d."""
    return BASE_BYTES + index_bytes(n_vectors, d) + n_vectors * BYTES_PER_VECTOR


def count_bytes(
    n_rows: float, largest_partition: float, n_metrics: int, n_classes: int, n_prepared: float
) -> float:
    """Peak memory of a task that counts some metrics at a time over all rows, a partition at a time.

    n_prepared: rows that stay prepared for the next metrics.
    """
    tables = n_metrics * min(n_rows * COUNT_BYTES_PER_ROW, (n_classes + 1) * COUNT_BYTES_PER_CLASS)
    rows = largest_partition * BYTES_PER_PREDICTION + n_prepared * PREPARED_BYTES_PER_ROW
    return BASE_BYTES + rows + tables


def reduce_bytes(n_predictions: float, cluster: ClusterConfig, *, is_held: bool) -> float:
    """Peak memory of the task that puts predictions in order: all that this process holds, else a stretch."""
    if is_held:
        return BASE_BYTES + n_predictions * REDUCE_BYTES_PER_PREDICTION
    return BASE_BYTES + min(n_predictions, cluster.reduce_predictions) * STRETCH_BYTES_PER_PREDICTION


def scratch_bytes(n_rows: float, n_metrics: int) -> float:
    """What stays in memory between stages of a run in this process."""
    return n_rows * (SCRATCH_BYTES_PER_ROW + n_metrics * SCRATCH_BYTES_PER_METRIC_VALUE)


def is_scratch_held(cluster: ClusterConfig, n_rows: float, n_metrics: int) -> bool:
    """Whether what stages leave for one another stays in this process, in a run without a cluster."""
    fits = scratch_bytes(n_rows, n_metrics) <= _SCRATCH_SHARE * (cluster.memory_per_worker_mib << 20)
    return fits and n_rows < _MOST_IN_ONE_STRETCH


def are_rows_kept(cluster: ClusterConfig, n_rows: float, n_metrics: int) -> bool:
    """Whether prepared rows stay in this process beside what stages leave there."""
    kept = scratch_bytes(n_rows, n_metrics) + n_rows * PREPARED_BYTES_PER_ROW
    return kept <= _SCRATCH_SHARE * (cluster.memory_per_worker_mib << 20)


def check_memory(bounds: Array, needed: Array, n_predictions: Array, cluster: ClusterConfig) -> None:
    """Raise PlanError, naming the partition, when a partition needs more than a worker has.

    needed, n_predictions: of each partition, (P,) float64.
    """
    promised = cluster.memory_per_worker_mib << 20
    too_large = np.flatnonzero(needed > promised)
    if not len(too_large):
        return
    index = int(too_large[0])
    raise PlanError(
        f"partition {index} ({bounds[index + 1] - bounds[index]:,} frames, about"
        f" {n_predictions[index]:,.0f} predictions) needs about {needed[index] / 2**30:.1f} GiB",
        expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
        next_step="lower cluster.partition_predictions, drop cluster.partitions,"
        " or raise cluster.memory_per_worker_mib",
    )
