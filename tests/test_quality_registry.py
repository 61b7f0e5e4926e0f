"""Which metrics a run evaluates, and what is refused."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from emqa_core import schema
from emqa_core.errors import ConfigError
from emqa_core.quality.availability import Offer
from emqa_core.quality.catalogue import CATALOGUE
from emqa_core.quality.registry import choose_metrics

COLUMNS = {
    "frame": pa.schema(
        {
            "frame_id": pa.int64(),
            "width_px": pa.float64(),
            "height_px": pa.float64(),
            "sequence_id": pa.string(),
            "blur": pa.float32(),
            "frame_hour": pa.int8(),
            "weather": pa.string(),
        }
    ),
    "label": pa.schema(
        {
            "label_id": pa.int64(),
            "class_id": pa.int64(),
            "is_crowd": pa.bool_(),
            "visibility": pa.float64(),
            "is_truncated": pa.bool_(),
            "attributes": pa.list_(pa.string()),
            "taken_at": pa.timestamp("us"),
        }
    ),
    "prediction": pa.schema(
        {
            "prediction_id": pa.int64(),
            "score": pa.float64(),
            "visibility": pa.int32(),
            "head": pa.dictionary(pa.int8(), pa.string()),
            "mask": pa.struct({"counts": pa.string()}),
        }
    ),
}
OFFER = Offer(COLUMNS)
# Without images, tracks or embeddings; and without the frames' size.
NAMES = [metric.name for metric in CATALOGUE if not {"pixels", "tracks", "embeddings"} & set(metric.needs)]
SIZELESS = [metric.name for metric in CATALOGUE if metric.name in NAMES and "frame size" not in metric.needs]
FURTHER = ["frame_blur", "frame_hour", "frame_weather", "visibility", "is_truncated", "head"]


def test_all_is_the_catalogue_and_the_further_columns():
    assert choose_metrics(["all"], OFFER).names == (*NAMES, *FURTHER)
    assert choose_metrics(["catalogue"], OFFER).names == tuple(NAMES)
    controls = ("object_random", "frame_random")
    assert choose_metrics(["columns"], OFFER).names == (*controls, *FURTHER)
    assert choose_metrics(["all"], Offer()).names == tuple(SIZELESS)


def test_none_is_no_metric_and_stands_alone():
    assert choose_metrics(["none"], OFFER).names == ()
    with pytest.raises(ConfigError, match="`none` stands alone"):
        choose_metrics(["none", "object_overlap"], OFFER)


def test_named_metrics_bring_the_control_of_their_levels():
    assert choose_metrics(["object_overlap"], OFFER).names == ("object_overlap", "object_random")
    assert choose_metrics(["frame_blur"], OFFER).names == ("frame_random", "frame_blur")
    both = choose_metrics(["frame_density", "confidence", "frame_density"], OFFER)
    assert both.names == ("frame_density", "confidence", "object_random", "frame_random")


def test_levels_and_types_of_further_columns():
    chosen = choose_metrics(["all"], OFFER)
    metric = chosen.by_name["visibility"]
    assert metric.levels == ("label", "prediction") and not metric.is_categorical
    assert metric.declaration("label").type == pa.float64()
    assert metric.declaration("prediction").type == pa.int32()
    assert chosen.by_name["frame_weather"].is_categorical
    assert chosen.by_name["frame_weather"].declaration("frame").type == schema.LABEL
    assert chosen.by_name["is_truncated"].is_categorical
    assert chosen.by_name["is_truncated"].declaration("label").type == pa.bool_()
    assert chosen.by_name["head"].levels == ("prediction",)
    assert [metric.name for metric in chosen.at("frame")][-3:] == FURTHER[:3]
    assert [column.name for column in chosen.declarations("label")][-2:] == ["visibility", "is_truncated"]
    assert all(column.nullable for column in chosen.declarations("prediction"))


def test_a_choice_travels_to_workers():
    chosen = choose_metrics(["all"], OFFER)
    assert pickle.loads(pickle.dumps(chosen)) == chosen  # noqa: S301


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("object_overlp", "object_overlap"), ("blur", "frame_blur"), ("wether", "frame_weather")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(wanted, nearest):
    with pytest.raises(ConfigError, match=f"unknown quality metric '{wanted}'.*did you mean '{nearest}'"):
        choose_metrics(["catalogue", wanted], OFFER)


@pytest.mark.parametrize(
    ("level", "column", "message"),
    [
        (
            "label",
            "object_overlap",
            "column 'object_overlap' of the label table has the name of the catalogue's",
        ),
        ("frame", "density", "column 'density' of the frame table.*catalogue's metric 'frame_density'"),
        ("prediction", "outcome", "column 'outcome' of the prediction table.*result column 'outcome'"),
        ("prediction", "is_true_positive_50", "result column 'is_true_positive_50' of table 'prediction'"),
        ("label", "run_id", "column 'run_id' of the label table.*result column 'run_id'"),
    ],
)
def test_a_column_with_a_taken_name_is_refused_naming_both(level, column, message):
    columns = {level: pa.schema({column: pa.float64()})}
    with pytest.raises(ConfigError, match=message):
        choose_metrics(["all"], Offer(columns))
    assert choose_metrics(["catalogue"], Offer(columns)).names == tuple(SIZELESS)


@pytest.mark.parametrize(
    "columns",
    [
        {"frame": pa.schema({"blur": pa.float64(), "frame_blur": pa.float64()})},
        {"frame": pa.schema({"blur": pa.float64()}), "label": pa.schema({"frame_blur": pa.float64()})},
        {"label": pa.schema({"zone": pa.int64()}), "prediction": pa.schema({"zone": pa.string()})},
    ],
)
def test_two_columns_that_would_be_one_metric_are_refused_naming_both(columns):
    with pytest.raises(ConfigError, match="column '.*' of the .* table and column '.*' of the .* table"):
        choose_metrics(["columns"], Offer(columns))
