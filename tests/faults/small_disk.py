"""A disk of a megabyte or two that can be filled up to a few bytes, and emptied again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BLOCK = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own at `folder`."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def leave(self, n_bytes: int) -> None:
        """Fill it until only so many bytes, in whole blocks, are free."""
        self.empty()
        free = os.statvfs(self.folder)
        n_filled = free.f_bavail * free.f_frsize - n_bytes
        assert n_filled >= 0, f"the disk has no {n_bytes} bytes"
        self._filler.write_bytes(bytes(n_filled // _BLOCK * _BLOCK))

    def empty(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, n_mib: int) -> Iterator[SmallDisk]:
    """Mount a file system in memory, where this process may; the test skips where it may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_mib}m", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
