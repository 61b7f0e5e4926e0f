"""Rows of JSON objects, from typed structs in the ordinary case, as the columns of an input table.

The struct of a block is made of the keys and types seen so far, and refuses anything else; a block that
it refuses is read loosely, its bad rows go to quarantine, and what is new in it widens the struct.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, Union

import msgspec
import numpy as np
import pyarrow as pa

from emqa_core.errors import InputError
from emqa_core.ingest import quarantine
from emqa_core.ingest.arrow_columns import ARROW_TYPE, complete_table, unified
from emqa_core.ingest.columns import (
    BOX,
    BOX_COLUMNS,
    OBJECT_ID,
    Content,
    Kind,
    canonical_names,
    content_of,
)
from emqa_core.ingest.first_rows import FirstRows
from emqa_core.ingest.json_numbers import NumberDecoder, NumberField, NumberKind, NumberRows
from emqa_core.ingest.json_stream import Block, RowDecoder
from emqa_core.ingest.json_values import column_of
from emqa_core.ingest.quarantine import BadRows

_Row = dict[str, Any]
_SCALARS = (int, float, str, bool)
_NUMPY = {int: np.int64, float: np.float64}  # not bool: NumPy makes False of None


@dataclass(frozen=True)
class _Field:
    """A key of the rows: its canonical name (None: left out), what that holds, its attribute and type."""

    key: str
    canonical: str | None
    content: Content | None
    attribute: str
    type: Any  # of a typed row; msgspec.Raw for values that are passed over

    @property
    def is_required(self) -> bool:
        """Whether a row without it is bad, so that its block is read loosely."""
        return self.canonical in ("frame_id", "class_id", "score", BOX, *BOX_COLUMNS)

    @property
    def number_kind(self) -> NumberKind | None:
        """What a row of numbers alone has under the key; None where it may hold anything else."""
        if self.content == "box":
            return "box"
        if self.type not in _NUMPY or self.content == "text":
            return None
        if self.content == "flag":
            return "flag" if self.type is int else None
        if self.content in ("id", "whole") and self.type is not int:
            return None
        return "whole" if self.type is int else "number"


class JsonRows:
    """The rows of one source, gathered block by block over one or several files."""

    def __init__(
        self, kind: Kind, mapping: Mapping[str, str], bad: BadRows, layout: Mapping[str, str] | None = None
    ) -> None:
        """`mapping`, `layout`: as for `canonical_names`."""
        self.kind = kind
        self.bad = bad
        self.n_rows = 0
        self._mapping = mapping
        self._layout = layout or {}
        self._source = ""
        self._first_rows: FirstRows | None = None
        self._seen: dict[str, set[type]] = {}
        self._names: dict[str, str] = {}
        self._chunks: list[tuple[np.ndarray, dict[str, pa.Array]]] = []
        self._widen()

    def begin(self, source: str) -> None:
        """The next file; `source` names it in errors."""
        self._source = source
        self._first_rows = FirstRows()

    def decoder(self) -> RowDecoder:
        """The decoder of the next block: a list of typed rows, or columns of numbers."""
        return self._decoder

    def add(self, block: Block) -> None:
        """Take in a block. Raises InputError where the file's first rows lack a column altogether."""
        arrays: dict[str, pa.Array] | None = None
        if isinstance(block.rows, NumberRows):
            arrays = self._number_arrays(block.rows)
        elif block.typed:
            arrays = self._typed_arrays(block.rows)
        if arrays is not None:
            kept = np.arange(self.n_rows, self.n_rows + len(block.rows))
            self._count_typed(len(block.rows))
        else:
            rows = [self._loosened(row) for row in block.rows] if block.typed else list(block.rows)
            kept, arrays = self._loose_arrays(rows)
        self._chunks.append((kept, arrays))
        self.n_rows += len(block.rows)
        if self._first_rows is not None and self._first_rows.are_enough:
            self._check_first_rows()

    def end(self) -> None:
        """The file's end. Raises InputError where all its rows lack a column."""
        self._check_first_rows()

    def table(self) -> pa.Table:
        """The input table of the rows that could be read."""
        rows = np.concatenate([kept for kept, _ in self._chunks]) if self._chunks else np.empty(0, np.int64)
        names = list(dict.fromkeys(name for _, arrays in self._chunks for name in arrays))
        columns: dict[str, pa.ChunkedArray] = {}
        for name in names:
            parts = [arrays[name] if name in arrays else pa.nulls(len(kept)) for kept, arrays in self._chunks]
            column = unified(parts)
            if pa.types.is_null(column.type):
                content = content_of(self.kind, name)
                if content is None:
                    continue
                column = column.cast(ARROW_TYPE[content])
            columns[name] = column
        if not columns:
            return empty_table(self.kind)
        return complete_table(pa.table(columns), self.kind, rows).combine_chunks()

    def _widen(self) -> None:
        self._fields = [
            self._field(position, key, types) for position, (key, types) in enumerate(self._seen.items())
        ]
        struct = msgspec.defstruct(
            "Row",
            [_declaration(field) for field in self._fields],
            rename={field.attribute: field.key for field in self._fields},
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        structs = msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]
        numbers = [NumberField(field.key, kind) for field in self._fields if (kind := field.number_kind)]
        of_numbers = bool(numbers) and len(numbers) == len(self._fields)
        self._decoder: RowDecoder = NumberDecoder(numbers, structs) if of_numbers else structs

    def _field(self, position: int, key: str, types: set[type]) -> _Field:
        canonical = self._names.get(key)
        content = content_of(self.kind, canonical) if canonical else None
        type_: Any
        if canonical is None or (content is None and types & {list, dict} and not types & set(_SCALARS)):
            type_ = msgspec.Raw
        elif content == "box":
            type_ = tuple[float, float, float, float]
        elif content == "number":
            type_ = float
        else:
            scalars = [scalar for scalar in _SCALARS if scalar in types] or [int]
            if scalars == [int, float]:
                scalars = [float]
            type_ = Union[tuple(scalars)]  # noqa: UP007 - built at run time
        return _Field(key, canonical, content, f"field_{position}", type_)

    def _number_arrays(self, rows: NumberRows) -> dict[str, pa.Array]:
        arrays: dict[str, pa.Array] = {}
        for field, column in zip(self._fields, rows.columns, strict=True):
            if field.content == "box":
                arrays.update(zip(BOX_COLUMNS, map(pa.array, column), strict=True))
            else:
                arrays[field.canonical or field.key] = pa.array(column)
        return arrays

    def _typed_arrays(self, rows: list[Any]) -> dict[str, pa.Array] | None:
        """Columns of typed rows; None where a value does not fit its column after all."""
        arrays: dict[str, pa.Array] = {}
        for field in self._fields:
            if field.type is msgspec.Raw:
                continue
            values = map(attrgetter(field.attribute), rows)
            if field.content == "box":
                flat = np.fromiter(chain.from_iterable(values), np.float64, 4 * len(rows))
                sides = np.ascontiguousarray(flat.reshape(-1, 4).T)
                arrays.update(zip(BOX_COLUMNS, map(pa.array, sides), strict=True))
                continue
            array = _fast_array(field, values, len(rows))
            if array is None:
                listed = list(map(attrgetter(field.attribute), rows))
                array, misfits = column_of(field.content, listed)
                if misfits:
                    return None
            arrays[field.canonical or field.key] = array
        return arrays

    def _loosened(self, row: Any) -> _Row:
        return {
            field.key: _loose_value(getattr(row, field.attribute))
            for field in self._fields
            if field.type is not msgspec.Raw
        }

    def _loose_arrays(self, rows: list[Any]) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Row numbers and columns of the rows that fit; the others go to quarantine."""
        faults: dict[int, tuple[str, str, Any]] = {}
        objects: list[_Row] = []
        for position, row in enumerate(rows):
            if isinstance(row, dict):
                objects.append(row)
            else:
                objects.append({})
                faults[position] = (quarantine.NOT_AN_OBJECT, "row", row)
        if self._first_rows is not None:
            self._first_rows.count_rows(len(rows), [rows[position] for position in faults])
        self._look_at(objects)
        arrays: dict[str, pa.Array] = {}
        for key, canonical in self._names.items():
            content = content_of(self.kind, canonical)
            values = [row.get(key) for row in objects]
            array, misfits = column_of(content, values)
            if self._first_rows is not None:
                n_values = sum(value is not None for value in values)
                self._first_rows.count(key, n_values, [values[row] for row in misfits])
            for position in misfits:
                faults.setdefault(
                    position, (quarantine.misfit_reason(canonical), canonical, values[position])
                )
            if canonical == BOX:
                flat = array.flatten() if array.null_count == 0 else _flat_with_nulls(array)
                for side, name in enumerate(BOX_COLUMNS):
                    arrays[name] = flat.take(pa.array(np.arange(side, 4 * len(rows), 4)))
            else:
                arrays[canonical] = array
        kept = np.setdiff1d(np.arange(len(rows)), np.array(list(faults), np.int64))
        for position, (reason, column, value) in sorted(faults.items()):
            row = objects[position]
            self.bad.add(
                self.n_rows + position,
                reason,
                column,
                value,
                self._found(row, "frame_id"),
                self._found(row, OBJECT_ID[self.kind]),
            )
        if faults:
            arrays = {name: array.take(pa.array(kept)) for name, array in arrays.items()}
        return self.n_rows + kept, arrays

    def _look_at(self, rows: list[_Row]) -> None:
        """Learn keys and types; raise InputError where the first block of a file lacks a column."""
        for row in rows:
            for key, value in row.items():
                self._seen.setdefault(key, set()).add(type(value))
        names = canonical_names(self.kind, self._seen, self._mapping, self._source, self._layout)
        for key, canonical in self._names.items():
            if names.get(key) != canonical:
                raise InputError(
                    f"{self._source}: the same thing stands under two keys, {key!r} and another one",
                    expected=f"one key for {canonical!r} in all rows",
                    found=", ".join(sorted(self._seen)),
                    next_step=f"name the right one under columns.{self.kind}.{canonical}",
                )
        self._names = names
        self._widen()
        if self._first_rows is not None:
            self._first_rows.keys.update(key for row in rows for key in row)

    def _check_first_rows(self) -> None:
        if self._first_rows is not None:
            self._first_rows.check(self.kind, self._names, self._mapping, self._source)
            self._first_rows = None

    def _count_typed(self, n_rows: int) -> None:
        """A typed row has every key that its struct requires, and nothing that does not fit."""
        if self._first_rows is not None:
            self._first_rows.count_rows(n_rows)
            for field in self._fields:
                if field.canonical is not None:
                    self._first_rows.count(field.key, n_rows, ())
                    if field.is_required:
                        self._first_rows.keys.add(field.key)

    def _found(self, row: _Row, canonical: str) -> object:
        return next((row.get(key) for key, name in self._names.items() if name == canonical), None)


def empty_table(kind: Kind) -> pa.Table:
    """An input table without rows, with integer ids."""
    columns = {"frame_id": pa.array([], pa.int64())}
    if kind != "frame":
        columns["class_id"] = pa.array([], pa.int64())
        columns.update({name: pa.array([], pa.float64()) for name in BOX_COLUMNS})
    if kind == "prediction":
        columns["score"] = pa.array([], pa.float64())
    return complete_table(pa.table(columns), kind, np.empty(0, np.int64))


def _declaration(field: _Field) -> tuple[Any, ...]:
    if field.type is msgspec.Raw:
        return field.attribute, msgspec.Raw, msgspec.field(default=msgspec.Raw(b"null"))
    if field.is_required:
        return field.attribute, field.type
    return field.attribute, field.type | None, None


def _fast_array(field: _Field, values: Any, n: int) -> pa.Array | None:
    """Numbers without nulls straight through NumPy; None for everything else."""
    if field.type not in _NUMPY or field.content == "text":
        return None
    if field.content in ("id", "whole") and field.type is not int:
        return None
    try:
        array: np.ndarray = np.fromiter(values, _NUMPY[field.type], n)
    except (TypeError, OverflowError):  # a null, or a whole number beyond 64 bits
        return None
    if field.content == "flag":
        if not np.isin(array, (0, 1)).all():
            return None
        array = array != 0
    return pa.array(array)


def _loose_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _flat_with_nulls(boxes: pa.Array) -> pa.Array:
    """Four values for each box, null ones for a box that is null."""
    return pa.array([side for box in boxes.to_pylist() for side in (box or [None] * 4)], pa.float64())
