"""Options: defaults, overrides, and errors that name the option and the way out."""

from __future__ import annotations

import numpy as np
import pytest

from emqa_core.config import COCO_IOU_THRESHOLDS, EvaluationConfig, config_from, read_config
from emqa_core.errors import ConfigError


def test_default_thresholds_are_numpys() -> None:
    assert np.array(COCO_IOU_THRESHOLDS).tobytes() == np.linspace(0.5, 0.95, 10).tobytes()


def test_the_chosen_threshold_joins_the_evaluated_ones() -> None:
    config = config_from({"iou_threshold": 0.33})
    assert config.evaluated_iou_thresholds[0] == 0.33
    assert config.chosen_threshold_index == 0
    assert len(config.evaluated_iou_thresholds) == 11


def test_point_nine_is_the_list_s_point_nine() -> None:
    """0.9 and linspace's 0.8999999999999999 are one threshold, not two columns of one name."""
    config = config_from({"iou_threshold": 0.9})
    assert config.evaluated_iou_thresholds == COCO_IOU_THRESHOLDS
    assert config.chosen_threshold_index == 8


def test_later_sources_win() -> None:
    text = "iou_threshold: 0.6\ncluster:\n  workers: 3\n  memory_per_worker_mib: 1000\n"
    config = read_config(text, "a.yaml", ["cluster.workers=5"], {"iou_threshold": 0.7})
    assert (config.iou_threshold, config.cluster.workers, config.cluster.memory_per_worker_mib) == (
        0.7,
        5,
        1000,
    )


@pytest.mark.parametrize(
    ("values", "fragments"),
    [
        ({"iou_treshold": 0.3}, ["iou_treshold", "did you mean 'iou_threshold'"]),
        ({"cluster": {"worker": 3}}, ["cluster.worker", "'workers'"]),
        ({"iou_threshold": 1.5}, ["iou_threshold", "less than or equal to 1", "1.5"]),
        ({"iou_threshold": 0}, ["best_iou"]),
        ({"max_dets": [10, 1]}, ["max_dets", "ascending"]),
        ({"area_ranges": {"small": [0, 10]}}, ["area_ranges", "`all`"]),
        ({"iou_thresholds": [0.5, 0.5001]}, ["iou_thresholds", "0.001"]),
        ({"matching": "hungarian"}, ["matching", "hungarian"]),
        ({"predictions": {"a/b": "x.json"}}, ["model names"]),
    ],
)
def test_errors_name_the_option(values: dict[str, object], fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from(values)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("text", ["- a list", "a: [1", "!!python/object/apply:os.system ['true']"])
def test_bad_yaml_is_a_clear_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        read_config(text, "a.yaml")


def test_override_without_equals() -> None:
    with pytest.raises(ConfigError, match="key=value"):
        read_config(None, "", ["iou_threshold"])


def test_every_option_says_whether_it_changes_results() -> None:
    for name, field in EvaluationConfig.model_fields.items():
        assert isinstance(field.json_schema_extra, dict) and "changes_results" in field.json_schema_extra, (
            name
        )


def test_where_it_runs_is_not_in_the_digest() -> None:
    assert not {"cluster", "output", "storage", "labels", "predictions"} & set(
        EvaluationConfig().result_options()
    )


@pytest.mark.parametrize(
    ("labels", "name"),
    [("data/val.json.gz", "val"), ("s3://b/night/labels/", "labels"), (None, "dataset")],
)
def test_dataset_is_the_stem(labels: str | None, name: str) -> None:
    assert config_from({"labels": labels}).dataset_name == name
