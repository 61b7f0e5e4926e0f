"""A class filter changes everything: the run is that of data which never held the other classes."""

from __future__ import annotations

from typing import Any

import pytest

from emqa_core import evaluate
from tests.oracles.pycocotools_oracle import TWELVE, run_pycocotools
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import DataSet, make_data_set

OPTIONS: dict[str, Any] = {"iou_thresholds": [0.5, 0.75], "run_date": "2026-03-01"}
# The run's identity holds the options and the inputs; both differ here.
APART = ("run_id", "digest", "configuration", "n_unlisted", "input_index")


def _evaluate(data: DataSet, **options: Any) -> Any:
    return evaluate(
        frames=data.frames, labels=data.labels, predictions=data.predictions, **OPTIONS, **options
    )


def _filtered(data: DataSet, classes: set[int]) -> DataSet:
    return DataSet(
        data.frames,
        data.labels[data.labels["class_id"].isin(classes)].reset_index(drop=True),
        data.predictions[data.predictions["class_id"].isin(classes)].reset_index(drop=True),
    )


@pytest.mark.parametrize("named", [("car", "bicycle"), ("1", "10")])
def test_a_filter_equals_data_without_the_other_classes(named: tuple[str, ...]) -> None:
    data = make_data_set(60, crowds=True)
    filtered = _filtered(data, {1, 10})
    run = _evaluate(data, classes=named)
    assert differences(tables_of(run), tables_of(_evaluate(filtered)), apart=APART) == []
    classes = run.table("class_performance").to_pandas()
    assert set(classes.loc[classes["scope"] == "class", "class_name"].astype(str)) == {"car", "bicycle"}


def test_a_filter_changes_the_coco_numbers() -> None:
    data = make_data_set(60)
    measures = {}
    for classes in (None, ("person",)):
        run = evaluate(
            frames=data.frames,
            labels=data.labels,
            predictions=data.predictions,
            classes=classes,
            metrics=["none"],
        )
        measures[classes] = run.table("summary").to_pandas().set_index("measure")["value"]
    person = _filtered(data, {2})
    expected = run_pycocotools(person.frames, person.labels, person.predictions).twelve_numbers()
    for measure in TWELVE:
        assert measures[("person",)][measure] == pytest.approx(expected[measure], abs=1e-12)
        assert measures[("person",)][measure] != measures[None][measure]
    assert measures[("person",)]["mAP"] != measures[None]["mAP"]
    assert measures[("person",)]["mAR"] != measures[None]["mAR"]
