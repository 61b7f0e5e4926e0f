"""Rows of JSON objects that hold nothing but numbers, straight from their bytes into columns.

The ordinary case of predictions: every object has the same keys in the same order, each with a number or a
box of four, and a program wrote them all alike. So between the numbers stand the same bytes in every row,
those of the first. A block where anything else stands is refused whole and read by msgspec, which also says
what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numba import njit, types

from emqa_core.ingest.decimal_floats import float_of_decimal, powers_of_five
from emqa_core.kernel import kernel
from emqa_core.kernel_types import READ_I64, READ_U8, READ_U64_2D
from emqa_core.objects import Array

NumberKind = Literal["whole", "flag", "number", "box"]
_WHOLE, _FLAG, _FLOAT = range(3)  # what a kernel reads
_READ_AS: dict[NumberKind, tuple[int, ...]] = {
    "whole": (_WHOLE,),
    "flag": (_FLAG,),
    "number": (_FLOAT,),
    "box": (_FLOAT,) * 4,
}
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|(-?[0-9][0-9.eE+-]*)')
_SPACE = b" \t\r\n"

_MOST_WHOLE = np.uint64(10**18 - 1)
_MOST_DIGITS = 19  # below 2^64
_MOST_EXPONENT = 1_000_000
_NO_FRACTION = 1 << 40
_ZERO, _TEN = np.uint64(48), np.uint64(10)


@dataclass(frozen=True)
class NumberField:
    """A key of the rows and what stands under it."""

    key: str
    kind: NumberKind


@dataclass(frozen=True)
class NumberRows:
    """Rows as columns, in the order of the fields: (n,) int64, bool or float64; a box (4, n) float64."""

    columns: tuple[Array, ...]
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows


class NumberDecoder:
    """Decodes an array of objects as `NumberRows`, or else as another decoder has it."""

    def __init__(self, fields: Sequence[NumberField], otherwise: msgspec.json.Decoder[Any]) -> None:
        self._fields = tuple(fields)
        self._otherwise = otherwise
        self._shape = [(field.key, len(_READ_AS[field.kind])) for field in fields]
        self._kinds = np.array([kind for field in fields for kind in _READ_AS[field.kind]])

    def decode(self, text: bytes) -> NumberRows | list[Any]:
        """The rows of an array. Raises what the other decoder raises."""
        rows = self._numbers(text)
        return self._otherwise.decode(text) if rows is None else rows

    def _numbers(self, text: bytes) -> NumberRows | None:
        between = self._between(text)
        if between is None:
            return None
        ends = np.cumsum([0, *map(len, between)])
        most = len(text) // int(ends[-1] - ends[1]) + 2
        wholes = np.empty((int((self._kinds != _FLOAT).sum()), most), np.int64)
        floats = np.empty((int((self._kinds == _FLOAT).sum()), most), np.float64)
        n_rows = _read_rows(
            np.frombuffer(text, np.uint8), np.frombuffer(b"".join(between), np.uint8), ends, self._kinds,
            powers_of_five(), wholes, floats,
        )  # fmt: skip
        return (
            None if n_rows < 0 else NumberRows(self._columns(wholes[:, :n_rows], floats[:, :n_rows]), n_rows)
        )

    def _columns(self, wholes: Array, floats: Array) -> tuple[Array, ...]:
        columns: list[Array] = []
        whole, number = iter(wholes), iter(floats)
        for field in self._fields:
            if field.kind == "box":
                columns.append(np.array([next(number) for _ in range(4)]))
            elif field.kind == "number":
                columns.append(next(number))
            else:
                columns.append(next(whole) != 0 if field.kind == "flag" else next(whole))
        return tuple(columns)

    def _between(self, text: bytes) -> list[bytes] | None:
        """The bytes before each number of the first row, and from its last one to the second row's first.

        None where the first row is not one of these fields in order, or where there is no second one.
        """
        end = text.find(b"}") + 1
        start = text.find(b"{")
        next_start = text.find(b"{", end)
        if not 0 <= start < end < next_start or text[:1] != b"[" or text[-1:] != b"]":
            return None
        first = text[start:end]
        try:
            pairs = json.loads(first.decode(), object_pairs_hook=list)
        except (ValueError, RecursionError):
            return None
        if [(key, _n_numbers(value)) for key, value in pairs] != self._shape:
            return None
        spans = [found.span(1) for found in _TOKENS.finditer(first) if found[1] is not None]
        gap = text[end:next_start]
        if len(spans) != len(self._kinds) or gap.strip(_SPACE) != b"," or text[1:start].strip(_SPACE):
            return None
        before = [first[last:begin] for (_, last), (begin, _) in zip([(0, 0), *spans], spans, strict=False)]
        return [text[:start] + before[0], *before[1:], first[spans[-1][1] :] + gap + before[0]]


def _n_numbers(value: object) -> int:
    """4 for a box, 1 for a number, 0 for anything else."""
    if isinstance(value, list):
        return 4 if [type(side) in (int, float) for side in value] == [True] * 4 else 0
    return int(type(value) in (int, float))


# The kernels below are inlined, as a call that takes arrays counts references to them, and index by unsigned
# places, as signed ones are asked at every byte whether they count from the end: together half of the time.


@njit(inline="always")
def _read_decimal(text, at):  # type: ignore[no-untyped-def]
    """A number without its sign as JSON writes it: where it ends, w and q of w x 10^q, w as a bit pattern.

    q is `_NO_FRACTION` for a whole number. Ends at 0 where no number stands, or one of more than 19 digits.
    """
    digits = np.uint64(0)
    first = at
    while np.uint64(text[np.uint64(at)]) - _ZERO < _TEN:  # what lies below is far above
        digits = digits * _TEN + (np.uint64(text[np.uint64(at)]) - _ZERO)
        at += 1
    n_digits = at - first
    if n_digits == 0 or (text[first] == 48 and n_digits > 1):
        return 0, 0, 0
    exponent = _NO_FRACTION
    if text[np.uint64(at)] == 46:
        at += 1
        point = at
        while np.uint64(text[np.uint64(at)]) - _ZERO < _TEN:
            digits = digits * _TEN + (np.uint64(text[np.uint64(at)]) - _ZERO)
            at += 1
        if at == point:
            return 0, 0, 0
        exponent = point - at
        n_digits -= exponent
        if n_digits > _MOST_DIGITS:
            while text[first] == 48 or text[first] == 46:  # zeros in front are no digits
                n_digits -= text[first] == 48
                first += 1
    if n_digits > _MOST_DIGITS:
        return 0, 0, 0
    if text[np.uint64(at)] == 101 or text[np.uint64(at)] == 69:
        at, power = _read_exponent(text, at + 1)
        exponent = power if exponent == _NO_FRACTION else exponent + power
    return at, np.int64(digits), exponent


@njit(inline="always")
def _read_exponent(text, at):  # type: ignore[no-untyped-def]
    """What stands behind an e: where it ends, 0 without a digit, and its value."""
    is_below = text[np.uint64(at)] == 45
    if is_below or text[np.uint64(at)] == 43:
        at += 1
    start = at
    power = np.int64(0)
    while 48 <= text[np.uint64(at)] <= 57:
        if power < _MOST_EXPONENT:
            power = power * 10 + np.int64(text[np.uint64(at)] - 48)
        at += 1
    if at == start:
        at = 0
    return at, -power if is_below else power


@njit(inline="always")
def _read_float(text, at, powers, floats, column, row):  # type: ignore[no-untyped-def]
    """Put the number that stands at `at` where it belongs; where it ends, 0 if it is for another reader."""
    is_negative = text[np.uint64(at)] == 45
    at, digits, exponent = _read_decimal(text, at + is_negative)
    if exponent == _NO_FRACTION:
        if is_negative and digits == 0:
            return 0
        exponent = 0
    value = float_of_decimal(np.uint64(digits), exponent, powers)
    if np.isnan(value):
        return 0
    floats[column, row] = -value if is_negative else value
    return at


@njit(inline="always")
def _read_whole(text, at, wholes, column, row, is_flag):  # type: ignore[no-untyped-def]
    """As `_read_float`, of a whole number or one that is 0 or 1."""
    is_negative = text[np.uint64(at)] == 45
    at, digits, exponent = _read_decimal(text, at + is_negative)
    if (
        exponent != _NO_FRACTION
        or np.uint64(digits) > _MOST_WHOLE
        or (is_flag and (is_negative or digits > 1))
    ):
        return 0
    wholes[column, row] = -digits if is_negative else digits
    return at


@njit(inline="always")
def _stands_at(text, at, between, first, end):  # type: ignore[no-untyped-def]
    """Whether the bytes first:end stand in the text, with at least one more behind them."""
    if at + end - first >= text.shape[0]:
        return False
    different = np.uint8(0)
    for index in range(end - first):
        different |= text[np.uint64(at + index)] ^ between[np.uint64(first + index)]
    return different == 0


@kernel(types.boolean(READ_U8, types.int64, READ_U8, types.int64))
def _ends_at(text, at, between, first):  # type: ignore[no-untyped-def]
    """Whether only the end of the last object, as of the first, and of the array follow."""
    is_closed = False
    while at < text.shape[0] - 1:
        byte = text[np.uint64(at)]
        if not is_closed and byte == between[first]:
            is_closed = byte == 125
            first += 1
        elif not is_closed or not (byte == 32 or byte == 10 or byte == 13 or byte == 9):
            return False
        at += 1
    return is_closed


@kernel(
    types.int64(
        READ_U8, READ_U8, READ_I64, READ_I64, READ_U64_2D, types.int64[:, ::1], types.float64[:, ::1]
    ),
)
def _read_rows(text, between, ends, kinds, powers, wholes, floats):  # type: ignore[no-untyped-def]
    """Fill the columns from an array of objects; the number of rows, -1 where it holds anything else.

    between: what stands before each number of the first row, and from its last number to the next row; ends
    (n + 2,) int64: where each of these ends there. The text ends with a bracket, at which every number ends.
    """
    n_numbers = kinds.shape[0]
    if not _stands_at(text, 0, between, 0, ends[1]):
        return -1
    at = ends[1]
    row = 0
    while True:
        whole, number = 0, 0
        for field in range(n_numbers):
            if field > 0:
                if not _stands_at(text, at, between, ends[field], ends[field + 1]):
                    return -1
                at += ends[field + 1] - ends[field]
            kind = kinds[field]
            if kind == _FLOAT:
                at = _read_float(text, at, powers, floats, number, row)
                number += 1
            else:
                at = _read_whole(text, at, wholes, whole, row, kind == _FLAG)
                whole += 1
            if at == 0:
                return -1
        row += 1
        if not _stands_at(text, at, between, ends[n_numbers], ends[n_numbers + 1]):
            return row if _ends_at(text, at, between, ends[n_numbers]) else -1
        at += ends[n_numbers + 1] - ends[n_numbers]
