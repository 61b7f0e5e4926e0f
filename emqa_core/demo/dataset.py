"""The demo data set on disk: image files, COCO labels, COCO results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emqa_core.demo.detector import Detector
from emqa_core.demo.digits import CLASS_NAMES, read_digits
from emqa_core.demo.render import HEIGHT_PX, WIDTH_PX, render_frame

N_FRAMES = 300
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class DemoPaths:
    """Where the demo data lies: COCO labels, COCO results, folder of images."""

    labels: Path
    predictions: Path
    images: Path


def write_demo(folder: Path, n_frames: int = N_FRAMES, seed: int = 0) -> DemoPaths:
    """Render frames, detect the digits in the image files, write labels and predictions.

    What was planted in a frame stands with it in the labels' image list: digit_contrast, blur_px,
    noise_level, texture. The same arguments give the same bytes; files of the same names are replaced.
    """
    paths = DemoPaths(folder / "labels.json", folder / "predictions.json", folder / "images")
    paths.images.mkdir(parents=True, exist_ok=True)
    pasted, learned = read_digits()
    detector = Detector(learned, seed)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id in range(1, n_frames + 1):
        frame = render_frame(pasted, image_id, seed)
        file = paths.images / f"{image_id:06d}.jpg"
        Image.fromarray(frame.pixels).save(file, quality=_JPEG_QUALITY)
        images.append(
            {
                "id": image_id,
                "file_name": f"images/{file.name}",
                "width": WIDTH_PX,
                "height": HEIGHT_PX,
                "digit_contrast": frame.digit_contrast,
                "blur_px": frame.blur_px,
                "noise_level": frame.noise_level,
                "texture": frame.texture,
            }
        )
        for label in frame.labels:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label.value,
                    "bbox": [label.x, label.y, label.width, label.height],
                    "area": label.width * label.height,
                    "iscrowd": 0,
                }
            )
        with Image.open(file) as image:
            detections = detector.detect(np.asarray(image))
        results += [
            {
                "image_id": image_id,
                "category_id": found.value,
                "bbox": [found.x, found.y, found.width, found.height],
                "score": found.score,
            }
            for found in detections
        ]
    categories = [{"id": value, "name": name} for value, name in enumerate(CLASS_NAMES)]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    paths.labels.write_text(json.dumps(labels, separators=(",", ":")), encoding="utf-8")
    paths.predictions.write_text(json.dumps(results, separators=(",", ":")), encoding="utf-8")
    return paths
