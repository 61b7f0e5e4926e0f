"""Columns of any Arrow table as the canonical ones, with rows that do not fit told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.errors import InputError
from emqa_core.ingest import quarantine
from emqa_core.ingest.columns import (
    BOX_COLUMNS,
    COLUMNS,
    EMBEDDING,
    OBJECT_ID,
    Content,
    Kind,
    canonical_names,
    check_columns,
    content_of,
)
from emqa_core.ingest.quarantine import BadRows

ARROW_TYPE: dict[Content, pa.DataType] = {
    "id": pa.int64(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    "box": pa.list_(pa.float64(), 4),
}
_EXPECTED: dict[Content, str] = {
    "id": "whole numbers or text",
    "whole": "whole numbers",
    "number": "numbers",
    "flag": "true and false, or 1 and 0",
    "text": "text",
    "box": "lists of four numbers",
}


def canonical_table(
    table: pa.Table, kind: Kind, names: Mapping[str, str], source: str, bad: BadRows | None, rows: np.ndarray
) -> pa.Table:
    """A table as read -> the input table: canonical names and types, generated columns, further columns.

    names: of `canonical_names`. rows (n,) int64: row of the source of each row. Rows whose values cannot
    be read go to `bad`; without `bad` such a value becomes null, which validation finds. Raises
    InputError for a column of the wrong type throughout. Lists and structs other than a
    box and an embedding are left out.
    """
    good = np.ones(table.num_rows, bool)
    columns: dict[str, pa.ChunkedArray] = {}
    faults: list[tuple[str, pa.ChunkedArray, np.ndarray]] = []
    for name, canonical in names.items():
        column = table[name]
        content = content_of(kind, canonical)
        if content is None:
            if not pa.types.is_nested(column.type) or canonical == EMBEDDING:
                columns[canonical] = column
            continue
        converted, misfit = _convert(content, column)
        columns.update(zip(BOX_COLUMNS if content == "box" else (canonical,), converted, strict=True))
        if misfit is None:
            continue
        if misfit.sum() == len(column) - column.null_count or (bad is None and content == "flag"):
            raise wrong_type(source, name, content, _first_value(column.filter(pa.array(misfit))))
        if bad is not None:
            faults.append((canonical, column, misfit & good))
            good &= ~misfit
    if bad is not None:
        for canonical, column, misfit in faults:
            _list_faults(bad, kind, columns, canonical, column, np.flatnonzero(misfit), rows)
    result = complete_table(pa.table(columns), kind, rows)
    return result if good.all() else result.filter(pa.array(good))


def check_types(
    schema: pa.Schema, kind: Kind, mapping: Mapping[str, str], source: str, *, text_is_parsed: bool
) -> dict[str, str]:
    """The `canonical_names` of a schema, once it can be read.

    text_is_parsed: whether text may stand for numbers and flags. Raises InputError for a column that is
    missing or whose Arrow type can never be what it must hold.
    """
    names = canonical_names(kind, schema.names, mapping, source)
    check_columns(kind, schema.names, names.values(), mapping, source)
    for name, canonical in names.items():
        content = content_of(kind, canonical)
        if content is not None and not _readable(content, schema.field(name).type, text_is_parsed):
            raise wrong_type(source, name, content, f"Arrow type {schema.field(name).type}")
    return names


def wrong_type(source: str, column: str, content: Content, found: object) -> InputError:
    """The error for a column without one value of the kind it must hold."""
    return InputError(
        f"{source}: column {column!r} has the wrong type throughout",
        expected=_EXPECTED[content],
        found=found if isinstance(found, str) else quarantine.shown(found),
        next_step="correct the column, or name another one under `columns`",
    )


def complete_table(table: pa.Table, kind: Kind, rows: np.ndarray) -> pa.Table:
    """Add what a source may leave out: order, ids, flags, area; canonical columns first.

    rows (n,) int64: row of the source of each row of the table. A frame's order is its integer id; for
    string ids it is left out here, because a part of a table does not know it.
    """
    columns = {name: table[name] for name in table.column_names}
    n = len(rows)
    if kind == "frame":
        if "frame_order" not in columns and pa.types.is_integer(columns["frame_id"].type):
            columns["frame_order"] = columns["frame_id"]
        for name in ("width_px", "height_px"):
            columns.setdefault(name, pa.chunked_array([pa.nulls(n, pa.float64())]))
    else:
        index = pa.chunked_array([pa.array(rows, pa.int64())])
        columns.setdefault("input_index", index)
        columns.setdefault(OBJECT_ID[kind], columns["input_index"])
    if kind == "label":
        columns.setdefault("area_px2", pa.chunked_array([pa.nulls(n, pa.float64())]))
        for name in ("is_crowd", "is_ignored"):
            flag = columns.get(name, pa.chunked_array([pa.nulls(n, pa.bool_())]))
            columns[name] = pc.fill_null(flag, False)
    ordered = [column.name for column in COLUMNS[kind] if column.name in columns]
    ordered += [name for name in columns if name not in ordered]
    return pa.table({name: columns[name] for name in ordered})


def unified(arrays: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Arrays of one column as one type: int64 and float64 give float64, other mixtures strings."""
    types = {array.type for array in arrays if not pa.types.is_null(array.type)}
    if not types:
        common = pa.null()
    elif len(types) == 1:
        common = types.pop()
    elif all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in types):
        common = pa.float64()
    else:
        common = pa.string()
    return pa.chunked_array([array.cast(common, safe=False) for array in arrays], common)


