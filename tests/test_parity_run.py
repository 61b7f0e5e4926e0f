"""The tables of a whole run equal pycocotools: summary, curves, classes, and the outcome of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.schema import found_column, true_positive_column
from tests.data import data_folder
from tests.oracles.best_iou import attach, outcomes_at
from tests.oracles.coco_tables import frames_of, labels_of, predictions_of, read_json
from tests.oracles.fuzz import FuzzSet, make_set
from tests.oracles.pycocotools_oracle import TWELVE, CocoResult, run_pycocotools
from tests.oracles.synthetic import make_data_set

TOLERANCE = 1e-12
# Every outcome counts, whatever its score: the fuzzed scores reach below 0.
ALL_SCORES = -10.0
FUZZ_SEEDS = tuple(range(0, 48, 3))


def _run(one: FuzzSet, **options: Any) -> Any:
    # Frame order is that of the ids, whatever the order of the frame table.
    return evaluate(
        frames=one.frames.sample(frac=1, random_state=one.seed),
        labels=one.labels,
        predictions=one.predictions,
        **{
            "iou_threshold": float(one.iou_thresholds[0]),
            "iou_thresholds": [float(threshold) for threshold in one.iou_thresholds],
            "area_ranges": one.area_ranges,
            "max_dets": list(one.max_dets),
            "score_threshold": ALL_SCORES,
            "metrics": ["none"],
            **options,
        },
    )


def _listed(labels: pd.DataFrame) -> list[Any]:
    """The classes of a run without a class list of its own: those of the labels, in evaluation order."""
    return sorted(labels["class_id"].unique())


def _rows_by_id(table: Any, id_column: str) -> pd.DataFrame:
    rows = table.to_pandas()
    rows[id_column] = rows[id_column].astype(str)
    assert rows[id_column].is_unique
    return rows.set_index(id_column)


def _check_rows(one: FuzzSet, run: Any, expected: CocoResult, listed: list[Any]) -> None:
    """Outcomes and flags per threshold, found by the objects' ids."""
    ours = _rows_by_id(run.table("prediction"), "prediction_id")
    kept = one.predictions["class_id"].isin(listed).to_numpy()
    ids = one.predictions["prediction_id"].astype(str).to_numpy()
    assert set(ours.index) == set(ids[kept])
    ours = ours.loc[ids[kept]]
    ignored = ~expected.prediction_evaluated | expected.prediction_ignored[0, 0]
    matched = expected.prediction_matched[:, 0] & ~expected.prediction_ignored[:, 0]
    outcome = np.where(ignored, "ignored", np.where(matched[0], "true_positive", "false_positive"))
    assert ours["outcome"].astype(str).tolist() == outcome[kept].tolist()
    for index, threshold in enumerate(one.iou_thresholds):
        flags = ours[true_positive_column(float(threshold))].to_numpy(bool)
        np.testing.assert_array_equal(flags, matched[index][kept])

    ours = _rows_by_id(run.table("label"), "label_id")
    ours = ours.loc[one.labels["label_id"].astype(str)]
    counts = ~expected.label_ignored[0, 0]
    found = expected.label_found[:, 0] & counts
    outcome = np.where(~counts, "ignored", np.where(found[0], "found", "missed"))
    assert ours["outcome"].astype(str).tolist() == outcome.tolist()
    for index, threshold in enumerate(one.iou_thresholds):
        flags = ours[found_column(float(threshold))].to_numpy(bool)
        np.testing.assert_array_equal(flags, found[index])


@pytest.mark.parametrize("seed", FUZZ_SEEDS)
def test_rows_of_fuzzed_sets_equal_pycocotools(seed: int) -> None:
    one = make_set(seed)
    listed = _listed(one.labels)
    expected = run_pycocotools(
        one.frames,
        one.labels,
        one.predictions,
        iou_thresholds=one.iou_thresholds,
        area_ranges=list(one.area_ranges.values()),
        max_dets=one.max_dets,
        classes=listed,
    )
    run = _run(one)
    _check_rows(one, run, expected, listed)
    _check_class_performance(run, expected, listed, one.iou_thresholds, list(one.area_ranges))


def _check_class_performance(
    run: Any, expected: CocoResult, listed: list[Any], thresholds: Any, area_names: list[str]
) -> None:
    """AP and AR of each class, threshold and range, null where pycocotools says -1."""
    rows = run.table("class_performance").to_pandas()
    rows = rows[(rows["scope"] == "class") & rows["iou_threshold"].notna()]
    for k, class_id in enumerate(listed):
        of_class = rows[rows["class_id"].astype(str) == str(class_id)]
        for t, threshold in enumerate(thresholds):
            for a, name in enumerate(area_names):
                row = of_class[
                    np.isclose(of_class["iou_threshold"], threshold, rtol=0, atol=1e-9)
                    & (of_class["area_range"].astype(str) == name)
                ]
                assert len(row) == 1
                precision = expected.precision[t, :, k, a, -1]
                recall = expected.recall[t, k, a, -1]
                if recall == -1:
                    assert row["average_precision"].isna().all() and row["average_recall"].isna().all()
                else:
                    assert row["average_precision"].item() == pytest.approx(precision.mean(), abs=TOLERANCE)
                    assert row["average_recall"].item() == pytest.approx(recall, abs=TOLERANCE)


