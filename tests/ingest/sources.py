"""Small sources written by the tests, and the plain way to read them back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from emqa_core.config import EvaluationConfig, config_from
from emqa_core.storage.location import FileAccess

FILES = FileAccess()
CONFIG = config_from({})


def config_with_columns(**columns: dict[str, str]) -> EvaluationConfig:
    return config_from({"columns": columns})


def prediction(frame: int | str = 1, **changes: Any) -> dict[str, Any]:
    """One COCO result; a change to `...` takes the key out."""
    row = {"image_id": frame, "category_id": 3, "bbox": [1.5, 2.0, 30.25, 40.0], "score": 0.5}
    row.update(changes)
    return {key: value for key, value in row.items() if value is not ...}


def annotation(number: int, frame: int | str = 1, **changes: Any) -> dict[str, Any]:
    """One COCO annotation; a change to `...` takes the key out."""
    row = {
        "id": number,
        "image_id": frame,
        "category_id": 3,
        "bbox": [1.5, 2.0, 30.25, 40.0],
        "area": 600.5,
        "iscrowd": 0,
    }
    row.update(changes)
    return {key: value for key, value in row.items() if value is not ...}


def instances(annotations: list[dict[str, Any]], frames: tuple[Any, ...] = (1, 2)) -> dict[str, Any]:
    """A COCO labels object with two categories, `cat` (3) and `dog` (7)."""
    return {
        "images": [
            {"id": frame, "file_name": f"{frame}.jpg", "width": 640, "height": 480} for frame in frames
        ],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
    }


def write(path: Path, text: str | bytes) -> str:
    """Write a file, packed if its name says so; returns its path as text."""
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def write_json(path: Path, value: object) -> str:
    return write(path, json.dumps(value))


def write_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))
