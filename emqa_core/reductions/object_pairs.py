"""The objects of each class in each frame, counted once: all that a metric of frames needs to know of them.

Every row of a frame has the frame's value, so that for such a metric a class's rows in a frame stand in one
bin. There are a tenth as many pairs of frame and class as there are rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64, READ_U64
from emqa_core.objects import Array
from emqa_core.reductions.threshold_steps import ThresholdSteps

_ONE = np.uint64(1)
_I32 = types.int32[::1]
_I32_2D = types.int32[:, ::1]


@kernel(
    types.Tuple((_I32, _I32, _I32, _I32, _I32_2D, _I32_2D))(
        READ_I64, READ_I32, READ_U64, READ_U64, types.int64, types.int64
    ),
)
def _count_pairs(start, class_code, counted, right, n_classes, n_thresholds):  # type: ignore[no-untyped-def]
    n_frames = start.shape[0] - 1
    most = class_code.shape[0] + n_frames
    frame_of = np.empty(most, np.int32)
    scope_of = np.empty(most, np.int32)
    always = np.zeros(most, np.int32)
    listed = np.empty(most, np.int32)
    n_listed = 0
    latest = np.full(
        n_classes + 1, -1, np.int64
    )  # pair of the class in the frame at hand, if not below `first`
    everywhere = ~np.uint64(0) >> np.uint64(64 - n_thresholds)
    n = 0
    is_listed = np.zeros(most, np.uint8)
    for frame in range(n_frames):
        first = n
        for row in range(start[frame], start[frame + 1]):
            if counted[row] == 0:
                continue
            for side in range(2):
                scope = class_code[row] if side == 0 else n_classes
                if latest[scope] < first:
                    latest[scope] = n
                    frame_of[n] = frame
                    scope_of[n] = scope
                    n += 1
                pair = latest[scope]
                if counted[row] == everywhere:
                    always[pair] += 1
                if is_listed[pair] == 0 and (right[row] or counted[row] != everywhere):
                    is_listed[pair] = 1
                    listed[n_listed] = pair
                    n_listed += 1
    sometimes = np.zeros((n_listed, n_thresholds), np.int32)
    hits = np.zeros((n_listed, n_thresholds), np.int32)
    place = np.full(n, -1, np.int32)
    for i in range(n_listed):
        place[listed[i]] = i
    latest[:] = -1
    pair = 0
    for frame in range(n_frames):
        while pair < n and frame_of[pair] == frame:
            latest[scope_of[pair]] = place[pair]
            pair += 1
        for row in range(start[frame], start[frame + 1]):
            word = counted[row]
            if word == 0 or (word == everywhere and right[row] == 0):
                continue
            for side in range(2):
                i = latest[class_code[row] if side == 0 else n_classes]
                for t in range(n_thresholds):
                    if word != everywhere:
                        sometimes[i, t] += np.int32((word >> np.uint64(t)) & _ONE)
                    hits[i, t] += np.int32((right[row] >> np.uint64(t)) & _ONE)
    return (
        frame_of[:n].copy(),
        scope_of[:n].copy(),
        always[:n].copy(),
        listed[:n_listed].copy(),
        sometimes,
        hits,
    )


@dataclass(frozen=True)
class ObjectPairs:
    """p pairs of a frame and a scope, the classes and all, that hold objects which count.

    frame, scope (p,) int32. n (p,) int32: objects that count at every T. listed (m,) int32: pairs of which
    an object is right or counts at some T only; sometimes, hits (m, T) int32: how many count there alone,
    and are right.
    """

    n_classes: int
    frame: Array
    scope: Array
    n: Array
    listed: Array
    sometimes: Array
    hits: Array

    @classmethod
    def of(
        cls,
        frame_start: Array,
        class_code: Array,
        counted: Array,
        right: Array,
        n_classes: int,
        n_thresholds: int,
    ) -> ObjectPairs:
        """Of objects frame by frame; words (n,) uint64 as in TargetRows."""
        frame, scope, n, listed, sometimes, hits = _count_pairs(
            frame_start, class_code, counted, right, n_classes, n_thresholds
        )
        return cls(n_classes, frame, scope, n, listed, sometimes, hits)

    def at(self, threshold: int) -> ObjectPairs:
        """The same as if one T were the only one."""
        n = self.n.copy()
        n[self.listed] += self.sometimes[:, threshold]
        hits = np.ascontiguousarray(self.hits[:, threshold, None])
        return ObjectPairs(self.n_classes, self.frame, self.scope, n, self.listed, np.zeros_like(hits), hits)

    def of_frames(self, n_frames: int) -> Array:
        """Objects of each frame that count at every T, (n_frames,) int32."""
        out = np.zeros(n_frames, np.int32)
        of_all = self.scope == self.n_classes
        out[self.frame[of_all]] = self.n[of_all]
        return out

    @cached_property
    def sometimes_steps(self) -> ThresholdSteps:
        return self._steps(self.sometimes)

    @cached_property
    def hit_steps(self) -> ThresholdSteps:
        return self._steps(self.hits)

    def _steps(self, lanes: Array) -> ThresholdSteps:
        """Numbers by threshold (m, T) of the listed pairs of classes as steps of pairs."""
        amounts = lanes.copy()
        amounts[:, :-1] -= lanes[:, 1:]
        amounts[self.scope[self.listed] == self.n_classes] = 0
        at_pair, at = np.nonzero(amounts)
        return ThresholdSteps(self.listed[at_pair], at.astype(np.uint8), amounts[at_pair, at])
