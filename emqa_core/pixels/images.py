"""The image files of frames: found under one root, told apart without being read, and fetched."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from emqa_core.errors import ConfigError, StorageError
from emqa_core.pixels.decode import MISSING, NOT_ALLOWED, TOO_LARGE, UNREADABLE, ImageError
from emqa_core.storage import http_files
from emqa_core.storage.location import Location

_HTTP = ("http", "https")
_THREADS = 8  # requests under way at a time: each waits its tens of milliseconds
_MOST_UNREAD = 64 << 20  # bytes that were fetched and wait to be decoded
_MOST_BYTES = 256 << 20  # of one image's file


@dataclass(frozen=True)
class ImageRoot:
    """The folder, bucket or site below which images lie, and nothing else is read. Picklable.

    Links in a local folder are followed: whoever makes the folder decides what is in it.
    """

    url: str
    location: Location | None

    @classmethod
    def of(cls, root: str, location: Location, *, allow_http: bool) -> ImageRoot:
        """root: as configured. location: the output, whose storage options reach the root's store too.

        Raises ConfigError for http without leave or with credentials, StorageError for a store that is not
        known.
        """
        parts = urlsplit(root)
        if parts.scheme in _HTTP:
            if not allow_http:
                raise ConfigError(
                    f"images.root is {parts.scheme}://",
                    expected="a folder or s3://, gs://, abfs://",
                    next_step="set images.allow_http=true to read images over the network",
                )
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ConfigError(
                    "images.root carries credentials or a query", expected=f"{parts.scheme}://host/folder"
                )
            return cls(root.rstrip("/"), None)
        place = Location.of(root, location.storage)
        return cls(place.url, place)

    @property
    def is_local(self) -> bool:
        return self.location is not None and self.location.store == "file"

    def path_of(self, uri: str) -> str:
        """Where an image lies below the root. Raises ImageError where that is not below it."""
        if "://" in uri:
            if not uri.startswith(f"{self.url}/"):
                raise ImageError(NOT_ALLOWED, f"not below {self.url}")
            uri = uri[len(self.url) + 1 :]
            uri = unquote(uri) if self.location is None else uri
        elif self.is_local and self.location is not None and uri.startswith(f"{self.location.path}/"):
            uri = uri[len(self.location.path) + 1 :]
        normal = posixpath.normpath(uri)
        if normal.startswith(("/", "../")) or normal in (".", "..") or "\0" in uri:
            raise ImageError(NOT_ALLOWED, f"not below {self.url}")
        return normal

    def tag_of(self, uri: str) -> str:
        """What changes when the file does, without reading it: etag and size, or time of change and size.

        Raises ImageError for a file that is not there, StorageError for trouble with the store.
        """
        path = self.path_of(uri)
        with _explained():
            if self.location is None:
                tag, n_bytes = http_files.version(self._address(path))
            elif self.is_local:
                found = _regular(Path(self.location.path, path))
                tag, n_bytes = f"{found.st_mtime_ns:x}", found.st_size
            else:
                tag, n_bytes = self.location.child(path).version()
        return f"{tag}-{n_bytes}"

    def read(self, uri: str) -> bytes:
        """The file's bytes. Raises as `tag_of`."""
        path = self.path_of(uri)
        with _explained():
            if self.location is None:
                data = http_files.read_bytes(self._address(path), _MOST_BYTES + 1)
            elif self.is_local:
                _regular(Path(self.location.path, path))
                with Path(self.location.path, path).open("rb") as file:
                    data = file.read(_MOST_BYTES + 1)
            else:
                data = self._read_object(self.location.child(path))
        if len(data) > _MOST_BYTES:
            raise ImageError(TOO_LARGE, f"a file of more than {_MOST_BYTES >> 20} MiB", lasts=True)
        return data

    @staticmethod
    def _read_object(file: Location) -> bytes:
        # A range of an empty object is an error, so that its size is asked for first.
        if file.size() > _MOST_BYTES:
            raise ImageError(TOO_LARGE, f"a file of more than {_MOST_BYTES >> 20} MiB", lasts=True)
        return file.read_bytes()

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """The file for reading by ranges; one of a web site is fetched first. Raises as `tag_of`."""
        path = self.path_of(uri)
        with _explained():
            if self.location is None:
                file: BinaryIO = io.BytesIO(self.read(uri))
            elif self.is_local:
                file = Path(self.location.path, path).open("rb")  # noqa: SIM115 - closed below
            else:
                file = self.location.child(path).open("rb")
        with file:
            yield file

    def tags(self, uris: Sequence[str]) -> list[str | ImageError]:
        """`tag_of` each, for a store several at a time; an error in its place."""
        if self.is_local:
            return [self._tag_or_error(uri) for uri in uris]
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(self._tag_or_error, uris))

    def fetch(self, uris: Sequence[str]) -> Iterator[bytes | ImageError]:
        """The bytes of each, in order, or the error in their place; read ahead, up to 64 MiB unread."""
        if self.is_local:
            yield from map(self._bytes_or_error, uris)
            return
        with ThreadPoolExecutor(_THREADS) as threads:
            waiting: list[Future[bytes | ImageError]] = []
            ahead = 0
            for _ in uris:
                while ahead < len(uris) and len(waiting) < _THREADS and _unread(waiting) < _MOST_UNREAD:
                    waiting.append(threads.submit(self._bytes_or_error, uris[ahead]))
                    ahead += 1
                yield waiting.pop(0).result()

    def _address(self, path: str) -> str:
        return f"{self.url}/{'/'.join(quote(step, safe='') for step in path.split('/'))}"

    def _tag_or_error(self, uri: str) -> str | ImageError:
        try:
            return self.tag_of(uri)
        except ImageError as error:
            return error

    def _bytes_or_error(self, uri: str) -> bytes | ImageError:
        try:
            return self.read(uri)
        except ImageError as error:
            return error


def _regular(path: Path) -> os.stat_result:
    """What the disk says of a file. OSError for a folder or a pipe, of which reading may never end."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "not a file", str(path))
    return found


def _unread(waiting: Sequence[Future[bytes | ImageError]]) -> int:
    done = (each for each in waiting if each.done() and each.exception() is None)
    return sum(len(found) for each in done if isinstance(found := each.result(), bytes))


@contextmanager
def _explained() -> Iterator[None]:
    """A file that is not there, or that this user may not read, as an error of the image."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(MISSING, "no such file") from None
    except StorageError:
        raise
    except OSError as error:
        raise ImageError(UNREADABLE, f"{type(error).__name__}: {error.strerror or error}"[:200]) from None
