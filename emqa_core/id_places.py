"""Integer ids looked up by their place between the lowest and the highest, a fifth of what a hash costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import types

from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I32, READ_I64

_ALWAYS = 1 << 16  # ids within such a span fit the processor's cache
_SPAN_PER_ROW = 4


@kernel(types.int32[::1](READ_I64, types.int64, READ_I32))
def _look_up(values, low, index_of_place):  # type: ignore[no-untyped-def]
    indices = np.empty(values.shape[0], np.int32)
    for row in range(values.shape[0]):
        place = np.uint64(values[row]) - np.uint64(low)  # what lies below is far above
        indices[row] = index_of_place[place] if place < np.uint64(index_of_place.shape[0]) else -1
    return indices


@dataclass(frozen=True)
class IdPlaces:
    """The index of each of some ids, by its distance from the lowest.

    low: the lowest id; index_of_place (span,) int32, -1 in gaps.
    """

    low: int
    index_of_place: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, n_values: int) -> IdPlaces | None:
        """Of ids (m,) int64, to look n_values up; None where they lie too far apart for that to pay."""
        if not len(ids):
            return None
        low = int(ids.min())
        span = int(ids.max()) - low + 1
        if span > max(_ALWAYS, _SPAN_PER_ROW * (len(ids) + n_values)):
            return None
        index_of_place = np.full(span, -1, np.int32)
        index_of_place[ids - low] = np.arange(len(ids), dtype=np.int32)
        return cls(low, index_of_place)

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Index of each of the values (n,) int64 among the ids, (n,) int32, -1 where it is not there."""
        return np.asarray(_look_up(values, self.low, self.index_of_place))


def index_by_place(values: pa.Array, ids: pa.Array) -> np.ndarray | None:
    """Index of each value among the ids, (n,) int32, -1 where it is not there.

    None where places do not do: for other than int64 without nulls, or ids too far apart.
    """
    if any(each.type != pa.int64() or each.null_count for each in (values, ids)):
        return None
    places = IdPlaces.of(ids.to_numpy(), len(values))
    return None if places is None else places.look_up(values.to_numpy())
