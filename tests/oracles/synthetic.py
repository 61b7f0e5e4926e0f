"""A data set of moderate size in which known properties decide what the detector gets right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

WIDTH, HEIGHT = 640.0, 480.0
CLASS_NAMES = {1: "car", 2: "person", 10: "bicycle"}


@dataclass(frozen=True)
class DataSet:
    """Label, prediction and frame tables as a user would hand them in."""

    frames: pd.DataFrame
    labels: pd.DataFrame
    predictions: pd.DataFrame


def make_data_set(
    n_frames: int = 120, *, seed: int = 11, crowds: bool = False, string_ids: bool = False
) -> DataSet:
    """Frames in sequences of ten with user columns of every kind, nulls among them.

    Small objects, dark frames and occluded labels are missed more often. `crowds` adds crowd and ignored
    labels. Rows are shuffled; frames without labels, without predictions and without either exist.
    """
    rng = np.random.default_rng(seed)
    frame_rows, label_rows, prediction_rows = [], [], []
    for number in range(n_frames):
        frame_id = f"frame {number}" if string_ids else number * 3 + 1
        dark = float(rng.random())
        frame_rows.append(
            {
                "frame_id": frame_id,
                "width_px": WIDTH,
                "height_px": HEIGHT if number % 4 else HEIGHT * 1.5,
                "sequence_id": f"sequence {number // 10}",
                "darkness": dark if number % 13 else np.nan,
                "weather": str(rng.choice(["sun", "rain", "fog", "snow"], p=[0.5, 0.3, 0.17, 0.03])),
                "is_night": bool(dark > 0.7),
                "lamp_count": int(rng.integers(0, 6)),
            }
        )
        n_labels = 0 if number % 17 == 5 else int(rng.poisson(8)) + 1
        for _ in range(n_labels):
            label = _label(rng, frame_id, crowds)
            label_rows.append(label)
            if number % 19 != 7:
                prediction_rows.extend(_answers(rng, label, dark))
        if number % 19 != 7 and number % 17 != 5:
            prediction_rows.extend(_alarms(rng, frame_id, dark))
    rng.shuffle(label_rows)
    rng.shuffle(prediction_rows)
    labels = pd.DataFrame(label_rows)
    labels.insert(0, "label_id", np.arange(len(labels)) + 1)
    predictions = pd.DataFrame(prediction_rows)
    predictions.insert(0, "prediction_id", np.arange(len(predictions)))
    return DataSet(pd.DataFrame(frame_rows), labels, predictions)


def _label(rng: np.random.Generator, frame_id: int | str, crowds: bool) -> dict[str, object]:
    class_id = int(rng.choice(list(CLASS_NAMES), p=[0.5, 0.4, 0.1]))
    size = float(np.exp(rng.uniform(np.log(8), np.log(200))))
    width, height = size * float(rng.uniform(0.6, 1.6)), size
    return {
        "frame_id": frame_id,
        "class_id": class_id,
        "class_name": CLASS_NAMES[class_id],
        "x_px": float(rng.uniform(-10, WIDTH - 20)),
        "y_px": float(rng.uniform(-10, HEIGHT - 20)),
        "width_px": width,
        "height_px": height,
        "area_px2": width * height * float(rng.uniform(0.5, 1.0)) if rng.random() < 0.5 else np.nan,
        "is_crowd": bool(crowds and rng.random() < 0.05),
        "is_ignored": bool(crowds and rng.random() < 0.05),
        "visibility": float(rng.random()) if rng.random() < 0.9 else np.nan,
        "is_truncated": bool(rng.random() < 0.2),
    }


def _answers(rng: np.random.Generator, label: dict[str, object], dark: float) -> list[dict[str, object]]:
    """Predictions that a label gives rise to: none for many small, dark or hidden ones, sometimes two."""
    width, height = float(label["width_px"]), float(label["height_px"])  # type: ignore[arg-type]
    ease = 1.2 * np.log(width * height / 1000) - 2 * dark + 2 * np.nan_to_num(float(label["visibility"]))  # type: ignore[arg-type]
    if rng.random() > 1 / (1 + np.exp(-ease - 1)):
        return []
    rows = []
    for _ in range(1 + int(rng.random() < 0.15)):
        wobble = rng.normal(0, 0.04 + 0.08 * dark, 4)
        class_id = int(label["class_id"]) if rng.random() < 0.95 else int(rng.choice(list(CLASS_NAMES)))  # type: ignore[call-overload]
        rows.append(
            {
                "frame_id": label["frame_id"],
                "class_id": class_id,
                "class_name": CLASS_NAMES[class_id],
                "score": round(float(1 / (1 + np.exp(-ease / 2 - rng.normal(0, 0.7)))), 3),
                "x_px": float(label["x_px"]) + wobble[0] * width,  # type: ignore[arg-type]
                "y_px": float(label["y_px"]) + wobble[1] * height,  # type: ignore[arg-type]
                "width_px": width * np.exp(wobble[2]),
                "height_px": height * np.exp(wobble[3]),
                "head": str(rng.choice(["coarse", "fine"])),
            }
        )
    return rows


def _alarms(rng: np.random.Generator, frame_id: int | str, dark: float) -> list[dict[str, object]]:
    """False positives: small, of low score, more of them in the dark."""
    rows = []
    for _ in range(int(rng.poisson(1 + 4 * dark))):
        class_id = int(rng.choice(list(CLASS_NAMES)))
        size = float(np.exp(rng.uniform(np.log(6), np.log(80))))
        rows.append(
            {
                "frame_id": frame_id,
                "class_id": class_id,
                "class_name": CLASS_NAMES[class_id],
                "score": round(float(rng.beta(1.5, 4)), 3),
                "x_px": float(rng.uniform(0, WIDTH - 20)),
                "y_px": float(rng.uniform(0, HEIGHT - 20)),
                "width_px": size,
                "height_px": size * float(rng.uniform(0.5, 2)),
                "head": str(rng.choice(["coarse", "fine"])),
            }
        )
    return rows
