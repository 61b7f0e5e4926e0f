"""What the nearest embeddings tell: how unlike others a frame is, whether objects alike have one class.

Vectors are compared by cosine. Up to 50,000 of them every pair is; beyond, an index is asked for the likely
ones, and how many of the true ones it finds is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emqa_core import keys
from emqa_core.errors import PlanError
from emqa_core.objects import Array

MOST_EXACT = 50_000
N_NEAREST = 10  # objects whose classes are compared
_N_RECALL = 1_000  # vectors by which recall is measured
_N_TRAINING = 100_000
_PROBED_SHARE = 0.06  # of the cells of the index that each vector looks into
_AT_ONCE = 8_192
_MOST_WHOLE_BYTES = 1 << 30


@dataclass(frozen=True)
class Vectors:
    """m vectors of length 1, (m, d) float32, with what names them.

    row (m,) int64: the row of each in its partition. code (m,) int32: class. key (m,) uint64: hash of its
    key.
    """

    vectors: Array
    row: Array
    code: Array
    key: Array

    def __len__(self) -> int:
        return len(self.row)


def unit_vectors(values: Array, code: Array, key: Array) -> Vectors:
    """Vectors (n, d) scaled to length 1; those that are null, zero or not finite (NaN) are left out."""
    # A block at a time: in float64 they take twice the room.
    length = np.empty(len(values))
    for start in range(0, len(values), _AT_ONCE):
        block = values[start : start + _AT_ONCE].astype(np.float64)
        length[start : start + _AT_ONCE] = np.sqrt((block * block).sum(axis=1))
    row = np.flatnonzero(np.isfinite(length) & (length > 0))
    unit = np.empty((len(row), values.shape[1]), np.float32)
    for start in range(0, len(row), _AT_ONCE):
        chosen = row[start : start + _AT_ONCE]
        unit[start : start + _AT_ONCE] = values[chosen].astype(np.float64) / length[chosen, None]
    return Vectors(unit, row, code[row], key[row])


@dataclass(frozen=True)
class Nearest:
    """The nearest others of some vectors.

    cosine (m, k) float32 descending, place (m, k) int64 among all vectors; -1 and NaN where there are fewer.
    """

    cosine: Array
    place: Array


def index_bytes(n: int, d: int) -> int:
    """What the index of n vectors of length d takes, besides the vectors that it learns from."""
    is_whole = n <= MOST_EXACT or 4 * n * d <= _MOST_WHOLE_BYTES
    return n * (d * (4 if is_whole else 1) + 16) + min(n, _N_TRAINING) * d * 4


def check_fits(n: int, d: int, max_bytes: float) -> None:
    """Raise PlanError for vectors whose index takes more than `max_bytes`."""
    if (needed := index_bytes(n, d)) > max_bytes:
        raise PlanError(
            f"{n:,} embeddings of {d:,} numbers need {needed / 2**30:.1f} GiB",
            expected=f"at most {max_bytes / 2**30:.1f} GiB, half of what a worker has",
            next_step="raise cluster.memory_per_worker_mib, or leave `embeddings` out of metrics",
        )


class NearestIndex:
    """All vectors of a source, added batch by batch in their order, to be asked for nearest others.

    n: how many there will be, d: their length. Whole vectors are kept up to a GiB, beyond it a byte for each
    number. Deterministic: one thread, a fixed seed.
    """

    def __init__(self, n: int, d: int, training: Array) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.is_exact = n <= MOST_EXACT
        self._index: Any
        if self.is_exact:
            self._index = faiss.IndexFlatIP(d)
            return
        n_cells = int(min(4 * np.sqrt(n), len(training) / 40))
        cells = faiss.IndexFlatIP(d)
        if 4 * n * d <= _MOST_WHOLE_BYTES:
            self._index = faiss.IndexIVFFlat(cells, d, n_cells, faiss.METRIC_INNER_PRODUCT)
        else:
            self._index = faiss.IndexIVFScalarQuantizer(
                cells, d, n_cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
            )
        self._index.train(training)
        self._index.nprobe = max(8, int(n_cells * _PROBED_SHARE))

    def add(self, vectors: Array) -> None:
        if len(vectors):
            self._index.add(vectors)

    def nearest(self, vectors: Array, first: int, k: int) -> Nearest:
        """The k nearest others of vectors that stand at first, first + 1, ... among those added."""
        near, at = self._index.search(vectors, k + 1)
        cosine, place = _without_own(near, at, np.arange(first, first + len(vectors)))
        cosine[place < 0] = np.nan
        return Nearest(cosine, place)


def blocks(batches: Iterable[Array]) -> Iterator[Array]:
    """The vectors of all batches, 8,192 at a time.

    A matrix product may round otherwise in another shape: so it does not matter how the batches were cut.
    """
    held: list[Array] = []
    n_held = 0
    for batch in batches:
        start = 0
        while n_held + len(batch) - start >= _AT_ONCE:
            end = start + _AT_ONCE - n_held
            yield np.concatenate([*held, batch[start:end]])
            held, n_held, start = [], 0, end
        if start < len(batch):
            held.append(batch[start:])
            n_held += len(batch) - start
    if held:
        yield np.concatenate(held)


def _without_own(cosine: Array, place: Array, own: Array) -> tuple[Array, Array]:
    """k + 1 found of each without the vector itself, which equal ones may have pushed out: then the last."""
    is_own = place == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    shape = (len(own), place.shape[1] - 1)
    return cosine[~is_own].reshape(shape), place[~is_own].reshape(shape)


def uniqueness(nearest: Nearest) -> Array:
    """(1 - cosine) / 2 of the nearest other, (m,) float32; NaN for a vector that is alone."""
    return np.asarray(np.clip((1.0 - nearest.cosine[:, 0]) / 2.0, 0.0, 1.0), np.float32)


def label_agreement(nearest: Nearest, code: Array, all_codes: Array) -> Array:
    """Share of the nearest others that have the class, (m,) float32; NaN for a vector that is alone.

    code (m,): classes of the vectors asked for; all_codes: of all, in their order.
    """
    is_there = nearest.place >= 0
    same = (all_codes[nearest.place] == code[:, None]) & is_there
    n = is_there.sum(axis=1)
    share = np.divide(same.sum(axis=1), n, out=np.full(len(code), np.nan), where=n > 0)
    return share.astype(np.float32)


def training_sample(batches: Iterator[Vectors], n: int) -> Array:
    """Vectors to learn an index from, at most 100,000: those with the lowest hashes of their keys."""
    most = (1 << 64) - 1 if n <= _N_TRAINING else int((1 << 64) * (_N_TRAINING / n))
    kept = [batch.vectors[batch.key <= np.uint64(most)] for batch in batches]
    return np.concatenate(kept)


def measured_recall(index: NearestIndex, batches: Callable[[], Iterator[Vectors]], n: int, k: int) -> float:
    """Share of the true k nearest others that the index finds, for some 1,000 vectors chosen by key."""
    if index.is_exact:
        return 1.0
    import faiss

    limit = np.uint64(int(((1 << 64) - 1) * min(1.0, _N_RECALL / n)))
    asked, places, first = [], [], 0
    for batch in batches():
        chosen = np.flatnonzero(keys.salted(batch.key, keys.SALT_RECALL) <= limit)
        asked.append(batch.vectors[chosen])
        places.append(first + chosen)
        first += len(batch)
    queries, own = np.concatenate(asked), np.concatenate(places)
    heap = faiss.ResultHeap(len(queries), k + 1, keep_max=True)
    first = 0
    for batch in batches():
        if len(batch):
            flat = faiss.IndexFlatIP(queries.shape[1])
            flat.add(batch.vectors)
            cosine, place = flat.search(queries, min(k + 1, len(batch)))
            heap.add_result(cosine, np.where(place >= 0, place + first, -1))
        first += len(batch)
    heap.finalize()
    _, true = _without_own(heap.D, heap.I, own)
    found = [
        set(index.nearest(queries[i : i + 1], int(own[i]), k).place[0].tolist()) for i in range(len(own))
    ]
    hits = sum(len(some & set(row.tolist())) for some, row in zip(found, true, strict=True))
    return hits / max(true.size, 1)
