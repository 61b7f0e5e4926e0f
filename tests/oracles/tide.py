"""The tidecv package (Bolya, MIT licence) on boxes of COCO files: error types, their numbers and costs."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

Row = dict[str, Any]  # of a COCO file: image_id, category_id, bbox; score or iscrowd
# Our names of tidecv's types.
NAMES = {
    "ClassError": "classification",
    "BoxError": "localization",
    "OtherError": "classification_and_localization",
    "DuplicateError": "duplicate",
    "BackgroundError": "background",
    "MissedError": "missed",
}


@dataclass(frozen=True)
class TideErrors:
    """Numbers by type, costs by type and class, and what tidecv itself says they cost together; 0..1."""

    n: dict[str, int]
    cost: dict[tuple[str, int], float]
    overall: dict[str, float]


def tide_errors(
    images: Sequence[int], labels: Sequence[Row], predictions: Sequence[Row], threshold: float
) -> TideErrors:
    """What tidecv makes of the rows; crowd labels are its regions to be ignored."""
    quantify, data = _packages()
    truth, found = data.Data("labels"), data.Data("predictions")
    for image in images:
        truth.add_image(image, str(image))
    for row in labels:
        add = truth.add_ignore_region if row.get("iscrowd") else truth.add_ground_truth
        add(row["image_id"], row["category_id"], row["bbox"])
    for row in predictions:
        found.add_detection(row["image_id"], row["category_id"], row["score"], row["bbox"])
    run = quantify.TIDERun(truth, found, threshold, 0.1, quantify.TIDE.BOX, max_dets=100)

    def of_type(kind: type) -> Any:
        return lambda error: isinstance(error, kind)

    fixed = {NAMES[kind.__name__]: run.fix_errors(of_type(kind)) for kind in quantify.TIDE._error_types}
    fixed["false_positive"] = run.fix_errors(transform=quantify.FalsePositiveError.fix)
    fixed["false_negative"] = run.fix_errors(false_neg_dict=run.false_negatives)
    classes = {row["category_id"] for row in labels if not row.get("iscrowd")}
    base = {each: average_precision(run.ap_data.objs[each]) for each in classes}
    overall = {NAMES[kind.__name__]: cost / 100 for kind, cost in run.fix_main_errors().items()}
    special = run.fix_special_errors()
    overall["false_positive"] = special[quantify.FalsePositiveError] / 100
    overall["false_negative"] = special[quantify.FalseNegativeError] / 100
    return TideErrors(
        {NAMES[kind.__name__]: n for kind, n in run.count_errors().items()},
        {
            (name, each): average_precision(data_points.objs[each]) - base[each]
            for name, data_points in fixed.items()
            for each in classes
        },
        overall,
    )


def average_precision(rows: Any) -> float:
    """Of tidecv's rows of a class, at COCO's recall points.

    tidecv has 0.07 and others a bit lower than numpy.linspace has them: it shows where a recall is just that.
    """
    if rows.num_gt_positives == 0:
        return 0.0
    judged = [is_true for _, is_true, _ in sorted(rows.data_points.values(), key=lambda row: -row[0])]
    true = np.cumsum(judged)
    precision, recall = true / (np.arange(len(judged)) + 1), true / rows.num_gt_positives
    return float(np.mean([precision[recall >= point].max(initial=0.0) for point in np.linspace(0, 1, 101)]))


def _packages() -> tuple[Any, Any]:
    """They draw as well, and warn of what drawing needs."""
    pytest.importorskip("tidecv", reason="tidecv is installed by `make slow`")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from tidecv import data, quantify
    return quantify, data
