"""Examples of a real run with its images: the choice against the oracle, and pictures that fit a page."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from emqa_core import evaluate
from emqa_core.report.examples.collection import ExampleLimits, read_examples
from emqa_core.report.examples.document import examples_json
from tests.data import data_folder
from tests.oracles import example_rows
from tests.test_report_examples import keys_of

pytestmark = pytest.mark.data


@pytest.mark.parametrize("model", ["yolox_nano", "fastestdet"])
def test_coco446(model: str) -> None:
    folder = data_folder("coco446")
    run = evaluate(
        labels=str(folder / "labels.json.gz"),
        predictions=str(folder / f"predictions_{model}.json.gz"),
        images={"root": str(folder / "images")},
        iou_thresholds=[0.5],
        intervals=False,
        cluster={"address": "none"},
    )
    whole = read_examples(run, limits=ExampleLimits(frames=1_000, objects=10_000))
    metrics = example_rows.important_metrics(run, 8)
    assert [each.column for each in whole.metrics] == metrics
    found = {key: places for key, places in keys_of(whole).items() if places}
    assert found == example_rows.worst_objects(run, metrics, 3)
    examples = read_examples(run)
    assert 100 < len(examples.frames) <= 150
    page = examples_json(examples)
    pictures = [frame for frame in page["frames"] if frame["picture"]]
    assert 30 <= len(pictures) <= 60 and sum(len(frame["picture"]) for frame in pictures) <= 1_200_000
    assert len(json.dumps(page, allow_nan=False, separators=(",", ":"))) < 2_000_000
    for frame in pictures:
        small = Image.open(io.BytesIO(base64.b64decode(frame["picture"].partition(",")[2])))
        assert max(small.size) == 320
        assert abs(small.width / small.height - frame["width"] / frame["height"]) < 0.02
        whole_image = Image.open(folder / "images" / frame["image_uri"]).convert("RGB").resize(small.size)
        assert np.abs(np.asarray(whole_image, int) - np.asarray(small.convert("RGB"), int)).mean() < 12
