"""Local folders that several runs share, each of which removes the ones it finds empty."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar, cast

import pyarrow as pa

from emqa_core.storage.repetition import pause_s

# Another run may take a folder away between two calls, and on a busy machine do so many times in a row.
# Only time bounds it: a folder that cannot be made for so long is not being tidied, it is gone.
_MAKING_S = 10.0
_LONGEST_PAUSE_S = 0.01

T = TypeVar("T")


def open_new(path: Path) -> IO[bytes]:
    """A local file for writing, its folder made; Arrow writes it without a copy for Python."""

    def opened() -> IO[bytes]:
        path.parent.mkdir(parents=True, exist_ok=True)
        return cast(IO[bytes], pa.OSFile(str(path), "wb"))

    return _while_tidied(opened, path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, while another process may tidy empty ones away."""
    _while_tidied(lambda: path.mkdir(parents=True, exist_ok=True), path)


def _while_tidied(call: Callable[[], T], folder: Path) -> T:
    started = time.monotonic()
    while True:
        try:
            return call()
        except FileNotFoundError:
            if time.monotonic() - started > _MAKING_S:
                raise
        except FileExistsError:
            # Also raised where the folder was there, and is gone before it could be told from a file.
            if folder.exists() or time.monotonic() - started > _MAKING_S:
                raise
        time.sleep(pause_s(1, _LONGEST_PAUSE_S))
