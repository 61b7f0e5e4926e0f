"""Track metrics of labels and predictions equal the oracle's, on made tracks and on real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate
from tests.data import data_folder
from tests.metric_values import BOX, assert_metrics, metric_values, object_rows
from tests.oracles.coco_tables import frames_of, labels_of, predictions_of, read_json
from tests.oracles.same_run import differences, tables_of
from tests.oracles.track_rows import METRICS, track_metrics

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def _evaluate(tables: Tables, *, partitions: int = 1, **options: Any) -> Any:
    frames, labels, predictions = tables
    return evaluate(
        frames=frames,
        labels=labels,
        predictions=predictions,
        metrics=["tracks"],
        cluster={"address": "none", "partitions": partitions},
        intervals=False,
        iou_thresholds=[0.5],
        **options,
    )


def _random_frames(rng: np.random.Generator, first_id: int, n_sequences: int) -> pd.DataFrame:
    """Sequences of 5 to 30 frames whose indices start anywhere and leave gaps, in any order of frame ids.

    Some frames have no index, some no sequence.
    """
    rows = []
    for sequence in range(n_sequences):
        start = int(rng.integers(-3, 200))
        steps = rng.choice([1, 1, 1, 1, 2, 7], int(rng.integers(5, 31)))
        rows += [
            {
                "sequence_id": None if rng.random() < 0.05 else f"sequence {sequence}",
                "frame_index": None if rng.random() < 0.05 else start + int(index),
                "width_px": 640.0,
                "height_px": 480.0,
            }
            for index in np.cumsum(steps)
        ]
    frames = pd.DataFrame(rows).astype({"frame_index": "Int64"})
    frames.insert(0, "frame_id", first_id + rng.permutation(len(frames)))
    return frames.sample(frac=1, random_state=int(rng.integers(1000)), ignore_index=True)


def _random_objects(rng: np.random.Generator, frames: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """Boxes of 6 track ids that every sequence shares, some ids twice or thrice in a frame, some missing.

    Sides are quarters of a pixel, so that sums and products of them are exact.
    """
    rows = []
    for frame in frames.to_dict("records"):
        for track in range(6):
            for _ in range(int(rng.choice([0, 1, 1, 1, 2, 3], p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.05]))):
                box = rng.integers([-40, -40, 0, 0], [100, 100, 240, 240]) / 4 + [5.0 * track, 0, 0, 0]
                if rng.random() < 0.1:
                    box[2:] = 0
                class_id = int(rng.integers(1, 3))
                rows.append(
                    {
                        "frame_id": frame["frame_id"],
                        "track_id": None if rng.random() < 0.1 else f"track {track}",
                        **dict(zip(BOX, box.tolist(), strict=True)),
                        # A track that changes its class is one track.
                        "class_id": class_id,
                        "class_name": ["car", "van"][class_id - 1],
                    }
                )
    rng.shuffle(rows)
    return object_rows(rows, id_column)


def _random_tables(seed: int) -> Tables:
    rng = np.random.default_rng([20240612, seed])
    frames = _random_frames(rng, 100, 4)
    return frames, _random_objects(rng, frames, "label_id"), _random_objects(rng, frames, "prediction_id")


@pytest.mark.parametrize("seed", range(4))
def test_random_tracks_equal_the_oracle(seed: int) -> None:
    tables = _random_tables(seed)
    run = _evaluate(tables, partitions=1 + seed)
    for name, objects in (("label", tables[1]), ("prediction", tables[2])):
        expected = track_metrics(tables[0], objects)
        # The comparison says something: rows of every kind.
        assert 0.05 < expected["object_track_age"].isna().mean() < 0.5
        assert (expected["object_track_age"] == 0).any()
        assert expected["object_track_gap"].nunique() > 3
        assert ((expected["object_track_iou_previous"] > 0.1).mean()) > 0.05
        assert_metrics(run, name, expected, rtol=0, atol=0)


def test_partitions_do_not_matter() -> None:
    """A track's boxes lie in all partitions."""
    tables = _random_tables(9)
    whole = tables_of(_evaluate(tables))
    for partitions in (3, 7):
        assert differences(tables_of(_evaluate(tables, partitions=partitions)), whole) == []


def test_arrow_tables_and_numbers_as_track_ids() -> None:
    """Ids may be numbers; they name the same tracks as their text."""
    frames, labels, predictions = _random_tables(10)
    expected = [track_metrics(frames, objects) for objects in (labels, predictions)]
    numbered = [
        objects.assign(track_id=objects["track_id"].str.removeprefix("track ").astype("Int64"))
        for objects in (labels, predictions)
    ]
    arrow = [pa.Table.from_pandas(table, preserve_index=False) for table in (frames, *numbered)]
    assert arrow[1].schema.field("track_id").type == pa.int64()
    run = _evaluate((arrow[0], arrow[1], arrow[2]), partitions=3)
    for name, wanted in zip(("label", "prediction"), expected, strict=True):
        assert_metrics(run, name, wanted, rtol=0, atol=0)


