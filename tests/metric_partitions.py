"""Outcome rows by hand or at random, in partitions that can be cut, and the whole way to the measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa

from emqa_core.analysis.bin_axis import MetricAxis, decide_axis
from emqa_core.analysis.merged_bins import scopes_to_merge
from emqa_core.analysis.metric_counts import MetricCounts, count_bin_pairs, count_metric
from emqa_core.analysis.metric_measures import MetricMeasures, measure_metric
from emqa_core.keys import group_of, hash_column, hash_objects
from emqa_core.objects import Array, OutcomeRows
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.row_sample import RowSample
from emqa_core.reductions.target_rows import N_GROUPS, TargetRows
from emqa_core.reductions.unit_totals import UnitTotals


def outcome_rows(
    frame: Array, class_code: Array, right: Array, ignored: Array, n_frames: int, first_frame: int = 0
) -> OutcomeRows:
    """Rows (n,) of frames 0 .. n_frames - 1, whose keys are those of frames first_frame ..; bits as given."""
    order = np.argsort(frame, kind="stable")
    start = np.searchsorted(frame[order], np.arange(n_frames + 1))
    frame_hash = hash_column(pa.array(np.arange(n_frames) + first_frame))
    within = np.arange(len(frame)) - start[frame[order]]
    return OutcomeRows(
        start.astype(np.int64),
        group_of(frame_hash, N_GROUPS),
        np.asarray(class_code, np.int32)[order],
        np.asarray(right, np.uint64)[order],
        np.asarray(ignored, np.uint64)[order],
        hash_objects(frame_hash, frame[order].astype(np.int64), hash_column(pa.array(within))),
    )


def cut_rows(rows: OutcomeRows, first: int, last: int) -> OutcomeRows:
    """The rows of frames first .. last - 1."""
    part = slice(int(rows.frame_start[first]), int(rows.frame_start[last]))
    return OutcomeRows(
        rows.frame_start[first : last + 1] - rows.frame_start[first],
        rows.frame_group[first:last],
        *(getattr(rows, name)[part] for name in ("class_code", "right", "ignored", "key_hash")),
    )


@dataclass(frozen=True)
class Partition:
    """Both sides of some frames with a value per prediction, per label and per frame, NaN where missing."""

    predictions: OutcomeRows
    labels: OutcomeRows
    prediction_values: Array
    label_values: Array
    frame_values: Array
    frame_hash: Array
    unit_hash: Array
    n_classes: int
    n_thresholds: int
    chosen: int

    @property
    def n_frames(self) -> int:
        return len(self.unit_hash)

    def cut(self, bounds: Sequence[int]) -> list[Partition]:
        """Cut before the frames in `bounds`."""
        edges = [0, *sorted(bounds), self.n_frames]
        return [self._frames(first, last) for first, last in pairwise(edges)]

    def _frames(self, first: int, last: int) -> Partition:
        starts = (self.predictions.frame_start, self.labels.frame_start)
        of_side = [slice(int(start[first]), int(start[last])) for start in starts]
        return replace(
            self,
            predictions=cut_rows(self.predictions, first, last),
            labels=cut_rows(self.labels, first, last),
            prediction_values=self.prediction_values[of_side[0]],
            label_values=self.label_values[of_side[1]],
            frame_values=self.frame_values[first:last],
            frame_hash=self.frame_hash[first:last],
            unit_hash=self.unit_hash[first:last],
        )

    def rows(self, target: str) -> TargetRows:
        shape = (self.n_classes, self.n_thresholds, self.chosen)
        if target == "frame":
            return TargetRows.of_frames(self.rows("prediction"), self.rows("label"))
        return TargetRows.of_objects(target, self.side(target), *shape)

    def side(self, target: str) -> OutcomeRows:
        return self.predictions if target == "prediction" else self.labels

    def values(self, target: str) -> Array:
        named = {"prediction": self.prediction_values, "label": self.label_values, "frame": self.frame_values}
        return named[target]

    def counted_values(self, target: str) -> Array:
        return self.values(target)[self.side(target).counts_at(self.chosen)]


def random_partition(
    rng: np.random.Generator, n_frames: int, n_classes: int, n_thresholds: int, *, per_frame: float = 3.0
) -> Partition:
    """Few distinct values, missing ones, rows ignored at some thresholds, frames without rows."""
    chosen = int(rng.integers(n_thresholds))
    sides = []
    values = []
    for _ in range(2):
        n = rng.poisson(per_frame, n_frames) * (rng.random(n_frames) < 0.8)
        frame = np.repeat(np.arange(n_frames), n)
        bits = rng.random((len(frame), n_thresholds))
        ignored = (bits < 0.1) & (rng.random(len(frame)) < 0.5)[:, None]
        right = (rng.random((len(frame), n_thresholds)) < rng.random(len(frame))[:, None]) & ~ignored
        weight = np.uint64(1) << np.arange(n_thresholds, dtype=np.uint64)
        sides.append(
            outcome_rows(
                frame,
                rng.integers(0, n_classes, len(frame)),
                (right * weight).sum(axis=1, dtype=np.uint64),
                (ignored * weight).sum(axis=1, dtype=np.uint64),
                n_frames,
            )
        )
        x = np.round(rng.normal(size=len(frame)) * 3) / 2
        values.append(np.where(rng.random(len(frame)) < 0.1, np.nan, x).astype(np.float32))
    frame_values = np.where(rng.random(n_frames) < 0.1, np.nan, np.round(rng.normal(size=n_frames) * 2))
    frame_hash, unit_hash = (hash_column(pa.array(np.arange(n_frames) // size)) for size in (1, 3))
    return Partition(*sides, *values, frame_values, frame_hash, unit_hash, n_classes, n_thresholds, chosen)


def axis_of(partition: Partition, level: str) -> MetricAxis:
    """The axis of the values at an object level, one side, or of frame values at the rows of predictions."""
    values = (
        partition.frame_values[partition.rows("prediction").frame]
        if level == "frame"
        else partition.counted_values(level)
    )
    return decide_axis("x", DistinctValues.of(values, None), values, None)


def measure(
    x: Array,
    right: Array,
    frame: Array | None = None,
    *,
    level: str = "prediction",
    class_code: Array | None = None,
    control: Array | None = None,
    n_parts: int = 1,
) -> MetricMeasures:
    """The measures of one metric against predictions that are right or not, one T, through every step.

    x (n,): numbers, or text for a categorical metric. frame (n,): each row a frame of its own by default.
    """
    n = len(right)
    frame = np.arange(n) if frame is None else frame
    n_frames = int(frame.max()) + 1
    codes = np.zeros(n, np.int32) if class_code is None else class_code
    order = np.argsort(frame, kind="stable")
    rows = outcome_rows(frame, codes, right, np.zeros(n), n_frames)
    unit_hash = hash_column(pa.array(np.arange(n_frames)))
    x = np.asarray(x)[order]
    if x.dtype.kind in "OU":
        distinct = DistinctValues.of_categories(pa.array(x), None)
        axis = decide_axis("x", distinct, None, None)
    else:
        picked = RowSample.of(rows.key_hash, {"x": x})
        axis = decide_axis("x", DistinctValues.of(x, None), picked.columns["x"], None)
    control_axis = None
    if control is not None:
        control = control[order]
        control_axis = decide_axis("object_area_px2", DistinctValues.of(control, None), control, None)
    n_classes = int(codes.max()) + 1
    bounds = np.linspace(0, n_frames, n_parts + 1).astype(int)
    parts = []
    for first, last in pairwise(bounds):
        own = slice(int(rows.frame_start[first]), int(rows.frame_start[last]))
        values: Array | pa.Array = x[own] if level != "frame" else x[rows.frame_start[first:last]]
        if x.dtype.kind in "OU":
            values = pa.array(values)
        part = TargetRows.of_objects("prediction", cut_rows(rows, int(first), int(last)), n_classes, 1, 0)
        held = None if control_axis is None or control is None else (control_axis, control[own])
        parts.append((part, values, held, unit_hash[first:last]))
    counts: MetricCounts = reduce(
        add, [count_metric(axis, level, part, values, held) for part, values, held, _ in parts]
    )
    units = reduce(add, [UnitTotals.of(part, hashes, whole_units=True) for part, _, _, hashes in parts])
    scopes, rank = scopes_to_merge(axis, counts, 0)
    pairs: BinPairs | None = None
    if len(scopes):
        pairs = reduce(
            add, [count_bin_pairs(axis, part, values, scopes, rank) for part, values, _, _ in parts]
        )
    return measure_metric(axis, counts, pairs, units, 0)
