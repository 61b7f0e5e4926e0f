"""The k rows with the smallest hash of their key: a sample that does not depend on the partitioning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emqa_core.keys import SALT_ROW_SAMPLE, salted
from emqa_core.objects import Array

SAMPLE_ROWS = 65_536
_MARGIN = 1.1


@dataclass(frozen=True)
class RowSample:
    """Up to k rows, ascending by hash (m,) uint64, with named columns (m,). All rows while n <= k."""

    k: int
    hashes: Array
    columns: Mapping[str, Array]

    @classmethod
    def of(cls, key_hash: Array, columns: Mapping[str, Array], k: int = SAMPLE_ROWS) -> RowSample:
        """Of rows with the hash of their key (n,) uint64; every column (n,).

        Columns keep their types; the same names and types in every partition.
        """
        hashes = salted(np.ascontiguousarray(key_hash, np.uint64), SALT_ROW_SAMPLE)
        rows = np.arange(len(hashes))
        if len(hashes) > k:
            # Hashes are spread evenly: few rows lie below a bound that a little more than k should.
            below = np.flatnonzero(hashes <= np.uint64(min(_MARGIN * k / len(hashes), 0.999) * 2.0**64))
            rows = below if len(below) >= k else rows
            rows = rows[hashes[rows] <= np.partition(hashes[rows], k - 1)[k - 1]]
        rows = rows[np.argsort(hashes[rows], kind="stable")][:k]
        return cls(k, hashes[rows], {name: column[rows] for name, column in columns.items()})

    def __len__(self) -> int:
        return len(self.hashes)

    def __add__(self, other: RowSample) -> RowSample:
        hashes = np.concatenate([self.hashes, other.hashes])
        rows = np.argsort(hashes, kind="stable")[: self.k]
        return RowSample(
            self.k,
            hashes[rows],
            {
                name: np.concatenate([column, other.columns[name]])[rows]
                for name, column in self.columns.items()
            },
        )

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        return {
            f"{prefix}.k": np.array([self.k]),
            f"{prefix}.hashes": self.hashes,
            **{f"{prefix}.column.{name}": column for name, column in self.columns.items()},
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, Array]) -> RowSample:
        start = f"{prefix}.column."
        return cls(
            int(arrays[f"{prefix}.k"][0]),
            arrays[f"{prefix}.hashes"],
            {name.removeprefix(start): column for name, column in arrays.items() if name.startswith(start)},
        )
