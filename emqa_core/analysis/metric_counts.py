"""Everything that is counted of one metric for one target; it takes partition after partition and adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numba import types

from emqa_core.analysis.bin_axis import MetricAxis
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F32, READ_F64, READ_I16, READ_U8
from emqa_core.objects import Array
from emqa_core.reductions.bin_pairs import BinPairs
from emqa_core.reductions.co_moments import CoMoments
from emqa_core.reductions.frame_sums import FrameSums
from emqa_core.reductions.group_counts import GroupCounts
from emqa_core.reductions.target_rows import TargetRows

Values: TypeAlias = Array | pa.Array | pa.ChunkedArray


@kernel(
    [
        types.void(x, READ_I16, READ_U8, types.float64, types.float64[::1])
        for x in (READ_F32, READ_F64)
    ],
)  # fmt: skip
def _add_values(x, bins, kind_at_chosen, centre, total):  # type: ignore[no-untyped-def]
    for row in range(x.shape[0]):
        if kind_at_chosen[row] and bins[row] >= 0:
            total[bins[row]] += np.float64(x[row]) - centre


@dataclass(frozen=True)
class CountedRows:
    """The rows of a target in one partition, with what all metrics take of them.

    control (n,) int16: bin of the metric that the partial correlation takes out, in 0 .. n_control - 1, the
    last one for rows without it; (0,) with n_control = 1 where there is none. together: of objects,
    `FrameSums.together`.
    """

    rows: TargetRows
    together: FrameSums | None
    control: Array
    n_control: int

    @classmethod
    def of(
        cls,
        rows: TargetRows,
        together: FrameSums | None,
        axis: MetricAxis | None = None,
        values: Values | None = None,
    ) -> CountedRows:
        """axis, values: of the control, object_area_px2 of the rows themselves or, for the frame target,
        frame_label_count (F,); None: no partial correlation.
        """
        if axis is None or values is None or not axis.n_bins:
            return cls(rows, together, np.empty(0, np.int16), 1)
        bins = axis.coarse_bin_of(values)
        bins = np.where(bins < 0, np.int16(axis.n_coarse), bins)
        bins = rows.spread(bins) if rows.target == "frame" else bins
        return cls(rows, together, bins, axis.n_coarse + 1)


@dataclass
class MetricCounts:
    """State of one metric, its level and one target.

    groups: rows per jackknife group and coarse bin. Of objects alone: coarse frame sums at every T, whole,
    those of all bins together, fine ones at the chosen T, and fine_total (n_fine,) float64, the sum of the
    values (relative to the axis's centre) of rows that count at the chosen T. moments: None for a
    categorical metric.
    """

    metric: str
    level: str
    target: str
    groups: GroupCounts
    moments: CoMoments | None
    coarse: FrameSums | None = None
    whole: FrameSums | None = None
    fine: FrameSums | None = None
    fine_total: Array | None = None

    @classmethod
    def zero(cls, axis: MetricAxis, level: str, like: CountedRows, *, with_fine: bool = True) -> MetricCounts:
        """Of no rows, for partitions like that one; without fine bins where no table asks for them."""
        rows, n_thresholds, moments = like.rows, like.rows.n_thresholds, None
        if not axis.is_categorical:
            sized = rows.sized is not None
            moments = CoMoments.zero(rows.n_scopes, like.n_control, n_thresholds, sized=sized)
        groups = GroupCounts.zero(rows.n_scopes, axis.n_coarse, rows.n_levels, n_thresholds)
        if rows.target == "frame":
            return cls(axis.metric, level, rows.target, groups, moments)
        return cls(
            axis.metric,
            level,
            rows.target,
            groups,
            moments,
            FrameSums.zero(rows.n_classes, axis.n_coarse, n_thresholds),
            FrameSums.zero(rows.n_classes, 1, n_thresholds),
            FrameSums.zero(rows.n_classes, axis.n_bins, 1) if with_fine else None,
            None if axis.is_categorical or not with_fine else np.zeros(axis.n_bins),
        )

    def take(
        self, axis: MetricAxis, part: CountedRows, values: Values, bins: tuple[Array, Array] | None = None
    ) -> None:
        """Add the rows of a further partition.

        values: of the level's rows, that is (F,) for a frame metric and for the frame target, else one per
        row of the target. bins: their fine and coarse ones, where they are known.
        """
        rows = part.rows
        is_of_frames = self.level == "frame"
        fine, coarse = axis.bins_of(values) if bins is None else bins
        x = None
        if self.moments is not None and axis.n_bins:
            x = np.asarray(values)
            if x.dtype != np.float32:
                x = x.astype(np.float64, copy=False)
            x = rows.spread(x) if is_of_frames else np.ascontiguousarray(x)
            self.moments.take(rows, x, part.control)
        if self.target == "frame":
            self.groups.take(rows, rows.spread(coarse))
            return
        assert self.coarse is not None and self.whole is not None
        # All objects of a frame have its value, and so are counted together.
        is_missing = len(coarse) > 0 and coarse.min() < 0
        if is_of_frames:
            self.groups.take_frames(rows, coarse)
            self.coarse.take_frames(rows, coarse)
            if self.fine is not None:
                self.fine.take_frames(rows, fine, chosen_only=True)
            if is_missing:
                self.whole.take_frames(rows, np.minimum(coarse, np.int16(0)))
        else:
            self.groups.take(rows, coarse)
            self.coarse.take(rows, coarse)
            if self.fine is not None:
                self.fine.take(rows, fine, chosen_only=True)
            if is_missing:
                self.whole.take(rows, np.minimum(coarse, np.int16(0)))
        if not is_missing and part.together is not None:
            self.whole.add(part.together)
        if self.fine_total is not None and x is not None:
            if is_of_frames:
                fine = rows.spread(fine)
            _add_values(x, fine, rows.kind_at_chosen, axis.centre, self.fine_total)

    def __add__(self, other: MetricCounts) -> MetricCounts:
        def both(name: str) -> object:
            a, b = getattr(self, name), getattr(other, name)
            return None if a is None or b is None else a + b

        states = ("groups", "moments", "coarse", "whole", "fine", "fine_total")
        return MetricCounts(self.metric, self.level, self.target, *(both(name) for name in states))  # type: ignore[arg-type]

    def to_arrays(self) -> dict[str, Array]:
        """Named arrays without objects; counts in the narrowest types that hold them."""
        arrays = {"key": np.array([self.metric, self.level, self.target]), **self.groups.to_arrays("groups")}
        for name in ("moments", "coarse", "whole", "fine"):
            state = getattr(self, name)
            if state is not None:
                arrays |= state.to_arrays(name)
        if self.fine_total is not None:
            arrays["fine_total"] = self.fine_total
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MetricCounts:
        metric, level, target = arrays["key"].tolist()

        def sums(name: str) -> FrameSums | None:
            return FrameSums.from_arrays(name, arrays) if f"{name}.shape" in arrays else None

        return cls(
            metric,
            level,
            target,
            GroupCounts.from_arrays("groups", arrays),
            CoMoments.from_arrays("moments", arrays) if "moments.shape" in arrays else None,
            sums("coarse"),
            sums("whole"),
            sums("fine"),
            arrays.get("fine_total"),
        )


def count_metric(
    axis: MetricAxis,
    level: str,
    rows: TargetRows,
    values: Values,
    control: tuple[MetricAxis, Values] | None = None,
) -> MetricCounts:
    """Count one metric against one target in one partition.

    level: `prediction`, `label` or `frame`. values: as in `MetricCounts.take`. control: as `CountedRows.of`
    takes it.
    """
    together = None if rows.target == "frame" else FrameSums.together(rows)
    part = CountedRows.of(rows, together, *(control or (None, None)))
    counts = MetricCounts.zero(axis, level, part)
    counts.take(axis, part, values)
    return counts


def count_bin_pairs(
    axis: MetricAxis, rows: TargetRows, values: Values, scopes: Array, rank: Array
) -> BinPairs:
    """Second pass over one partition for the scopes that `scopes_to_merge` names, in its order of bins."""
    return BinPairs.of(rows, axis.coarse_bin_of(values), scopes, rank)