def _check_summary(run: Any, expected: dict[str, float]) -> None:
    summary = run.table("summary").to_pandas().set_index("measure")["value"]
    for measure in TWELVE:
        # -1, as COCO writes it, where no label counts in the range.
        assert summary[measure] == pytest.approx(expected[measure], rel=0, abs=TOLERANCE), measure


def _check_curves(run: Any, expected: CocoResult, classes: list[Any]) -> None:
    """precision_recall holds precision[T, R, K, all, largest max_dets]; absent classes are left out."""
    rows = run.table("precision_recall").to_pandas()
    rows["class_id"] = rows["class_id"].astype(str)
    n_present = 0
    for k, class_id in enumerate(classes):
        curve = expected.precision[:, :, k, 0, -1]
        ours = rows[rows["class_id"] == str(class_id)].sort_values(["iou_threshold", "recall"])
        if curve[0, 0] == -1:
            assert ours.empty
            continue
        n_present += 1
        np.testing.assert_allclose(
            ours["precision"].to_numpy().reshape(curve.shape), curve, rtol=0, atol=TOLERANCE
        )
        np.testing.assert_array_equal(
            ours["score"].to_numpy().reshape(curve.shape), expected.scores[:, :, k, 0, -1]
        )
    assert len(rows) == n_present * expected.precision.shape[0] * expected.precision.shape[1]


@pytest.mark.parametrize("seed", [1, 7, 16, 25])
def test_summary_and_curves_of_fuzzed_sets_equal_pycocotools(seed: int) -> None:
    one = make_set(seed)
    listed = _listed(one.labels)
    run = evaluate(
        frames=one.frames.iloc[::-1],
        labels=one.labels,
        predictions=one.predictions,
        metrics=["none"],
        intervals=False,
    )
    expected = run_pycocotools(one.frames, one.labels, one.predictions, classes=listed)
    _check_summary(run, expected.twelve_numbers())
    _check_curves(run, expected, listed)


@pytest.mark.parametrize("as_files", [False, True])
@pytest.mark.parametrize("seed", [5, 8, 41])
def test_a_frame_order_of_the_users_breaks_ties(seed: int, as_files: bool, tmp_path: Path) -> None:
    """Here it runs against the ids; pycocotools numbers the frames in the order of the table it is given."""
    one = make_set(seed)
    backwards = one.frames.iloc[::-1].reset_index(drop=True)
    expected = run_pycocotools(backwards, one.labels, one.predictions, classes=_listed(one.labels))
    frames = backwards.assign(frame_order=np.arange(len(backwards))).sample(frac=1, random_state=1)
    tables: dict[str, Any] = {"frames": frames, "labels": one.labels, "predictions": one.predictions}
    if as_files:
        for name, table in tables.items():
            ordered = table.sort_values("frame_id", kind="stable")
            ordered.to_parquet(tmp_path / f"{name}.parquet", index=False)
            tables[name] = str(tmp_path / f"{name}.parquet")
        tables["predictions"] = {"model": tables["predictions"]}
    run = evaluate(**tables, metrics=["none"], intervals=False, cluster={"partitions": 2})
    run = run["model"] if as_files else run
    _check_summary(run, expected.twelve_numbers())
    assert (
        expected.twelve_numbers()
        != run_pycocotools(
            one.frames, one.labels, one.predictions, classes=_listed(one.labels)
        ).twelve_numbers()
    )


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "labels", "predictions"),
    [
        ("coco446", "labels", "predictions_yolox_nano"),
        ("coco446", "labels", "predictions_fastestdet"),
        ("coco_val2014_100", "labels", "predictions_bbox"),
        ("kidney318", "labels", "predictions"),
    ],
)
def test_a_run_from_coco_files_equals_pycocotools(folder: str, labels: str, predictions: str) -> None:
    path = data_folder(folder)
    run = _run_files(path / f"{labels}.json.gz", path / f"{predictions}.json.gz")
    coco = read_json(path / f"{labels}.json.gz")
    rows = predictions_of(coco, read_json(path / f"{predictions}.json.gz"))
    classes = sorted(category["id"] for category in coco["categories"])
    expected = run_pycocotools(frames_of(coco), labels_of(coco), rows, classes=classes)
    _check_summary(run, expected.twelve_numbers())
    _check_curves(run, expected, classes)
    _check_class_performance(
        run, expected, classes, [0.5 + 0.05 * step for step in range(10)], ["all", "small", "medium", "large"]
    )


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "labels", "predictions", "key"),
    [
        ("voc2007_test", "gt_nodifficult", "dt_yolov2_ep260", "yolov2_ep260__nodifficult"),
        ("mot17", "gt_pedestrian", "dt_lift_FRCNN", "FRCNN__pedestrian"),
        ("mot17", "gt_pedestrian_ignore", "dt_lift_FRCNN", "FRCNN__pedestrian_ignore"),
    ],
)
def test_a_run_of_a_large_set_has_the_stored_numbers(
    folder: str, labels: str, predictions: str, key: str
) -> None:
    path = data_folder(folder)
    run = _run_files(path / f"{labels}.json.gz", path / f"{predictions}.json.gz")
    _check_summary(run, read_json(path / "pycocotools.json")[key]["stats"])


