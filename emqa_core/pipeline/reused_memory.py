"""One heap for the arrays of NumPy, of the kernels and of Arrow, which keeps what they free."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pyarrow as pa

# Parameters of glibc's mallopt, from malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_REUSED = 1 << 30
_KEPT = 1 << 30


@contextmanager
def reused_memory() -> Iterator[None]:
    """Let Arrow allocate from the C library's heap until the block ends, and that heap keep what is freed.

    Memory that the kernel has to clear first costs 1 to 3 ms per MiB on a virtual machine, as much as all
    work on it. Arrow's own allocators share nothing with NumPy's arrays, and both give large blocks back
    at once, so that each partition would begin anew (docs/decisions/0004-reduce-in-the-cache.md). What was
    allocated keeps its allocator. Without glibc the libraries' own ways stay as they are.
    """
    if not _heap_keeps_blocks():
        yield
        return
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def give_back_memory() -> None:
    """Give the kernel what the heap keeps unused: for the end of work in somebody else's process."""
    if _heap_keeps_blocks():
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _heap_keeps_blocks() -> bool:
    """Tell glibc, once, to keep freed memory for the next array."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_REUSED) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
