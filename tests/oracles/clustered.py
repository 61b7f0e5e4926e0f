"""Data sets drawn from one known population in which objects of a frame share their luck.

A label is found with a probability that falls with its own metric `x`, with the frame's metric `z` and with
a hidden effect of the frame; false positives come in bad frames, and scores shift with the frame. `noise`
and the frame's `noise` say nothing. All metrics have eight values, so that bins are known beforehand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from emqa_core import evaluate

N_LEVELS = 8
METRICS = ("x", "noise", "frame_z", "frame_noise", "object_area_px2", "frame_label_count")
CONTROLS = ("object_random", "frame_random")
CLASSES = ("common", "second", "rare")
_SHARES = (0.65, 0.335, 0.015)
_MOST = 24  # labels of a frame, each in a cell of its own


def evaluate_clustered(n_frames: int, seed: int, *, intervals: bool = True) -> Any:
    """The run of a data set of so many frames; a large one without intervals tells the truth."""
    frames, labels, predictions = draw(n_frames, seed)
    return evaluate(
        frames=frames,
        labels=labels,
        predictions=predictions,
        iou_thresholds=[0.5],
        metrics=[*METRICS, *CONTROLS],
        error_types=False,
        intervals=intervals,
        run_date="2026-01-01",
    )


def draw(n_frames: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Frames, labels and predictions."""
    rng = np.random.default_rng(seed)
    luck = rng.normal(0, 1, n_frames)
    frames = pd.DataFrame(
        {
            # Groups are hashes of the id: other ids, other groups.
            "frame_id": [f"{seed}-{number}" for number in range(n_frames)],
            "width_px": 1000.0,
            "height_px": 1000.0,
            "z": rng.integers(0, N_LEVELS, n_frames).astype(float),
            "noise": rng.integers(0, N_LEVELS, n_frames).astype(float),
        }
    )
    n_labels = np.minimum(rng.poisson(5, n_frames), _MOST)
    labels = _objects(rng, frames, n_labels, top=0)
    of_label = np.repeat(np.arange(n_frames), n_labels)
    ease = 1.5 - 0.35 * labels["x"] - 0.2 * frames["z"].to_numpy()[of_label] + luck[of_label]
    found = labels[rng.random(len(labels)) < 1 / (1 + np.exp(-ease - 1.0))].copy()
    found["x_px"] += rng.uniform(0, 0.3, len(found)) * found["width_px"]  # IoU 0.54 to 1
    of_found = of_label[found.index.to_numpy()]
    found["score"] = _score(rng, 1.0 + 0.5 * luck[of_found])
    n_false = np.minimum(rng.poisson(np.exp(0.5 - 0.5 * luck + 0.1 * frames["z"])), _MOST)
    false = _objects(rng, frames, n_false, top=500)
    false["score"] = _score(rng, -0.5 + 0.5 * luck[np.repeat(np.arange(n_frames), n_false)])
    predictions = pd.concat([found, false], ignore_index=True)
    labels.insert(0, "label_id", np.arange(len(labels)) + 1)
    predictions.insert(0, "prediction_id", np.arange(len(predictions)))
    return frames, labels, predictions


def _objects(rng: np.random.Generator, frames: pd.DataFrame, n: np.ndarray, top: int) -> pd.DataFrame:
    """So many objects of each frame, each in a cell of 40 px of its own below `top`."""
    place = np.concatenate([np.arange(each) for each in n]) if n.sum() else np.empty(0, int)
    x = rng.integers(0, N_LEVELS, len(place)).astype(float)
    side = 8.0 + rng.integers(0, 20, len(place)) + x
    return pd.DataFrame(
        {
            "frame_id": np.repeat(frames["frame_id"].to_numpy(), n),
            "class_id": rng.choice(CLASSES, len(place), p=_SHARES),
            "x_px": place * 40.0,
            "y_px": top + 1.0,
            "width_px": side,
            "height_px": side,
            "x": x,
            "noise": rng.integers(0, N_LEVELS, len(place)).astype(float),
        }
    )


def _score(rng: np.random.Generator, centre: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-rng.normal(centre, 1.0)))
