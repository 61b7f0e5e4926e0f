"""Files of a web site, where the configuration allows them: read only."""

from __future__ import annotations

from typing import Any, BinaryIO, cast


def version(url: str) -> str:
    """What changes when the file does: its etag and size, as far as the server tells. FileNotFoundError."""
    entry = _files().info(url)
    return f"{entry.get('ETag')}-{entry.get('size')}".replace('"', "")


def read_bytes(url: str) -> bytes:
    """The whole file. FileNotFoundError."""
    return bytes(_files().cat_file(url))


def open_file(url: str) -> BinaryIO:
    """The file for reading by ranges."""
    return cast(BinaryIO, _files().open(url, "rb"))


def _files() -> Any:
    import fsspec

    return fsspec.filesystem("http")
