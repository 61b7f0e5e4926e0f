"""Every metric on a real data set: what is said to matter does, and chance is told from it."""

from __future__ import annotations

import pandas as pd
import pytest

from emqa_core import evaluate
from tests.data import data_folder


@pytest.fixture(scope="module")
def importance() -> dict[str, pd.DataFrame]:
    """The importance tables of two detectors, scope `all` at the chosen threshold."""
    folder = data_folder("coco446")
    runs = evaluate(
        labels=str(folder / "labels.json.gz"),
        predictions={m: str(folder / f"predictions_{m}.json.gz") for m in ("fastestdet", "yolox_nano")},
        images={"root": str(folder / "images")},
        iou_thresholds=[0.5],
        cluster={"address": "none", "partitions": 3},
    )
    assert isinstance(runs, dict)
    tables = {model: run.to_pandas("metric_importance") for model, run in runs.items()}
    return {
        model: table[(table["scope"] == "all") & (table["score_threshold"] == 0)]
        for model, table in tables.items()
    }


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("model", ["fastestdet", "yolox_nano"])
def test_controls_lie_at_the_bottom_of_every_list(importance: dict[str, pd.DataFrame], model: str) -> None:
    table = importance[model]
    for target, rows in table.groupby("target"):
        is_control = rows["metric"].str.contains("random")
        assert is_control.sum() == (1 if target == "frame" else 2)
        highest = rows.loc[is_control, "importance"].max()
        assert highest < 0.005
        assert not rows.loc[is_control, "is_significant"].any()
        significant = rows[rows["is_significant"].astype(bool)]
        assert len(significant) >= 2
        assert (significant["importance"] > highest).all()


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("model", ["fastestdet", "yolox_nano"])
def test_size_decides_which_labels_are_found(importance: dict[str, pd.DataFrame], model: str) -> None:
    """Known of both detectors without this program: small objects are missed."""
    rows = importance[model]
    labels = rows[rows["target"] == "label"].sort_values("importance", ascending=False)
    assert set(labels["metric"].head(4)) >= {"object_area_relative", "object_height_px"}
    assert (
        labels.set_index("metric")["correlation"][["object_height_px", "object_area_relative"]] > 0.2
    ).all()
    pixels = labels[labels["metric"].str.contains("entropy|brightness|sharpness|_red|saturation")]
    assert len(pixels) == 10 and (pixels["n_missing"] == 0).all()
