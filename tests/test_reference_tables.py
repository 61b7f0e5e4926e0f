"""metric_bin, metric_performance and metric_importance of a run equal the slow reference."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate, keys
from emqa_core.config import COCO_IOU_THRESHOLDS
from tests.data import data_folder
from tests.oracles.coco_tables import frames_of, labels_of, predictions_of, read_json
from tests.oracles.importance import metric_importance_rows
from tests.oracles.outcome_rows import OutcomeTables, outcome_tables
from tests.oracles.performance_by_metric import (
    Axis,
    decide_axes,
    decide_axis,
    metric_bin_rows,
    metric_performance_rows,
)
from tests.oracles.synthetic import make_data_set

RELATIVE = 1e-9
# Numbers around 0 that are differences of larger ones.
ABSOLUTE = 1e-11

SOME_METRICS = (
    "confidence", "object_area_px2", "object_overlap", "object_random", "frame_random", "frame_label_count",
    "frame_darkness", "frame_weather", "visibility", "head",
)  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    # Without crowds the ignored state is the same at every threshold, so that all can be compared.
    "two thresholds": {
        "data": {"n_frames": 120},
        "options": {"iou_threshold": 0.5, "iou_thresholds": [0.5, 0.75]},
    },
    "crowds": {
        "data": {"n_frames": 100, "crowds": True, "seed": 12},
        "options": {"iou_threshold": 0.6, "iou_thresholds": [0.6]},
    },
    "string ids, best_iou, score threshold": {
        "data": {"n_frames": 90, "string_ids": True, "seed": 13},
        "options": {
            "iou_threshold": 0.5,
            "iou_thresholds": [0.5],
            "matching": "best_iou",
            "score_threshold": 0.3,
            "metrics": SOME_METRICS,
        },
    },
    "units of ten frames": {
        "data": {"n_frames": 150, "seed": 14},
        "options": {
            "iou_threshold": 0.5,
            "iou_thresholds": [0.5],
            "resampling_unit": "sequence_id",
            "metrics": SOME_METRICS,
        },
    },
    "few units": {
        "data": {"n_frames": 60, "seed": 15},
        "options": {
            "iou_threshold": 0.5,
            "iou_thresholds": [0.5],
            "resampling_unit": "sequence_id",
            "metrics": SOME_METRICS,
        },
    },
    "iou explained": {
        "data": {"n_frames": 100, "seed": 17},
        "options": {
            "iou_threshold": 0.5,
            "iou_thresholds": [0.5],
            "importance_target": "iou",
            "metrics": SOME_METRICS,
        },
    },
    "fewer fine bins": {
        "data": {"n_frames": 100, "seed": 16},
        "options": {"iou_threshold": 0.5, "iou_thresholds": [0.5], "fine_bins": 80, "metrics": SOME_METRICS},
    },
}


@cache
def _case(name: str) -> tuple[Any, OutcomeTables, dict[str, Axis], dict[str, Any]]:
    case = CASES[name]
    data = make_data_set(**case["data"])
    options = case["options"]
    run = evaluate(frames=data.frames, labels=data.labels, predictions=data.predictions, **options)
    tables = _outcome_tables(
        run,
        data.frames,
        options["iou_thresholds"],
        options["iou_threshold"],
        resampling_unit=options.get("resampling_unit", "frame"),
        explains_iou=options.get("importance_target") == "iou",
    )
    return run, tables, decide_axes(tables, options.get("fine_bins", 200)), options


def _outcome_tables(
    run: Any, frames: pd.DataFrame, thresholds: list[float], chosen: float, **options: Any
) -> OutcomeTables:
    classes = run.table("class_performance").to_pandas()
    class_ids = classes.loc[classes["scope"] == "class", "class_id"].astype(str).unique()
    return outcome_tables(
        _plain(run.table("prediction").to_pandas()),
        _plain(run.table("label").to_pandas()),
        _plain(run.table("frame").to_pandas()),
        classes=class_ids,
        iou_thresholds=thresholds,
        chosen=chosen,
        integer_frame_ids=frames["frame_id"].dtype.kind == "i",
        **options,
    )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Categorical and string columns as Python objects, so that nulls and equality are plain."""
    for name in table.columns:
        if isinstance(table[name].dtype, pd.CategoricalDtype | pd.StringDtype):
            table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def _by_key(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    by_key = {}
    for row in rows:
        row = {name: None if _is_null(value) else value for name, value in row.items()}
        key = tuple(round(row[name], 6) if isinstance(row[name], float) else row[name] for name in keys)
        assert key not in by_key, f"{key} twice"
        by_key[key] = row
    return by_key


def _is_null(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float | np.floating) and math.isnan(value))


