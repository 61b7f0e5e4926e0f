"""The image files of frames: found under one root, told apart without being read, and fetched."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emqa_core.errors import ConfigError
from emqa_core.pixels.decode import MISSING, NOT_ALLOWED, UNREADABLE, ImageError
from emqa_core.storage import http_files
from emqa_core.storage.location import Location

_HTTP = ("http", "https")
_THREADS = 16  # requests under way at a time: each waits its tens of milliseconds
_MOST_UNREAD = 64 << 20  # bytes that were fetched and wait to be decoded


@dataclass(frozen=True)
class ImageRoot:
    """The folder, bucket or site below which images lie, and nothing else is read. Picklable."""

    url: str
    location: Location | None

    @classmethod
    def of(cls, root: str, location: Location, *, allow_http: bool) -> ImageRoot:
        """root: as configured. location: the output, whose storage options reach the root's store too.

        Raises ConfigError for http without leave, StorageError for a store that is not known.
        """
        scheme = root.partition("://")[0]
        if scheme in _HTTP:
            if not allow_http:
                raise ConfigError(
                    f"images.root is {scheme}://",
                    expected="a folder or s3://, gs://, abfs://",
                    next_step="set images.allow_http=true to read images over the network",
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
            if self.location is not None:
                return self.location.child(path).version()
            return http_files.version(f"{self.url}/{path}")

    def read(self, uri: str) -> bytes:
        """The file's bytes. Raises as `tag_of`."""
        path = self.path_of(uri)
        with _explained():
            if self.location is None:
                return http_files.read_bytes(f"{self.url}/{path}")
            if self.is_local:
                return Path(self.location.path, path).read_bytes()
            return self.location.child(path).read_bytes()

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """The file for reading by ranges. Raises as `tag_of`."""
        path = self.path_of(uri)
        with _explained():
            if self.location is None:
                file = http_files.open_file(f"{self.url}/{path}")
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

    def _tag_or_error(self, uri: str) -> str | ImageError:
        try:
            return self.tag_of(uri)
        except ImageError as error:
            return error

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

    def _bytes_or_error(self, uri: str) -> bytes | ImageError:
        try:
            return self.read(uri)
        except ImageError as error:
            return error


def _unread(waiting: Sequence[Future[bytes | ImageError]]) -> int:
    done = (each.result() for each in waiting if each.done())
    return sum(len(found) for found in done if isinstance(found, bytes))


@contextmanager
def _explained() -> Iterator[None]:
    """A file that is not there, or that this user may not read, as an error of the image."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(MISSING, "no such file") from None
    except (PermissionError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        raise ImageError(UNREADABLE, f"{type(error).__name__}: {error}"[:200]) from None
