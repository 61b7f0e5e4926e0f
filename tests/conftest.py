"""What all tests share: the quick ones run first, and nothing reaches out or reads the user's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emqa_core.demo import DemoPaths

pytest_plugins = ["tests.seaweed", "tests.storage_outputs"]

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

SLOW_MARKERS = ("slow", "s3", "cluster", "prefect")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: sum(item.get_closest_marker(name) is not None for name in SLOW_MARKERS))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoPaths:
    """The demo data set as `make demo` makes it; tests only read it."""
    from emqa_core.demo import write_demo

    return write_demo(tmp_path_factory.mktemp("demo"))
