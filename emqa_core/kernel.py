"""Compiled functions over arrays, compiled or loaded from Numba's cache when they are first called.

Numba does so where a signature stands, at import: 0.8 s and 100 MiB for kernels of which a run uses half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from threading import RLock
from typing import Any

from numba import njit, types
from numba.core.typing.typeof import typeof_impl


class Kernel:
    """A function with the signatures that it may be called with, from Python or from another kernel."""

    def __init__(
        self, function: Callable[..., Any], signatures: Sequence[object], options: Mapping[str, object]
    ) -> None:
        self._dispatcher = njit(cache=True, **options)(function)
        self._signatures = tuple(signatures)
        self.is_loaded = False
        self._lock = RLock()
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        if not self.is_loaded:
            self.load()
        return self._dispatcher(*arguments)

    def load(self) -> Any:
        """Numba's dispatcher with all signatures, which takes no others."""
        with self._lock:
            if not self.is_loaded:
                for signature in self._signatures:
                    self._dispatcher.compile(signature)
                self._dispatcher.disable_compile()
                self.is_loaded = True
        return self._dispatcher


@typeof_impl.register(Kernel)
def _type_of(kernel: Kernel, _: object) -> types.Dispatcher:
    """For a kernel that another one calls."""
    return types.Dispatcher(kernel.load())


def kernel(signatures: object, **options: object) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a function a kernel with one of Numba's signatures, or a list of them, and options of `njit`.

    What is called from within kernels alone is `numba.njit(inline="always")`, which loads nothing.
    """
    listed = signatures if isinstance(signatures, list) else [signatures]
    return lambda function: Kernel(function, listed, options)
