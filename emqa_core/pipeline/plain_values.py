"""Values as plain arrays and JSON, and back: nothing is pickled, and only known classes are made.

What a value is made of: numbers, text, None, tuples, mappings by text, NumPy arrays, Arrow tables and
schemas, and the data classes that the caller lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emqa_core.objects import Array

_FORM = "form"


def to_arrays(value: Any, classes: Sequence[type]) -> dict[str, Array]:
    """A value as named arrays. Raises TypeError for what it cannot hold."""
    arrays: dict[str, Array] = {}
    form = _form(value, {kind.__name__: kind for kind in classes}, arrays)
    arrays[_FORM] = np.frombuffer(json.dumps(form).encode(), np.uint8)
    return arrays


def from_arrays(arrays: Mapping[str, Array], classes: Sequence[type]) -> Any:
    """The value. Raises ValueError, KeyError or TypeError where the arrays are not those of such a value."""
    form = json.loads(arrays[_FORM].tobytes())
    return _value(form, {kind.__name__: kind for kind in classes}, arrays)


def _form(value: Any, classes: Mapping[str, type], arrays: dict[str, Array]) -> Any:
    """The value as JSON; a list of a kind and its content for all that JSON has not."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return ["array", _put(value, arrays)]
    if isinstance(value, pa.Table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value)
        return ["table", _put(np.frombuffer(sink.getvalue(), np.uint8), arrays)]
    if isinstance(value, pa.Schema):
        return ["schema", _put(np.frombuffer(value.serialize(), np.uint8), arrays)]
    if isinstance(value, tuple):
        return ["tuple", [_form(each, classes, arrays) for each in value]]
    if isinstance(value, Mapping):
        return ["mapping", {_text(key): _form(each, classes, arrays) for key, each in value.items()}]
    name = type(value).__name__
    if is_dataclass(value) and classes.get(name) is type(value):
        content = {field.name: _form(getattr(value, field.name), classes, arrays) for field in fields(value)}
        return ["class", name, content]
    raise TypeError(f"{name} has no form as plain arrays")


def _put(array: Array, arrays: dict[str, Array]) -> str:
    name = f"array-{len(arrays)}"
    arrays[name] = array
    return name


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a mapping by {type(key).__name__} has no form as plain arrays")
    return key


def _value(form: Any, classes: Mapping[str, type], arrays: Mapping[str, Array]) -> Any:
    if not isinstance(form, list):
        return form
    kind, content = form[0], form[1]
    if kind == "array":
        return arrays[content]
    if kind == "table":
        return pa.ipc.open_stream(pa.py_buffer(arrays[content])).read_all()
    if kind == "schema":
        return pa.ipc.read_schema(pa.py_buffer(arrays[content]))
    if kind == "tuple":
        return tuple(_value(each, classes, arrays) for each in content)
    if kind == "mapping":
        return {key: _value(each, classes, arrays) for key, each in content.items()}
    if kind != "class":
        raise ValueError(f"{kind!r} is no kind of plain value")
    return classes[content](**{key: _value(each, classes, arrays) for key, each in form[2].items()})
