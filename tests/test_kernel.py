"""Kernels: nothing is compiled before the first call, and only the given signatures are taken."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit, types

from emqa_core.kernel import Kernel, kernel
from emqa_core.kernel_types import READ_F32, READ_F64


def _sum(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for index in range(values.shape[0]):
        total += values[index]
    return total


def summing() -> Kernel:
    return kernel([types.float64(READ_F32), types.float64(READ_F64)])(_sum)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_takes_what_its_signatures_name(dtype: type) -> None:
    assert summing()(np.array([1.5, 2.5], dtype)) == 4.0


def test_a_kernel_takes_nothing_else() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        summing()(np.array(["a"]))


def test_one_kernel_may_call_another() -> None:
    inner = summing()

    @njit
    def twice(values):  # type: ignore[no-untyped-def]
        return 2 * inner(values)

    assert twice(np.array([1.0, 2.0])) == 6.0


def test_threads_may_call_a_new_kernel_at_once() -> None:
    new = summing()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: new(np.ones(3)), range(8))) == {3.0}


def test_importing_the_pipeline_loads_no_kernel() -> None:
    code = (
        "import gc, emqa_core.pipeline.evaluate\n"
        "from emqa_core.kernel import Kernel\n"
        "kernels = [each for each in gc.get_objects() if isinstance(each, Kernel)]\n"
        "loaded = [each.__name__ for each in kernels if each.is_loaded]\n"
        "assert len(kernels) > 50 and not loaded, (len(kernels), loaded)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
