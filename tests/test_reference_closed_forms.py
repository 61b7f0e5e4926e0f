"""Runs whose importance and correlation are known in closed form, or from SciPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emqa_core import evaluate

N = 20_000


def _evaluate(
    right: np.ndarray, frame: np.ndarray, of_object: dict[str, Any], of_frame: dict[str, Any]
) -> Any:
    """One label and one prediction per row, each in a place of its own in its frame; a wrong prediction
    lies beside its label."""
    place = pd.Series(frame).groupby(frame).cumcount().to_numpy() * 50.0
    box = {"class_id": 1, "class_name": "car", "y_px": 5.0, "width_px": 20.0, "height_px": 20.0}
    labels = pd.DataFrame({"frame_id": frame, "x_px": place, **box})
    predictions = pd.DataFrame(
        {"frame_id": frame, "x_px": place + np.where(right, 0.0, 22.0), "score": 0.5, **box, **of_object}
    )
    frames = pd.DataFrame(
        {"frame_id": np.arange(frame.max() + 1), "width_px": 2000.0, "height_px": 50.0, **of_frame}
    )
    return evaluate(
        frames=frames,
        labels=labels,
        predictions=predictions,
        iou_thresholds=[0.5],
        metrics=[*of_object, *(f"frame_{name}" for name in of_frame)],
    )


def _of_all(run: Any, target: str) -> pd.DataFrame:
    rows = run.table("metric_importance").to_pandas().astype({"metric": object, "target": object})
    return rows[(rows["scope"] == "all") & (rows["target"] == target)].set_index("metric")


@cache
def _one_per_frame() -> tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(31)
    x = rng.random(N)
    right = x > np.median(x)
    metrics = {
        "decides": x,
        "flipped": np.where(rng.random(N) < 0.1, 1 - x, x),
        "independent": rng.random(N),
        # A mean 1e7 times the spread: raw power sums lose the correlation.
        "far_away": 1e7 + x + rng.normal(size=N),
    }
    return _of_all(_evaluate(right, np.arange(N), metrics, {}), "prediction"), right, metrics


def test_importance_hits_its_closed_forms() -> None:
    rows, _, _ = _one_per_frame()
    assert rows.loc["independent", "importance"] < 0.005
    assert rows.loc["decides", "importance"] >= 0.98
    # A tenth of the values changes sides of the median: 1 - H(0.1) in bits.
    assert rows.loc["flipped", "importance"] == pytest.approx(0.531, abs=0.02)
    assert rows.loc["flipped", "importance_low"] < 0.531 < rows.loc["flipped", "importance_high"]
    assert rows["is_significant"].to_dict() | {"object_random": None} == {
        "decides": True, "flipped": True, "independent": False, "far_away": True, "object_random": None
    }  # fmt: skip


def test_correlations_equal_scipy() -> None:
    rows, right, metrics = _one_per_frame()
    for name, values in metrics.items():
        expected = stats.pearsonr(values, right.astype(float)).statistic
        assert rows.loc[name, "correlation"] == pytest.approx(expected, abs=1e-10), name
        assert rows.loc[name, "correlation_low"] < expected < rows.loc[name, "correlation_high"]
        expected = stats.spearmanr(values, right).statistic
        # From 50 bins.
        assert rows.loc[name, "correlation_spearman"] == pytest.approx(expected, abs=0.0002), name


def test_a_frame_metric_without_effect_is_not_important() -> None:
    """1,000 frames of 20 objects that share their difficulty: without f, importance would be 0.006."""
    rng = np.random.default_rng(32)
    frame = np.repeat(np.arange(1000), 20)
    right = rng.random(N) < rng.beta(2, 2, 1000)[frame]
    frame_metrics = {"idle": rng.random(1000)}
    rows = _of_all(_evaluate(right, frame, {}, frame_metrics), "prediction")
    assert rows.loc["frame_idle", "bias_factor"] > 2
    assert rows.loc["frame_idle", "importance"] < 0.003
    assert not rows.loc["frame_idle", "is_significant"]


def test_a_frame_metric_with_an_effect_is_important() -> None:
    rng = np.random.default_rng(33)
    frame = np.repeat(np.arange(1000), 20)
    dark = rng.random(1000)
    right = rng.random(N) < np.where(dark < 0.5, 0.9, 0.1)[frame]
    run = _evaluate(right, frame, {}, {"dark": dark})
    # The channel of 0.9 and 0.1 once more; objects of a frame are independent given its darkness.
    for target in ("prediction", "label"):
        row = _of_all(run, target).loc["frame_dark"]
        assert row["importance"] == pytest.approx(0.531, abs=0.03)
        assert row["is_significant"]
    assert _of_all(run, "frame").loc["frame_dark", "importance"] > 0.3
