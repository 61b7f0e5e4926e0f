"""Rows of numbers read from their bytes: the same as the standard library reads, or left to msgspec."""

import json
import math
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit, types

from emqa_core.ingest.columns import COCO_LAYOUT, Kind
from emqa_core.ingest.decimal_floats import float_of_decimal, powers_of_five
from emqa_core.ingest.json_numbers import NumberDecoder, NumberField, NumberRows
from emqa_core.ingest.json_rows import JsonRows
from emqa_core.ingest.json_stream import Block
from emqa_core.ingest.quarantine import BadRows
from emqa_core.kernel_types import READ_U64_2D

FIELDS = (
    NumberField("image_id", "whole"),
    NumberField("iscrowd", "flag"),
    NumberField("score", "number"),
    NumberField("bbox", "box"),
)
ROW = {"image_id": 7, "iscrowd": 0, "score": 0.25, "bbox": [1.5, 2, 3.25, 4e1]}


class _Refused(msgspec.DecodeError):
    pass


class _Nobody:
    """Stands for the other decoder, and says that it was asked."""

    def decode(self, text: bytes) -> list[Any]:
        raise _Refused(text)


def decoded(text: str) -> list[dict[str, Any]] | None:
    """Rows as the kernel reads them, None where it leaves them to another reader."""
    try:
        rows = NumberDecoder(FIELDS, _Nobody()).decode(text.encode())  # type: ignore[arg-type]
    except _Refused:
        return None
    assert isinstance(rows, NumberRows)
    image_id, iscrowd, score, bbox = (column.T.tolist() for column in rows.columns)
    assert len(rows) == len(image_id)
    keys = [field.key for field in FIELDS]
    return [
        dict(zip(keys, values, strict=True)) for values in zip(image_id, iscrowd, score, bbox, strict=True)
    ]


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@njit(types.float64(types.uint64, types.int64, READ_U64_2D))
def _float_of(w, q, powers):  # type: ignore[no-untyped-def]
    return float_of_decimal(w, q, powers)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(-345, 310))
@example(9007199254740993, 0)  # halfway between two floats, and so are the next
@example(9007199254740995, 0)
@example(18014398509481986, 0)
@example(36028797018963970, -1)
@example(5, -324)
@example(22250738585072014, -324)
@example(17976931348623157, 292)
@example(17976931348623159, 292)
@example(18446744073709551615, 0)
def test_a_decimal_is_rounded_to_the_nearest_float(w: int, q: int) -> None:
    found = _float_of(np.uint64(w), q, powers_of_five())
    expected = float(f"{w}e{q}")
    is_normal = expected == 0 == w or 2.3e-308 < expected < math.inf
    assert bits(found) == bits(expected) if is_normal else math.isnan(found) or bits(found) == bits(expected)


@settings(max_examples=300, deadline=None)
@given(st.integers(2**52, 2**53 - 1), st.integers(0, 63), st.integers(-2, 2))
def test_decimals_near_the_middle_of_two_floats_are_rounded_like_any(
    mantissa: int, shift: int, off: int
) -> None:
    """Whole numbers of up to 19 digits around (m + 1/2) x 2^shift."""
    w = ((2 * mantissa + 1) << shift >> 1) + off
    if 0 < w < 10**19:
        assert bits(_float_of(np.uint64(w), 0, powers_of_five())) == bits(float(w))


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
@example(-0.0)
def test_floats_as_python_writes_them_come_back_to_the_bit(value: float) -> None:
    row = {**ROW, "score": value, "bbox": [value, 1.0, -2.5, abs(value)]}
    found = decoded(json.dumps([row, row]))
    assert found is not None
    for each in found:
        assert [bits(side) for side in [each["score"], *each["bbox"]]] == [
            bits(side) for side in [value, value, 1.0, -2.5, abs(value)]
        ]


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" ,\n", " : ")])
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_are_read_however_they_are_spaced(separators: tuple[str, str], indent: int | None) -> None:
    rows = [{**ROW, "image_id": -index, "iscrowd": index % 2} for index in range(5)]
    text = json.dumps(rows, separators=separators, indent=indent)
    assert decoded(text) == rows


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(json.dumps),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "-"]),
        st.integers(0, 10**22),
        st.just("") | st.text("0123456789", max_size=22).map(".{}".format),
        st.just("") | st.builds("{}{}".format, st.sampled_from("eE"), st.integers(-400, 400)),
    ),
    st.sampled_from(
        ["null", "true", '"1"', "", "-", "1.", ".5", "01", "-0", "1e", "[]", "[1]", "{}", "1 2", "NaN"]
    ),
)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """Arrays of rows of which some are not what they seem."""
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        sides = ", ".join(draw(st.lists(NUMBERS, min_size=4, max_size=4) | st.lists(NUMBERS, max_size=5)))
        values = [draw(st.just("7") | NUMBERS), draw(st.just("1") | NUMBERS), draw(NUMBERS), f"[{sides}]"]
        keys = draw(st.just([field.key for field in FIELDS]) | st.permutations([f.key for f in FIELDS]))
        rows.append(
            "{" + ", ".join(f'"{key}": {value}' for key, value in zip(keys, values, strict=True)) + "}"
        )
    text = "[" + draw(st.just(", ") | st.sampled_from([",", " ", ",,", "],["])).join(rows) + "]"
    cut = draw(st.none() | st.integers(0, len(text)))
    return text if cut is None else text[:cut] + draw(st.sampled_from(["", "]", "}]", " ]", "x]"]))


