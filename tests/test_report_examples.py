"""Examples behind a run's figures: the choice against an oracle, its bounds, and what a page is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate, read_run
from emqa_core.errors import ConfigError
from emqa_core.report.examples.collection import ExampleLimits, Examples, read_examples
from emqa_core.report.examples.document import OBJECT_FIELDS, examples_json
from emqa_core.report.examples.groups import important_metrics
from emqa_core.report.view import View
from emqa_core.storage.runs import Run
from tests.oracles import example_rows
from tests.oracles.synthetic import make_data_set
from tests.report_tables import effect_row, run_of

OPTIONS: dict[str, Any] = {
    "metrics": [
        "confidence",
        "geometry",
        "frame_darkness",
        "frame_weather",
        "frame_is_night",
        "frame_lamp_count",
        "visibility",
    ],
    "iou_thresholds": [0.5, 0.75],
    "intervals": False,
    "run_date": "2026-03-01",
}
ALL_FRAMES = ExampleLimits(frames=10_000, objects=10_000)


def _run(output: Path | None = None, *, partitions: int = 1) -> Any:
    data = make_data_set(60, crowds=True)
    place = {} if output is None else {"output": str(output)}
    return evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=data.predictions,
        cluster={"address": "none", "partitions": partitions},
        **OPTIONS,
        **place,
    )


@pytest.fixture(scope="module")
def run() -> Any:
    return _run()


def keys_of(examples: Examples) -> dict[example_rows.Key, set[tuple[str, int, int]]]:
    """Places of each example by (source, frame_id, input_index), as the oracle gives them."""
    found = {}
    for each in examples.examples:
        frame = examples.frames[each.frame]
        shown = frame.objects[each.object]
        found[shown.source, frame.row["frame_id"], shown.input_index] = {
            (
                examples.metrics[place.metric].column,
                examples.metrics[place.metric].ranges[place.range].number,
                place.place,
            )
            for place in each.places
        }
    return found


def test_the_worst_of_every_range_class_and_error_type(run: Any) -> None:
    examples = read_examples(run, limits=ALL_FRAMES)
    metrics = [each.column for each in examples.metrics]
    assert metrics == example_rows.important_metrics(run, 8) and len(metrics) == 8
    assert {"frame_is_night", "object_area_px2"} < set(metrics)
    expected = example_rows.worst_objects(run, metrics, 3)
    found = keys_of(examples)
    assert {key: places for key, places in found.items() if places} == expected
    for column, n in (("class_id", 2), ("error_type", 4)):
        of_values = example_rows.worst_of_values(run, column, n)
        assert len(of_values) > 8 and of_values <= set(found)
        expected |= {key: set() for key in of_values if key not in expected}
    assert set(found) == set(expected) and examples.n_left_out == 0
    shown = [examples.frames[number].row["frame_id"] for number in examples.worst_frames]
    assert shown == example_rows.worst_frames(run, 12)


@pytest.mark.parametrize(
    "metric", ["frame_weather", "frame_is_night", "frame_lamp_count", "visibility", "confidence"]
)
def test_categories_whole_numbers_and_metrics_of_one_side(run: Any, metric: str) -> None:
    examples = read_examples(run, metrics=[metric], limits=ALL_FRAMES)
    found = {key: places for key, places in keys_of(examples).items() if places}
    assert found == example_rows.worst_objects(run, [metric], 3) and found


def test_an_unknown_metric_is_an_error(run: Any) -> None:
    with pytest.raises(ConfigError, match="no bins of a quality metric 'frame_fog'"):
        read_examples(run, metrics=["frame_fog"])


def test_the_rarest_categories_are_left_out(run: Any) -> None:
    examples = read_examples(run, metrics=["frame_weather"], limits=ExampleLimits(categories=2))
    rows = run.to_pandas("metric_bin")
    largest = rows[rows["metric"] == "frame_weather"].nlargest(2, "share")["category"]
    assert {each.category for each in examples.metrics[0].ranges} == set(largest)


@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_the_same_examples_however_the_run_was_cut(run: Any, partitions: int, tmp_path: Path) -> None:
    stored = _run(tmp_path / "out", partitions=partitions)
    assert examples_json(read_examples(stored)) == examples_json(read_examples(run))
    assert examples_json(read_examples(read_run(str(tmp_path / "out")))) == examples_json(read_examples(run))


def test_a_page_is_told_what_the_tables_say(run: Any) -> None:
    page = json.loads(
        json.dumps(examples_json(read_examples(run, limits=ExampleLimits(frames=25))), allow_nan=False)
    )
    tables = {
        source: run.to_pandas(source).set_index(["frame_id", "class_id", "outcome"]).sort_index()
        for source in ("prediction", "label")
    }
    frames = run.to_pandas("frame").set_index("frame_id")
    n_boxes = 0
    for frame in page["frames"]:
        row = frames.loc[frame["frame_id"]]
        assert (frame["width"], frame["height"]) == (row["width_px"], row["height_px"])
        assert [frame[name] for name in ("n_predictions", "n_missed")] == [
            row["n_predictions"],
            row["n_missed"],
        ]
        n_of_frame = 0
        for values in frame["objects"]:
            shown = dict(zip(OBJECT_FIELDS, values, strict=True))
            source = ("prediction", "label")[shown["source"]]
            key = (
                frame["frame_id"],
                page["classes"][shown["class"]]["id"],
                page["outcomes"][shown["outcome"]],
            )
            same = tables[source].loc[[key]]
            box = same[["x_px", "y_px", "width_px", "height_px"]].to_numpy()
            near = np.abs(box - [shown[side] for side in ("x", "y", "width", "height")]).max(axis=1) <= 0.051
            if source == "prediction":
                near &= np.abs(same["score"].to_numpy() - shown["score"]) < 1e-4
            errors = same["error_type"][near].tolist()
            error = None if shown["error_type"] is None else page["error_types"][shown["error_type"]]
            assert error in [None if pd.isna(each) else each for each in errors]
            n_of_frame += 1
        assert n_of_frame == frame["n_objects"]
        n_boxes += n_of_frame
    assert n_boxes > 300
    assert all(frame["picture"] is None and frame["reason"] == "no_image_uri" for frame in page["frames"])


def test_limits_keep_the_worst(run: Any) -> None:
    whole = read_examples(run, limits=ALL_FRAMES)
    examples = read_examples(run, limits=ExampleLimits(frames=20, objects=8))
    assert len(examples.frames) == 20 and max(len(frame.objects) for frame in examples.frames) == 8
    assert len(examples.worst_frames) == 12
    assert examples.n_left_out == len(whole.examples) - len(examples.examples) > 0
    # An example is drawn before other objects: none of a frame that is shown is left out for want of room.
    of_frames = {frame.row["frame_id"] for frame in examples.frames}
    assert set(keys_of(examples)) == {key for key in keys_of(whole) if key[1] in of_frames}
    for frame in examples.frames:
        sources = [each.source for each in frame.objects if each.key not in _shown(examples, frame)]
        assert sources == sorted(sources)  # labels, then predictions


def test_frames_of_the_worst_come_before_those_of_the_second_worst(run: Any) -> None:
    limits = replace(ALL_FRAMES, classes=0, per_error=0, worst_frames=0)
    examples = read_examples(run, limits=limits)
    place = [
        min(place.place for each in examples.examples if each.frame == number for place in each.places)
        for number in range(len(examples.frames))
    ]
    assert place == sorted(place) and set(place) == {0, 1, 2}
    few = read_examples(run, limits=replace(limits, frames=10))
    assert few.frames == examples.frames[:10]


def test_the_same_examples_in_whatever_order_the_rows_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data_set(40)
    scores = data.predictions["score"].round(1)  # ties
    run = evaluate(
        frames=data.frames,
        labels=data.labels.assign(area_px2=np.ceil(data.labels["height_px"] / 50)),
        predictions=data.predictions.assign(score=scores),
        cluster={"address": "none"},
        **OPTIONS,
    )
    expected = examples_json(read_examples(run))
    rng = np.random.default_rng(3)
    tables = {name: run.table(name) for name in run.tables}
    for name in ("prediction", "label", "frame"):
        tables[name] = tables[name].take(rng.permutation(tables[name].num_rows))
    monkeypatch.setattr("emqa_core.storage.row_groups.HELD_ROWS", 7)
    assert examples_json(read_examples(Run.in_memory(run.run_id, tables))) == expected


def test_metrics_above_chance_come_first() -> None:
    run = run_of(
        metric_importance=[
            effect_row("object_center_x", "prediction", "prediction", 0.5, 0.1, significant=False),
            effect_row("object_area_px2", "prediction", "prediction", 0.1, 0.1),
            effect_row("object_area_px2", "label", "label", 0.3, 0.1),
            effect_row("object_overlap", "label", "label", 0.2, 0.1),
            effect_row("object_occlusion", "label", "label", None, None, None, "constant_metric"),
            effect_row("frame_label_count", "frame", "frame", 0.9, 0.1),
            effect_row("confidence", "prediction", "prediction", 0.9, 0.1),
            effect_row("object_random", "label", "label", 0.9, 0.1),
        ]
    )
    metrics = important_metrics(run, View(0.5), 8)
    assert metrics == ["object_area_px2", "object_overlap", "object_center_x"]
    assert important_metrics(run, View(0.5), 2) == metrics[:2]


def _shown(examples: Examples, frame: Any) -> set[Any]:
    of_frame = [each for each in examples.examples if examples.frames[each.frame] is frame]
    return {frame.objects[each.object].key for each in of_frame}


def test_a_run_of_nothing() -> None:
    rows = pd.DataFrame(
        {
            "frame_id": [1],
            "class_id": [1],
            "x_px": [0.0],
            "y_px": [0.0],
            "width_px": [9.0],
            "height_px": [9.0],
        }
    )
    run = evaluate(
        frames=rows[["frame_id"]],
        labels=rows,
        predictions=rows.assign(score=0.5),
        cluster={"address": "none"},
        metrics=["none"],
    )
    examples = read_examples(run)
    assert (examples.examples, examples.frames, examples.worst_frames) == ((), (), ())
    assert examples_json(examples)["frames"] == []
