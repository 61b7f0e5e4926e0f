"""Everything that is counted of one metric for one target; it adds over partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.objects import Array
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.co_moments import CoMoments
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.target_rows import TargetRows


@dataclass(frozen=True)
class MetricCounts:
    """State of one metric, its level and one target.

    groups: rows per jackknife group and coarse bin. Of objects alone: coarse frame sums at every T, those of
    all bins together included, fine ones at the chosen T, and fine_total (n_fine,) float64, the sum of the
    values (relative to the axis's centre) of rows that count at the chosen T. moments: None for a
    categorical metric.
    """

    metric: str
    level: str
    target: str
    groups: GroupCounts
    moments: CoMoments | None
    coarse: FrameSums | None = None
    fine: FrameSums | None = None
    fine_total: Array | None = None

    def __add__(self, other: MetricCounts) -> MetricCounts:
        def both(a: FrameSums | None, b: FrameSums | None) -> FrameSums | None:
            return None if a is None or b is None else a + b

        without_moments = self.moments is None or other.moments is None
        without_fine = self.fine_total is None or other.fine_total is None
        return replace(
            self,
            groups=self.groups + other.groups,
            moments=None if without_moments else self.moments + other.moments,  # type: ignore[operator]
            coarse=both(self.coarse, other.coarse),
            fine=both(self.fine, other.fine),
            fine_total=None if without_fine else self.fine_total + other.fine_total,  # type: ignore[operator]
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Between processes in narrow types: half the bytes.
        return MetricCounts.from_arrays, (self.to_arrays(),)

    def to_arrays(self) -> dict[str, Array]:
        """Named arrays without objects; counts in the narrowest types that hold them."""
        arrays = {"key": np.array([self.metric, self.level, self.target]), **self.groups.to_arrays("groups")}
        if self.moments is not None:
            arrays |= self.moments.to_arrays("moments")
        for name in ("coarse", "fine"):
            sums: FrameSums | None = getattr(self, name)
            if sums is not None:
                arrays |= sums.to_arrays(name)
        if self.fine_total is not None:
            arrays["fine_total"] = self.fine_total
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricCounts:
        metric, level, target = arrays["key"].tolist()
        held = dict(arrays)

        def sums(name: str) -> FrameSums | None:
            return FrameSums.from_arrays(name, held) if f"{name}.shape" in held else None

        return cls(
            metric,
            level,
            target,
            GroupCounts.from_arrays("groups", held),
            CoMoments.from_arrays("moments", held) if "moments.shape" in held else None,
            sums("coarse"),
            sums("fine"),
            held.get("fine_total"),
        )


def count_metric(
    axis: MetricAxis,
    level: str,
    rows: TargetRows,
    values: Array | pa.Array | pa.ChunkedArray,
    control: tuple[MetricAxis, Array] | None = None,
) -> MetricCounts:
    """Count one metric against one target in one partition.

    level: `prediction`, `label` or `frame`. values: of the level's rows, that is (F,) for a frame metric and
    for the frame target, else one per row of the target. control: axis and values of the metric that the
    partial correlation takes out, object_area_px2 of the rows themselves or, for the frame target,
    frame_label_count of the frames; None: no partial correlation.
    """
    per_frame = level == "frame"
    fine = axis.bin_of(values)
    if per_frame:
        fine = fine[rows.frame]
    coarse = axis.coarse_of(fine)
    moments = None
    if not axis.is_categorical:
        x = np.asarray(values, np.float64)
        x = np.ascontiguousarray(x[rows.frame] if per_frame else x)
        control_bins, n_control = None, 1
        if control is not None and control[0].n_bins:
            control_axis, control_values = control
            n_control = control_axis.n_coarse + 1
            control_bins = control_axis.coarse_of(control_axis.bin_of(control_values))
            control_bins = np.where(control_bins < 0, np.int16(n_control - 1), control_bins)
            control_bins = control_bins[rows.frame] if rows.target == "frame" else control_bins
        moments = CoMoments.of(rows, coarse, x, axis.centre, control_bins, n_control)
    counts = MetricCounts(
        axis.metric, level, rows.target, GroupCounts.of(rows, coarse, axis.n_coarse), moments
    )
    if rows.target == "frame":
        return counts
    fine_total = None
    if moments is not None:
        assert rows.counted is not None
        counted = (rows.counted >> np.uint64(rows.chosen)) & np.uint64(1) == 1
        known = counted & (fine >= 0)
        weights = np.where(known, x - axis.centre, 0.0)
        fine_total = np.bincount(np.where(known, fine, 0), weights=weights, minlength=axis.n_bins)
        fine_total = fine_total[: axis.n_bins]  # an axis without bins has no bin 0 either
    return replace(
        counts,
        coarse=FrameSums.of(rows, coarse, axis.n_coarse, has_whole=True),
        fine=FrameSums.of(rows, fine, axis.n_bins, chosen_only=True),
        fine_total=fine_total,
    )


def count_bin_pairs(
    axis: MetricAxis, rows: TargetRows, values: Array | pa.Array | pa.ChunkedArray, scopes: Array, rank: Array
) -> BinPairs:
    """Second pass over one partition for the scopes that `scopes_to_merge` names, in its order of bins."""
    return BinPairs.of(rows, axis.coarse_of(axis.bin_of(values)), scopes, rank)