def _readable(content: Content, type_: pa.DataType, text_is_parsed: bool) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_null(type_):
        return True
    if content == "box":
        is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return any(test(type_) for test in is_list) and _is_number(type_.value_type)
    if _is_number(type_):
        return True
    if pa.types.is_boolean(type_):
        return content in ("flag", "text")
    return _is_text(type_) and (text_is_parsed or content in ("id", "text"))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _is_text(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    )


Converted = tuple[list[pa.ChunkedArray], np.ndarray | None]


def _convert(content: Content, column: pa.ChunkedArray) -> Converted:
    """The canonical columns (four of a box, else one), and which rows do not fit, (n,) bool or None."""
    if pa.types.is_dictionary(column.type):
        column = pc.dictionary_decode(column)
    if pa.types.is_null(column.type):
        nulls = column.cast(ARROW_TYPE[content])
        return (_sides_of_nulls(column), None) if content == "box" else ([nulls], None)
    return _CONVERT[content](column)


def _sides_of_nulls(column: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    return [column.cast(pa.float64())] * 4


def _id(column: pa.ChunkedArray) -> Converted:
    if _is_text(column.type):
        return [column.cast(pa.string())], None
    if pa.types.is_integer(column.type):
        try:
            return [column.cast(pa.int64())], None
        except pa.ArrowInvalid:  # uint64 beyond int64
            return [column.cast(pa.string())], None
    return _whole(column)


def _whole(column: pa.ChunkedArray) -> Converted:
    if pa.types.is_integer(column.type):
        return [column.cast(pa.int64(), safe=False)], None
    numbers, misfit = _number(column)
    values = numbers[0].to_numpy()
    with np.errstate(invalid="ignore"):
        fits = (np.floor(values) == values) & (np.abs(values) < 2.0**63)
    present = pc.is_valid(column).to_numpy() & ~np.isnan(values)
    if misfit is not None:
        present |= misfit
    wrong = present & ~fits
    whole = pa.array(np.where(fits, values, 0).astype(np.int64), mask=~(present & fits))
    return [pa.chunked_array([whole])], wrong if wrong.any() else None


def _number(column: pa.ChunkedArray) -> Converted:
    if not _is_text(column.type):
        return [column.cast(pa.float64(), safe=False)], None
    trimmed = _without_blanks(column)
    try:
        return [trimmed.cast(pa.float64())], None
    except pa.ArrowInvalid:
        return _one_by_one(trimmed, float, pa.float64())


def _flag(column: pa.ChunkedArray) -> Converted:
    if pa.types.is_boolean(column.type):
        return [column], None
    if _is_text(column.type):
        return _one_by_one(_without_blanks(column), _flag_of_text, pa.bool_())
    values = column.cast(pa.float64(), safe=False)
    fits = pc.fill_null(pc.or_(pc.equal(values, 0.0), pc.equal(values, 1.0)), True).to_numpy()
    return [pc.equal(values, 1.0)], None if fits.all() else ~fits


def _text(column: pa.ChunkedArray) -> Converted:
    if pa.types.is_floating(column.type):
        whole, misfit = _whole(column)
        if misfit is None:
            column = whole[0]
    return [column.cast(pa.string())], None


def _box(column: pa.ChunkedArray) -> Converted:
    lengths = pc.fill_null(pc.list_value_length(column), 4).to_numpy()
    misfit = lengths != 4
    if misfit.any():
        column = pc.if_else(pa.array(~misfit), column, pa.scalar(None, column.type))
    sides = [
        pc.list_element(pc.if_else(pc.is_valid(column), column, _empty_box(column.type)), side)
        for side in range(4)
    ]
    return [side.cast(pa.float64(), safe=False) for side in sides], misfit if misfit.any() else None


def _empty_box(type_: pa.DataType) -> pa.Scalar:
    return pa.scalar([None] * 4, type_)


_CONVERT: dict[Content, Callable[[pa.ChunkedArray], Converted]] = {
    "id": _id,
    "whole": _whole,
    "number": _number,
    "flag": _flag,
    "text": _text,
    "box": _box,
}


def _without_blanks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _one_by_one(column: pa.ChunkedArray, read: Callable[[str], object], type_: pa.DataType) -> Converted:
    values: list[object] = []
    misfit = np.zeros(len(column), bool)
    for row, text in enumerate(column.to_pylist()):
        try:
            values.append(None if text is None else read(text))
        except ValueError:
            values.append(None)
            misfit[row] = True
    return [pa.chunked_array([pa.array(values, type_)])], misfit if misfit.any() else None


def _flag_of_text(text: str) -> bool:
    flags = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    if text.lower() not in flags:
        raise ValueError(text)
    return flags[text.lower()]


def _first_value(column: pa.ChunkedArray) -> object:
    return next((value.as_py() for value in column if value.is_valid), None)


def _list_faults(
    bad: BadRows,
    kind: Kind,
    columns: Mapping[str, pa.ChunkedArray],
    canonical: str,
    column: pa.ChunkedArray,
    positions: np.ndarray,
    rows: np.ndarray,
) -> None:
    reason = quarantine.misfit_reason(canonical)
    for position in positions.tolist():
        keys = [
            columns[name][position].as_py() if name in columns else None
            for name in ("frame_id", OBJECT_ID[kind])
        ]
        bad.add(int(rows[position]), reason, canonical, column[position].as_py(), *keys)
