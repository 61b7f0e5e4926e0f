"""Arrays packed small, for a page that carries them: narrow types, bytes by place, gzip, base64.

The page's `packed.js` reads what is written here.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

from emqa_core.objects import Array

_NULL = 65535  # of a fraction in two bytes
_FRACTION_STEPS = 65534
_INTEGERS: tuple[type[np.signedinteger[Any]], ...] = (np.int8, np.int16, np.int32)
_LEVEL = 6


class Packing:
    """Arrays by name, one after the other, and where each begins."""

    def __init__(self) -> None:
        self._directory: dict[str, dict[str, Any]] = {}
        self._bytes: list[bytes] = []
        self._size = 0

    def add_counts(self, name: str, values: Array, *, steps: int | None = None) -> None:
        """Whole numbers of any shape, in the narrowest type that holds them.

        steps: an axis along which neighbours differ little; their differences are packed.
        """
        values = np.asarray(values, np.int64)
        if steps is not None:
            values = np.diff(values, axis=steps, prepend=0)
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        narrow = next((t for t in _INTEGERS if _holds(t, low, high)), np.float64)
        self._add(name, values.astype(narrow), {} if steps is None else {"steps": steps})

    def add_numbers(self, name: str, values: Array) -> None:
        """float64, as they are; NaN is null."""
        self._add(name, np.asarray(values, np.float64), {})

    def add_fractions(self, name: str, values: Array, low: float = 0.0, high: float = 1.0) -> None:
        """Numbers between low and high to 1/65534 of that range, in two bytes; NaN is null."""
        values = np.asarray(values, np.float64)
        with np.errstate(invalid="ignore"):
            place = np.rint((np.clip(values, low, high) - low) / (high - low) * _FRACTION_STEPS)
        self._add(
            name, np.where(np.isnan(values), _NULL, place).astype(np.uint16), {"low": low, "high": high}
        )

    def _add(self, name: str, values: Array, more: dict[str, Any]) -> None:
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        by_place = little.view(np.uint8).reshape(-1, little.itemsize).T.tobytes()
        self._directory[name] = {
            "type": f"{little.dtype.kind}{little.itemsize}",
            "shape": list(values.shape),
            "at": self._size,
            **more,
        }
        self._bytes.append(by_place)
        self._size += len(by_place)

    def text(self, document: dict[str, Any]) -> str:
        """base64 of: length of the head (4 bytes), head as JSON (`document` and the directory), arrays."""
        head = json.dumps({**document, "arrays": self._directory}, separators=(",", ":"), allow_nan=False)
        encoded = head.encode()
        data = b"".join([len(encoded).to_bytes(4, "little"), encoded, *self._bytes])
        return base64.b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode()


def _holds(kind: type[np.signedinteger[Any]], low: int, high: int) -> bool:
    limits = np.iinfo(kind)
    return bool(limits.min <= low and high <= limits.max)