@pytest.mark.data
@pytest.mark.slow
def test_negative_boxes_of_voc_go_to_quarantine_and_the_rest_equals_pycocotools() -> None:
    """Three of 87,765 boxes have a negative side. pycocotools takes them for false positives."""
    path = data_folder("voc2007_test")
    coco = read_json(path / "gt_nodifficult.json.gz")
    results = read_json(path / "dt_yolov3_darknet.json.gz")
    good = [row for row in results if row["bbox"][2] >= 0 and row["bbox"][3] >= 0]
    assert len(results) - len(good) == 3
    run = _run_files(path / "gt_nodifficult.json.gz", path / "dt_yolov3_darknet.json.gz")
    assert run.table("quarantine").num_rows == 3
    classes = sorted(category["id"] for category in coco["categories"])
    expected = run_pycocotools(frames_of(coco), labels_of(coco), predictions_of(coco, good), classes=classes)
    _check_summary(run, expected.twelve_numbers())
    _check_curves(run, expected, classes)


def _run_files(labels: Path, predictions: Path) -> Any:
    runs = evaluate(
        labels=str(labels), predictions={"model": str(predictions)}, metrics=["none"], intervals=False
    )
    return runs["model"]


def test_a_score_threshold_ignores_predictions_and_misses_their_labels() -> None:
    data = make_data_set(40)
    expected = run_pycocotools(data.frames, data.labels, data.predictions)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        score_threshold=0.5,
        metrics=["none"],
    )
    _check_summary(run, expected.twelve_numbers())
    below = data.predictions["score"].to_numpy() < 0.5
    matched = expected.prediction_matched[0, 0]
    outcome = np.where(below, "ignored", np.where(matched, "true_positive", "false_positive"))
    ours = _rows_by_id(run.table("prediction"), "prediction_id").loc[
        data.predictions["prediction_id"].astype(str)
    ]
    assert ours["outcome"].astype(str).tolist() == outcome.tolist()
    taken = expected.label_of_prediction[0, 0]
    found = np.zeros(len(data.labels), bool)
    found[taken[(taken >= 0) & ~below]] = True
    ours = _rows_by_id(run.table("label"), "label_id").loc[data.labels["label_id"].astype(str)]
    assert ours["outcome"].astype(str).tolist() == np.where(found, "found", "missed").tolist()


@pytest.mark.parametrize("seed", [2, 5, 8, 13])
def test_rows_under_best_iou_equal_direct_matching(seed: int) -> None:
    one = make_set(seed)
    listed = _listed(one.labels)
    thresholds = [0.0, 0.05, 0.5, 0.75, 1.0]
    run = _run(one, matching="best_iou", iou_thresholds=thresholds, iou_threshold=0.5, max_dets=[1, 10, 100])
    kept = one.predictions["class_id"].isin(listed).to_numpy()
    predictions = _rows_by_id(run.table("prediction"), "prediction_id")
    predictions = predictions.loc[one.predictions["prediction_id"].astype(str)[kept]]
    labels = _rows_by_id(run.table("label"), "label_id").loc[one.labels["label_id"].astype(str)]
    attached = attach(one.labels, one.predictions, 100)
    for threshold in thresholds:
        direct = outcomes_at(threshold, attached)
        right = np.array(direct.prediction, object)[kept] == "true_positive"
        np.testing.assert_array_equal(predictions[true_positive_column(threshold)].to_numpy(bool), right)
        found = np.array(direct.label, object) == "found"
        np.testing.assert_array_equal(labels[found_column(threshold)].to_numpy(bool), found)
    direct = outcomes_at(0.5, attached)
    assert predictions["outcome"].astype(str).tolist() == np.array(direct.prediction, object)[kept].tolist()
    assert labels["outcome"].astype(str).tolist() == direct.label
    # A reader's own filter on the stored interval gives the same counts at a threshold nobody asked for.
    direct = outcomes_at(0.62, attached)
    counts = np.array(direct.prediction, object)[kept] != "ignored"
    interval = (predictions["iou_duplicate"] < 0.62) & (predictions["iou"] >= 0.62)
    np.testing.assert_array_equal(
        interval.to_numpy()[counts], (np.array(direct.prediction, object)[kept] == "true_positive")[counts]
    )
