"""`emqa explain`: what the tables say of one metric, in words and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from emqa_core import evaluate, read_run
from tests.command import emqa
from tests.oracles.synthetic import make_data_set


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_data_set(150)
    folder = tmp_path_factory.mktemp("explain")
    evaluate(
        frames=data.frames, labels=data.labels, predictions=data.predictions, iou_thresholds=[0.5, 0.75],
        output=str(folder),
    )  # fmt: skip
    return folder


def words(text: str) -> str:
    """Lines as one, however they were wrapped."""
    return " ".join(text.split())


@pytest.mark.parametrize("metric", ["object_area_px2", "frame_darkness", "frame_weather", "confidence"])
def test_every_importance_and_correlation_has_its_interval(
    capsys: pytest.CaptureFixture[str], output: Path, metric: str
) -> None:
    done = emqa(capsys, "explain", metric, output)
    assert done.code == 0, done.err
    text = words(done.out)
    run = read_run(str(output))
    configured = run.row()["score_threshold"]
    rows = [
        row
        for row in run.table("metric_importance").to_pylist()
        if row["iou_threshold"] == 0.5
        and row["metric"] == metric
        and row["scope"] == "all"
        and row["score_threshold"] == configured
    ]
    assert rows
    for row in rows:
        ends = f"{row['importance_low']:.3f} to {row['importance_high']:.3f}"
        assert f"importance {row['importance']:.3f} {ends}" in text
        if row["correlation"] is not None:
            ends = f"{row['correlation_low']:+.3f} to {row['correlation_high']:+.3f}"
            assert f"correlation {row['correlation']:+.3f} {ends}" in text
        said = "more than chance" if row["is_significant"] else "not told from chance"
        assert said in text
    assert f"Performance by {metric}" in text
    for row in run.table("slice").to_pylist():
        assert (words(row["text"]) in text) == (metric in (row["metric"], row["metric_other"]))
    advice = [row for row in run.table("recommendation").to_pylist() if row["metric"] == metric]
    advice.sort(key=lambda row: (row["duplicate_of_rank"] is not None, row["rank"]))
    places = [text.index(words(row["text"])) for row in advice]
    assert places == sorted(places)


def test_the_direction_is_said_in_words(capsys: pytest.CaptureFixture[str], output: Path) -> None:
    text = words(emqa(capsys, "explain", "object_area_px2", output).out)
    assert "The higher object_area_px2, the less often a label is missed." in text
    assert "The higher object_area_px2, the more often a prediction is right." in text
    dark = words(emqa(capsys, "explain", "frame_darkness", output).out)
    assert "The higher frame_darkness, the lower the F1 of a frame." in dark
    assert "A column or function of yours." in dark
    weather = words(emqa(capsys, "explain", "frame_weather", output).out)
    assert "No correlation: categorical." in weather


def test_one_class_and_what_is_unknown(capsys: pytest.CaptureFixture[str], output: Path) -> None:
    assert "class person, T = 0.50" in emqa(capsys, "explain", "confidence", output, "--class", "person").out
    done = emqa(capsys, "explain", "object_aera_px2", output)
    assert done.code != 0 and "did you mean 'object_area_px2'?" in done.err
    assert emqa(capsys, "explain", "confidence", output, "--iou-threshold", "0.6").code != 0


def test_slices_and_advice_say_whose_threshold_they_are(
    capsys: pytest.CaptureFixture[str], output: Path
) -> None:
    metric = read_run(str(output)).table("slice").to_pylist()[0]["metric"]
    own = emqa(capsys, "explain", metric, output).out
    other = emqa(capsys, "explain", metric, output, "--iou-threshold", "0.75").out
    assert "Slices\n" in own
    assert "Slices  at T = 0.50\n" in other
