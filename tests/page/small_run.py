"""A small run with everything a page shows: five classes, one named to do harm, sizes that matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emqa_core import evaluate
from emqa_core.storage.runs import Run

EVIL = "<script>alert(1)</script>"
CLASSES = ("car", "person", EVIL, "=1+1", "bus & train")


def small_run(output: Path, seed: int = 3, n_frames: int = 240, **options: Any) -> Run:
    """Small objects are missed, right predictions have high scores; weather is a column of the frames."""
    random = np.random.default_rng(seed)
    labels: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    for frame in range(n_frames):
        for _ in range(random.integers(1, 9)):
            name = CLASSES[random.choice(5, p=[0.4, 0.3, 0.15, 0.1, 0.05])]
            size = float(np.exp(random.uniform(2.0, 5.3)))
            x, y = random.uniform(0, 640 - size, 2) if size < 440 else (0.0, 0.0)
            box = {"x": x, "y": min(y, 480 - size), "width": size, "height": size * random.uniform(0.6, 1.0)}
            labels.append({"frame_id": str(frame), "class_name": name, **box})
            if random.random() < size / (size + 25):
                moved = {**box, "x": box["x"] + size * random.uniform(0, 0.25)}
                score = float(random.beta(5, 2))
                predictions.append({"frame_id": str(frame), "class_name": name, **moved, "score": score})
        for _ in range(random.integers(0, 6)):
            size = float(np.exp(random.uniform(2.0, 5.0)))
            place = {"x": random.uniform(0, 400), "y": random.uniform(0, 300), "width": size, "height": size}
            name = CLASSES[random.integers(5)]
            score = float(random.beta(1.5, 6))
            predictions.append({"frame_id": str(frame), "class_name": name, **place, "score": score})
    weather = random.choice(["clear", "fog", "rain"], n_frames)
    frames = pd.DataFrame(
        {
            "frame_id": [str(frame) for frame in range(n_frames)],
            "width_px": 640,
            "height_px": 480,
            "weather": weather,
        }
    )
    run = evaluate(
        labels=pd.DataFrame(labels),
        predictions=pd.DataFrame(predictions),
        frames=frames,
        output=str(output),
        dataset="small",
        **options,
    )
    assert isinstance(run, Run)
    return run
