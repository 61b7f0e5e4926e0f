"""Parquet read lazily: the footers at once, row groups when they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from emqa_core.errors import InputError
from emqa_core.ingest.arrow_columns import canonical_table, check_types
from emqa_core.ingest.class_columns import ClassPairs, classes_of
from emqa_core.ingest.columns import BOX, BOX_COLUMNS, Kind, canonical_names, content_of
from emqa_core.ingest.files import BLOCK_BYTES, ContentDigest, Files, combined_digest, list_files, open_source

CLASSES_KEY = b"emqa.classes"


@dataclass(frozen=True)
class RowGroup:
    """A row group of a source.

    file: index of its file; index: its own within the file; first_row: row of the source; n_bytes:
    unpacked. frame_min, frame_max: bounds of its frame ids, None without statistics or rows.
    """

    file: int
    index: int
    first_row: int
    n_rows: int
    n_bytes: int
    frame_min: int | str | None
    frame_max: int | str | None


@dataclass(frozen=True)
class ParquetSource:
    """An input table in Parquet files, known by their footers. Small; may travel to workers."""

    kind: Kind
    urls: tuple[str, ...]
    mapping: dict[str, str]
    files: Files
    file_schema: pa.Schema
    row_groups: tuple[RowGroup, ...]
    classes: ClassPairs | None
    n_bytes_stored: int

    @classmethod
    def open(cls, url: str, kind: Kind, mapping: Mapping[str, str], files: Files) -> ParquetSource:
        """Read the footers. Raises InputError for a file that is no Parquet or lacks a column."""
        urls = list_files(url, files)
        schemas: list[pa.Schema] = []
        row_groups: list[RowGroup] = []
        classes: dict[int | str, str] = {}
        for number, name in enumerate(urls):
            with open_source(name, files) as file:
                footer = _parquet_file(file, name)
                schema = footer.schema_arrow
                names = check_types(schema, kind, mapping, name, text_is_parsed=False)
                schemas.append(schema)
                first_row = row_groups[-1].first_row + row_groups[-1].n_rows if row_groups else 0
                key = next(name for name, canonical in names.items() if canonical == "frame_id")
                row_groups += _row_groups(footer.metadata, number, first_row, key)
                classes.update(_listed_classes(schema, name))
        return cls(
            kind=kind,
            urls=tuple(urls),
            mapping=dict(mapping),
            files=files,
            file_schema=_common_schema(schemas, url),
            row_groups=tuple(row_groups),
            classes=list(classes.items()) or None,
            n_bytes_stored=sum(files.size(name) for name in urls),
        )

    @property
    def n_rows(self) -> int:
        return sum(group.n_rows for group in self.row_groups)

    @property
    def n_bytes(self) -> int:
        """Bytes of the rows, unpacked."""
        return sum(group.n_bytes for group in self.row_groups)

    @property
    def is_clustered(self) -> bool:
        """Whether the row groups ascend by frame id and share no more than a frame at their borders."""
        filled = [group for group in self.row_groups if group.n_rows]
        if any(group.frame_min is None or group.frame_max is None for group in filled):
            return False
        return all(
            first.frame_max <= second.frame_min  # type: ignore[operator]
            for first, second in pairwise(filled)
        )

    def only(self, row_groups: Sequence[int]) -> ParquetSource:
        """The source as if it had no other row groups: what a worker needs, however many there are in all."""
        kept = [self.row_groups[index] for index in row_groups]
        files = sorted({group.file for group in kept}) or [0]
        place = {number: index for index, number in enumerate(files)}
        return replace(
            self,
            urls=tuple(self.urls[number] for number in files),
            row_groups=tuple(replace(group, file=place[group.file]) for group in kept),
            classes=None,
        )

    @cached_property
    def names(self) -> dict[str, str]:
        """Name in the files -> canonical or further name."""
        return canonical_names(self.kind, self.file_schema.names, self.mapping, self.urls[0])

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that `read` gives."""
        return self._canonical(self.file_schema.empty_table(), self.names, np.empty(0, np.int64)).schema

    @cached_property
    def digest(self) -> str:
        """Digest of the content: the store's etag and size, else SHA-256 of the bytes; no rows are read."""
        return combined_digest(_file_digest(url, self.files) for url in self.urls)

    def read(self, row_groups: Sequence[int] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of some row groups (all by default) as the input table, `input_index` running over all files.

        columns: canonical and further names to keep; all by default.
        """
        chosen = range(len(self.row_groups)) if row_groups is None else row_groups
        names = self.names if columns is None else self._names_of(columns)
        by_file: dict[int, list[RowGroup]] = {}
        for index in chosen:
            by_file.setdefault(self.row_groups[index].file, []).append(self.row_groups[index])
        tables = [self._read_file(number, groups, list(names)) for number, groups in by_file.items()]
        rows = _row_numbers([group for groups in by_file.values() for group in groups])
        if not tables:
            tables = [self.file_schema.empty_table().select(list(names))]
        result = self._canonical(pa.concat_tables(tables), names, rows)
        return result if columns is None else result.select([c for c in columns if c in result.column_names])

    def _names_of(self, columns: Sequence[str]) -> dict[str, str]:
        kept = {"frame_id", *columns} | ({BOX} if set(BOX_COLUMNS) & set(columns) else set())
        return {name: canonical for name, canonical in self.names.items() if canonical in kept}

    def _canonical(self, table: pa.Table, names: Mapping[str, str], rows: np.ndarray) -> pa.Table:
        return canonical_table(table, self.kind, names, self.urls[0], None, rows)

    def _read_file(self, number: int, groups: Sequence[RowGroup], names: list[str]) -> pa.Table:
        url = self.urls[number]
        with open_source(url, self.files) as file:
            reader = _parquet_file(file, url)
            present = [name for name in names if name in reader.schema_arrow.names]
            try:
                # On this thread: other threads have heaps of their own, of which nothing is used again here.
                table = reader.read_row_groups([group.index for group in groups], present, use_threads=False)
            except (OSError, pa.ArrowInvalid) as error:
                raise InputError(
                    f"{url} cannot be read: {error}", next_step="write or copy the file again"
                ) from error
        for name in names:
            if name not in present:
                table = table.append_column(name, pa.nulls(table.num_rows))
        target = pa.schema([self.file_schema.field(name) for name in names])
        return table.select(names).cast(target)

    def read_classes(self) -> ClassPairs:
        """The classes listed in the files' metadata, else those of the rows, by their columns alone."""
        if self.classes is not None:
            return self.classes
        names = [name for name in ("class_id", "class_name") if name in self.schema.names]
        return classes_of(self.distinct(names))

    def distinct(self, columns: Sequence[str]) -> pa.Table:
        """The values of some columns that occur together, each once, as they first occur."""
        groups = range(len(self.row_groups))
        pieces = [[index] for index in groups] if self.reads_alike(columns) else [groups]
        found = self.schema.empty_table().select(list(columns))
        for piece in pieces:
            here = self.read(piece, columns).select(list(columns))
            found = pa.concat_tables([found.cast(here.schema), here]).group_by(list(columns)).aggregate([])
        return found

    def reads_alike(self, columns: Sequence[str]) -> bool:
        """Whether some columns read the same row group by row group: none is judged by all of its values."""
        for name, canonical in self._names_of(columns).items():
            type_ = self.file_schema.field(name).type
            type_ = type_.value_type if pa.types.is_dictionary(type_) else type_
            content = content_of(self.kind, canonical) if canonical in columns else None
            is_whole = pa.types.is_integer(type_) and type_ != pa.uint64()
            is_text = pa.types.is_string(type_) or pa.types.is_large_string(type_)
            fits = {"id": is_whole or is_text, "whole": is_whole, "text": not pa.types.is_floating(type_)}
            if content in fits and not fits[content]:
                return False
        return True


def _parquet_file(file: object, url: str) -> pq.ParquetFile:
    try:
        # A store is asked for neighbouring columns at once; on a disk that would hold the whole file.
        return pq.ParquetFile(file, pre_buffer=not isinstance(file, pa.OSFile))
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{url} is no whole Parquet file: {error}", next_step="write or copy the file again"
        ) from error


