"""A data set so small that its numbers can be read off, for tests of the flow."""

from __future__ import annotations

import json
from pathlib import Path


def write_tiny(folder: Path) -> Path:
    """Three frames, four labels, five predictions, two of them beside every label; their configuration."""
    boxes = [[10, 10, 20, 20], [50, 50, 30, 30], [5, 5, 10, 40], [60, 20, 25, 25]]
    frames = [1, 1, 2, 3]
    labels = {
        "images": [{"id": n, "width": 100, "height": 100, "file_name": f"{n}.png"} for n in (1, 2, 3)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": frame, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (frame, box) in enumerate(zip(frames, boxes, strict=True), start=1)
        ],
    }
    predictions = [
        {"image_id": frame, "category_id": 1, "bbox": box, "score": score}
        for frame, box, score in [
            (1, boxes[0], 0.9),
            (1, boxes[1], 0.8),
            (2, boxes[2], 0.7),
            (2, [80, 80, 10, 10], 0.6),
            (3, [0, 80, 10, 10], 0.5),
        ]
    ]
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "predictions.json").write_text(json.dumps(predictions))
    config = folder / "tiny.yaml"
    config.write_text(
        f"labels: {folder}/labels.json\n"
        f"predictions: {{Tiny Cat: {folder}/predictions.json}}\n"
        f"output: {folder}/eval\n"
        "cluster: {address: none}\n"
    )
    return config
