"""A small data set as COCO files, written by hand: every figure can be counted on paper."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 5, "name": "emu"}]


def labels_json(n_frames: int = 4) -> dict[str, Any]:
    """Each frame has a cat at the left and a dog at the right; nobody labels an emu."""
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 100} for i in range(1, n_frames + 1)
        ],
        "annotations": [
            {
                "id": 2 * i + side,
                "image_id": i + 1,
                "category_id": 1 + side,
                "bbox": [50 * side, 10, 20 + i, 20],
                "area": (20 + i) * 20,
                "iscrowd": 0,
            }
            for i in range(n_frames)
            for side in (0, 1)
        ],
        "categories": CATEGORIES,
    }


def predictions_json(n_frames: int = 4, score: float = 0.9) -> list[dict[str, Any]]:
    """Every cat is found exactly; where a dog is, an emu is seen."""
    return [
        {
            "image_id": i + 1,
            "category_id": 1 if side == 0 else 5,
            "bbox": [50 * side, 10, 20 + i, 20],
            "score": score - 0.001 * i,
        }
        for i in range(n_frames)
        for side in (0, 1)
    ]


def write_json(path: Path, value: Any) -> Path:
    text = json.dumps(value).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_set(folder: Path, n_frames: int = 4) -> tuple[Path, Path]:
    """Labels and predictions in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return (
        write_json(folder / "streets.json.gz", labels_json(n_frames)),
        write_json(folder / "detector.json", predictions_json(n_frames)),
    )
