"""Images that cannot be read cost their own frame its metrics, nothing else; a cache never shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from PIL import Image

from tests.metric_values import assert_metrics, metric_values
from tests.oracles.pixel_statistics import FRAME_METRICS, OBJECT_METRICS
from tests.oracles.same_run import differences, tables_of
from tests.picture_runs import (
    evaluate_pictures,
    expected_frames,
    expected_objects,
    frames_of_pictures,
    random_boxes,
    random_picture,
    rows_of_boxes,
    write_pictures,
)

HEIGHT, WIDTH = 40, 50
MAX_PIXELS = HEIGHT * WIDTH
Pictures = dict[str, np.ndarray]


def _pictures(names: list[str], seed: int = 61) -> Pictures:
    rng = np.random.default_rng(seed)
    return {name: random_picture(rng, HEIGHT, WIDTH) for name in names}


def _boxes(pictures: Mapping[str, np.ndarray], seed: int = 62) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    return {name: random_boxes(rng, HEIGHT, WIDTH, 15) for name in pictures}


def _missing(folder: Path) -> str:
    return "nowhere.png"


def _missing_folder(folder: Path) -> str:
    return "no/such/folder/a.png"


def _zero_bytes(folder: Path) -> str:
    (folder / "nothing.jpg").touch()
    return "nothing.jpg"


def _cut(folder: Path, name: str) -> str:
    """The first half of a picture's bytes, its size still in them."""
    path = folder / name
    Image.fromarray(_pictures(["cut"])["cut"]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return name


def _text(folder: Path) -> str:
    (folder / "letter.jpg").write_text("Dear Sir or Madam,\n" * 40)
    return "letter.jpg"


def _other_size(folder: Path) -> str:
    Image.new("RGB", (WIDTH - 1, HEIGHT)).save(folder / "narrow.png")
    return "narrow.png"


def _lying(folder: Path) -> str:
    Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "lying.png")
    return "lying.png"


def _large(folder: Path) -> str:
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(folder / "large.png")
    return "large.png"


def _beside_the_root(folder: Path) -> str:
    return "../beside.png"


def _up_and_down(folder: Path) -> str:
    return "images/../../beside.png"


def _absolute(folder: Path) -> str:
    return str(folder.parent / "beside.png")


BAD = {
    "missing": (_missing, "image_missing"),
    "missing folder": (_missing_folder, "image_missing"),
    "zero bytes": (_zero_bytes, "image_empty"),
    "cut jpeg": (lambda folder: _cut(folder, "cut.jpg"), "image_unreadable"),
    "cut png": (lambda folder: _cut(folder, "cut.png"), "image_unreadable"),
    "text": (_text, "image_unreadable"),
    "other size": (_other_size, "image_wrong_size"),
    "lying": (_lying, "image_wrong_size"),
    "large": (_large, "image_too_large"),
    "beside the root": (_beside_the_root, "image_not_allowed"),
    "up and down": (_up_and_down, "image_not_allowed"),
    "absolute": (_absolute, "image_not_allowed"),
}
GOOD = [f"good {number}" for number in range(6)]


def _bad_and_good(tmp_path: Path) -> tuple[Path, pd.DataFrame, Pictures]:
    """A folder with one bad image of each kind among good ones; the frames name all of them.

    The image beside the root is there, and of the right size.
    """
    root = tmp_path / "root"
    pictures = _pictures([*BAD, *GOOD])
    write_pictures(root, {name: pictures[name] for name in GOOD})
    (root / "images").mkdir()
    Image.fromarray(pictures["absolute"]).save(tmp_path / "beside.png")
    uris = {name: make(root) for name, (make, _) in BAD.items()}
    frames = frames_of_pictures(pictures, uris | {name: f"{name}.png" for name in GOOD})
    frames.loc[frames["frame_id"] == "large", "height_px"] = HEIGHT + 1.0
    return root, frames.sample(frac=1, random_state=3, ignore_index=True), pictures


