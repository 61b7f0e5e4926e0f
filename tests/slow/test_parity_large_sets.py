"""The large real sets as a whole beside pycocotools; a part of each is compared in `make test`."""

from __future__ import annotations

import pytest

from tests.test_parity_arrays import QUICK, REAL, check_arrays

LARGE = [name for name in REAL if name not in QUICK]


@pytest.mark.data
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LARGE)
def test_every_entry_of_the_arrays_equals_pycocotools(name: str) -> None:
    check_arrays(name)
