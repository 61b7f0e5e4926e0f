"""Pixel statistics that were computed before, beside the output: an image is fetched and decoded once.

Files of rows sorted by image, each covering a range of image_uri; which range, its footer says. A cache: what
is lost or out of date is computed again, and several runs may write at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from emqa_core.combined import combined
from emqa_core.errors import StorageError
from emqa_core.objects import Array
from emqa_core.storage.location import Location
from emqa_core.storage.side_by_side import side_by_side

VERSION = 1  # of the statistics: other numbers, another folder
WHOLE_FRAME = (0, 0, -1, -1)  # as a box: no other one ends before it begins
_RANGE = b"emqa.range"
_BOX = ("left", "top", "right", "bottom")
KEYS = ("image_uri", "tag", *_BOX)
_ERROR = ("reason", "found")


def cache_schema(statistics: Sequence[str]) -> pa.Schema:
    """The columns of a file: what names a box, its statistics, and why an image gave nothing."""
    texts = {name: pa.string() for name in ("image_uri", "tag", *_ERROR)}
    numbers = {name: pa.int32() for name in _BOX} | {name: pa.float32() for name in statistics}
    names = (*KEYS, *statistics, *_ERROR)
    return pa.schema([(name, (texts | numbers)[name]) for name in names])


@dataclass(frozen=True)
class CachedFile:
    """A file of the cache, by URL, with the lowest and highest image_uri in it."""

    url: str
    first: str
    last: str


@dataclass(frozen=True)
class PixelCache:
    """The cache of one data set; `files` are those found, or some of them. Pickled only in small numbers."""

    folder: Location
    files: tuple[CachedFile, ...] = ()

    @classmethod
    def open(cls, output: Location, dataset: str) -> PixelCache:
        """Find the files; reads their footers."""
        name = xxhash.xxh3_64_hexdigest(dataset.encode())
        folder = output.child("_emqa", "pixels", f"v{VERSION}", name)
        try:
            urls = folder.list()
        except (OSError, StorageError):
            urls = []
        found = side_by_side(lambda url: _opened(folder, url), urls, folder)
        return cls(folder, tuple(file for file in found if file is not None))

    def list_in(self, place: Location) -> ListedCache:
        """The same, with the list of its files in a file, for tasks that are sent to workers."""
        listed = [[file.url, file.first, file.last] for file in self.files]
        place.write_bytes(json.dumps(listed).encode())
        return ListedCache(self.folder, place)

    def within(self, uris: Sequence[str], kinds: Collection[str]) -> PixelCache:
        """The files of some kinds that may know some of the images."""
        if not uris:
            return PixelCache(self.folder)
        lowest, highest = min(uris), max(uris)
        prefixes = tuple(f"{self.folder.url}/{kind}-" for kind in kinds)
        kept = tuple(
            file
            for file in self.files
            if file.first <= highest and file.last >= lowest and file.url.startswith(prefixes)
        )
        return PixelCache(self.folder, kept)

    def read(self, uris: pa.Array, schema: pa.Schema) -> pa.Table | None:
        """What the files know of the images; None where they know nothing. schema: of `cache_schema`."""
        import pyarrow.parquet as pq

        tables = []
        for file in self.files:
            try:
                table = (
                    pq.read_table(pa.BufferReader(self._place(file).read_bytes()))
                    .select(schema.names)
                    .cast(schema)
                )
            except (OSError, StorageError, ValueError, KeyError, pa.ArrowException):
                continue  # another run has tidied it away, or it is damaged: computed again
            tables.append(table.filter(pc.is_in(table["image_uri"], value_set=uris)))
        if not tables:
            return None
        return pa.concat_tables(tables, promote_options="permissive")

    def write(self, kind: str, table: pa.Table) -> CachedFile | None:
        """Keep rows under a name of their images and `kind`; the file appears whole.

        None where it cannot be written: a run does not end for want of what only saves time.
        """
        import pyarrow.parquet as pq

        table = table.sort_by([(name, "ascending") for name in KEYS])
        uris = table["image_uri"]
        first, last = uris[0].as_py(), uris[-1].as_py()
        name = f"{kind}-{xxhash.xxh3_64_hexdigest(''.join(pc.unique(uris).to_pylist()).encode())}.parquet"
        sink = pa.BufferOutputStream()
        stated = {_RANGE: json.dumps([first, last]).encode()}
        pq.write_table(
            table.replace_schema_metadata(stated),
            sink,
            compression="lz4",
            use_dictionary=["image_uri", "tag"],
        )
        file = self.folder.child(name)
        try:
            file.write_bytes(memoryview(sink.getvalue()))
        except (OSError, StorageError):
            return None
        return CachedFile(file.url, first, last)

    def remove_replaced(self, written: Iterable[tuple[str, CachedFile]]) -> None:
        """Remove files whose images are all in new files of their kind. written: kind and file of each."""
        by_kind: dict[str, list[CachedFile]] = {}
        for kind, file in written:
            by_kind.setdefault(kind, []).append(file)
        for kind, new in by_kind.items():
            urls = {file.url for file in new}
            old = [
                file
                for file in self.files
                if file.url.startswith(f"{self.folder.url}/{kind}-")
                and file.url not in urls
                and any(file.first <= each.last and each.first <= file.last for each in new)
            ]
            if old:
                known = pa.concat_arrays(
                    [combined(uris) for file in new if (uris := self._uris(file)) is not None]
                )
                replaced = [
                    file.url
                    for file in old
                    if (uris := self._uris(file)) is not None
                    and pc.all(pc.is_in(uris, value_set=known)).as_py()
                ]
                with suppress(OSError, StorageError):
                    self.folder.remove_files(replaced)

    def _uris(self, file: CachedFile) -> pa.ChunkedArray | None:
        """The images that a file knows; None where it is gone."""
        import pyarrow.parquet as pq

        try:
            with self._place(file).open("rb") as source:
                column = pq.read_table(pa.PythonFile(source, "r"), columns=["image_uri"])["image_uri"]
        except (OSError, StorageError, ValueError, pa.ArrowException):
            return None
        return pa.chunked_array([pc.unique(column)])

    def _place(self, file: CachedFile) -> Location:
        return self.folder.child(file.url[len(self.folder.url) + 1 :])


@dataclass(frozen=True)
class ListedCache:
    """A cache whose files are listed in a file. Small, picklable."""

    folder: Location
    place: Location

    def opened(self) -> PixelCache:
        return PixelCache(
            self.folder, tuple(CachedFile(*entry) for entry in json.loads(self.place.read_bytes()))
        )


def _opened(folder: Location, url: str) -> CachedFile | None:
    import pyarrow.parquet as pq

    if not url.endswith(".parquet"):
        return None
    try:
        with folder.child(url[len(folder.url) + 1 :]).open("rb") as file:
            stated = pq.read_schema(pa.PythonFile(file, "r")).metadata or {}
        first, last = json.loads(stated[_RANGE])
    except (OSError, StorageError, pa.ArrowException, KeyError, ValueError):
        return None
    return CachedFile(url, first, last)


def box_columns(boxes: Array) -> dict[str, pa.Array]:
    """Boxes (n, 4) int32 as the columns that name them."""
    return {name: pa.array(boxes[:, place]) for place, name in enumerate(_BOX)}