def _differences(
    ours: list[dict[str, Any]], expected: list[dict[str, Any]], keys: tuple[str, ...]
) -> list[str]:
    """Every difference in words; columns that the reference does not know are not compared."""
    found, wanted = _by_key(ours, keys), _by_key(expected, keys)
    differences = [f"missing row {key}" for key in wanted.keys() - found.keys()]
    differences += [f"unexpected row {key}" for key in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        for name, value in wanted[key].items():
            other = found[key][name]
            if not _equal(other, value):
                differences.append(f"{key} {name}: {other!r}, reference {value!r}")
    return sorted(differences)


def _equal(ours: Any, expected: Any) -> bool:
    if ours is None or expected is None:
        return ours is expected
    if isinstance(expected, float):
        return math.isclose(ours, expected, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(ours == expected)


def _records(run: Any, name: str) -> list[dict[str, Any]]:
    """Rows of a table; of metric_importance those at the configured score threshold."""
    rows = _plain(run.table(name).to_pandas())
    if name == "metric_importance":
        rows = rows[rows["score_threshold"] == run.row()["score_threshold"]]
    return rows.to_dict("records")


@pytest.mark.parametrize("name", CASES)
def test_metric_bin_equals_the_reference(name: str) -> None:
    run, tables, axes, _ = _case(name)
    differences = _differences(_records(run, "metric_bin"), metric_bin_rows(tables, axes), ("metric", "bin"))
    assert differences == []


@pytest.mark.parametrize("name", CASES)
def test_metric_performance_equals_the_reference(name: str) -> None:
    run, tables, axes, options = _case(name)
    differences = _differences(
        _records(run, "metric_performance"),
        metric_performance_rows(tables, axes, options.get("fine_bins", 200)),
        ("metric", "class_id", "iou_threshold", "resolution", "bin"),
    )
    assert differences == []


@pytest.mark.parametrize("name", CASES)
def test_metric_importance_equals_the_reference(name: str) -> None:
    run, tables, axes, _ = _case(name)
    differences = _differences(
        _records(run, "metric_importance"),
        metric_importance_rows(tables, axes),
        ("metric", "level", "target", "class_id", "iou_threshold"),
    )
    assert differences == []


def test_the_reference_is_compared_on_rows_that_say_something() -> None:
    run, _, _, _ = _case("two thresholds")
    rows = pd.DataFrame(_records(run, "metric_importance"))
    of_all = rows[(rows["scope"] == "all") & (rows["iou_threshold"] == 0.5)]
    assert (of_all["importance"] > 0.02).sum() > 5
    assert of_all["importance_low"].notna().sum() > 20
    assert (of_all["bias_factor"] > 1).sum() > 5
    assert of_all["correlation_partial"].notna().sum() > 10
    assert of_all["is_significant"].notna().sum() > 20
    assert rows["reason"].notna().any() and rows["correlation_reason"].notna().any()
    assert set(of_all["level"]) == {"prediction", "label", "frame"}
    assert set(of_all["target"]) == {"prediction", "label", "frame"}
    assert (of_all["n_missing"] > 0).any()
    # Text, boolean and numeric columns of the user's, at each level.
    assert {"frame_weather", "frame_is_night", "frame_darkness", "visibility", "is_truncated", "head"} <= set(
        rows["metric"]
    )


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_detections_equal_the_reference() -> None:
    folder = data_folder("coco446")
    coco = read_json(folder / "labels.json.gz")
    frames, labels = frames_of(coco), labels_of(coco)
    predictions = predictions_of(coco, read_json(folder / "predictions_yolox_nano.json.gz"))
    classes = ["person", "car", "chair"]
    run = evaluate(
        frames=frames,
        labels=labels,
        predictions=predictions,
        classes=classes,
        iou_threshold=0.5,
        iou_thresholds=[0.5],
    )
    tables = _outcome_tables(run, frames, [0.5], 0.5)
    axes = decide_axes(tables)
    assert _differences(_records(run, "metric_bin"), metric_bin_rows(tables, axes), ("metric", "bin")) == []
    assert (
        _differences(
            _records(run, "metric_performance"),
            metric_performance_rows(tables, axes),
            ("metric", "class_id", "iou_threshold", "resolution", "bin"),
        )
        == []
    )
    assert (
        _differences(
            _records(run, "metric_importance"),
            metric_importance_rows(tables, axes),
            ("metric", "level", "target", "class_id", "iou_threshold"),
        )
        == []
    )


def test_shares_that_fall_on_a_border_are_not_rounded() -> None:
    """400 labels, one per frame: steps of 16 have their middles at odd multiples of 1/50, and of 400
    different values each second one is an edge. Sums of 1/400 in floats miss some of both."""
    n = 400
    labels = pd.DataFrame(
        {
            "label_id": np.arange(n),
            "frame_id": np.arange(n),
            "class_id": 1,
            "class_name": "car",
            **dict.fromkeys(("x_px", "y_px"), 5.0),
            **dict.fromkeys(("width_px", "height_px"), 20.0),
            "step": np.arange(n) // 16,
            "place": np.arange(n) / 8,
        }
    )
    predictions = labels[["frame_id", "class_id", "class_name", "x_px", "y_px", "width_px", "height_px"]]
    run = evaluate(
        frames=pd.DataFrame({"frame_id": np.arange(n), "width_px": 64.0, "height_px": 64.0}),
        labels=labels,
        predictions=predictions.assign(score=0.5),
        metrics=["step", "place"],
    )
    rows = pd.DataFrame(_records(run, "metric_bin"))
    step, place = rows[rows["metric"] == "step"], rows[rows["metric"] == "place"]
    assert step["bin_50"].tolist() == list(range(1, 50, 2))
    assert step["upper"].tolist() == list(range(25))
    assert place["upper"].tolist() == [value / 8 for value in range(1, n, 2)]
    assert place["bin_50"].tolist() == [bin_200 // 4 for bin_200 in range(200)]


def test_edges_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    """A later night: other rows, other values, the first night's bins."""
    first_night, second_night = make_data_set(80, seed=18), make_data_set(70, seed=19)
    options: dict[str, Any] = {
        "output": str(tmp_path),
        "iou_thresholds": [0.5],
        "metrics": ["object_area_px2", "object_overlap", "frame_darkness", "frame_is_night", "confidence"],
    }
    first = evaluate(
        frames=first_night.frames,
        labels=first_night.labels,
        predictions=first_night.predictions,
        run_date="2026-03-01",
        **options,
    )
    # Larger and smaller than any value of the first night.
    predictions = second_night.predictions.copy()
    predictions.loc[predictions.index[:5], ["width_px", "height_px"]] = 700.0
    predictions.loc[predictions.index[5:9], ["width_px", "height_px"]] = 0.5
    second = evaluate(
        frames=second_night.frames,
        labels=second_night.labels,
        predictions=predictions,
        run_date="2026-03-02",
        edges_from=first.run_id,
        **options,
    )
    axes = decide_axes(_outcome_tables(first, first_night.frames, [0.5], 0.5))
    tables = _outcome_tables(second, second_night.frames, [0.5], 0.5)
    edges = ("metric", "bin", "lower", "upper", "category", "bin_50")
    kept = [{name: row[name] for name in edges} for row in metric_bin_rows(tables, axes)]
    # A stored categorical axis has a bin for the categories that it does not know.
    found = [row for row in _records(second, "metric_bin") if row["category"] != "other"]
    assert _differences(found, kept, ("metric", "bin")) == []
    differences = _differences(
        _records(second, "metric_performance"),
        metric_performance_rows(tables, axes),
        ("metric", "class_id", "iou_threshold", "resolution", "bin"),
    )
    assert differences == []
    differences = _differences(
        _records(second, "metric_importance"),
        metric_importance_rows(tables, axes),
        ("metric", "level", "target", "class_id", "iou_threshold"),
    )
    assert differences == []


def test_edges_of_many_rows_come_from_the_rows_of_smallest_hash() -> None:
    """80,000 predictions: 65,536 of them decide the edges, chosen by the hash of their key."""
    rng = np.random.default_rng(20)
    n_frames, n_predictions, n_labels = 1000, 80_000, 5000
    frames = pd.DataFrame({"frame_id": np.arange(n_frames), "width_px": 640.0, "height_px": 480.0})
    tables = {}
    for name, n in (("prediction", n_predictions), ("label", n_labels)):
        tables[name] = pd.DataFrame(
            {
                f"{name}_id": np.arange(n),
                "frame_id": np.arange(n) % n_frames,
                "class_id": 1,
                "class_name": "car",
                **{column: 200 * rng.random(n) for column in ("x_px", "y_px", "width_px", "height_px")},
                "sharpness": rng.normal(size=n),
            }
        )
    tables["prediction"]["score"] = rng.random(n_predictions)
    run = evaluate(
        frames=frames,
        labels=tables["label"],
        predictions=tables["prediction"],
        iou_thresholds=[0.5],
        metrics=["sharpness"],
        cluster={"partitions": 3},
    )
    values = []
    frame_hash = keys.hash_column(pa.array(frames["frame_id"]))
    for name, table in tables.items():
        # At most 100 of a frame and class take part; here 80.
        object_hash = keys.hash_column(pa.array(table[f"{name}_id"]))
        row_hash = keys.hash_objects(frame_hash, table["frame_id"].to_numpy(), object_hash)
        first = np.argsort(keys.salted(row_hash, keys.SALT_ROW_SAMPLE), kind="stable")[:65_536]
        values.append(table["sharpness"].to_numpy()[first].tolist())
    axis = decide_axis("sharpness", values)
    assert axis is not None
    found = pd.DataFrame([row for row in _records(run, "metric_bin") if row["metric"] == "sharpness"])
    assert found["upper"].tolist() == list(axis.upper)
    assert found["lower"].tolist() == list(axis.lower)
    assert found["share"].tolist() == pytest.approx([float(share) for share in axis.share], rel=1e-12)
    assert found["bin_50"].tolist() == list(axis.bin_50)


def test_thresholds_are_those_of_coco_by_default() -> None:
    assert tuple(np.linspace(0.5, 0.95, 10)) == COCO_IOU_THRESHOLDS
