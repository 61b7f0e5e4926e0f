"""Pixel statistics that were computed before, beside the output: an image is fetched and decoded once.

Files of rows sorted by image, each covering a range of image_uri; which range, its footer says. A cache: what
is lost or out of date is computed again, and several runs may write at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from emqa_core.objects import Array
from emqa_core.storage.location import Location
from emqa_core.storage.side_by_side import side_by_side

VERSION = 1  # of the statistics: other numbers, another folder
WHOLE_FRAME = (-1, -1, -1, -1)  # as a box; a box of no pixel otherwise
_RANGE = b"emqa.range"
_BOX = ("left", "top", "right", "bottom")
KEYS = ("image_uri", "tag", *_BOX)


@dataclass(frozen=True)
class CachedFile:
    """A file of the cache, by URL, with the lowest and highest image_uri in it."""

    url: str
    first: str
    last: str


@dataclass(frozen=True)
class PixelCache:
    """The cache of one data set, as it was found; `files` may be some of them. Picklable."""

    folder: Location
    files: tuple[CachedFile, ...] = ()

    @classmethod
    def open(cls, output: Location, dataset: str) -> PixelCache:
        """Find the files; reads their footers."""
        name = xxhash.xxh3_64_hexdigest(dataset.encode())
        folder = output.child("_emqa", "pixels", f"v{VERSION}", name)
        found = side_by_side(lambda url: _opened(folder, url), folder.list(), folder)
        return cls(folder, tuple(file for file in found if file is not None))

    def within(self, uris: Sequence[str]) -> PixelCache:
        """The files that may know some of the images."""
        if not uris:
            return PixelCache(self.folder)
        lowest, highest = min(uris), max(uris)
        kept = tuple(file for file in self.files if file.first <= highest and file.last >= lowest)
        return PixelCache(self.folder, kept)

    def read(self, uris: pa.Array) -> pa.Table | None:
        """What the files know of the images; None where they know nothing."""
        import pyarrow.parquet as pq

        tables = []
        for file in self.files:
            try:
                data = self.folder.child(file.url[len(self.folder.url) + 1 :]).read_bytes()
                table = pq.read_table(pa.BufferReader(data))
            except (FileNotFoundError, pa.ArrowException):
                continue  # another run has tidied it away, or a disk lost its end
            tables.append(table.filter(pc.is_in(table["image_uri"], value_set=uris)))
        if not tables:
            return None
        return pa.concat_tables(tables, promote_options="permissive")

    def write(self, kind: str, table: pa.Table) -> CachedFile:
        """Keep rows under a name of their images and `kind`; the file appears whole."""
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
        file.write_bytes(memoryview(sink.getvalue()))
        return CachedFile(file.url, first, last)

    def remove_replaced(self, written: Iterable[tuple[str, CachedFile]]) -> None:
        """Remove files whose whole range one of their kind now covers. written: kind and file of each."""
        written = list(written)
        new = {file.url for _, file in written}
        replaced = [
            old.url
            for old in self.files
            if old.url not in new
            and any(
                old.url.startswith(f"{self.folder.url}/{kind}-")
                and file.first <= old.first
                and old.last <= file.last
                for kind, file in written
            )
        ]
        self.folder.remove_files(replaced)


def _opened(folder: Location, url: str) -> CachedFile | None:
    import pyarrow.parquet as pq

    if not url.endswith(".parquet"):
        return None
    try:
        with folder.child(url[len(folder.url) + 1 :]).open("rb") as file:
            stated = pq.read_schema(pa.PythonFile(file, "r")).metadata or {}
        first, last = json.loads(stated[_RANGE])
    except (FileNotFoundError, pa.ArrowException, KeyError, ValueError):
        return None
    return CachedFile(url, first, last)


def box_columns(boxes: Array) -> dict[str, pa.Array]:
    """Boxes (n, 4) int32 as the columns that name them."""
    return {name: pa.array(boxes[:, place]) for place, name in enumerate(_BOX)}
