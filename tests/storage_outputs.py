"""The output locations that storage tests run on: a local folder and a bucket of a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from emqa_core.storage.location import Location

BACKENDS = ["local", pytest.param("s3", marks=pytest.mark.s3)]


@pytest.fixture(params=BACKENDS)
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty output location, local and in the store."""
    return empty_output(request, tmp_path)


def empty_output(request: pytest.FixtureRequest, folder: Path) -> Location:
    """A new output location of the backend that the fixture asks for."""
    if request.param == "local":
        return Location.of(folder / "output")
    return Location.of(request.getfixturevalue("s3").folder())
