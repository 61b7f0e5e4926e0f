"""Results add up in the order of their tasks, and few of them are held."""

from __future__ import annotations

from operator import add

from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core.pipeline.ordered_sum import OrderedSum


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(9)))
def test_the_order_of_arrival_does_not_tell(arrival: list[int]) -> None:
    """Text adds up in one order only; what is held is never more than the gaps make necessary."""
    total = OrderedSum[str](add)
    there: set[int] = set()
    for index in arrival:
        total.put(index, str(index))
        there.add(index)
        assert len(total) == sum(index - 1 not in there for index in there)
    assert total.total() == "012345678"


def test_one_task_that_lags_behind_keeps_two_sums() -> None:
    total = OrderedSum[int](add)
    for index in [0, *range(2, 1000)]:
        total.put(index, 1)
        assert len(total) <= 2
    total.put(1, 1)
    assert total.total() == 1000
