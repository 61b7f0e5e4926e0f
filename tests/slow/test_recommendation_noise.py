"""Metrics that tell nothing give no advice: at most one data set in twenty, however unlike frames are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate

N_DATA_SETS, N_FRAMES, PER_FRAME, N_METRICS = 60, 250, 8, 6


def noise(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Frames of unlike difficulty; columns of frames and of objects that have nothing to do with it."""
    rng = np.random.default_rng(seed)
    n = N_FRAMES * PER_FRAME
    frames = pd.DataFrame({"frame_id": np.arange(N_FRAMES)})
    for index in range(N_METRICS // 2):
        frames[f"noise_{index}"] = rng.normal(size=N_FRAMES)
    ease = np.repeat(rng.beta(2, 2, N_FRAMES), PER_FRAME)
    labels = pd.DataFrame(
        {
            "frame_id": np.repeat(np.arange(N_FRAMES), PER_FRAME),
            "class_id": 1,
            "x_px": np.tile(np.arange(PER_FRAME) * 100.0, N_FRAMES),
            "y_px": 0.0,
            "width_px": 50.0,
            "height_px": 50.0,
        }
    )
    right, wrong = labels[rng.random(n) < ease], labels[rng.random(n) < 1 - ease].assign(y_px=500.0)
    predictions = pd.concat([right.assign(is_right=1), wrong.assign(is_right=0)], ignore_index=True)
    predictions["score"] = np.clip(rng.normal(0.4 + 0.2 * predictions.pop("is_right"), 0.2), 0, 1)
    for index in range(N_METRICS // 2):
        labels[f"column_{index}"] = rng.normal(size=n)
        predictions[f"column_{index}"] = rng.normal(size=len(predictions))
    labels["label_id"] = np.arange(n)
    predictions["prediction_id"] = np.arange(len(predictions))
    return frames, labels, predictions


@pytest.mark.timeout(900)
def test_noise_gives_no_advice() -> None:
    names = [f"frame_noise_{index}" for index in range(N_METRICS // 2)]
    names += [f"column_{index}" for index in range(N_METRICS // 2)]
    advised = []
    for seed in range(N_DATA_SETS):
        frames, labels, predictions = noise(seed)
        run = evaluate(
            frames=frames,
            labels=labels,
            predictions=predictions,
            metrics=names,
            iou_thresholds=[0.5],
            cluster={"address": "none"},
        )
        kinds = run.to_pandas("recommendation")["kind"].astype(str).tolist()
        if kinds:
            advised.append((seed, kinds))
    # 5% of 60 is 3; more than 6 would come once in fifty suites of that level.
    assert len(advised) <= 6, advised
