"""Co-moments of one metric and target laid out for the measures: every scope with its cells, all too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_F64_2D, READ_F64_3D, READ_I32, READ_I32_2D
from emqa_core.objects import Array
from emqa_core.reductions.co_moments import CoMoments
from emqa_core.reductions.target_rows import N_GROUPS

# cells, index and steps of `sometimes`, index and steps of `levels`
MOMENT_TYPES = (READ_F64_3D, READ_I32_2D, READ_F64_3D, READ_I32_2D, READ_F64_3D)


@kernel(types.float64[:, ::1](READ_F64_2D, types.int64))
def _sum_over_scopes(cells, n_inner):  # type: ignore[no-untyped-def]
    """Cells of all scopes together, about the value of the first scope that has one, (n_inner, 4)."""
    out = np.zeros((n_inner, 4))
    out[:, 1] = np.nan
    for cell in range(cells.shape[0]):
        if np.isnan(cells[cell, 1]):
            continue
        to = out[cell % n_inner]
        if np.isnan(to[1]):
            to[1] = cells[cell, 1]
        d = cells[cell, 1] - to[1]
        to[0] += cells[cell, 0]
        to[2] += cells[cell, 2] + cells[cell, 0] * d
        to[3] += cells[cell, 3] + 2.0 * d * cells[cell, 2] + cells[cell, 0] * d * d
    return out


@kernel(types.float64[:, :, ::1](READ_I32, READ_F64_3D, READ_F64_2D, READ_F64_2D, types.boolean))
def _sum_slots(index, steps, cells, of_all, has_sizes):  # type: ignore[no-untyped-def]
    """Slots added up by their cell within a scope, moved to the values that `of_all` is taken about."""
    n_inner = of_all.shape[0]
    n_columns = steps.shape[2]
    out = np.zeros((n_inner, steps.shape[1], n_columns))
    for cell in range(index.shape[0]):
        slot = index[cell]
        if slot < 0:
            continue
        inner = cell % n_inner
        d = cells[cell, 1] - of_all[inner, 1]
        for t in range(steps.shape[1]):
            first = steps[slot, t, 0]
            second = steps[slot, t, 1]
            out[inner, t, 0] += first
            if has_sizes:  # Σy, Σy², Σdy
                out[inner, t, 1] += second
                out[inner, t, 2] += steps[slot, t, 2] + d * first
                continue
            out[inner, t, 1] += second + first * d  # n, Σd, Σd²
            if n_columns == 3:
                out[inner, t, 2] += steps[slot, t, 2] + 2.0 * d * second + first * d * d
    return out


@dataclass(frozen=True)
class ScopeMoments:
    """Sums of s scopes by jackknife group and bin of the control.

    cells (s, groups * n_control, 4): as in CoMoments. sometimes_at (s, groups * n_control) int32: where in
    `sometimes` (m, T, 3) the steps of a cell's rows stand that count at some T only, -1 for nowhere; level_at
    likewise, into levels (m, T, 2 or 3). Sums of both are taken about the value that `cells` gives.
    """

    cells: Array
    sometimes_at: Array
    sometimes: Array
    level_at: Array
    levels: Array

    @property
    def kernel_arrays(self) -> tuple[Array, ...]:
        """What kernels take, of MOMENT_TYPES."""
        return self.cells, self.sometimes_at, self.sometimes, self.level_at, self.levels


def moments_by_scope(moments: CoMoments, n_scopes: int) -> list[ScopeMoments]:
    """The scopes in one part; where n_scopes is one more than the moments have, all in a second one."""
    n_inner = N_GROUPS * moments.n_control
    shape = (moments.n_scopes, n_inner)
    sometimes, levels = moments.sometimes, moments.levels
    parts = [
        ScopeMoments(
            moments.cells.reshape(*shape, 4),
            sometimes.index.reshape(shape),
            sometimes.data,
            levels.index.reshape(shape),
            levels.data,
        )
    ]
    if n_scopes > moments.n_scopes:
        of_all = _sum_over_scopes(moments.cells, n_inner)
        every = np.arange(n_inner, dtype=np.int32)[None]
        parts.append(
            ScopeMoments(
                of_all[None],
                every if len(sometimes) else np.full_like(every, -1),
                _sum_slots(sometimes.index, sometimes.data, moments.cells, of_all, False),
                every,
                _sum_slots(levels.index, levels.data, moments.cells, of_all, moments.is_sized),
            )
        )
    return parts
