"""Where a stage leaves arrays for the next one: this process's memory, or beside the output.

Names are computed from the partition, so that a task that runs twice writes the same thing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emqa_core.objects import Array
from emqa_core.storage.location import Location
from emqa_core.storage.parts import read_arrays, read_words, write_arrays, write_words


class Scratch(Protocol):
    """Named groups of arrays."""

    def put(self, name: str, arrays: Mapping[str, Array]) -> None: ...

    def get(self, name: str, columns: Sequence[str] | None = None) -> dict[str, Array]: ...

    def put_words(self, name: str, words: Array) -> None:
        """Leave one array of uint64, of which stretches are read."""

    def get_words(self, stretches: Sequence[tuple[str, int, int]]) -> list[Array]:
        """Words start:stop of several arrays, from (name, start, stop)."""


@dataclass(frozen=True)
class MemoryScratch:
    """In this process: for runs without a cluster whose arrays fit the memory promised."""

    groups: dict[str, dict[str, Array]] = field(default_factory=dict)

    def put(self, name: str, arrays: Mapping[str, Array]) -> None:
        self.groups[name] = dict(arrays)

    def get(self, name: str, columns: Sequence[str] | None = None) -> dict[str, Array]:
        group = self.groups[name]
        return dict(group) if columns is None else {column: group[column] for column in columns}

    def put_words(self, name: str, words: Array) -> None:
        self.groups[name] = {"words": words}

    def get_words(self, stretches: Sequence[tuple[str, int, int]]) -> list[Array]:
        return [self.groups[name]["words"][start:stop] for name, start, stop in stretches]


@dataclass(frozen=True)
class StoredScratch:
    """Beside the output, in the folder of the run's attempt, or in a folder there."""

    location: Location
    run_id: str
    folder: str = ""

    def path_of(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def put(self, name: str, arrays: Mapping[str, Array]) -> None:
        write_arrays(self.location, self.run_id, self.path_of(name), arrays)

    def get(self, name: str, columns: Sequence[str] | None = None) -> dict[str, Array]:
        return read_arrays(self.location, self.run_id, self.path_of(name), columns)

    def put_words(self, name: str, words: Array) -> None:
        write_words(self.location, self.run_id, self.path_of(name), words)

    def get_words(self, stretches: Sequence[tuple[str, int, int]]) -> list[Array]:
        paths = [(self.path_of(name), start, stop) for name, start, stop in stretches]
        return read_words(self.location, self.run_id, paths)
