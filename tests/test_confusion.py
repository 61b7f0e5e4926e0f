"""The confusion matrix: who is taken for whom, against tables read frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracles.confusion import Cells, expected_confusion
from tests.test_error_types import objects, random_data, run


def cells_of(result: Any) -> Cells:
    rows = result.table("confusion").to_pylist()
    assert all(row["n"] > 0 for row in rows)
    return Cells({(row["label_class_id"], row["predicted_class_id"]): row["n"] for row in rows})


def score_threshold_of(result: Any) -> float | None:
    (threshold,) = set(result.table("confusion")["score_threshold"].to_pylist())
    return threshold


def best_score_threshold(result: Any) -> float:
    rows = result.to_pandas("class_performance")
    chosen = result.row()["iou_threshold"]
    own = rows[(rows["scope"] == "all") & (rows["area_range"] == "all") & (rows["iou_threshold"] == chosen)]
    return float(own["best_score_threshold"].iloc[0])


def test_every_cell_by_itself() -> None:
    labels = objects((0, 1, 0, 0, 10, 10), (0, 2, 30, 0, 10, 10), (1, 1, 0, 0, 10, 10), (2, 2, 0, 0, 9, 9))
    predictions = objects(
        (0, 1, 0, 0, 10, 10, 0.9), (0, 1, 30, 0, 10, 9, 0.8), (1, 1, 30, 30, 5, 5, 0.85),
        (2, 2, 0, 0, 9, 9, 0.7), (2, 2, 30, 30, 5, 5, 0.6), score=True,
    )  # fmt: skip
    result = run(labels, predictions)
    assert score_threshold_of(result) == 0.7
    assert cells_of(result) == {
        ("1", "1"): 1, ("2", "1"): 1, ("2", "2"): 1, ("1", None): 1, (None, "1"): 1
    }  # fmt: skip
    above = run(labels, predictions, score_threshold=0.85)
    assert score_threshold_of(above) == 0.85
    assert cells_of(above) == {("1", "1"): 1, ("2", None): 2, ("1", None): 1, (None, "1"): 1}


def test_a_label_that_a_higher_score_of_another_class_took_is_gone() -> None:
    labels = objects((0, 1, 0, 0, 10, 10), (1, 2, 0, 0, 10, 10))
    rows = objects(
        (0, 2, 0, 0, 10, 10, 0.9), (0, 1, 0, 0, 10, 10, 0.8), (1, 2, 0, 0, 10, 10, 0.7), score=True
    )
    assert cells_of(run(labels, rows)) == {("1", "2"): 1, (None, "1"): 1, ("2", "2"): 1}


def test_of_equal_boxes_a_prediction_takes_the_one_of_its_class() -> None:
    """One object with two labels is no confusion, in whatever order they stand."""
    first, second = (0, 1, 0, 0, 10, 10), (0, 2, 0, 0, 10, 10)
    rows = objects((*first, 0.9), (*second, 0.8), score=True)
    for labels in (objects(first, second), objects(second, first)):
        assert cells_of(run(labels, rows)) == {("1", "1"): 1, ("2", "2"): 1}


def test_a_crowd_hides_predictions_of_its_own_class_only() -> None:
    labels = objects((0, 1, 0, 0, 40, 40), (1, 1, 0, 0, 5, 5), (1, 2, 20, 0, 5, 5))
    labels = labels.assign(is_crowd=[True, False, False])
    rows = objects(
        (0, 1, 0, 0, 5, 5, 0.99), (0, 1, 9, 9, 5, 5, 0.99), (0, 2, 0, 0, 5, 5, 0.99), (1, 1, 0, 0, 5, 5, 0.9),
        score=True,
    )  # fmt: skip
    assert cells_of(run(labels, rows)) == {("1", "1"): 1, (None, "2"): 1, ("2", None): 1}


def test_without_a_right_prediction_all_are_looked_at() -> None:
    """Class ids that are one off: no F1 is the best, and the matrix says what happened."""
    labels = objects((0, 1, 0, 0, 10, 10), (1, 2, 0, 0, 10, 10))
    rows = objects((0, 2, 0, 0, 10, 10, 0.9), (1, 1, 0, 0, 10, 10, 0.1), score=True)
    result = run(labels, rows)
    assert score_threshold_of(result) is None
    assert cells_of(result) == {("1", "2"): 1, ("2", "1"): 1}


@pytest.mark.parametrize("protocol", ["coco", "best_iou"])
@pytest.mark.parametrize("seed", range(8))
def test_cells_equal_those_of_the_tables(seed: int, protocol: str) -> None:
    labels, predictions = random_data(seed)
    threshold, max_det = (0.3, 0.6)[seed % 2], (100, 2)[seed // 2 % 2]
    if seed >= 4:
        predictions = predictions.assign(score=predictions["score"] * 7 - 3)
    configured = 0.4 * (seed % 3 == 2)
    result = run(
        labels, predictions, matching=protocol, iou_threshold=threshold, score_threshold=configured,
        max_dets=[max_det], cluster={"address": "none", "partitions": 1 + seed % 4},
    )  # fmt: skip
    rows = [result.table(name).to_pylist() for name in ("prediction", "label")]
    from_score = score_threshold_of(result)
    assert from_score == (configured or best_score_threshold(result))
    found = cells_of(result)
    assert found == expected_confusion(*rows, threshold, from_score, max_det)
    assert any(a != b and a is not None and b is not None for a, b in found)
    n_labels = sum(row["outcome"] != "ignored" for row in rows[1])
    assert sum(n for (label, _), n in found.items() if label is not None) == n_labels


def test_it_is_left_out_with_the_error_types() -> None:
    assert run(*random_data(1), error_types=False).table("confusion").num_rows == 0


def test_thresholds_between_scores_change_nothing_but_what_they_drop() -> None:
    """Pairs at a threshold are those of all predictions of at least that score."""
    labels, predictions = random_data(2)
    before: Cells | None = None
    for threshold in np.arange(0.05, 1.0, 0.1):
        found = cells_of(run(labels, predictions, score_threshold=float(threshold)))
        if before is not None:
            pairs = {cell: n for cell, n in found.items() if None not in cell}
            assert all(n <= before[cell] for cell, n in pairs.items())
        before = found
