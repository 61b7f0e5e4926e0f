"""From options to a configuration: who wins, and how models are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from emqa_core.cli.options import configuration, named_predictions
from emqa_core.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "model", "expected"),
    [
        (["a/b/yolox.v2.json.gz"], None, {"yolox": "a/b/yolox.v2.json.gz"}),
        (["a/b/yolox.json"], "v9", {"v9": "a/b/yolox.json"}),
        (["s3://bucket/folder/"], None, {"folder": "s3://bucket/folder/"}),
        (["small=s.json", "large=l.json"], None, {"small": "s.json", "large": "l.json"}),
        (["m=s3://b/night=5/p.json"], None, {"m": "s3://b/night=5/p.json"}),
        (["s3://b/night=5/p.json"], None, {"p": "s3://b/night=5/p.json"}),
        (["./night=5/p.json"], None, {"p": "./night=5/p.json"}),
        (["=p.json"], None, {"=p": "=p.json"}),  # no name before it: a path like any other
    ],
)
def test_models_are_named(values: list[str], model: str | None, expected: dict[str, str]) -> None:
    assert named_predictions(values, model) == expected


def test_set_wins_over_options_and_options_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "iou_threshold: 0.6\nscore_threshold: 0.1\nmatching: best_iou\npredictions: {old: o.json}\n"
        "cluster: {address: local, workers: 5}\nclasses: [cat]\n"
    )
    made = configuration(
        str(file),
        ["iou_threshold=0.8", "cluster.partitions=3"],
        predictions=["new.json"],
        classes="dog, 3,",
        cluster="none",
        iou_threshold=0.7,
        score_threshold=0.2,
        matching=None,
    )
    assert (made.iou_threshold, made.score_threshold, made.matching) == (0.8, 0.2, "best_iou")
    assert made.predictions == {"new": "new.json"}
    assert made.classes == ("dog", "3")
    assert (made.cluster.address, made.cluster.workers, made.cluster.partitions) == ("none", 5, 3)


def test_a_configuration_file_that_is_none(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (binary, tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(ConfigError, match="cannot read the configuration file"):
            configuration(str(file), None)