@settings(max_examples=300, deadline=None)
@given(_texts())
def test_what_is_accepted_is_what_the_standard_library_reads(text: str) -> None:
    found = decoded(text)
    if found is None:
        return
    expected = json.loads(text)
    for row in expected:
        assert list(row) == [field.key for field in FIELDS]
    assert found == expected
    for row, other in zip(found, expected, strict=True):
        assert [bits(value) for value in [row["score"], *row["bbox"]]] == [
            bits(float(value)) for value in [other["score"], *other["bbox"]]
        ]


@pytest.mark.parametrize(
    "second",
    [
        '{"image_id": 8.0, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 1000000000000000000, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 2, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": null, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": NaN, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 1e400, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4, 5]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4], "more": 1}',
        '{"iscrowd": 0, "image_id": 8, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 00.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]',
        "7",
    ],
)
def test_a_block_with_anything_else_is_left_to_another_reader(second: str) -> None:
    first = json.dumps(ROW)
    assert decoded(f"[{first}, {first}]") == [ROW, ROW]
    assert decoded(f"[{first}, {second}]") is None
    assert decoded(f"[{first}, {first}, {second}]") is None


@pytest.mark.parametrize(
    "row",
    [
        '{"image_id": [8], "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": [], "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": [8, 9], "iscrowd": [], "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [[1], 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [[1, 2], 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": [0.5, 1], "bbox": [2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": "0.5", "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": false, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4]}',
        '{"image_id": 8, "iscrowd": 0, "score": 0.5, "bbox": [1, 2, 3, 4], "7": "8"}',
        '{"image_id": ' + "[" * 100_000 + "}",
    ],
)
def test_rows_that_are_all_alike_and_none_of_these_fields_are_left_too(row: str) -> None:
    assert decoded(f"[{row}, {row}, {row}]") is None


@pytest.mark.parametrize("kind", ["prediction", "label"])
def test_the_table_is_that_of_rows_read_one_by_one(kind: Kind) -> None:
    rng = np.random.default_rng(5)
    rows = [
        {
            "image_id": int(rng.integers(1, 2**40)),
            "category_id": int(rng.integers(1, 90)),
            "bbox": [float(side) for side in rng.normal(100, 50, 4).astype(np.float32)],
            **(
                {"score": float(rng.random())}
                if kind == "prediction"
                else {"id": index, "iscrowd": index % 2}
            ),
            "area": float(rng.random() * 1e5),
            "depth": int(rng.integers(-5, 5)),
        }
        for index in range(400)
    ]
    columns, one_by_one = (JsonRows(kind, {}, BadRows(kind), COCO_LAYOUT[kind]) for _ in range(2))
    columns.begin("rows.json")
    columns.add(Block(rows[:1], False))
    found = columns.decoder().decode(json.dumps(rows[1:]).encode())
    assert isinstance(found, NumberRows)
    columns.add(Block(found, True))
    columns.end()
    one_by_one.begin("rows.json")
    one_by_one.add(Block(rows, False))
    one_by_one.end()
    assert columns.table().equals(one_by_one.table())
