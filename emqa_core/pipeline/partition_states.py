"""The states of finished partitions, left beside their scratch arrays for an attempt that comes later.

A state is written last, after the parts and arrays that it names with their sizes: where it is whole, the
partition is done. It says what it depends on, and is taken over only where that is the same: the digest of
the run, the versions of code and tables, the cut into partitions and the blocks of the score runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import emqa_core
from emqa_core.objects import Array
from emqa_core.pipeline.metric_rows import SampleState
from emqa_core.pipeline.plain_values import from_arrays, to_arrays
from emqa_core.pipeline.scratch import Scratch, StoredScratch
from emqa_core.reductions.class_counts import ClassCounts
from emqa_core.reductions.class_groups import ClassGroups
from emqa_core.reductions.class_pairs import ClassPairs
from emqa_core.reductions.distinct_values import DistinctValues
from emqa_core.reductions.row_sample import RowSample
from emqa_core.reductions.run_blocks import RunIndex
from emqa_core.reductions.score_levels import ScoreRange
from emqa_core.reductions.unit_totals import UnitTotals
from emqa_core.schema import SCHEMA_VERSION
from emqa_core.storage.parts import (
    Part,
    array_file,
    words_file,
    work_location,
    write_arrays,
    write_words,
)
from emqa_core.storage.pixel_cache import CachedFile
from emqa_core.storage.side_by_side import side_by_side

if TYPE_CHECKING:
    from emqa_core.pipeline.plan import Plan

_NAME = re.compile(r"state-(\d{5,})\.zip")
_KEY_LENGTH = 12


@dataclass(frozen=True)
class PartitionState:
    """What some partitions of one model leave: counts, parts, bad rows. Adds up in partition order.

    groups: None where intervals are off. parts: one of each fact table for each partition. runs: where the
    score runs of each lie, none of them where they stay in memory. cached: files of pixel statistics that
    were written, with their kind.
    """

    counts: ClassCounts
    groups: ClassGroups | None
    parts: tuple[Part, ...]
    quarantine: pa.Table
    n_frames: int
    n_labels: int
    n_predictions: int
    n_unlisted: int
    cpu_s: float
    sample: SampleState
    runs: tuple[RunIndex, ...]
    scores: ScoreRange
    cached: tuple[tuple[str, CachedFile], ...]

    def __add__(self, other: PartitionState) -> PartitionState:
        schemas = {part.table: part.schema for part in self.parts}
        return PartitionState(
            self.counts + other.counts,
            None if self.groups is None or other.groups is None else self.groups + other.groups,
            # A thousand equal schemas are as many megabytes.
            (*self.parts, *(replace(part, schema=schemas[part.table]) for part in other.parts)),
            pa.concat_tables([self.quarantine, other.quarantine])
            if other.quarantine.num_rows
            else self.quarantine,
            self.n_frames + other.n_frames,
            self.n_labels + other.n_labels,
            self.n_predictions + other.n_predictions,
            self.n_unlisted + other.n_unlisted,
            self.cpu_s + other.cpu_s,
            self.sample + other.sample,
            self.runs + other.runs,
            self.scores + other.scores,
            self.cached + other.cached,
        )

    def parts_of_partitions(self) -> tuple[dict[str, Part], ...]:
        """The parts of each partition, by table."""
        n_tables = len({part.table for part in self.parts})
        firsts = range(0, len(self.parts), n_tables)
        return tuple({part.table: part for part in self.parts[first : first + n_tables]} for first in firsts)


def add_states(
    some: Mapping[str, PartitionState], more: Mapping[str, PartitionState]
) -> dict[str, PartitionState]:
    """The states of every model over two runs of partitions that follow one another."""
    return {model: state + more[model] for model, state in some.items()}


_CLASSES = (
    CachedFile,
    ClassCounts,
    ClassGroups,
    ClassPairs,
    DistinctValues,
    Part,
    PartitionState,
    RowSample,
    RunIndex,
    SampleState,
    ScoreRange,
    UnitTotals,
)


@dataclass(frozen=True)
class RecordedScratch(StoredScratch):
    """Scratch that remembers how many bytes it wrote, by URL."""

    written: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, scratch: Scratch) -> Scratch:
        """For the arrays of one partition; scratch in memory is not recorded."""
        if not isinstance(scratch, StoredScratch):
            return scratch
        return cls(scratch.location, scratch.run_id, scratch.folder)

    def put(self, name: str, arrays: Mapping[str, Array]) -> None:
        file = array_file(self.location, self.run_id, self.path_of(name))
        self.written[file.url] = write_arrays(self.location, self.run_id, self.path_of(name), arrays)

    def put_words(self, name: str, words: Array) -> None:
        file = words_file(self.location, self.run_id, self.path_of(name))
        self.written[file.url] = write_words(self.location, self.run_id, self.path_of(name), words)


def attempt_key(plan: Plan, model: str) -> str:
    """What a partition's files depend on besides its index, as a digest: 64 hexadecimal digits."""
    described = {
        "digest": plan.digests[model],
        "code_version": emqa_core.__version__,
        "schema_version": SCHEMA_VERSION,
        "bounds": hashlib.sha256(plan.bounds.astype(np.int64).tobytes()).hexdigest(),
        "n_partitions": plan.n_partitions,
        "reduce_predictions": plan.config.cluster.reduce_predictions,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def part_name(attempt: str, index: int) -> str:
    """The name of a partition's parts.

    Another cut has other names: a process that lost its run, or a worker whose driver died, never writes
    over files of the process that took over.
    """
    return f"part-{index:05d}-{attempt[:_KEY_LENGTH]}"


def scratch_folder(attempt: str) -> str:
    """The folder of an attempt's scratch within the run's, for the same reason."""
    return attempt[:_KEY_LENGTH]


def leave_state(scratch: Scratch, attempt: str, index: int, state: PartitionState) -> None:
    """Leave the state of a partition whose parts and arrays are written; nothing for scratch in memory."""
    if not isinstance(scratch, RecordedScratch):
        return
    files = {part.path: part.n_bytes for part in state.parts}
    beginning = len(scratch.location.url) + 1
    files |= {url[beginning:]: n_bytes for url, n_bytes in scratch.written.items()}
    left = {"attempt": attempt, "files": files, "state": state}
    scratch.put(_name(index), to_arrays(left, _CLASSES))


@dataclass(frozen=True)
class TakenPartition:
    """A partition that an earlier attempt finished for every model of `scratch`.

    Its states are read where they are added up: a driver never holds all of them.
    """

    index: int
    scratch: Mapping[str, StoredScratch]

    def states(self) -> dict[str, PartitionState]:
        return {
            model: from_arrays(scratch.get(_name(self.index)), _CLASSES)["state"]
            for model, scratch in self.scratch.items()
        }


def _name(index: int) -> str:
    return f"state-{index:05d}"


def finished_partitions(
    scratch: StoredScratch, attempt: str, left: Mapping[str, int]
) -> dict[int, frozenset[str]]:
    """Partitions, by index, that can be taken over as they are, with the URLs of all their files.

    left: bytes of the run's files by URL.
    """
    folder = f"{work_location(scratch.location, scratch.run_id).child(scratch.folder).url}/"
    states = {}
    for url in left:
        match = _NAME.fullmatch(url.removeprefix(folder))
        if match:
            states[int(match[1])] = url
    files = side_by_side(lambda index: _files(scratch, attempt, index, left), states, scratch.location)
    return {
        index: frozenset({*found, states[index]})
        for index, found in zip(states, files, strict=True)
        if found is not None
    }


def _files(scratch: StoredScratch, attempt: str, index: int, left: Mapping[str, int]) -> list[str] | None:
    """URLs of the files that a state names; None where it does not fit or is not whole."""
    try:
        found = from_arrays(scratch.get(_name(index)), _CLASSES)
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError, TypeError):
        # Torn by a machine that lost its power, or of code with other fields: the partition is done again.
        return None
    if found["attempt"] != attempt:
        return None
    files = {scratch.location.child(path).url: n_bytes for path, n_bytes in found["files"].items()}
    if any(left.get(url) != n_bytes for url, n_bytes in files.items()):
        return None
    return list(files)
