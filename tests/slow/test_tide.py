"""Error types and their costs on real detections against the tidecv package."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emqa_core import evaluate
from tests.data import ROOT, data_folder
from tests.oracles.tide import Row, TideErrors, tide_errors

pytestmark = pytest.mark.data
MODELS = ("yolox_nano", "fastestdet")
PREDICTION_TYPES = (
    *("localization", "classification", "duplicate", "background"),
    "classification_and_localization",
)


def read(folder: Path, model: str) -> tuple[dict[str, Any], list[Row]]:
    labels, predictions = (
        json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
        for name in ("labels", f"predictions_{model}")
    )
    return labels, predictions


def ours(labels: dict[str, Any], predictions: list[Row], folder: Path, threshold: float) -> pd.DataFrame:
    paths = {"labels": folder / "labels.json", "predictions": folder / "predictions.json"}
    paths["labels"].write_text(json.dumps(labels))
    paths["predictions"].write_text(json.dumps(predictions))
    result = evaluate(
        labels=str(paths["labels"]), predictions=str(paths["predictions"]), metrics=["none"],
        iou_threshold=threshold, intervals=False, cluster={"address": "none", "partitions": 3},
    )  # fmt: skip
    rows = result.to_pandas("error_type")
    return rows[(rows["source"] == "prediction") | rows["error_type"].isin(["missed", "false_negative"])]


def theirs(labels: dict[str, Any], predictions: list[Row], threshold: float) -> TideErrors:
    images = [image["id"] for image in labels["images"]]
    return tide_errors(images, labels["annotations"], predictions, threshold)


def where_rules_agree(labels: dict[str, Any], predictions: list[Row]) -> tuple[dict[str, Any], list[Row]]:
    """Without what tidecv judges in its own way.

    No crowd, no box twice in an image, no class with labels or predictions alone; scores all different, at
    most 100 predictions in an image.
    """
    annotations = [row for row in labels["annotations"] if not row["iscrowd"]]
    boxes = Counter((row["image_id"], tuple(row["bbox"])) for row in annotations)
    annotations = [row for row in annotations if boxes[row["image_id"], tuple(row["bbox"])] == 1]
    predicted = {row["category_id"] for row in predictions}
    annotations = [row for row in annotations if row["category_id"] in predicted]
    classes = {row["category_id"] for row in annotations}
    kept, n_in_image, scores = [], Counter(), set()
    for row in sorted(predictions, key=lambda row: -row["score"]):
        if row["category_id"] in classes and row["score"] not in scores and n_in_image[row["image_id"]] < 100:
            kept.append(row)
            scores.add(row["score"])
            n_in_image[row["image_id"]] += 1
    return {**labels, "annotations": annotations}, kept


@pytest.mark.parametrize("threshold", [0.5, 0.75])
@pytest.mark.parametrize("model", MODELS)
def test_numbers_and_costs_are_equal_where_the_rules_are(
    model: str, threshold: float, tmp_path: Path
) -> None:
    labels, predictions = where_rules_agree(*read(data_folder("coco446"), model))
    assert len(predictions) > 2_000
    found, expected = ours(labels, predictions, tmp_path, threshold), theirs(labels, predictions, threshold)
    of_all = found[found["scope"] == "all"].set_index("error_type")
    for name, n in expected.n.items():
        assert of_all.loc[name, "n"] == n
    for name, cost in expected.overall.items():
        # Its recall points are not quite COCO's: `average_precision` of the oracle.
        assert of_all.loc[name, "average_precision_cost"] == pytest.approx(cost, abs=2e-4), name
    of_classes = found[found["average_precision_cost"].notna() & (found["scope"] == "class")]
    costs = {
        (row.error_type, int(row.class_id)): row.average_precision_cost for row in of_classes.itertuples()
    }
    assert costs.keys() == expected.cost.keys()
    for key, cost in expected.cost.items():
        assert costs[key] == pytest.approx(cost, abs=1e-9), key


@pytest.mark.parametrize("model", MODELS)
def test_the_whole_data_set_is_as_the_document_has_it(model: str, tmp_path: Path) -> None:
    """All of coco446, with what the rules part in: docs/error-types.md says what that is."""
    labels, predictions = read(data_folder("coco446"), model)
    found, expected = ours(labels, predictions, tmp_path, 0.5), theirs(labels, predictions, 0.5)
    of_all = found[found["scope"] == "all"].set_index("error_type")
    document = (ROOT / "docs" / "error-types.md").read_text()
    for name, cost in expected.overall.items():
        n, own = of_all["n"][name], of_all["average_precision_cost"][name]
        assert own == pytest.approx(cost, abs=0.01)
        theirs_n = f"{expected.n[name]:,}" if name in expected.n else ""
        line = f"| {model} | `{name}` | {n:,} | {theirs_n} | {own:.4f} | {cost:.4f} |"
        assert line.replace("|  |", "| |") in document
