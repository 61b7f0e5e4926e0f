"""metric_importance at the score of the best F1, and metric_score, equal what the rows say."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.storage.runs import Run
from tests import test_reference_tables as reference
from tests.oracles.importance import metric_importance_rows
from tests.oracles.performance_by_metric import decide_axes
from tests.oracles.synthetic import make_data_set
from tests.oracles.thresholded_rows import metric_score_rows, shown_levels, tables_at

METRICS = (
    "confidence", "object_area_px2", "object_random", "frame_random", "frame_label_count", "frame_darkness",
    "frame_weather", "visibility",
)  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "crowds": {"data": {"n_frames": 80, "crowds": True, "seed": 12}, "options": {}},
    "best_iou, units of ten frames, iou explained": {
        "data": {"n_frames": 120, "seed": 14},
        "options": {
            "matching": "best_iou",
            "resampling_unit": "sequence_id",
            "importance_target": "iou",
        },
    },
}


@cache
def run_of(name: str, score_threshold: float = 0.0) -> tuple[Run, pd.DataFrame]:
    data = make_data_set(**CASES[name]["data"])
    options = {
        "iou_thresholds": [0.5],
        "metrics": METRICS,
        "score_threshold": score_threshold,
        **CASES[name]["options"],
    }
    run = evaluate(frames=data.frames, labels=data.labels, predictions=data.predictions, **options)
    return run, data.frames


def best_score(run: Run) -> float:
    """The score of the highest F1 of all rows, tried one by one."""
    prediction, label = run.to_pandas("prediction"), run.to_pandas("label")
    prediction = prediction[prediction["outcome"].astype(str) != "ignored"]
    n_labels = int((label["outcome"].astype(str) != "ignored").sum())
    is_right = (prediction["outcome"].astype(str) == "true_positive").to_numpy()
    score = prediction["score"].to_numpy()

    def f1(threshold: float) -> float:
        kept = score >= threshold
        return 2 * int(is_right[kept].sum()) / (int(kept.sum()) + n_labels)

    return float(max(sorted(set(score), reverse=True), key=f1))


@pytest.mark.parametrize("name", CASES)
def test_importance_at_the_best_score_equals_the_reference(name: str) -> None:
    run, frames = run_of(name)
    options = CASES[name]["options"]
    rows = reference._plain(run.table("metric_importance").to_pandas())
    best = best_score(run)
    assert set(rows["score_threshold"]) == {0.0, best}
    of_run = {
        "resampling_unit": options.get("resampling_unit", "frame"),
        "explains_iou": options.get("importance_target") == "iou",
    }
    whole = reference._outcome_tables(run, frames, [0.5], 0.5, **of_run)
    prediction, label = tables_at(run.to_pandas("prediction"), run.to_pandas("label"), 0.5, best)
    tables = reference.outcome_tables(
        reference._plain(prediction),
        reference._plain(label),
        reference._plain(run.to_pandas("frame")),
        classes=whole.classes,
        iou_thresholds=[0.5],
        chosen=0.5,
        integer_frame_ids=True,
        **of_run,
    )
    differences = reference._differences(
        rows[rows["score_threshold"] == best].to_dict("records"),
        metric_importance_rows(tables, decide_axes(whole, 200)),
        ("metric", "level", "target", "class_id", "iou_threshold"),
    )
    assert differences == []


def test_the_best_score_may_lie_below_the_configured_one() -> None:
    run, _ = run_of("crowds")
    strict, _ = run_of("crowds", 0.7)
    best = best_score(run)
    assert best < 0.7
    ours = reference._plain(strict.table("metric_importance").to_pandas())
    assert set(ours["score_threshold"]) == {0.7, best}
    whole = reference._plain(run.table("metric_importance").to_pandas())
    key = ["metric", "level", "target", "scope", "class_id"]
    both = ours[ours["score_threshold"] == best].merge(
        whole[whole["score_threshold"] == best], on=key, suffixes=("", "_whole")
    )
    both = both[both["metric"] == "frame_random"]  # its bins do not depend on which rows there are
    assert len(both) == 3 * 4
    np.testing.assert_array_equal(both["n"], both["n_whole"])


@pytest.mark.parametrize("name", CASES)
def test_confounded_is_what_the_control_explains(name: str) -> None:
    rows = reference._plain(run_of(name)[0].table("metric_importance").to_pandas())
    assert rows["is_confounded"].notna().any()
    for row in rows.to_dict("records"):
        known = [row[each] for each in ("is_significant", "correlation", "correlation_partial_low")]
        if any(value is None or pd.isna(value) for value in known):
            assert row["is_confounded"] is None or pd.isna(row["is_confounded"])
            continue
        is_explained = row["correlation_partial_low"] <= 0 <= row["correlation_partial_high"]
        third = 3 * abs(row["correlation_partial"]) < abs(row["correlation"])
        assert row["is_confounded"] == (row["is_significant"] and is_explained and third), row


def test_nothing_is_said_twice_where_the_best_score_is_the_configured_one() -> None:
    run, _ = run_of("crowds")
    best = best_score(run)
    again, _ = run_of("crowds", best)
    assert set(again.to_pandas("metric_importance")["score_threshold"]) == {best}


@pytest.mark.parametrize("name", CASES)
def test_metric_score_equals_the_rows(name: str) -> None:
    run, _ = run_of(name)
    sides = {side: run.to_pandas(side) for side in ("prediction", "label")}
    for side in sides.values():
        side["outcome"] = side["outcome"].astype(str)
    frame = run.to_pandas("frame")
    levels = shown_levels(sides["prediction"]["score"], 0.0, best_score(run))
    table = reference._plain(run.table("metric_score").to_pandas())
    metric_bins = run.to_pandas("metric_bin")
    for metric in ("object_area_px2", "frame_darkness", "visibility", "confidence"):
        axis = metric_bins[metric_bins["metric"] == metric].sort_values("bin")
        bins = {}
        for side, rows in sides.items():
            if metric.startswith("frame_"):
                rows = rows.merge(frame[["frame_id", metric]], on="frame_id", how="left")
            if metric in rows:
                bins[side] = bins_of(rows[metric].to_numpy(float), axis)
        expected = metric_score_rows(
            sides["prediction"] if "prediction" in bins else None,
            sides["label"] if "label" in bins else None,
            metric,
            bins,
            levels,
        )
        found = {}
        for row in table[table["metric"] == metric].to_dict("records"):
            assert row["resolution"] == (50 if row["scope"] == "all" else 10)
            values = (row["n_predictions"], row["n_true_positive"], row["n_found"])
            assert pd.isna(row["n_predictions"]) == ("prediction" not in bins)
            assert pd.isna(row["n_found"]) == ("label" not in bins)
            key = row["class_id"], row["bin"], row["score_lower"]
            found[key] = tuple(0 if pd.isna(value) else int(value) for value in values)
        assert found == expected, metric


def bins_of(values: np.ndarray, axis: pd.DataFrame) -> np.ndarray:
    """The bin_50 of each value, -1 where it is missing."""
    place = np.searchsorted(axis["upper"].to_numpy(), np.nan_to_num(values))
    coarse = axis["bin_50"].to_numpy()[np.minimum(place, len(axis) - 1)]
    return np.where(np.isnan(values), -1, coarse)


def test_levels_added_up_give_the_counts_of_the_configured_threshold() -> None:
    run, _ = run_of("crowds", 0.7)
    score = run.to_pandas("metric_score")
    score = score[(score["scope"] == "all") & (score["score_lower"] >= 0.7)]
    performance = run.to_pandas("metric_performance")
    performance = performance[(performance["scope"] == "all") & (performance["resolution"] == 50)]
    key = ["metric", "bin"]
    summed = score.groupby(key, observed=True)[["n_predictions", "n_true_positive", "n_found"]].sum()
    counts = performance.set_index(key)[["n_predictions", "n_true_positive", "n_labels", "n_missed"]]
    both = counts.join(summed.add_suffix("_summed")).fillna(0)
    assert len(both) > 50
    np.testing.assert_array_equal(both["n_predictions"], both["n_predictions_summed"])
    np.testing.assert_array_equal(both["n_true_positive"], both["n_true_positive_summed"])
    np.testing.assert_array_equal(both["n_labels"] - both["n_missed"], both["n_found_summed"])
