"""JSON read in blocks: an array of objects is cut between two objects, and each block decoded typed.

Where to cut is a guess (the last `}, {` of a block), which decoding proves: a cut inside a nested object
or a string leaves a bracket or a quote open. A block that does not decode is read value by value with
the standard library, which also knows Python's NaN and Infinity.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from emqa_core.errors import InputError

_SPACE = b" \t\r\n"
_ARRAY_END = re.compile(rb"\}[ \t\r\n]*\]")
_SPACES = re.compile(r"[ \t\r\n]*")
_FIRST_BYTES = 1 << 12
_AHEAD_BYTES = 1 << 18
_MAX_VALUE_BYTES = 256 << 20
_NUMBER_END = re.compile(r"[ \t\r\n,\]}]")
_PASSED_OVER = msgspec.json.Decoder(list[msgspec.Raw])
_parse_value = json.JSONDecoder().raw_decode


class RowDecoder(Protocol):
    """Decodes a JSON array of rows, all of them or, with msgspec.DecodeError, none."""

    def decode(self, text: bytes, /) -> Any: ...


class Block(NamedTuple):
    """Consecutive elements of an array: structs or their columns when `typed`, else plain Python values."""

    rows: Any
    typed: bool


class JsonStream:
    """A JSON text that arrives in blocks of bytes. `source` names it in errors."""

    def __init__(self, blocks: Iterator[bytes], source: str) -> None:
        self._blocks = blocks
        self._source = source
        self._buffer = b""
        self._position = 0
        self._passed = 0  # bytes before the buffer
        self._ended = False
        if self.peek() == b"\xef":
            self._fill_to(3)
            if self._buffer[:3] == codecs.BOM_UTF8:
                self._position = 3

    def peek(self) -> bytes:
        """The next byte that is not space; empty at the end."""
        while True:
            rest = self._buffer[self._position : self._position + 64]
            stripped = rest.lstrip(_SPACE)
            self._position += len(rest) - len(stripped)
            if stripped:
                return stripped[:1]
            if not rest and not self._fill():
                return b""

    def take(self, expected: bytes, where: str) -> None:
        """Pass one punctuation mark. Raises InputError when another byte stands there."""
        if self.peek() != expected:
            raise self._broken(f"expected {expected.decode()!r} {where}")
        self._position += 1

    def value(self) -> Any:
        """The next value whole, of any kind."""
        self.peek()
        while True:
            text = self._text()
            try:
                value, length = _parse_value(text)
            except json.JSONDecodeError as error:
                self._fill_or_break(error.msg, text[: error.pos])
                continue
            except (RecursionError, ValueError) as error:  # nested too deeply, or a number of 4,300 digits
                raise self._broken(str(error)) from None
            if _may_go_on(value) and not _NUMBER_END.search(text, length) and self._fill():
                continue
            self._position += len(text[:length].encode())
            return value

    def skip(self) -> None:
        """Pass the next value, an array in blocks."""
        if self.peek() == b"[":
            for _ in self.array(lambda: _PASSED_OVER):
                pass
        else:
            self.value()

    def read_keys(self) -> Iterator[str]:
        """The keys of an object; the caller reads each value before it asks for the next key."""
        self.take(b"{", "at the start of an object")
        while self.peek() != b"}":
            key = self.value()
            if not isinstance(key, str):
                raise self._broken("expected a key in quotes")
            self.take(b":", f"after key {key!r}")
            yield key
            if self.peek() != b"}":
                self.take(b",", f"after the value of {key!r}")
        self._position += 1

    def array(self, decode: Callable[[], RowDecoder]) -> Iterator[Block]:
        """The elements of an array of objects, block by block.

        decode: gives the decoder of a list of rows for the next block; it may change between blocks.
        """
        self.take(b"[", "at the start of an array")
        is_first = True
        while self.peek() != b"]":
            cut = self._last_cut()
            # Nothing is known before the first rows, and reading loosely is slow: take only a few of them.
            rows = None if is_first else self._typed(decode(), cut)
            if rows is None:
                length = _FIRST_BYTES if is_first else cut - self._position
                yield Block(self._elements(length), False)
            else:
                yield Block(rows, True)
            is_first = False
        self._position += 1

    def end(self) -> None:
        """Raise InputError if anything but space follows."""
        if self.peek():
            raise self._broken("expected the end of the file")

    def _last_cut(self) -> int:
        """Where the last element with another one behind it ends; the position itself if there is none."""
        self._fill_to(_AHEAD_BYTES)
        while True:
            brace = len(self._buffer)
            while (brace := self._buffer.rfind(b"}", self._position, brace)) >= 0:
                gap = self._buffer[brace + 1 : brace + 64].lstrip(_SPACE)
                if gap[:1] == b"," and gap[1:].lstrip(_SPACE)[:1] == b"{":
                    return brace + 1
            left = len(self._buffer) - self._position
            if _ARRAY_END.search(self._buffer, self._position):
                return self._position
            if left > _MAX_VALUE_BYTES or not self._fill_to(2 * left):
                return self._position

    def _typed(self, decoder: RowDecoder, cut: int) -> Any:
        """The elements up to the cut, or else up to what looks like the array's end; None if neither is."""
        rows = self._decoded(decoder, cut)
        if rows is not None:
            self._position = self._buffer.index(b",", cut) + 1
            return rows
        end = _ARRAY_END.search(self._buffer, self._position)
        if end is None:
            return None
        rows = self._decoded(decoder, end.start() + 1)
        if rows is not None:
            self._position = end.end() - 1
        return rows

    def _decoded(self, decoder: RowDecoder, cut: int) -> Any:
        if cut == self._position:
            return None
        try:
            return decoder.decode(b"".join((b"[", memoryview(self._buffer)[self._position : cut], b"]")))
        except (msgspec.DecodeError, RecursionError):
            return None

    def _elements(self, length: int) -> list[Any]:
        """The elements that start in the next `length` bytes, at least one, read value by value."""
        while True:
            text = self._text()
            rows: list[Any] = []
            at, passed, message = 0, 0, ""
            while True:
                try:
                    value, at = _parse_value(text, _skip_space(text, at))
                except json.JSONDecodeError as error:
                    at, message = error.pos, error.msg
                    break
                except (RecursionError, ValueError) as error:
                    raise self._broken(str(error), len(text[:at].encode())) from None
                at = _skip_space(text, at)
                if text[at : at + 1] == "]":
                    rows.append(value)
                    passed = at
                    break
                if text[at : at + 1] != ",":
                    message = "expected ',' or ']' after an element"
                    if at < len(text) and not rows and not _may_go_on(value):
                        raise self._broken(message, len(text[:at].encode()))
                    break
                rows.append(value)
                at += 1
                passed = at
                if passed >= length:
                    break
            if rows:
                self._position += len(text[:passed].encode())
                return rows
            self._fill_or_break(message, text[:at])

    def _text(self) -> str:
        """What is ahead as text, without a character that the next block completes."""
        try:
            return codecs.utf_8_decode(self._buffer[self._position :], "strict", False)[0]
        except UnicodeDecodeError as error:
            raise self._broken(f"bytes that are not UTF-8 ({error.reason})", error.start) from None

    def _fill_or_break(self, message: str, read: str) -> None:
        """Double what is ahead; raise InputError where nothing comes or no value is that long."""
        left = len(self._buffer) - self._position
        if left > _MAX_VALUE_BYTES or not self._fill_to(max(2 * left, 1 << 16)):
            raise self._broken(message, len(read.encode()))

    def _fill_to(self, n_bytes: int) -> bool:
        """Add blocks until n_bytes lie ahead; False if nothing came."""
        grown = False
        while len(self._buffer) - self._position < n_bytes and self._fill():
            grown = True
        return grown

    def _fill(self) -> bool:
        if self._ended:
            return False
        block = next(self._blocks, None)
        if block is None:
            self._ended = True
            return False
        self._passed += self._position
        self._buffer = b"".join((memoryview(self._buffer)[self._position :], block))
        self._position = 0
        return True

    def _broken(self, message: str, ahead: int = 0) -> InputError:
        at = self._position + ahead
        around = self._buffer[max(at - 30, 0) : at + 30].decode("utf-8", "replace")
        is_last = at >= len(self._buffer.rstrip()) - 1 or message.startswith("Unterminated string")
        truncated = self._ended and is_last
        return InputError(
            f"{self._source} is {'truncated' if truncated else 'not valid JSON'}",
            expected="one JSON value to its end",
            found=f"{message} at byte {self._passed + at:,}, near {around!r}",
            next_step="write or copy the file again",
        )


def _may_go_on(value: object) -> bool:
    """Whether the next block may add to a value that was read: `0.` and `1e` give the number before them."""
    return isinstance(value, int | float)


def _skip_space(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at
