"""Integer ids as text, against Arrow's own cast."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.pipeline.id_text import id_text, take_ids

INT64 = st.integers(-(2**63), 2**63 - 1)
RUNS = st.builds(lambda first, n: list(range(first, min(first + n, 2**63))), INT64, st.integers(0, 250))


@settings(deadline=None)  # the first call compiles
@given(st.lists(INT64) | RUNS | st.builds(lambda a, b: a + b, RUNS, RUNS))
def test_ids_are_what_arrow_makes_of_them(ids: list[int]) -> None:
    column = pa.array(ids, pa.int64())
    found = id_text(column)
    found.validate(full=True)
    assert found.equals(column.cast(pa.string()))


@pytest.mark.parametrize("first", [-12, 0, 5, 95, 995, 9_995, 99_995, 10**8 - 5, 10**18 - 5])
def test_counting_carries(first: int) -> None:
    ids = list(range(first, first + 25))
    assert id_text(pa.array(ids)).to_pylist() == [str(each) for each in ids]


def test_a_slice_and_other_types() -> None:
    assert id_text(pa.array([7, 8, 9, 10, 11])[1:4]).to_pylist() == ["8", "9", "10"]
    assert id_text(pa.array(["a", "b"])).to_pylist() == ["a", "b"]
    assert id_text(pa.array([1, None])).to_pylist() == ["1", None]
    assert id_text(pa.array([1, 2], pa.int16())).to_pylist() == ["1", "2"]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(max_size=5), min_size=1, max_size=20), st.lists(st.integers(-3, 30), max_size=60))
def test_taken_ids_are_what_arrow_takes(ids: list[str], wanted: list[int]) -> None:
    position = np.array([min(each, len(ids) + 1) for each in wanted], np.int32)
    column = pa.array(["sliced", *ids, "off"])[1:-1]
    position[position >= len(ids)] = -1
    found = take_ids(column, position)
    found.validate(full=True)
    assert found.to_pylist() == [None if each < 0 else ids[each] for each in position]
