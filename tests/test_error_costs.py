"""What error types cost in AP: each by itself, and against tables mended row by row."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.oracles.error_costs import expected_costs
from tests.oracles.same_run import OF_A_RUN, differences, tables_of
from tests.test_error_types import objects, random_data, run

Cost = dict[tuple[str, str | None], float | None]  # by error type and class
OF_LABELS = ("missed", "false_negative")


def costs_of(result: Any) -> Cost:
    rows = result.table("error_type").to_pylist()
    told = [row for row in rows if (row["source"] == "label") == (row["error_type"] in OF_LABELS)]
    untold = [row for row in rows if row not in told]
    assert all(row["average_precision_cost"] is None for row in untold)
    return {(row["error_type"], row["class_id"]): row["average_precision_cost"] for row in told}


# Two labels of class 1, the first of them found: without the error 51 of 101 recall points are reached.
@pytest.mark.parametrize(
    ("prediction", "error", "gain"),
    [
        ((1, 1, 0, 0, 10, 4, 0.8), "localization", 1 - 51 / 101),
        ((1, 2, 0, 0, 10, 10, 0.8), "classification", 1 - 51 / 101),
        ((1, 1, 0, 0, 10, 4, 0.99), "localization", 1 - 51 / 202),
        ((0, 1, 0, 0, 10, 8, 0.95), "duplicate", 0),  # it is the one that holds the label
        ((1, 1, 40, 40, 5, 5, 0.99), "background", 51 / 202),
        ((1, 1, 40, 40, 5, 5, 0.8), "background", 0),
        ((1, 2, 0, 0, 10, 4, 0.99), "classification_and_localization", 0),
    ],
)
def test_each_error_alone(prediction: tuple, error: str, gain: float) -> None:
    labels = objects((0, 1, 0, 0, 10, 10), (1, 1, 0, 0, 10, 10), (2, 2, 0, 0, 10, 10))
    found = costs_of(run(labels, objects((0, 1, 0, 0, 10, 10, 0.9), prediction, score=True)))
    assert found[error, "1"] == pytest.approx(gain, abs=1e-12)
    assert found[error, "2"] == 0


def test_an_error_of_class_is_mended_where_the_label_is() -> None:
    """One class gains a true positive, the other loses a false one."""
    labels = objects((0, 1, 0, 0, 10, 10), (1, 2, 0, 0, 10, 10))
    rows = objects((0, 2, 0, 0, 10, 10, 0.9), (1, 2, 0, 0, 10, 10, 0.8), score=True)
    found = costs_of(run(labels, rows))
    assert found["classification", "1"] == pytest.approx(1)
    assert found["classification", "2"] == pytest.approx(0.5)
    assert found["classification", None] == pytest.approx(0.75)


def test_of_two_that_want_a_label_the_higher_score_has_it() -> None:
    """Whatever their errors: then the other one is only taken away."""
    labels = objects((0, 1, 0, 0, 10, 10), (1, 2, 0, 0, 10, 10))
    of_class, of_place = (0, 2, 0, 0, 10, 10), (0, 1, 0, 0, 10, 4)
    first = costs_of(run(labels, objects((*of_class, 0.9), (*of_place, 0.8), score=True)))
    assert (first["classification", "1"], first["localization", "1"]) == (pytest.approx(1), 0)
    second = costs_of(run(labels, objects((*of_class, 0.8), (*of_place, 0.9), score=True)))
    # Mended in its class the error of class would come below the error of place, and does not come.
    assert (second["classification", "1"], second["localization", "1"]) == (0, pytest.approx(1))


@pytest.mark.parametrize("protocol", ["coco", "best_iou"])
@pytest.mark.parametrize("seed", range(8))
def test_costs_equal_those_of_mended_tables(seed: int, protocol: str) -> None:
    labels, predictions = random_data(seed)
    labels = labels[labels["class_id"] < 2] if seed % 3 == 2 else labels
    result = run(
        labels, predictions, matching=protocol, iou_threshold=(0.5, 0.75)[seed % 2],
        score_threshold=0.3 * (seed % 2), absent_classes=("exclude", "zero")[seed % 2],
        unlisted_classes="evaluate", cluster={"address": "none", "partitions": 1 + seed % 4},
    )  # fmt: skip
    rows = [result.table(name).to_pylist() for name in ("prediction", "label")]
    classes = sorted({row["class_id"] for row in rows[0]} | {row["class_id"] for row in rows[1]})
    expected, found = expected_costs(*rows, classes), costs_of(result)
    for name, by_class in expected.items():
        for class_id, cost in by_class.items():
            assert found[name, class_id] == pytest.approx(cost, abs=1e-12), (name, class_id)
        counted = [cost for cost in by_class.values() if cost is not None]
        n = len(counted) if seed % 2 == 0 else len(classes)
        assert found[name, None] == pytest.approx(sum(counted) / n, abs=1e-12), name
    assert {name for name, _ in found} == set(expected)
    assert max(cost or 0 for cost in found.values()) > 0.1


def test_no_error_costs_more_than_there_is_to_gain() -> None:
    """Nor one of a side more than all of that side."""
    labels, predictions = random_data(3)
    result = run(labels, predictions)
    found = costs_of(result)
    table = result.to_pandas("class_performance")
    at_chosen = table[(table["iou_threshold"] == 0.5) & (table["area_range"] == "all")]
    for ap, class_id in zip(at_chosen["average_precision"], at_chosen["class_id"], strict=True):
        key = None if pd.isna(class_id) else class_id
        for name in ("localization", "classification", "missed", "false_negative", "false_positive"):
            cost = found[name, key]
            assert cost is not None and 0 <= cost <= 1 - ap + 1e-12
        assert found["missed", key] <= found["false_negative", key]
        assert found["background", key] <= found["false_positive", key] + 1e-12


def test_telling_errors_apart_changes_no_other_number() -> None:
    """Rows that stand in another class for what they would be are in no curve and no highest score."""
    labels, predictions = random_data(0)
    # Class 1 is found once; an error of class that would be right there has a higher score.
    more = objects((11, 1, 40, 40, 10, 10), (10, 1, 40, 40, 10, 10))
    found = objects((11, 1, 40, 40, 10, 10, 0.55), (10, 2, 40, 40, 10, 10, 0.95), score=True)
    more = more.assign(is_crowd=False, is_ignored=False)
    labels = pd.concat([labels[labels["class_id"] != 1], more])
    predictions = pd.concat([predictions[predictions["class_id"] != 1], found])
    told, untold = (
        tables_of(run(labels, predictions, error_types=is_told, cluster={"address": "none", "partitions": 3}))
        for is_told in (True, False)
    )
    curve = told["precision_recall"].to_pandas()
    first = curve[(curve["class_id"] == "1") & (curve["recall"] == 0)]
    assert set(first["score"]) == {0.55}
    of_errors = {name: told[name] for name in ("error_type", "confusion")}
    apart = ("error_type", "configuration", *OF_A_RUN)
    assert differences(told, {**untold, **of_errors}, apart=apart) == []
