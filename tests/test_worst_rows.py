"""The highest rows of groups, against sorting."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emqa_core.reductions.worst_rows import WorstRows

row = st.tuples(
    st.integers(-1, 3),
    st.sampled_from([0.0, 0.5, 1.0, -np.inf, np.nan]),
    st.integers(0, 3),
    st.integers(0, 99),
)


@given(rows=st.lists(row, max_size=30, unique_by=lambda each: each[3]), k=st.integers(1, 4))
def test_the_first_k_of_each_group_sorted(rows: list[tuple[int, float, int, int]], k: int) -> None:
    columns = [np.array(list(column)) for column in zip(*rows, strict=True)] or [np.empty(0)] * 4
    state = WorstRows.of(k, *columns)
    expected = []
    for group in range(4):
        of_group = [each for each in rows if each[0] == group]
        of_group.sort(
            key=lambda each: (np.isnan(each[1]), -np.nan_to_num(each[1], nan=0.0), each[2], each[3])
        )
        expected += [(group, place, each[3]) for place, each in enumerate(of_group[:k])]
    found = zip(state.group.tolist(), state.place.tolist(), state.input_index.tolist(), strict=True)
    assert list(found) == expected
    floor = state.floor(4)
    for group in range(4):
        kept = [each for each in expected if each[0] == group]
        assert floor[group] == -np.inf if len(kept) < k else not np.isnan(floor[group])
        values = state.value[state.group == group]
        assert np.all(np.isnan(values) | (values >= floor[group]))
