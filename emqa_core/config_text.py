"""The options as text: commented YAML, as in `configs/default.yaml`, and a JSON schema."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from emqa_core.config import EvaluationConfig

_HEAD = """\
# yaml-language-server: $schema=schema.json
# Options marked [digest] change results: two runs that differ in one of them are different runs.
"""
_WIDTH = 108


def config_yaml(config: EvaluationConfig) -> str:
    """Every option with its value and its meaning; `read_config` gives the same options back."""
    return _HEAD + "\n".join(_lines(config, ""))


def config_schema() -> str:
    """The JSON schema of a configuration file, for editors and validators."""
    return json.dumps(EvaluationConfig.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _lines(section: BaseModel, indent: str) -> Iterator[str]:
    values = section.model_dump(mode="json")
    for position, (name, field) in enumerate(type(section).model_fields.items()):
        value = getattr(section, name)
        if position or not indent:
            yield ""
        yield from textwrap.wrap(
            _comment(field), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield from _entry(name, values[name], indent)
    if not indent:
        yield ""


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    # JSON is YAML, and writes every float so that it is read back to the bit.
    if isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, entry in value.items():
            yield f"{indent}  {json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
    else:
        yield f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}"


def _comment(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    words = [field.description or ""]
    if choices:
        words.append(f"One of {', '.join(choices)}.")
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra["changes_results"]:
        words.append("[digest]")
    return " ".join(words)
