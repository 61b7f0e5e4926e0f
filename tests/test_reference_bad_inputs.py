"""What a user can get wrong through `evaluate`: an EmqaError that names the thing, or a row in quarantine."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.errors import (
    ClusterError,
    ConfigError,
    EmqaError,
    InputError,
    PlanError,
    QuarantineError,
)
from tests.oracles.synthetic import DataSet, make_data_set


def _evaluate(data: DataSet, **options: Any) -> Any:
    return evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        **{"metrics": ["none"], "intervals": False, **options},
    )


@pytest.fixture
def data() -> DataSet:
    return make_data_set(20)


@pytest.mark.parametrize(
    ("options", "error", "names"),
    [
        ({"iou_treshold": 0.6}, ConfigError, ["iou_treshold", "iou_threshold"]),
        ({"iou_threshold": 1.5}, ConfigError, ["iou_threshold", "1.5"]),
        ({"iou_threshold": 0.0}, ConfigError, ["best_iou"]),
        ({"matching": "greedy"}, ConfigError, ["matching", "greedy"]),
        ({"max_dets": [100, 10]}, ConfigError, ["max_dets"]),
        ({"classes": ["unicorn"]}, ConfigError, ["unicorn", "car"]),
        ({"metrics": ["object_aria_px2"]}, ConfigError, ["object_aria_px2", "object_area_px2"]),
        ({"resampling_unit": "kamera"}, EmqaError, ["kamera"]),
        ({"area_ranges": {"small": [0, 10]}}, ConfigError, ["area_ranges", "all"]),
        ({"cluster": {"address": "tcp://127.0.0.1:9", "timeout_s": 2}}, ClusterError, ["127.0.0.1:9"]),
        ({"cluster": {"adress": "local"}}, ConfigError, ["adress", "address"]),
    ],
)
def test_wrong_options(
    data: DataSet, options: dict[str, Any], error: type[EmqaError], names: list[str]
) -> None:
    with pytest.raises(error) as caught:
        _evaluate(data, **options)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("labels", "frame_id"),
        ("labels", "x_px"),
        ("predictions", "score"),
        ("predictions", "width_px"),
        ("predictions", "frame_id"),
    ],
)
def test_a_missing_column_is_named(data: DataSet, table: str, column: str) -> None:
    without = {name: getattr(data, name) for name in ("frames", "labels", "predictions")}
    without[table] = without[table].drop(columns=[column])
    with pytest.raises(InputError, match=column):
        evaluate(**without, metrics=["none"])


def test_missing_classes_are_named(data: DataSet) -> None:
    labels = data.labels.drop(columns=["class_id", "class_name"])
    with pytest.raises(InputError, match="class"):
        evaluate(frames=data.frames, labels=labels, predictions=data.predictions, metrics=["none"])


def test_two_classes_of_one_name_are_an_error(data: DataSet) -> None:
    labels = data.labels.replace({"class_name": {"car": "person"}})
    with pytest.raises(InputError, match="person"):
        evaluate(frames=data.frames, labels=labels, predictions=data.predictions, metrics=["none"])


def _set(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        if isinstance(value, str):
            table[column] = table[column].astype(object)
        table.loc[table.index[7], column] = value
        return table

    return change


def _duplicate(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table.iloc[[7]]], ignore_index=True)


BAD_ROWS = {
    "NaN width": ("labels", _set("width_px", np.nan), "width_px"),
    "infinite x": ("labels", _set("x_px", np.inf), "x_px"),
    "negative height": ("labels", _set("height_px", -3.0), "height_px"),
    "unknown frame of a label": ("labels", _set("frame_id", 999_999), "frame_id"),
    "duplicate label": ("labels", _duplicate, "label_id"),
    "NaN y of a prediction": ("predictions", _set("y_px", np.nan), "y_px"),
    "infinite height of a prediction": ("predictions", _set("height_px", np.inf), "height_px"),
    "negative width of a prediction": ("predictions", _set("width_px", -1.0), "width_px"),
    "unknown frame of a prediction": ("predictions", _set("frame_id", 999_999), "frame_id"),
    "missing score": ("predictions", _set("score", np.nan), "score"),
    "duplicate prediction": ("predictions", _duplicate, "prediction_id"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_goes_to_quarantine_and_the_run_goes_on(data: DataSet, name: str) -> None:
    table, change, column = BAD_ROWS[name]
    tables = {key: getattr(data, key) for key in ("frames", "labels", "predictions")}
    good = len(tables[table])
    tables[table] = change(tables[table])
    run = evaluate(**tables, metrics=["none"], intervals=False, max_quarantine_share=0.02)
    quarantine = run.table("quarantine").to_pylist()
    assert len(quarantine) == 1
    assert quarantine[0]["source"] == table.removesuffix("s")
    assert quarantine[0]["column"] == column
    assert quarantine[0]["row"] == (len(tables[table]) - 1 if "duplicate" in name else 7)
    assert quarantine[0]["reason"]
    # What is left is what the run without the row would have held.
    assert run.table(table.removesuffix("s")).num_rows == good - ("duplicate" not in name)
    assert run.table("run")["n_quarantined"].to_pylist() == [1]
    # 1 of about 170 rows is 0.6%: above a promise of 0.1%.
    with pytest.raises(QuarantineError, match=table.removesuffix("s")):
        evaluate(**tables, metrics=["none"], max_quarantine_share=0.001)


def test_text_scores_are_named_or_quarantined(data: DataSet) -> None:
    predictions = _set("score", "high")(data.predictions)
    tables = {"frames": data.frames, "labels": data.labels, "predictions": predictions}
    with pytest.raises(EmqaError, match="score"):
        evaluate(**tables, metrics=["none"], max_quarantine_share=0.0)


@pytest.mark.parametrize(
    ("table", "column", "clashes_with"),
    [
        ("frames", "density", "frame_density"),
        ("labels", "object_area_px2", "object_area_px2"),
        ("predictions", "confidence", "confidence"),
    ],
)
def test_a_metric_column_that_clashes_fails_naming_both(
    data: DataSet, table: str, column: str, clashes_with: str
) -> None:
    tables = {name: getattr(data, name) for name in ("frames", "labels", "predictions")}
    tables[table] = tables[table].assign(**{column: 1.5})
    with pytest.raises(ConfigError) as caught:
        evaluate(**tables)
    assert column in str(caught.value) and clashes_with in str(caught.value)


def test_a_partition_that_does_not_fit_is_refused() -> None:
    # 256 MiB cannot promise to hold one partition of 3 million predictions.
    n = 3_000_000
    frames = pd.DataFrame({"frame_id": np.arange(100), "width_px": 640.0, "height_px": 480.0})
    labels = pd.DataFrame(
        {
            "frame_id": [1],
            "class_id": [1],
            "class_name": ["car"],
            **{name: [10.0] for name in ("x_px", "y_px", "width_px", "height_px")},
        }
    )
    predictions = pd.DataFrame(
        {
            "frame_id": np.arange(n) % 100,
            "class_id": 1,
            "class_name": "car",
            "score": 0.5,
            **dict.fromkeys(("x_px", "y_px", "width_px", "height_px"), 10.0),
        }
    )
    with pytest.raises(PlanError, match="partition"):
        evaluate(
            frames=frames,
            labels=labels,
            predictions=predictions,
            cluster={"partitions": 1, "memory_per_worker_mib": 256},
        )


def _coco(data: DataSet) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    boxes = ["x_px", "y_px", "width_px", "height_px"]
    coco = {
        "images": [{"id": int(i), "width": 640, "height": 480} for i in data.frames["frame_id"]],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}, {"id": 10, "name": "bicycle"}],
        "annotations": [
            {
                "id": int(row["label_id"]),
                "image_id": int(row["frame_id"]),
                "category_id": int(row["class_id"]),
                "bbox": [row[name] for name in boxes],
                "area": row["width_px"] * row["height_px"],
                "iscrowd": 0,
            }
            for row in data.labels.to_dict("records")
        ],
    }
    results = [
        {
            "image_id": int(row["frame_id"]),
            "category_id": int(row["class_id"]),
            "bbox": [row[name] for name in boxes],
            "score": row["score"],
        }
        for row in data.predictions.to_dict("records")
    ]
    return coco, results


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _not_json(path: Path) -> None:
    path.write_bytes(gzip.compress(b"<html>not found</html>"))


def _not_gzip(path: Path) -> None:
    path.write_bytes(b'{"images": []}')


@pytest.mark.parametrize("which", ["labels", "predictions"])
@pytest.mark.parametrize("spoil", [_truncated, _not_json, _not_gzip, Path.unlink])
def test_an_unreadable_file_is_named(
    data: DataSet, tmp_path: Path, which: str, spoil: Callable[[Path], None]
) -> None:
    coco, results = _coco(data)
    paths = {name: tmp_path / f"my_{name}.json.gz" for name in ("labels", "predictions")}
    paths["labels"].write_bytes(gzip.compress(json.dumps(coco).encode()))
    paths["predictions"].write_bytes(gzip.compress(json.dumps(results).encode()))
    spoil(paths[which])
    with pytest.raises(EmqaError, match=f"my_{which}") as caught:
        evaluate(labels=str(paths["labels"]), predictions={"m": str(paths["predictions"])}, metrics=["none"])
    assert not list(tmp_path.glob("**/_delta_log"))
    assert caught.value.exit_code != 1


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (lambda coco: coco.pop("images"), ["images"]),
        (lambda coco: coco.pop("annotations"), ["annotations"]),
        (lambda coco: coco["annotations"][3].pop("image_id"), ["row 3", "frame_id"]),
        (lambda coco: coco["annotations"][3].update(bbox="wide"), ["row 3", "box", "wide"]),
        (lambda coco: coco["categories"].append({"id": 77, "name": "car"}), ["car"]),
    ],
)
def test_a_malformed_coco_file_is_named(
    data: DataSet, tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], names: list[str]
) -> None:
    coco, results = _coco(data)
    spoil(coco)
    labels, predictions = tmp_path / "my_labels.json", tmp_path / "my_predictions.json"
    labels.write_text(json.dumps(coco))
    predictions.write_text(json.dumps(results))
    with pytest.raises(EmqaError) as caught:
        evaluate(
            labels=str(labels),
            predictions={"m": str(predictions)},
            metrics=["none"],
            max_quarantine_share=0.0,
        )
    for name in names:
        assert name in str(caught.value)
