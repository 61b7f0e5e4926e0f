"""Real data sets, which are not part of the repository: a test skips with a message where one is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """A real data set's folder: under EMQA_TEST_DATA, else under ../shared/data beside the repository."""
    root = Path(os.environ.get("EMQA_TEST_DATA") or ROOT.parent / "shared" / "data")
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"data set {name} is not at {folder}; set EMQA_TEST_DATA to a folder that holds it")
    return folder
