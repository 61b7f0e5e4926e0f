"""Where tables and files lie: a folder or file on a local disk or in an object store, by URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

import pyarrow as pa

from emqa_core.config import StorageConfig
from emqa_core.errors import StorageError
from emqa_core.storage import clients
from emqa_core.storage.clients import Store
from emqa_core.storage.folders import make_folder, open_new
from emqa_core.storage.repetition import repeat_s, repeated
from emqa_core.storage.store_errors import explain_errors, explained, may_pass

_STORES: dict[str, Store] = {
    "file": "file",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfs",
    "az": "abfs",
}
DEFAULT_STORAGE = StorageConfig()
_CONTENT_TYPE = {"s3": "ContentType", "gs": "content_type"}  # what the clients call it


@dataclass(frozen=True)
class Location:
    """A folder or file, by URL. Small, picklable, without secrets.

    url has no trailing slash; a local one is `file://` and an absolute path. storage holds endpoint and
    region as they were resolved where the location was made, so that workers use the same ones.
    """

    url: str
    storage: StorageConfig = DEFAULT_STORAGE

    @classmethod
    def of(cls, url: str | os.PathLike[str], storage: StorageConfig | None = None) -> Location:
        """Read a URL or a local path. Raises StorageError for a store unknown or not safe to use."""
        text = os.fspath(url)
        scheme, separator, rest = text.partition("://")
        if not separator:
            return cls(f"file://{Path(text).expanduser().absolute()}", storage or DEFAULT_STORAGE)
        if scheme not in _STORES:
            raise StorageError(
                f"{scheme}:// is not a store that is known",
                expected="a local path, s3://, gs:// or abfs://",
            )
        if "@" in rest.partition("/")[0]:
            raise StorageError(
                f"the {scheme}:// URL carries an account or credentials before the @",
                expected=f"{scheme}://bucket/folder",
                next_step="give them in the environment instead, AZURE_STORAGE_ACCOUNT_NAME for instance",
            )
        store = _STORES[scheme]
        if store == "file":
            return cls(f"file://{Path(rest).absolute()}", storage or DEFAULT_STORAGE)
        if rest.startswith("/") or not rest:
            raise StorageError(f"{text} names no bucket", expected=f"{scheme}://bucket/folder")
        return cls(f"{store}://{rest.strip('/')}", clients.resolved(store, storage or DEFAULT_STORAGE))

    def __str__(self) -> str:
        return self.url.removeprefix("file://")

    @property
    def store(self) -> Store:
        return _STORES[self.url.partition("://")[0]]

    @property
    def path(self) -> str:
        """The path as fsspec takes it: without the scheme."""
        return self.url.partition("://")[2]

    @property
    def bucket(self) -> str:
        """Bucket or container; empty for a local folder."""
        return "" if self.store == "file" else self.path.partition("/")[0]

    @property
    def name(self) -> str:
        """The last step of the path."""
        return self.path.rpartition("/")[2]

    @property
    def where(self) -> str:
        """The location as an error should name it, with the endpoint where one is set."""
        endpoint = self.storage.endpoint_url if self.store == "s3" else None
        return f"{self} at {endpoint}" if endpoint else str(self)

    def child(self, *names: str) -> Location:
        """A file or folder beneath."""
        return Location("/".join((self.url, *(name.strip("/") for name in names))), self.storage)

    def open(self, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
        """The file's bytes. For writing, folders above are made; an object appears when it is closed."""
        with explain_errors(self):
            if mode == "wb" and self.store == "file":
                make_folder(Path(self.path).parent)
            if mode == "rb" and self.store != "file":
                return self.open_ranges("bytes")
            return cast(BinaryIO, self._files.open(self.path, mode))

    def open_ranges(self, cache_type: Literal["bytes", "none"], n_bytes: int | None = None) -> BinaryIO:
        """An object for reading by ranges, each a request. n_bytes: its size, which saves another one."""
        file = self._files.open(self.path, "rb", cache_type=cache_type, size=n_bytes)
        fetch = file.cache.fetcher

        def fetch_range(start: int, end: int) -> Any:
            with explain_errors(self):
                return self._repeated(lambda: fetch(start, end))

        file.cache.fetcher = fetch_range
        return cast(BinaryIO, file)

    def read_bytes(self) -> bytes:
        """The whole file."""
        with explain_errors(self):
            return bytes(self._repeated(lambda: self._files.cat_file(self.path)))

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Bytes start:stop of files, from (path, start, stop): one request each, some at a time."""
        found: dict[int, bytes] = {}

        def read_rest() -> None:
            rest = [number for number in range(len(ranges)) if number not in found]
            paths = [ranges[number][0] for number in rest]
            starts, stops = ([ranges[number][side] for number in rest] for side in (1, 2))
            answers = self._files.cat_ranges(paths, starts, stops, on_error="return")
            found.update(
                (number, answer)
                for number, answer in zip(rest, answers, strict=True)
                if not isinstance(answer, Exception)
            )
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer

        with explain_errors(self):
            self._repeated(read_rest)
        return [found[number] for number in range(len(ranges))]

    def write_bytes(self, data: bytes | memoryview, content_type: str | None = None) -> None:
        """Write the whole file; a reader sees the old file or the new one, never a half.

        content_type: what a store tells browsers that the file is (S3 and Google's; elsewhere left to it).
        """
        with explain_errors(self):
            if self.store == "file":
                try:
                    with self.local_replacement() as file:
                        file.write(data)
                except FileNotFoundError as error:  # what is missing is the folder, and it cannot be made
                    raise explained(self, error) from error
            else:
                told = {_CONTENT_TYPE[self.store]: content_type} if self.store in _CONTENT_TYPE else {}
                self._files.pipe_file(self.path, bytes(data), **(told if content_type else {}))

    @contextmanager
    def local_replacement(self) -> Iterator[IO[bytes]]:
        """A file beside a local one that takes its place when all went well.

        Raises StorageError for a device or a pipe, whose place a file would take for good.
        """
        target = Path(self.path)
        if target.is_symlink():
            target = target.resolve()
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise StorageError(f"{self.where} is no regular file", next_step="name another file")
        # A name of this process: an attempt that was killed leaves it to `remove_unfinished`.
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with open_new(beside) as file:
                yield file
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def remove_files(self, urls: Sequence[str]) -> None:
        """Remove files beneath, by their URLs; those that are not there are no error."""
        with explain_errors(self):
            if self.store == "file":
                for url in urls:
                    Path(url.partition("://")[2]).unlink(missing_ok=True)
            elif urls:
                with suppress(FileNotFoundError):
                    self._files.rm([url.partition("://")[2] for url in urls])

    def exists(self) -> bool:
        """Whether a file is there, or a folder that holds something; locally any folder."""
        with explain_errors(self):
            if self.store == "file":
                return Path(self.path).exists()
            return bool(self._files.exists(self.path))

    def is_folder(self) -> bool:
        """Whether a local folder is there."""
        return Path(self.path).is_dir()

    def remove(self) -> None:
        """Remove a file or a whole folder; what is not there is no error."""
        with explain_errors(self):
            try:
                self._files.rm(self.path, recursive=True)
            except FileNotFoundError:
                return

    def list(self) -> list[str]:
        """URLs of all files beneath, at any depth, in path order; a file gives itself."""
        return list(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Bytes of all files beneath by URL, in path order."""
        with explain_errors(self):
            if self.store == "file":
                file = Path(self.path)
                if not file.exists():
                    return {}  # a tenth of what it takes fsspec to find nothing
                if file.is_file():
                    return {self.url: file.stat().st_size}
            try:
                found = self._files.find(self.path, detail=True)
            except FileNotFoundError:
                return {}
        scheme = self.url.partition("://")[0]
        return {
            f"{scheme}://{path}": int(found[path]["size"] or 0)
            for path in sorted(found)
            if found[path]["type"] == "file"
        }

    def size(self) -> int:
        """Bytes of the file."""
        with explain_errors(self):
            if self.store == "file":
                return Path(self.path).stat().st_size
            return int(self._files.size(self.path))

    def etag_or_none(self) -> str | None:
        """The store's tag of the file's content; None on a local disk."""
        if self.store == "file":
            return None
        with explain_errors(self):
            entry = self._files.info(self.path)
        tag = entry.get("ETag") or entry.get("etag") or entry.get("md5Hash")
        return str(tag).strip('"') if tag else None

    def version(self) -> tuple[str, int]:
        """What changes when a store's object does, without reading it: its tag, and its size in bytes.

        FileNotFoundError where there is no file.
        """
        with explain_errors(self):
            entry = self._files.info(self.path)
        tag = entry.get("ETag") or entry.get("etag") or entry.get("md5Hash") or entry.get("LastModified")
        return str(tag).strip('"'), int(entry["size"])

    @property
    def delta_url(self) -> str:
        """The location as deltalake takes it."""
        return self.path if self.store == "file" else self.url

    def delta_options(self) -> dict[str, str]:
        """The storage_options of deltalake, without credentials: it reads those from the environment."""
        return clients.delta_options(self.store, self.storage)

    def filesystem(self, *, limit_s: float | None = None) -> Any:
        """The file system of fsspec for this store; fsspec keeps one for each set of arguments.

        limit_s: how long a request to S3 may be repeated, where that is not as configured.
        """
        return clients.filesystem(self.store, self.storage, limit_s)

    def within(self, timeout_s: float) -> Location:
        """The same place, with less time for an answer than is configured."""
        limited = min(self.storage.timeout_s, timeout_s)
        return Location(self.url, self.storage.model_copy(update={"timeout_s": limited}))

    def _repeated(self, read: Callable[[], Any]) -> Any:
        """The result of a call that reads an answer's body, which the clients of other stores repeat."""
        return repeated(read, repeat_s(self.storage), may_pass) if self.store == "s3" else read()

    @property
    def _files(self) -> Any:
        return self.filesystem()


@dataclass(frozen=True)
class FileAccess:
    """How ingest reaches its sources: by URL, with the one storage configuration."""

    storage: StorageConfig = DEFAULT_STORAGE

    def open(self, url: str) -> BinaryIO:
        """A file for reading, seekable."""
        location = Location.of(url, self.storage)
        if location.store == "file":
            # Arrow's own: Parquet is read without a call into Python for every column.
            return cast(BinaryIO, pa.OSFile(location.path))
        return location.open("rb")

    def list(self, url: str) -> list[str]:
        """A file gives itself; a folder its data files in path order, without those named `.x` or `_x`."""
        location = Location.of(url, self.storage)
        files = location.list()
        if files == [location.url]:
            return [url]
        inside = len(location.url) + 1
        return [
            _as_given(file)
            for file in files
            if not any(step.startswith((".", "_")) for step in file[inside:].split("/"))
        ]

    def size(self, url: str) -> int:
        """Bytes of a file."""
        return Location.of(url, self.storage).size()

    def etag_or_none(self, url: str) -> str | None:
        """The store's tag of a file's content; None on a local disk."""
        return Location.of(url, self.storage).etag_or_none()


def _as_given(url: str) -> str:
    return url.removeprefix("file://")