@pytest.mark.parametrize("partitions", [1, 4])
def test_bad_images_are_listed_and_the_run_goes_on(tmp_path: Path, partitions: int) -> None:
    root, frames, pictures = _bad_and_good(tmp_path)
    boxes = _boxes(pictures)
    run = evaluate_pictures(root, frames, boxes, images={"max_pixels": MAX_PIXELS}, partitions=partitions)
    rows = run.table("quarantine").to_pylist()
    assert {row["source"] for row in rows} == {"image"}
    assert sorted((row["frame_id"], row["reason"]) for row in rows) == sorted(
        (name, reason) for name, (_, reason) in BAD.items()
    )
    # Good frames have exactly as many pixels as are allowed.
    seen = {name: None if name in BAD else picture for name, picture in pictures.items()}
    assert_metrics(run, "frame", expected_frames(seen))
    expected = expected_objects(seen, rows_of_boxes(boxes, "label_id"))
    for table in ("label", "prediction"):
        assert_metrics(run, table, expected)
    # Frames without an image are frames: evaluated, and counted as missing in what explains them.
    assert run.table("frame").num_rows == len(pictures)
    importance = run.table("metric_importance")
    of_all = importance.filter(
        pc.and_(
            pc.equal(importance["metric"].cast("string"), "object_brightness"),
            pc.and_(
                pc.equal(importance["target"].cast("string"), "prediction"),
                pc.equal(importance["scope"].cast("string"), "all"),
            ),
        )
    ).to_pylist()
    assert [row["n_missing"] for row in of_all] == [int(expected["object_brightness"].isna().sum())]
    assert [row["n"] for row in of_all] == [int(expected["object_brightness"].notna().sum())]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_alone(tmp_path: Path, name: str) -> None:
    """A data set whose only image is bad."""
    root, frames, _ = _bad_and_good(tmp_path)
    frames = frames[frames["frame_id"] == name].reset_index(drop=True)
    run = evaluate_pictures(root, frames, images={"max_pixels": MAX_PIXELS})
    rows = run.table("quarantine").to_pylist()
    assert [(row["source"], row["frame_id"], row["reason"]) for row in rows] == [
        ("image", name, BAD[name][1])
    ]
    for table, metrics in (("frame", FRAME_METRICS), ("label", OBJECT_METRICS)):
        values = metric_values(run, table, metrics)
        assert len(values) == 1 and values.isna().all(axis=None)


def test_a_frame_that_names_no_image_has_no_pixel_metrics(tmp_path: Path) -> None:
    pictures = _pictures(["with", "without"])
    write_pictures(tmp_path, pictures)
    frames = frames_of_pictures(pictures)
    frames["image_uri"] = ["with.png", None]
    run = evaluate_pictures(tmp_path, frames)
    assert_metrics(run, "frame", expected_frames({"with": pictures["with"], "without": None}))


def _two_nights(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], *, cache: bool = True
) -> tuple[Any, Any]:
    """Two runs with one output folder and the images of `tmp_path / root`."""
    runs = [
        evaluate_pictures(
            tmp_path / "root",
            **{**options, "images": {"cache": cache, **options.get("images", {})}},
            output=str(tmp_path / "eval"),
            run_date=date,
        )
        for date, options in (("2026-03-01", first), ("2026-03-02", second))
    ]
    return runs[0], runs[1]


@pytest.mark.parametrize("cache", [True, False])
def test_a_second_night_says_what_the_first_said(tmp_path: Path, cache: bool) -> None:
    """Bad images included, and in other partitions."""
    _, frames, pictures = _bad_and_good(tmp_path)
    boxes = _boxes(pictures)
    options: dict[str, Any] = {"frames": frames, "boxes": boxes, "images": {"max_pixels": MAX_PIXELS}}
    first, second = _two_nights(tmp_path, options, {**options, "partitions": 3}, cache=cache)
    assert first.run_id != second.run_id
    apart = ("run_id", "digest", "run_date", "configuration")
    assert differences(tables_of(second), tables_of(first), apart=apart) == []
    seen = {name: None if name in BAD else picture for name, picture in pictures.items()}
    for run in (first, second):
        assert_metrics(run, "frame", expected_frames(seen))
        assert_metrics(run, "label", expected_objects(seen, rows_of_boxes(boxes, "label_id")))


