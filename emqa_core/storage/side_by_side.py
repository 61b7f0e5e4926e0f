"""Requests to a store, several at a time: each waits its tens of milliseconds for a store far away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 8

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call the function for each item, from several threads; results in the items' order.

    The first error is raised when the calls under way have ended.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(function, items))