def _one_track(boxes: list[tuple[int, tuple[float, float, float, float]]]) -> Tables:
    """One track in one sequence: frame index and box of each row, in input order."""
    indices = sorted({index for index, _ in boxes})
    frames = pd.DataFrame(
        {
            # Ids run against time.
            "frame_id": [1000 - index for index in indices],
            "sequence_id": "street",
            "frame_index": indices,
            "width_px": 100.0,
            "height_px": 100.0,
        }
    )
    rows = [
        {"frame_id": 1000 - index, "track_id": "a", **dict(zip(BOX, box, strict=True))}
        for index, box in boxes
    ]
    return frames, object_rows(rows, "label_id"), object_rows(rows, "prediction_id")


def test_closed_forms() -> None:
    """A box that moves by (3, 4) in each frame, unseen in two of them, then grows, then jumps away."""
    tables = _one_track(
        [
            (10, (0, 0, 10, 10)),
            (11, (3, 4, 10, 10)),
            (14, (12, 16, 10, 10)),
            (15, (12, 16, 20, 10)),
            (16, (80, 80, 20, 10)),
        ]
    )
    run = _evaluate(tables)
    nan = np.nan
    expected = {
        "object_track_age": [0, 1, 4, 5, 6],
        "object_track_speed_px": [nan, 5, 5, 5, np.hypot(68, 64)],
        "object_track_iou_previous": [nan, 42 / 158, 0, 0.5, 0],
        "object_track_gap": [nan, 0, 2, 0, 0],
    }
    for table in ("label", "prediction"):
        values = metric_values(run, table, METRICS)
        for name, wanted in expected.items():
            assert values[name].tolist() == pytest.approx(wanted, rel=1e-6, nan_ok=True), name


def test_several_rows_of_a_track_in_one_frame() -> None:
    """The last row of the latest earlier frame is the previous one, for each of the rows that follow."""
    tables = _one_track(
        [
            (3, (20, 0, 10, 10)),  # row 0 follows row 4
            (1, (0, 0, 10, 10)),
            (3, (50, 0, 10, 10)),
            (2, (10, 0, 10, 10)),
            (2, (16, 0, 10, 10)),
            (1, (4, 0, 10, 10)),
        ]
    )
    values = metric_values(_evaluate(tables, partitions=3), "label", METRICS)
    nan = np.nan
    assert values["object_track_age"].tolist() == [2, 0, 2, 1, 1, 0]
    speeds, gaps = values["object_track_speed_px"].tolist(), values["object_track_gap"].tolist()
    assert speeds == pytest.approx([4, nan, 34, 6, 12, nan], nan_ok=True)
    assert gaps == pytest.approx([0, nan, 0, 0, 0, nan], nan_ok=True)
    assert values["object_track_iou_previous"].iloc[0] == pytest.approx(60 / 140, rel=1e-6)


@pytest.mark.parametrize("missing", ["sequence_id", "frame_index", "track_id"])
def test_rows_without_one_of_the_columns_have_no_values(missing: str) -> None:
    """All but one row of each table lack it."""
    frames, labels, predictions = _random_tables(11)
    for table in (frames, labels, predictions):
        if missing in table:
            table[missing] = table[missing].where(table.index == table[missing].first_valid_index())
    run = _evaluate((frames, labels, predictions))
    for name, objects in (("label", labels), ("prediction", predictions)):
        expected = track_metrics(frames, objects)
        assert expected["object_track_age"].notna().sum() < 30
        assert_metrics(run, name, expected, rtol=0, atol=0)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_tracks_equal_the_oracle() -> None:
    """Three sequences of MOT17, of pedestrians and of a tracker's output."""
    folder = data_folder("mot17")
    coco = read_json(folder / "gt_pedestrian.json.gz")
    sequences = {"MOT17-05", "MOT17-09", "MOT17-11"}
    coco["images"] = [image for image in coco["images"] if image["sequence"] in sequences]
    ids = {image["id"] for image in coco["images"]}
    coco["annotations"] = [row for row in coco["annotations"] if row["image_id"] in ids]
    results = [row for row in read_json(folder / "dt_lift_FRCNN.json.gz") if row["image_id"] in ids]
    frames = frames_of(coco)
    labels = labels_of(coco).assign(track_id=[str(row["track_id"]) for row in coco["annotations"]])
    predictions = predictions_of(coco, results).assign(track_id=[str(row["track_id"]) for row in results])
    run = _evaluate((frames, labels, predictions), partitions=5)
    for name, objects in (("label", labels), ("prediction", predictions)):
        expected = track_metrics(frames, objects)
        assert len(expected) > 10_000 and expected["object_track_age"].max() > 300
        # Centres are differences of larger numbers, which may round in other ways.
        assert_metrics(run, name, expected, rtol=1e-6, atol=1e-6)
