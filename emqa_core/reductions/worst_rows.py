"""The k highest rows of every group, ties by the rows' keys: a choice that does not depend on their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emqa_core.objects import Array


@dataclass(frozen=True)
class WorstRows:
    """Up to k rows of each group, (m,) each, by group; in a group by value descending, then by key.

    group int64; value float64, NaN below all others; frame_order, input_index int64: the key, unique among
    the rows of a group.
    """

    k: int
    group: Array
    value: Array
    frame_order: Array
    input_index: Array

    @classmethod
    def zero(cls, k: int) -> WorstRows:
        none = np.empty(0, np.int64)
        return cls(k, none, np.empty(0, np.float64), none, none)

    @classmethod
    def of(cls, k: int, group: Array, value: Array, frame_order: Array, input_index: Array) -> WorstRows:
        """Of rows in any order, (n,) each; those with a group below 0 are in none."""
        rows = np.flatnonzero(group >= 0)
        ordered = rows[np.lexsort((input_index[rows], frame_order[rows], -value[rows], group[rows]))]
        of_group = group[ordered].astype(np.int64, copy=False)
        kept = ordered[_places(of_group) < k]
        return cls(
            k,
            group[kept].astype(np.int64, copy=False),
            value[kept].astype(np.float64, copy=False),
            frame_order[kept].astype(np.int64, copy=False),
            input_index[kept].astype(np.int64, copy=False),
        )

    def __len__(self) -> int:
        return len(self.group)

    def __add__(self, other: WorstRows) -> WorstRows:
        names = ("group", "value", "frame_order", "input_index")
        return WorstRows.of(
            self.k, *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names)
        )

    @property
    def place(self) -> Array:
        """Place of each row in its group, (m,) int64, 0 the highest."""
        return _places(self.group)

    def floor(self, n_groups: int) -> Array:
        """The value below which no further row gets into each group, (n_groups,) float64; -inf: none yet."""
        floor = np.full(n_groups, -np.inf)
        last = self.place == self.k - 1
        floor[self.group[last]] = np.where(np.isnan(self.value[last]), -np.inf, self.value[last])
        return floor


def _places(group: Array) -> Array:
    """Place of each row among those of its group, for groups in order."""
    start = np.searchsorted(group, group, side="left")
    return np.arange(len(group)) - start
