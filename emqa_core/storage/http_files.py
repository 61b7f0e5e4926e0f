"""Files of a web site, where the configuration allows them: read only."""

from __future__ import annotations

from typing import Any, BinaryIO, cast


def version(url: str) -> str:
    """What changes when the file does, as far as the server tells: etag or time of change, size.

    FileNotFoundError.
    """
    entry = _files().info(url)
    tag = next(
        (entry[name] for name in ("ETag", "Content-MD5", "Digest", "Last-Modified") if name in entry), ""
    )
    return f"{tag}-{entry.get('size')}".replace('"', "")


def read_bytes(url: str) -> bytes:
    """The whole file. FileNotFoundError."""
    return bytes(_files().cat_file(url))


def open_file(url: str) -> BinaryIO:
    """The file for reading by ranges."""
    return cast(BinaryIO, _files().open(url, "rb"))


def _files() -> Any:
    import fsspec

    return fsspec.filesystem("http")
