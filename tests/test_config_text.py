"""The printed configuration is the configuration."""

import json
from pathlib import Path

import pytest
import yaml

from emqa_core.config import EvaluationConfig, config_from, read_config
from emqa_core.config_text import config_schema, config_yaml

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


@pytest.mark.parametrize(
    "config",
    [
        EvaluationConfig(),
        config_from(
            {
                "predictions": {"yolo: nano": "s3://b/ä #1.json", "no": "x.parquet"},
                "columns": {"label": {"x_px": "left"}},
                "run_date": "2026-03-01",
                "classes": ["1", "yes", "0x1f"],
                "iou_thresholds": [0.1 + 0.2, 1 / 3],
                "area_ranges": {"all": [0, 1e12], "tiny": [0, 12.5]},
                "cluster": {"address": "tcp://h:1", "partitions": 3},
            }
        ),
    ],
    ids=["default", "awkward values"],
)
def test_printed_options_read_back_the_same(config: EvaluationConfig) -> None:
    assert read_config(config_yaml(config), "printed") == config


def test_every_option_is_printed_with_its_meaning() -> None:
    text = config_yaml(EvaluationConfig())
    for name, field in EvaluationConfig.model_fields.items():
        assert f"\n{name}:" in text
        assert field.description is not None
        assert field.description.split()[0] in text


@pytest.mark.parametrize("name", ["default", "local", "demo", "production"])
def test_configurations_of_the_repository_are_valid(name: str) -> None:
    read_config((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"), name)


def test_schema_lists_the_options_of_the_printed_text() -> None:
    schema = json.loads(config_schema())
    assert set(schema["properties"]) == set(yaml.safe_load(config_yaml(EvaluationConfig())))
    assert schema["additionalProperties"] is False
