"""What tests of faults share: small inputs, the tables of a run that nothing disturbed, and a reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emqa_core.pipeline import shuffle
from tests.faults.faulted_runs import ROWS_TOGETHER, FaultInputs, Undisturbed
from tests.faults.polling_reader import PollingReader, polling_reader


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> FaultInputs:
    return FaultInputs.write(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def undisturbed(inputs: FaultInputs, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed.of(inputs, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PollingReader]:
    """A reader with the environment that the module's first test has: a store must be up before."""
    with polling_reader(tmp_path_factory.mktemp("reader")) as started:
        yield started


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shuffle reads few rows at a time, and so has something to bring together."""
    monkeypatch.setattr(shuffle, "_ROWS_PER_READ", ROWS_TOGETHER)


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for fault points."""
    return tmp_path_factory.mktemp("points")
