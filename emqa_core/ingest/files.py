"""Where bytes come from: files opened by the caller, unpacked and hashed while they are read."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, Protocol

import xxhash

from emqa_core.errors import EmqaError, InputError

Format = Literal["json", "lines", "csv", "parquet"]
BLOCK_BYTES = 1 << 19  # larger blocks of JSON leave the processor's cache: 1.6 times the time at 16 MiB

_FORMATS: dict[str, Format] = {
    ".json": "json",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GZIP_MAGIC = b"\x1f\x8b"


class Files(Protocol):
    """How sources are reached; storage has the implementation."""

    def open(self, url: str) -> BinaryIO:
        """A file for reading, seekable."""

    def list(self, url: str) -> Sequence[str]:
        """A file gives itself, a folder its data files in sorted path order."""

    def size(self, url: str) -> int:
        """Bytes of a file."""

    def etag_or_none(self, url: str) -> str | None:
        """The store's tag of a file's content; None where it keeps none (a local disk)."""


def list_files(url: str, files: Files) -> list[str]:
    """The data files of a source. Raises InputError when there are none or they are of several formats."""
    try:
        urls = list(files.list(url))
    except FileNotFoundError:
        urls = []
    except OSError as error:
        raise InputError(f"cannot list {url}: {error}", next_step="check path and permissions") from error
    if not urls:
        raise InputError(f"{url} does not exist or holds no data file", next_step="check the path")
    if url in urls and len(urls) == 1:
        return urls
    formats = {format_of(name) for name in urls}
    if len(formats) > 1:
        raise InputError(
            f"{url} mixes formats",
            expected="one format in a folder",
            found=", ".join(sorted(PurePosixPath(name).name for name in urls)[:5]),
            next_step="name one file, or keep each format in a folder of its own",
        )
    return urls


def format_of(url: str) -> Format:
    """The format that a file's name tells. Raises InputError for any other name."""
    path = PurePosixPath(url.partition("?")[0])
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = PurePosixPath(path.stem).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(
            f"{url}: the name does not tell a format",
            expected=".json, .jsonl, .ndjson, .csv (each also with .gz) or .parquet",
            found=path.suffix or "no suffix",
            next_step="rename the file or convert it",
        )
    return _FORMATS[suffix]


class ContentDigest:
    """XXH3, 128 bits, over the bytes of a file as they are read, whatever its name.

    It tells inputs apart, it does not guard them: whoever can forge a file can replace the results too.
    """

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()
        self.n_bytes = 0

    def add(self, block: bytes | memoryview) -> None:
        self._hash.update(block)
        self.n_bytes += len(block)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def combined_digest(digests: Iterable[str]) -> str:
    """One digest of several files, in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def open_source(url: str, files: Files) -> BinaryIO:
    """Open a file. Raises InputError when it cannot be."""
    try:
        return files.open(url)
    except FileNotFoundError as error:
        raise InputError(f"{url} does not exist", next_step="check the path") from error
    except EmqaError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {url}: {error}", next_step="check path and permissions") from error


def read_blocks(
    url: str, files: Files, digest: ContentDigest, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The unpacked bytes of a file in blocks; gzip is told by its first bytes.

    The bytes as stored go into `digest`. Raises InputError for a file that cannot be read to its end.
    """
    with open_source(url, files) as file:
        tap = _HashedReader(file, digest)
        try:
            first = tap.read(block_bytes)
            if first[:2] == _GZIP_MAGIC:
                tap.put_back(first)
                with gzip.GzipFile(fileobj=tap) as unpacked:  # type: ignore[call-overload]
                    while block := unpacked.read(block_bytes):
                        yield block
                return
            while first:
                yield first
                first = tap.read(block_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{url} is truncated or damaged: {error}",
                expected="a whole gzip file",
                found=f"{tap.digest.n_bytes:,} bytes",
                next_step="copy or write the file again",
            ) from error
        except OSError as error:
            raise InputError(f"cannot read {url}: {error}", next_step="check the file") from error


class _HashedReader:
    """A file whose bytes pass through a digest as they are read."""

    def __init__(self, file: BinaryIO, digest: ContentDigest) -> None:
        self._file = file
        self._waiting = b""
        self.digest = digest

    def put_back(self, block: bytes) -> None:
        self._waiting = block

    def read(self, size: int = -1) -> bytes:
        if self._waiting:
            if size < 0:
                size = len(self._waiting)
            block, self._waiting = self._waiting[:size], self._waiting[size:]
            return block
        block = self._file.read(size)
        self.digest.add(block)
        return block
