"""Arrow shares the C library's heap while partitions are worked on, and the heap keeps what is freed."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.pipeline.reused_memory import give_back_memory, reused_memory

MIB = 1 << 20
PAGE = resource.getpagesize()
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the heap of glibc")


def _faults_of_filling(n_mib: int) -> int:
    """Page faults of arrays of a MiB each, alive together and freed at the end."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(MIB, np.uint8) for _ in range(n_mib)]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert len(arrays) == n_mib
    return after - before


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MIB


def test_arrow_takes_the_heap_until_the_block_ends() -> None:
    before = pa.default_memory_pool().backend_name
    with reused_memory():
        assert pa.default_memory_pool().backend_name == "system"
    assert pa.default_memory_pool().backend_name == before
    with pytest.raises(ZeroDivisionError), reused_memory():
        _ = 1 / 0
    assert pa.default_memory_pool().backend_name == before


def test_freed_memory_serves_the_next_arrays_and_is_given_back_at_the_end() -> None:
    n_mib = 200
    with reused_memory():
        give_back_memory()
        first = _faults_of_filling(n_mib)
        kept = _resident_mib()
        assert _faults_of_filling(n_mib) < 0.1 * first
    give_back_memory()
    assert _resident_mib() < kept - 0.9 * n_mib
