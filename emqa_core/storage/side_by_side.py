"""Requests to a store, several at a time: each waits its tens of milliseconds for a store far away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from emqa_core.storage.location import Location

_THREADS = 8

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(function: Callable[[T], R], items: Iterable[T], location: Location) -> list[R]:
    """Call the function for each item, for a store from several threads; results in the items' order.

    The first error is raised when the calls under way have ended. A disk answers at once: there threads
    would only get in each other's way.
    """
    if location.store == "file":
        return [function(item) for item in items]
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(function, items))
