"""Columns of a run's tables as arrays in the order that a page uses: by class and by IoU threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.objects import Array
from emqa_core.report.view import SAME_THRESHOLD
from emqa_core.storage.runs import Run


@dataclass(frozen=True)
class Order:
    """Classes in the order of the run, its IoU thresholds ascending, and which of them is the chosen T."""

    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    thresholds: Array
    chosen: int

    @classmethod
    def of(cls, run: Run) -> Order:
        """As table class_performance has them."""
        table = run.table("class_performance", columns=["class_id", "class_name", "iou_threshold"])
        ids, names = (table[name].to_pylist() for name in ("class_id", "class_name"))
        classes = {i: name for i, name in zip(ids, names, strict=True) if i is not None}
        thresholds = np.array(sorted({t for t in table["iou_threshold"].to_pylist() if t is not None}))
        chosen = float(run.table("run", columns=["iou_threshold"])["iou_threshold"][0].as_py())
        place = int(np.abs(thresholds - chosen).argmin()) if len(thresholds) else 0
        return cls(tuple(classes), tuple(classes.values()), thresholds, place)

    @property
    def n_classes(self) -> int:
        return len(self.class_ids)

    @property
    def n_thresholds(self) -> int:
        return len(self.thresholds)

    def scope_of(self, table: pa.Table) -> Array:
        """Scope of each row, (n,) int64: 0 for all classes, else 1 + the class's place."""
        return 1 + self.class_of(table, "class_id")

    def class_of(self, table: pa.Table, column: str) -> Array:
        """Place of each row's class, (n,) int64; -1 where it is null."""
        return place_of(table, column, self.class_ids)

    def threshold_of(self, table: pa.Table) -> Array:
        """Place of each row's IoU threshold, (n,) int64; the number of thresholds where it is null."""
        values = numbers(table, "iou_threshold")
        place = np.searchsorted(self.thresholds, values - SAME_THRESHOLD)
        return np.where(np.isnan(values), self.n_thresholds, place)


def place_of(table: pa.Table, column: str, known: Sequence[str]) -> Array:
    """Place of each row's text among known ones, (n,) int64; -1 where it is none of them."""
    found = pc.index_in(text(table, column), pa.array(list(known), pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)


def text(table: pa.Table, column: str) -> pa.Array:
    """A text column without its dictionary."""
    values = combined(table[column])
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values


def numbers(table: pa.Table, column: str) -> Array:
    """A column as float64, NaN for null."""
    values = combined(table[column]).cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def counts(table: pa.Table, column: str) -> Array:
    """A column of whole numbers as int64, 0 for null."""
    return np.asarray(pc.fill_null(combined(table[column]), 0).to_numpy(zero_copy_only=False), np.int64)


def rows_of(table: pa.Table, column: str, value: str) -> pa.Table:
    """The rows whose text column has a value."""
    return table.filter(pc.equal(text(table, column), value))


def spread(shape: Sequence[int], places: Sequence[Array], values: Array, empty: float) -> Array:
    """Values at their places in an array of that shape, `empty` elsewhere."""
    out = np.full(shape, empty, values.dtype)
    out[tuple(places)] = values
    return out