def _row_groups(metadata: pq.FileMetaData, file: int, first_row: int, key: str) -> list[RowGroup]:
    paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    column = paths.index(key)
    groups = []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        statistics = group.column(column).statistics
        known = statistics is not None and statistics.has_min_max
        groups.append(
            RowGroup(
                file=file,
                index=index,
                first_row=first_row,
                n_rows=group.num_rows,
                n_bytes=group.total_byte_size,
                frame_min=statistics.min if known else None,
                frame_max=statistics.max if known else None,
            )
        )
        first_row += group.num_rows
    return groups


def _row_numbers(groups: Sequence[RowGroup]) -> np.ndarray:
    """Rows of the source in some row groups, (n,) int64."""
    if not groups:
        return np.empty(0, np.int64)
    if all(one.first_row + one.n_rows == two.first_row for one, two in pairwise(groups)):
        return np.arange(groups[0].first_row, groups[-1].first_row + groups[-1].n_rows)
    return np.concatenate([np.arange(g.first_row, g.first_row + g.n_rows) for g in groups])


def _listed_classes(schema: pa.Schema, url: str) -> dict[int | str, str]:
    text = (schema.metadata or {}).get(CLASSES_KEY)
    if text is None:
        return {}
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{url}: the list of classes in its metadata cannot be read: {error}",
            expected="a JSON list of pairs of id and name",
            found=text[:80].decode("utf-8", "replace"),
        ) from None


def _common_schema(schemas: Sequence[pa.Schema], url: str) -> pa.Schema:
    try:
        return pa.unify_schemas(
            [schema.remove_metadata() for schema in schemas], promote_options="permissive"
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(
            f"the files of {url} have different columns: {error}",
            expected="one type for each column",
            next_step="write the files with one schema",
        ) from None


def _file_digest(url: str, files: Files) -> str:
    etag = files.etag_or_none(url)
    if etag is not None:
        return hashlib.sha256(f"{etag} {files.size(url)}".encode()).hexdigest()
    digest = ContentDigest()
    block = memoryview(bytearray(BLOCK_BYTES))
    with open_source(url, files) as file:
        while n_bytes := file.readinto(block):  # type: ignore[attr-defined]
            digest.add(block[:n_bytes])
    return digest.hexdigest()
