"""Loose JSON values of one column as an Arrow array, with those that do not fit told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from emqa_core.ingest.arrow_columns import ARROW_TYPE
from emqa_core.ingest.columns import Content

Misfits = list[int]


def column_of(content: Content | None, values: Sequence[Any]) -> tuple[pa.Array, Misfits]:
    """Values (n,) of a canonical column, or of a further one (content None), and the rows that do not fit.

    Null stays null, and a misfit becomes null. A box gives a list array of four float64. Ids of both
    kinds in one column become strings.
    """
    if content is None:
        return scalar_array([None if isinstance(value, list | dict) else value for value in values]), []
    convert = _CONVERT[content]
    converted: list[Any] = []
    misfits: Misfits = []
    for row, value in enumerate(values):
        if value is None:
            converted.append(None)
            continue
        try:
            converted.append(convert(value))
        except (TypeError, ValueError, OverflowError):
            converted.append(None)
            misfits.append(row)
    if content == "id":
        return scalar_array(converted), misfits
    return pa.array(converted, ARROW_TYPE[content]), misfits


def scalar_array(values: Sequence[Any]) -> pa.Array:
    """Scalars as the narrowest of int64, float64, bool and string that holds all of them."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {int} and all(value is None or -(1 << 63) <= value < 1 << 63 for value in values):
        return pa.array(values, pa.int64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _id(value: Any) -> int | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return _whole(value)


def _whole(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or not -(1 << 63) <= value < 1 << 63:
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _flag(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError
    return bool(value)


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        raise TypeError
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value)


def _box(value: Any) -> list[float | None]:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError
    return [None if side is None else _number(side) for side in value]


_CONVERT: dict[Content, Callable[[Any], Any]] = {
    "id": _id,
    "whole": _whole,
    "number": _number,
    "flag": _flag,
    "text": _text,
    "box": _box,
}
