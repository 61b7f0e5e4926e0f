"""Which of Arrow's allocators serves the work on partitions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def reused_memory() -> Iterator[None]:
    """Let Arrow allocate with jemalloc, where it has it, until the block ends.

    Its default, mimalloc, takes memory for columns in huge pages that the kernel must clear first: a fresh
    process spent a sixth of a partition's time on that. What was allocated keeps its allocator.
    """
    before = pa.default_memory_pool()
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)
