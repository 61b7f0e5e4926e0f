"""Matching and average precision in memory equal pycocotools: each flag, each entry of the arrays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core.analysis.coco_arrays import evaluate_arrays
from emqa_core.matching.coco import match_coco
from emqa_core.matching.matches import MatchOptions
from tests.data import data_folder
from tests.oracles.coco_tables import frames_of, labels_of, partition_of, predictions_of, read_json
from tests.oracles.fuzz import N_SETS, FuzzSet, make_set
from tests.oracles.pycocotools_oracle import (
    AREA_RANGES,
    IOU_THRESHOLDS,
    MAX_DETS,
    TWELVE,
    CocoResult,
    run_pycocotools,
)

BLOCK = 30
_read = cache(read_json)
TOLERANCE = 1e-12


def _options(
    iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS,
    area_ranges: Any = AREA_RANGES,
    max_dets: tuple[int, ...] = MAX_DETS,
    chosen: int = 0,
    score_threshold: float = -np.inf,
) -> MatchOptions:
    return MatchOptions(
        np.asarray(iou_thresholds, np.float64),
        np.asarray(area_ranges, np.float64),
        max_dets,
        chosen,
        score_threshold,
    )


def _oracle(one: FuzzSet) -> CocoResult:
    return run_pycocotools(
        one.frames,
        one.labels,
        one.predictions,
        iou_thresholds=one.iou_thresholds,
        area_ranges=list(one.area_ranges.values()),
        max_dets=one.max_dets,
        classes=one.classes,
    )


def _bits(words: np.ndarray, n_bits: int) -> np.ndarray:
    """Words (...) as flags (n_bits, ...)."""
    shifts = np.arange(n_bits, dtype=np.uint64).reshape(-1, *(1,) * words.ndim)
    return (words.astype(np.uint64) >> shifts) & np.uint64(1) == 1


@pytest.mark.parametrize("first", range(0, N_SETS, BLOCK))
def test_fuzzed_arrays_equal_pycocotools(first: int) -> None:
    for seed in range(first, first + BLOCK):
        one = make_set(seed)
        _, labels, predictions, _, _ = partition_of(one.frames, one.labels, one.predictions, one.classes)
        options = _options(one.iou_thresholds, list(one.area_ranges.values()), one.max_dets)
        ours = evaluate_arrays(labels, predictions, len(one.classes), options)
        expected = _oracle(one)
        for name, array in zip(("precision", "recall", "scores"), ours, strict=True):
            np.testing.assert_array_equal(array, getattr(expected, name), err_msg=f"{name} of set {seed}")


@pytest.mark.parametrize("first", range(0, N_SETS, BLOCK))
def test_fuzzed_matches_equal_pycocotools(first: int) -> None:
    for seed in range(first, first + BLOCK):
        one = make_set(seed)
        chosen = seed % len(one.iou_thresholds)
        _, labels, predictions, label_rows, prediction_rows = partition_of(
            one.frames, one.labels, one.predictions, one.classes
        )
        options = _options(one.iou_thresholds, list(one.area_ranges.values()), one.max_dets, chosen)
        matches = match_coco(labels, predictions, len(one.classes), options)
        expected = _oracle(one)
        n_thresholds, n_ranges = len(one.iou_thresholds), len(one.area_ranges)

        evaluated = expected.prediction_evaluated[prediction_rows]
        np.testing.assert_array_equal(matches.is_evaluated, evaluated, err_msg=f"set {seed}")

        matched = expected.prediction_matched[:, :, prediction_rows]
        ignored = expected.prediction_ignored[:, :, prediction_rows]
        true_positive = np.zeros(matched.shape, bool)
        matched_ignored = np.zeros(matched.shape, bool)
        # Words are (m, A); flags (T, A, m).
        true_positive[:, :, matches.matched_row] = _bits(matches.matched_bits[:, 0].T, n_thresholds)
        matched_ignored[:, :, matches.matched_row] = _bits(matches.matched_bits[:, 1].T, n_thresholds)
        np.testing.assert_array_equal(true_positive, matched & ~ignored, err_msg=f"set {seed}")
        np.testing.assert_array_equal(matched_ignored, matched & ignored, err_msg=f"set {seed}")
        unmatched = ~matched & evaluated
        outside = np.broadcast_to(_bits(matches.outside, n_ranges), matched.shape)
        np.testing.assert_array_equal(outside[unmatched], ignored[unmatched], err_msg=f"set {seed}")

        label_ignored = expected.label_ignored[0][:, label_rows]
        np.testing.assert_array_equal(_bits(matches.label_ignored, n_ranges), label_ignored)
        counts = ~label_ignored[0]
        found = expected.label_found[:, 0, label_rows]
        np.testing.assert_array_equal(_bits(matches.found, n_thresholds)[:, counts], found[:, counts])

        _check_pairs(one, matches, expected, chosen, label_rows, prediction_rows)


def _check_pairs(
    one: FuzzSet,
    matches: Any,
    expected: CocoResult,
    chosen: int,
    label_rows: np.ndarray,
    prediction_rows: np.ndarray,
) -> None:
    """Who took whom at the chosen threshold, in area range `all`."""
    table_row = expected.label_of_prediction[chosen, 0, prediction_rows]
    ours = np.append(label_rows, -1)[matches.label_of_prediction]
    np.testing.assert_array_equal(ours, table_row, err_msg=f"pairs of set {one.seed}")
    np.testing.assert_array_equal(np.isnan(matches.iou), table_row < 0)
    holder = np.full(len(one.labels), -1)
    holder[table_row[table_row >= 0]] = np.flatnonzero(table_row >= 0)
    counts = ~expected.label_ignored[chosen, 0, label_rows]
    np.testing.assert_array_equal(matches.prediction_of_label[counts], holder[label_rows][counts])
    assert (matches.prediction_of_label[~counts] == -1).all()


def test_a_score_threshold_leaves_average_precision_alone() -> None:
    for seed in range(40):
        one = make_set(seed)
        _, labels, predictions, _, _ = partition_of(one.frames, one.labels, one.predictions, one.classes)
        without = evaluate_arrays(labels, predictions, len(one.classes), _options())
        with_it = evaluate_arrays(labels, predictions, len(one.classes), _options(score_threshold=0.5))
        for ours, expected in zip(with_it, without, strict=True):
            np.testing.assert_array_equal(ours, expected)


REAL = {
    "coco446 yolox_nano": ("coco446", "labels", "predictions_yolox_nano", "yolox_nano"),
    "coco446 fastestdet": ("coco446", "labels", "predictions_fastestdet", "fastestdet"),
    "coco_val2014_100": ("coco_val2014_100", "labels", "predictions_bbox", "bbox"),
    "kidney318": ("kidney318", "labels", "predictions", "bbox"),
    "voc2007_test yolov2": (
        "voc2007_test",
        "gt_nodifficult",
        "dt_yolov2_ep260",
        "yolov2_ep260__nodifficult",
    ),
    "voc2007_test yolov3": (
        "voc2007_test",
        "gt_nodifficult",
        "dt_yolov3_darknet",
        "yolov3_darknet__nodifficult",
    ),
    "mot17 pedestrian": ("mot17", "gt_pedestrian", "dt_lift_FRCNN", "FRCNN__pedestrian"),
    "mot17 pedestrian_ignore": (
        "mot17",
        "gt_pedestrian_ignore",
        "dt_lift_FRCNN",
        "FRCNN__pedestrian_ignore",
    ),
}
QUICK = ("coco446 yolox_nano", "coco446 fastestdet", "coco_val2014_100", "kidney318")


def _real(name: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, tuple[int, ...], dict[str, float]]:
    folder_name, label_file, prediction_file, key = REAL[name]
    folder = data_folder(folder_name)
    coco = _read(folder / f"{label_file}.json.gz")
    results = _read(folder / f"{prediction_file}.json.gz")
    classes = tuple(sorted(category["id"] for category in coco["categories"]))
    stored = _read(folder / "pycocotools.json")[key]["stats"]
    return frames_of(coco), labels_of(coco), predictions_of(coco, results), classes, stored


def _twelve(precision: np.ndarray, recall: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    nothing = np.zeros(0)
    return CocoResult(
        precision, recall, scores, nothing, nothing, nothing, nothing, nothing, nothing
    ).twelve_numbers()


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_the_twelve_numbers_equal_the_stored_ones(name: str) -> None:
    frames, labels, predictions, classes, stored = _real(name)
    _, label_arrays, prediction_arrays, _, _ = partition_of(frames, labels, predictions, classes)
    arrays = evaluate_arrays(label_arrays, prediction_arrays, len(classes), _options())
    ours = _twelve(*arrays)
    assert ours == pytest.approx({measure: stored[measure] for measure in TWELVE}, rel=0, abs=TOLERANCE)


def check_arrays(name: str) -> None:
    """Every entry of the arrays of a whole real set; of the large ones pycocotools takes most of a minute."""
    frames, labels, predictions, classes, _ = _real(name)
    _, label_arrays, prediction_arrays, _, _ = partition_of(frames, labels, predictions, classes)
    ours = evaluate_arrays(label_arrays, prediction_arrays, len(classes), _options())
    expected = run_pycocotools(frames, labels, predictions, classes=classes)
    for array, other in zip(ours, ("precision", "recall", "scores"), strict=True):
        np.testing.assert_allclose(array, getattr(expected, other), rtol=0, atol=TOLERANCE, err_msg=other)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_every_entry_of_the_arrays_equals_pycocotools(name: str) -> None:
    check_arrays(name)


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in REAL if name not in QUICK])
def test_a_part_of_the_large_sets_equals_pycocotools(name: str) -> None:
    frames, labels, predictions, classes, _ = _real(name)
    some = frames.iloc[:: max(1, len(frames) // 250)].reset_index(drop=True)
    labels = labels[labels["frame_id"].isin(some["frame_id"])].reset_index(drop=True)
    predictions = predictions[predictions["frame_id"].isin(some["frame_id"])].reset_index(drop=True)
    _, label_arrays, prediction_arrays, _, _ = partition_of(some, labels, predictions, classes)
    ours = evaluate_arrays(label_arrays, prediction_arrays, len(classes), _options())
    expected = run_pycocotools(some, labels, predictions, classes=classes)
    for array, other in zip(ours, ("precision", "recall", "scores"), strict=True):
        np.testing.assert_array_equal(array, getattr(expected, other), err_msg=other)
