"""mAP with a rule is pycocotools' of the predictions that it keeps, on the half of the frames that judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate, keys
from emqa_core.pipeline import partition_tasks
from emqa_core.storage.runs import Run
from tests.oracles.pycocotools_oracle import run_pycocotools
from tests.oracles.same_run import differences, tables_of

N_FRAMES, PER_FRAME = 300, 6
COLUMNS = [f"average_precision_{of}" for of in ("all", "before", "after")]


def data_set() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Labels of three classes, each found once at most; seldom at grade 0 and in haze, where alarms are.

    Scores tie, and a tenth of the predictions have no grade.
    """
    rng = np.random.default_rng(8)
    n = N_FRAMES * PER_FRAME
    frames = pd.DataFrame(
        {
            "frame_id": np.arange(N_FRAMES),
            "width_px": 600.0,
            "height_px": 600.0,
            "haze": rng.integers(0, 5, N_FRAMES),
        }
    )
    labels = pd.DataFrame(
        {
            "frame_id": np.repeat(np.arange(N_FRAMES), PER_FRAME),
            "label_id": np.arange(1, n + 1),
            "class_id": rng.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1]),
            "x_px": np.tile(np.arange(PER_FRAME) * 90.0, N_FRAMES),
            "y_px": 0.0,
            "width_px": 50.0,
            "height_px": 50.0,
            "grade": rng.integers(0, 6, n).astype(float),
        }
    )
    haze = frames["haze"].to_numpy()[labels["frame_id"]]
    is_hard = (haze == 4) | (labels["grade"] == 0)
    found = labels[rng.random(n) < np.where(is_hard, 0.2, 0.85)].drop(columns="label_id").assign(right=1.0)
    alarms = labels.drop(columns="label_id").assign(
        y_px=400.0, right=0.0, grade=np.minimum(rng.geometric(0.6, n) - 1, 5.0)
    )
    alarms = alarms[rng.random(n) < np.where(haze == 4, 0.9, 0.4)]
    predictions = pd.concat([found, alarms], ignore_index=True).sample(frac=1, random_state=2)
    haze = frames["haze"].to_numpy()[predictions["frame_id"]]
    centre = 0.5 - 0.05 * predictions["grade"] + 0.06 * haze + 0.15 * predictions["right"]
    predictions["score"] = np.round(np.clip(rng.normal(centre, 0.12), 0, 1), 2)
    predictions.loc[rng.random(len(predictions)) < 0.1, "grade"] = np.nan
    predictions["prediction_id"] = np.arange(len(predictions))
    return frames, labels, predictions.drop(columns="right")


def run_of(output: Path | None = None, **options: Any) -> Run:
    frames, labels, predictions = data_set()
    place = {} if output is None else {"output": str(output)}
    run = evaluate(
        frames=frames, labels=labels, predictions=predictions, iou_thresholds=[0.5, 0.75],
        run_date="2026-03-01", metrics=["grade", "frame_haze", "object_random", "frame_random"], **place,
        **options,
    )  # fmt: skip
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of()


def rules_of(run: Run) -> pd.DataFrame:
    table = run.to_pandas("recommendation")
    return table[table["measure"].astype(object) == "f1"]


def mean_average_precision(kept: np.ndarray) -> float:
    """Of the predictions kept, in the frames of odd groups, by pycocotools."""
    frames, labels, predictions = data_set()
    group = keys.group_of(keys.hash_column(pa.array(frames["frame_id"].to_numpy())), 20)
    judged = set(frames["frame_id"][group % 2 == 1])
    result = run_pycocotools(
        frames,
        labels[labels["frame_id"].isin(judged)].reset_index(drop=True),
        predictions[kept & predictions["frame_id"].isin(judged)].reset_index(drop=True),
        iou_thresholds=[0.5],
        classes=[1, 2, 3],
    )
    precision = result.precision[0, :, :, 0, 2]
    return float(precision[precision > -1].mean())


def kept_by(row: dict[str, Any]) -> np.ndarray:
    """Predictions that a rule keeps; those without the metric at the filter's threshold, or as before."""
    frames, _, predictions = data_set()
    score = predictions["score"].to_numpy()
    if row["metric"] == "grade":
        value = predictions["grade"].to_numpy()
    else:
        value = frames["haze"].to_numpy()[predictions["frame_id"]].astype(float)
    is_filter = row["kind"] == "filter_predictions"
    ranges = [row] if is_filter else json.loads(row["score_thresholds"])
    kept = np.isnan(value) & (score >= row["score_threshold" if is_filter else "score_threshold_before"])
    for each in ranges:
        lower = -np.inf if pd.isna(each["lower"]) else each["lower"]
        upper = np.inf if pd.isna(each["upper"]) else each["upper"]
        asked = np.inf if each["score_threshold"] is None else each["score_threshold"]
        kept |= (value > lower) & (value <= upper) & (score >= asked)
    return kept


def test_there_are_rules_of_either_kind_and_level(run: Run) -> None:
    rules = rules_of(run)
    assert {"filter_predictions", "confidence_by_metric"} == set(rules["kind"])
    assert {"grade", "frame_haze"} == set(rules["metric"])


def test_precision_is_that_of_pycocotools(run: Run) -> None:
    score = data_set()[2]["score"].to_numpy()
    for row in rules_of(run).to_dict("records"):
        expected = [
            mean_average_precision(np.full(len(score), True)),
            mean_average_precision(score >= row["score_threshold_before"]),
            mean_average_precision(kept_by(row)),
        ]
        np.testing.assert_allclose([row[name] for name in COLUMNS], expected, rtol=0, atol=1e-12)
        whole, before, after = expected
        assert f"mAP {before:.3f} to {after:.3f} ({whole:.3f} with no score threshold)." in row["text"]
    others = run.to_pandas("recommendation")
    assert others[others["f1_before"].isna()][COLUMNS].isna().all(axis=None)


@pytest.mark.parametrize("is_held", [True, False])
def test_the_same_of_any_partitions_and_stretches(
    run: Run, is_held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_tasks, "is_scratch_held", lambda *_: is_held)
    cut = run_of(tmp_path, cluster={"partitions": 5, "reduce_predictions": 400})
    assert differences(tables_of(cut), tables_of(run)) == []