def test_other_boxes_on_the_second_night(tmp_path: Path) -> None:
    """What the cache keeps of a frame is not taken for other objects in it."""
    pictures = _pictures(GOOD)
    write_pictures(tmp_path / "root", pictures)
    frames = frames_of_pictures(pictures)
    nights = [_boxes(pictures, seed) for seed in (63, 64)]
    # One box stays, and one loses its neighbour in the row.
    nights[1]["good 0"] = nights[0]["good 0"][:1] + nights[1]["good 0"][:5]
    runs = _two_nights(tmp_path, *({"frames": frames, "boxes": boxes} for boxes in nights))
    for run, boxes in zip(runs, nights, strict=True):
        assert_metrics(run, "frame", expected_frames(pictures))
        for table in ("label", "prediction"):
            assert_metrics(run, table, expected_objects(pictures, rows_of_boxes(boxes, "label_id")))


def test_images_that_changed_are_measured_anew(tmp_path: Path) -> None:
    """Other pictures under the same names, one that came and one that went."""
    root = tmp_path / "root"
    before, after = _pictures(GOOD), _pictures(GOOD, seed=65)
    changed = {name: after[name] for name in ("good 1", "good 2")}
    nights: list[tuple[str, dict[str, np.ndarray], str]] = [
        ("2026-03-01", before, "good 3"),
        ("2026-03-02", before | changed, "good 4"),
    ]
    boxes = _boxes(before)
    for night, (date, pictures, missing) in enumerate(nights):
        write_pictures(root, pictures)
        for name in pictures:
            # As if a minute lay between the nights; the others are as old as they were.
            seconds = 1_750_000_000 + 60 * (night if name in changed else 0)
            os.utime(root / f"{name}.png", (seconds, seconds))
        (root / f"{missing}.png").unlink()
        run = evaluate_pictures(
            root, frames_of_pictures(pictures), boxes, output=str(tmp_path / "eval"), run_date=date
        )
        bad = [(row["frame_id"], row["reason"]) for row in run.table("quarantine").to_pylist()]
        assert bad == [(missing, "image_missing")]
        seen: dict[str, np.ndarray | None] = {**pictures, missing: None}
        assert_metrics(run, "frame", expected_frames(seen))
        assert_metrics(run, "label", expected_objects(seen, rows_of_boxes(boxes, "label_id")))


def test_options_that_changed_are_heeded(tmp_path: Path) -> None:
    """A square picture that EXIF turns, and that was too large the night before."""
    root = tmp_path / "root"
    root.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_pictures(["square"])["square"][:, :HEIGHT]).save(
        root / "square.jpg", quality=90, subsampling=0, exif=exif
    )
    with Image.open(root / "square.jpg") as image:
        stored = {"square": np.asarray(image)}
    turned = {"square": np.rot90(stored["square"], -1)}
    frames = frames_of_pictures(stored, {"square": "square.jpg"})
    boxes = {"square": [(0.0, 0.0, 15.0, 20.0)]}
    table = rows_of_boxes(boxes, "label_id")
    nights: list[tuple[dict[str, Any], dict[str, np.ndarray | None]]] = [
        ({"max_pixels": 100}, {"square": None}),
        ({"exif_orientation": "ignore"}, dict(stored)),
        ({"exif_orientation": "apply"}, dict(turned)),
        ({}, dict(turned)),
        ({"max_pixels": 100}, {"square": None}),
    ]
    for day, (images, seen) in enumerate(nights, start=1):
        run = evaluate_pictures(
            root, frames, boxes, images=images, output=str(tmp_path / "eval"), run_date=f"2026-03-0{day}"
        )
        assert_metrics(run, "frame", expected_frames(seen))
        assert_metrics(run, "label", expected_objects(seen, table))
