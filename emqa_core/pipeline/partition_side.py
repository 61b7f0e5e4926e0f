"""One side of a partition, its labels or predictions: read, checked, in evaluation order, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from emqa_core import keys
from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.ingest.class_columns import class_codes
from emqa_core.ingest.columns import BOX_COLUMNS
from emqa_core.ingest.quarantine import UNKNOWN_CLASS, BadRows, combine_quarantine
from emqa_core.ingest.validate import VALIDATE_OBJECTS
from emqa_core.objects import Array, Frames, Labels, Predictions
from emqa_core.pipeline.inputs import RowSlice
from emqa_core.pipeline.rows import SortedRows, bool_array, float_array, frame_of_rows, sort_rows

_CODED = ("frame_id", "class_id", "class_name")


@dataclass(frozen=True)
class ClassChoice:
    """Which classes count.

    listed: all of the label set. selected: those to evaluate. unlisted: what becomes of rows of classes
    that are not listed, as in the options.
    """

    listed: ClassList
    selected: ClassList
    unlisted: str

    def selected_code(self, listed_code: Array) -> Array:
        """Code among the selected classes of each code among the listed ones, -1 for none, (n,) int32."""
        if self.selected.ids == self.listed.ids:
            return listed_code
        codes = [self.selected.code_of.get(class_id, -1) for class_id in self.listed.ids]
        return np.array([*codes, -1], np.int32)[listed_code]  # the last one stands for code -1


@dataclass(frozen=True)
class PartitionSide:
    """Rows of one source in evaluation order, and what was left out.

    class_code (n,) int32: code among the selected classes.
    """

    kind: str
    rows: SortedRows
    class_code: Array
    quarantine: pa.Table
    n_unlisted: int

    @classmethod
    def read(cls, kind: str, source: RowSlice, frame_ids: pa.Array, classes: ClassChoice) -> PartitionSide:
        """The good rows of the selected classes. kind: `label` or `prediction`."""
        table = source.read()
        bad = []
        if not source.is_checked:
            table, quarantine = VALIDATE_OBJECTS[kind](table, frame_ids)
            bad.append(quarantine)
        code = class_codes(table, classes.listed)
        n_unlisted = int(np.count_nonzero(code < 0))
        if n_unlisted and classes.unlisted == "quarantine":
            bad.append(_unlisted_rows(table.filter(pa.array(code < 0)), kind))
            n_unlisted = 0
        selected = classes.selected_code(code)
        if len(selected) and selected.min() < 0:
            kept = pa.array(selected >= 0)
            table, selected = table.filter(kept), selected[selected >= 0]
        frame = frame_of_rows(combined(table["frame_id"]), frame_ids)
        # Codes stand for ids from here on; what held the ids serves the arrays to come.
        table = table.drop_columns([name for name in _CODED if name in table.schema.names])
        rows = sort_rows(table.append_column("__class_code", pa.array(selected)), frame, len(frame_ids))
        code = combined(rows.table["__class_code"]).to_numpy()
        rows = SortedRows(rows.table.drop_columns(["__class_code"]), rows.frame, rows.frame_start)
        return cls(kind, rows, code, combine_quarantine(bad), n_unlisted)

    def as_stored(self) -> PartitionSide:
        """The same rows with boxes in float32, as fact tables keep them."""
        table = self.rows.table
        for name in BOX_COLUMNS:
            position = table.schema.get_field_index(name)
            table = table.set_column(position, name, table[name].cast(pa.float32()))
        return replace(self, rows=replace(self.rows, table=table))

    def labels(self, frames: Frames, *, is_measured: bool) -> Labels:
        """The rows as labels; is_measured: whether a metric needs the hashes of their keys."""
        arrays = self._object_arrays(frames, is_measured)
        area = float_array(self.rows.table, "area_px2")
        area = np.where(np.isnan(area), arrays["width"] * arrays["height"], area)
        return Labels(
            **arrays,
            area=area,
            is_crowd=bool_array(self.rows.table, "is_crowd"),
            is_ignored=bool_array(self.rows.table, "is_ignored"),
        )

    def predictions(self, frames: Frames, *, is_measured: bool) -> Predictions:
        """The rows as predictions; is_measured: whether a metric needs the hashes of their keys."""
        return Predictions(
            **self._object_arrays(frames, is_measured), score=float_array(self.rows.table, "score")
        )

    def boxes(self) -> dict[str, Array]:
        """x, y, width and height in px, (n,) float64 each."""
        table = self.rows.table
        return {name.removesuffix("_px"): float_array(table, name) for name in BOX_COLUMNS}

    def _object_arrays(self, frames: Frames, is_measured: bool) -> dict[str, Array]:
        table = self.rows.table
        key_hash = np.empty(0, np.uint64)
        if is_measured:
            object_hash = keys.hash_column(table[f"{self.kind}_id"])
            key_hash = keys.hash_objects(frames.key_hash, self.rows.frame, object_hash)
        return {
            "frame_start": self.rows.frame_start,
            "class_code": self.class_code,
            **self.boxes(),
            "key_hash": key_hash,
        }


def _unlisted_rows(table: pa.Table, kind: str) -> pa.Table:
    bad = BadRows(kind)
    column = "class_id" if "class_id" in table.column_names else "class_name"
    names = ("input_index", column, "frame_id", f"{kind}_id")
    for row, named, frame_id, object_id in zip(*(table[name].to_pylist() for name in names), strict=True):
        bad.add(row, UNKNOWN_CLASS, column, named, frame_id, object_id)
    return bad.table()
