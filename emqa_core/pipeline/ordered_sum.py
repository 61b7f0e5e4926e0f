"""A sum of results in the order of their tasks, whatever order they come in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class OrderedSum(Generic[T]):
    """Adds each result to its neighbours as soon as it has one, so that only gaps keep sums apart.

    Gaps are tasks that still run: there are never more sums than those, and one. `add` is associative.
    """

    def __init__(self, add: Callable[[T, T], T]) -> None:
        self._add = add
        self._first: list[int] = []  # of each sum, the first and last task in it
        self._last: list[int] = []
        self._sums: list[T] = []

    def put(self, index: int, result: T) -> None:
        """The result of the task at an index, each once."""
        place = bisect_left(self._first, index)
        self._first.insert(place, index)
        self._last.insert(place, index)
        self._sums.insert(place, result)
        for left in (place, place - 1):
            if 0 <= left < len(self._sums) - 1 and self._last[left] + 1 == self._first[left + 1]:
                self._sums[left] = self._add(self._sums[left], self._sums.pop(left + 1))
                self._last[left] = self._last.pop(left + 1)
                del self._first[left + 1]

    def __len__(self) -> int:
        """How many sums are held."""
        return len(self._sums)

    def total(self) -> T:
        """The sum of all tasks, when each has been put."""
        (total,) = self._sums
        return total
