"""Options read from YAML and the command line, and what is wrong with them in words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from emqa_core.config.evaluation import EvaluationConfig
from emqa_core.config.sections import ClusterConfig, ColumnNames, ImagesConfig, StorageConfig
from emqa_core.errors import ConfigError

_SECTIONS: dict[str, type[BaseModel]] = {
    "cluster": ClusterConfig,
    "storage": StorageConfig,
    "columns": ColumnNames,
    "images": ImagesConfig,
}


def config_from(values: Mapping[str, Any]) -> EvaluationConfig:
    """Validate options. Raises ConfigError naming the option, what was expected and found."""
    try:
        return EvaluationConfig.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(error) from None


def read_config(
    text: str | None, source: str, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> EvaluationConfig:
    """Options from a YAML text, then `options`, then `key=value` overrides, the later ones winning.

    `source` names the text in errors. Dotted keys reach into sections: `cluster.workers=4`.
    """
    values: dict[str, Any] = {}
    if text is not None:
        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{source} is not valid YAML", found=str(error)) from None
        if loaded is not None and not isinstance(loaded, dict):
            raise ConfigError(f"{source} must be a mapping of options", found=type(loaded).__name__)
        values = dict(loaded or {})
    _merge(values, options or {})
    for override in overrides:
        key, equals, raw = override.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set {override!r} is not key=value", next_step="write --set iou_threshold=0.6"
            )
        try:
            value = yaml.safe_load(raw) if raw else None
        except yaml.YAMLError:
            value = raw
        nested: dict[str, Any] = {}
        target = nested
        *sections, last = key.split(".")
        for section in sections:
            target = target.setdefault(section, {})
        target[last] = value
        _merge(values, nested)
    return config_from(values)


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        present = into.get(key)
        if isinstance(value, Mapping) and isinstance(present, Mapping) and key in _SECTIONS:
            merged = dict(present)
            _merge(merged, value)
            into[key] = merged
        else:
            into[key] = value


def _explain(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section = _SECTIONS[str(first["loc"][0])] if len(first["loc"]) > 1 else EvaluationConfig
        near = difflib.get_close_matches(str(first["loc"][-1]), section.model_fields, n=1)
        return ConfigError(
            f"unknown option {key!r}",
            next_step=f"did you mean {near[0]!r}?" if near else "see `emqa config` for all options",
        )
    message = str(first["msg"]).removeprefix("Value error, ")
    return ConfigError(
        f"option {key!r}" if key else "the configuration",
        expected=message if message[1:2].isupper() else message[:1].lower() + message[1:],
        found=_short(first.get("input")) if key else None,
        next_step="see `emqa config --schema`",
    )


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
