"""Blocks of any size give the values that json.loads gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emqa_core.errors import InputError
from emqa_core.ingest.json_stream import JsonStream

scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats() | st.text(max_size=8)
awkward = st.sampled_from(["}, {", '"}]', "\\", "}]", "é", "\U0001f600", "]}"])
values = st.recursive(
    scalars | awkward,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | awkward, inner, max_size=3)
    ),
    max_leaves=8,
)
rows = st.lists(st.dictionaries(st.sampled_from(["a", "b", "}, {"]), values, max_size=3), max_size=12)


class Row(msgspec.Struct, forbid_unknown_fields=True):
    a: int
    b: str = ""


def _blocks(text: str, size: int) -> Iterator[bytes]:
    encoded = text.encode()
    return (encoded[start : start + size] for start in range(0, len(encoded), size))


def _elements(stream: JsonStream, decoder: msgspec.json.Decoder[Any]) -> list[Any]:
    found: list[Any] = []
    for block in stream.array(lambda: decoder):
        found += [msgspec.to_builtins(row) for row in block.rows] if block.typed else block.rows
    return found


@settings(deadline=None)
@given(rows, st.integers(1, 60), st.sampled_from([None, 1]), st.sampled_from(["", " ", "\n"]))
@example([1.5, 20.25], 3, None, "")  # type: ignore[list-item]
@example([{"a": "}, {"}, {"b": [{}, {}]}], 7, None, "")
def test_an_array_of_anything_comes_back(
    expected: list[dict[str, Any]], size: int, indent: int | None, around: str
) -> None:
    text = around + json.dumps(expected, indent=indent) + around
    stream = JsonStream(_blocks(text, size), "file")
    found = _elements(stream, msgspec.json.Decoder(list[Row]))
    stream.end()
    assert repr(found) == repr(expected)  # repr: NaN is not equal to itself


@settings(deadline=None)
@given(
    st.lists(st.builds(dict, a=st.integers(0, 9), b=st.text(max_size=5)), max_size=300), st.integers(20, 900)
)
def test_typed_rows_come_back_in_order(expected: list[dict[str, Any]], size: int) -> None:
    stream = JsonStream(_blocks(json.dumps(expected), size), "file")
    assert _elements(stream, msgspec.json.Decoder(list[Row])) == expected
    stream.end()


def test_most_rows_of_a_long_array_are_typed() -> None:
    expected = [{"a": index, "b": "x" * (index % 50)} for index in range(20_000)]
    stream = JsonStream(_blocks(json.dumps(expected), 1 << 16), "file")
    decoder = msgspec.json.Decoder(list[Row])
    n_loose = sum(0 if block.typed else len(block.rows) for block in stream.array(lambda: decoder))
    assert 0 < n_loose < 300


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=6), rows | values, max_size=4), st.integers(1, 40))
@example({"a": 0.5}, 8)  # the first block ends after "0."
def test_an_object_is_walked_key_by_key(expected: dict[str, Any], size: int) -> None:
    read = {}
    stream = JsonStream(_blocks(json.dumps(expected), size), "file")
    for key in stream.read_keys():
        read[key] = stream.value()
    stream.end()
    assert repr(read) == repr(expected)

    skipped = JsonStream(_blocks(json.dumps(expected), size), "file")
    assert [(key, skipped.skip())[0] for key in skipped.read_keys()] == list(expected)
    skipped.end()


def test_a_byte_order_mark_is_passed() -> None:
    assert JsonStream(iter([b"\xef", b"\xbb\xbf", b"[1]"]), "file").value() == [1]


@settings(deadline=None)
@given(rows.filter(bool), st.data())
def test_a_cut_array_is_an_error(expected: list[dict[str, Any]], data: st.DataObject) -> None:
    text = json.dumps(expected, ensure_ascii=True)
    length = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(InputError, match=r"file is (truncated|not valid JSON)"):
        _elements(JsonStream(_blocks(text[:length], 16), "file"), msgspec.json.Decoder(list[Row]))


def test_the_message_tells_where() -> None:
    with pytest.raises(InputError, match=r"file is not valid JSON.*byte 12.*wrong"):
        JsonStream(iter([b'{"a": 1, "b"= wrong']), "file").value()
    stream = JsonStream(iter([b'[{"a": 1}, {"a": 2']), "file")
    with pytest.raises(InputError, match="file is truncated"):
        _elements(stream, msgspec.json.Decoder(list[Row]))
