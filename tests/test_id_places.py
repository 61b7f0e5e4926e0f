"""Ids found by their place, against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.id_places import IdPlaces

LOWEST, HIGHEST = -(2**63), 2**63 - 1
NEAR = st.builds(
    lambda low, steps: sorted({low, *(low + step for step in steps if low + step <= HIGHEST)}),
    st.integers(LOWEST, HIGHEST),
    st.lists(st.integers(0, 70_000), min_size=1, max_size=30),
)
ANY = st.lists(st.integers(LOWEST, HIGHEST), max_size=20)


@settings(deadline=None)  # the first call compiles
@given(NEAR, st.randoms(), ANY, st.lists(st.integers(-3, 70_003), max_size=50))
def test_values_are_found_where_they_stand(
    ids: list[int], random: object, far: list[int], near: list[int]
) -> None:
    random.shuffle(ids)  # type: ignore[attr-defined]
    values = [*ids, *far, *(value for step in near if LOWEST <= (value := ids[0] + step) <= HIGHEST)]
    places = IdPlaces.of(np.array(ids, np.int64), len(values))
    if places is None:
        assert max(ids) - min(ids) >= 1 << 16
        return
    index_of = {each: index for index, each in enumerate(ids)}
    expected = [index_of.get(value, -1) for value in values]
    assert places.look_up(np.array(values, np.int64)).tolist() == expected


def test_ids_far_apart_have_no_places() -> None:
    assert IdPlaces.of(np.array([LOWEST, HIGHEST]), 10) is None
    assert IdPlaces.of(np.array([0, 10**6]), 10) is None
    assert IdPlaces.of(np.array([0, 10**6]), 10**6) is not None
    assert IdPlaces.of(np.empty(0, np.int64), 10) is None
