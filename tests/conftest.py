"""What all tests share: the quick ones run first, and nothing reaches out or reads the user's settings."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["tests.seaweed"]

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

SLOW_MARKERS = ("slow", "s3", "cluster", "prefect")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: sum(item.get_closest_marker(name) is not None for name in SLOW_MARKERS))
