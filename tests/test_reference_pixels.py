"""Pixel metrics of frames, labels and predictions equal the oracle's, and what is known without it."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emqa_core import evaluate
from tests.data import data_folder
from tests.metric_values import BOX, assert_metrics, metric_values
from tests.oracles.coco_tables import read_json
from tests.oracles.pixel_statistics import (
    FRAME_METRICS,
    OBJECT_METRICS,
    STATISTICS,
    Box,
    laplacian_of,
    planes_of,
)
from tests.oracles.same_run import differences, tables_of
from tests.picture_runs import (
    evaluate_pictures,
    expected_frames,
    expected_objects,
    filled,
    frames_of_pictures,
    random_boxes,
    random_picture,
    rows_of_boxes,
    whole_frames,
    write_pictures,
)

GREY = (128, 128, 128)


def _run(folder: Path, pictures: dict[str, np.ndarray], boxes: Any = None, **options: Any) -> Any:
    write_pictures(folder, pictures)
    return evaluate_pictures(folder, frames_of_pictures(pictures), boxes, **options)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_images_equal_the_oracle(tmp_path: Path) -> None:
    folder = data_folder("coco446")
    coco = read_json(folder / "labels.json.gz")
    # Every 18th picture, and the one that is stored in grey.
    images = [image for i, image in enumerate(coco["images"]) if i % 18 == 0 or image["id"] == 86]
    ids = {image["id"] for image in images}
    coco = {
        "images": images,
        "annotations": [row for row in coco["annotations"] if row["image_id"] in ids],
        "categories": coco["categories"],
    }
    results = [row for row in read_json(folder / "predictions_fastestdet.json.gz") if row["image_id"] in ids]
    (tmp_path / "labels.json").write_text(json.dumps(coco))
    (tmp_path / "predictions.json").write_text(json.dumps(results))
    run = evaluate(
        labels=str(tmp_path / "labels.json"),
        predictions=str(tmp_path / "predictions.json"),
        metrics=["pixels"],
        images={"root": str(folder / "images")},
        cluster={"address": "none", "partitions": 3},
        intervals=False,
        iou_thresholds=[0.5],
    )
    pictures = {}
    for image in images:
        with Image.open(folder / "images" / image["file_name"]) as file:
            pictures[str(image["id"])] = np.asarray(file.convert("RGB"))
    assert run.table("quarantine").num_rows == 0
    assert_metrics(run, "frame", expected_frames(pictures))
    for table, rows in (("label", coco["annotations"]), ("prediction", results)):
        boxes = pd.DataFrame([row["bbox"] for row in rows], columns=BOX)
        boxes["frame_id"] = [str(row["image_id"]) for row in rows]
        assert len(boxes) > 100
        assert_metrics(run, table, expected_objects(pictures, boxes))


def _random_set(seed: int) -> tuple[dict[str, np.ndarray], dict[str, list[Box]]]:
    """Frames of many shapes, the thinnest included, each with 40 boxes."""
    rng = np.random.default_rng([20240611, seed])
    shapes = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 3), (17, 33), (64, 48), (90, 160), (101, 77), (48, 64)]
    pictures = {f"frame {i}": random_picture(rng, *shape) for i, shape in enumerate(shapes)}
    boxes = {name: random_boxes(rng, *picture.shape[:2], 40) for name, picture in pictures.items()}
    return pictures, boxes


@pytest.mark.parametrize("seed", range(3))
def test_random_pictures_equal_the_oracle(tmp_path: Path, seed: int) -> None:
    pictures, boxes = _random_set(seed)
    run = _run(tmp_path, pictures, boxes)
    table = rows_of_boxes(boxes, "label_id")
    expected = expected_objects(pictures, table)
    # The comparison says something: boxes that lose their last pixel, and colours of every kind.
    assert 0.05 < expected["object_brightness"].isna().mean() < 0.7
    assert (expected.max() > 0).all()
    assert_metrics(run, "frame", expected_frames(pictures))
    assert_metrics(run, "label", expected)
    assert_metrics(run, "prediction", expected)


def test_partitions_do_not_matter(tmp_path: Path) -> None:
    pictures, boxes = _random_set(7)
    whole = tables_of(_run(tmp_path, pictures, boxes))
    for partitions in (3, 7):
        run = _run(tmp_path, pictures, boxes, partitions=partitions)
        assert differences(tables_of(run), whole) == []


def test_a_mirrored_picture_has_the_same_metrics(tmp_path: Path) -> None:
    """Left to right and upside down, as frames and as objects that are the frame."""
    rng = np.random.default_rng(41)
    pictures = {f"frame {i}": random_picture(rng, 20 + 7 * i, 31 + 5 * i) for i in range(6)}
    values = {}
    for name, turned in (("as is", slice(None)), ("mirrored", np.s_[:, ::-1]), ("upside down", np.s_[::-1])):
        run = _run(tmp_path / name, {key: picture[turned] for key, picture in pictures.items()})
        values[name] = pd.concat(
            [metric_values(run, "frame", FRAME_METRICS), metric_values(run, "label", OBJECT_METRICS)]
        )
    for name in ("mirrored", "upside down"):
        np.testing.assert_allclose(values[name], values["as is"], rtol=1e-6, atol=1e-7)


def test_an_object_that_is_the_frame_has_the_frames_metrics(tmp_path: Path) -> None:
    rng = np.random.default_rng(42)
    pictures = {f"frame {i}": random_picture(rng, 24 + 9 * i, 60 - 7 * i) for i in range(6)}
    boxes = whole_frames(frames_of_pictures(pictures))
    # Larger than the frame, and a broken number inside: the same pixels.
    boxes["frame 1"] = [(-7.5, -3.0, 900.0, 900.0)]
    boxes["frame 2"] = [(0.4, 0.9, boxes["frame 2"][0][2] - 0.9, boxes["frame 2"][0][3] - 1.2)]
    run = _run(tmp_path, pictures, boxes)
    of_frames = metric_values(run, "frame", FRAME_METRICS).to_numpy()
    assert np.isfinite(of_frames).all()
    for table in ("label", "prediction"):
        np.testing.assert_allclose(metric_values(run, table, OBJECT_METRICS), of_frames, rtol=1e-6, atol=1e-7)


def test_an_object_outside_the_frame_has_no_metrics(tmp_path: Path) -> None:
    picture = random_picture(np.random.default_rng(43), 30, 40)
    outside = [
        (40.0, 5.0, 10.0, 10.0), (-10.0, 5.0, 10.0, 10.0), (5.0, 30.0, 10.0, 10.0), (5.0, -9.5, 10.0, 9.5),
        (500.0, 500.0, 5.0, 5.0), (7.0, 7.0, 0.0, 8.0), (7.0, 7.0, 8.0, 0.0),
    ]  # fmt: skip
    # Each touches one pixel of the frame, the last without any area.
    inside = [(39.9, 5.0, 10.0, 1.0), (-10.0, 29.5, 10.5, 10.0), (5.2, 29.9, 0.1, 3.0), (7.5, 7.0, 0.0, 1.0)]
    run = _run(tmp_path, {"frame": picture}, {"frame": outside + inside})
    for table in ("label", "prediction"):
        values = metric_values(run, table, OBJECT_METRICS)
        assert values.iloc[: len(outside)].isna().all(axis=None)
        assert values.iloc[len(outside) :].notna().all(axis=None)
        luma = planes_of(picture).luma
        pixels = [luma[5, 39], luma[29, 0], luma[29, 5], luma[7, 7]]
        of_pixels = values["object_brightness"].iloc[len(outside) :]
        assert of_pixels.tolist() == pytest.approx([value / 255 for value in pixels], rel=1e-6)


def _checkers(n: int, block: int = 1) -> np.ndarray:
    rows, columns = np.indices((n, n)) // block
    return np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


def _square(colour: tuple[int, int, int]) -> np.ndarray:
    """A square of 10 x 10 in a grey frame of 20 x 20."""
    picture = filled(20, 20, GREY)
    picture[5:15, 5:15] = colour
    return picture


CLOSED_FORMS: dict[str, tuple[np.ndarray, dict[str, float]]] = {
    "grey": (filled(12, 16, GREY), dict.fromkeys(STATISTICS, 0.0) | {"brightness": 128 / 255}),
    "white": (filled(9, 9, (255,) * 3), {"brightness": 1, "bright_share": 1, "dark_share": 0, "entropy": 0}),
    "black": (filled(9, 9, (0,) * 3), {"brightness": 0, "bright_share": 0, "dark_share": 1, "saturation": 0}),
    # Each pixel's four neighbours are of the other colour, those that an edge reflects too: +-1020.
    "checkers": (
        _checkers(8),
        {"sharpness": 1020**2, "contrast": 1, "brightness": 0.5, "entropy": 1, "dark_share": 0.5, "red": 0},
    ),
    # 13 black pixels and 12 white ones: the mean of the Laplacian is 1020 / 25.
    "odd checkers": (_checkers(5), {"sharpness": 1020**2 * (1 - 1 / 25**2), "brightness": 12 / 25}),
    # A 2 x 2 square at the frame's corner: 0, 255, 255, 510 times the same sign.
    "large checkers": (_checkers(4, block=2), {"sharpness": 255**2 * (0 + 1 + 1 + 4) / 4, "contrast": 1}),
    "red": (_square((255, 0, 0)), {"red": 0.25, "green": 0, "blue": 0, "saturation": 0.25}),
    "green": (_square((0, 255, 0)), {"red": 0, "green": 0.25, "blue": 0, "saturation": 0.25}),
    "blue": (_square((0, 0, 255)), {"red": 0, "green": 0, "blue": 0.25, "brightness": (128 * 3 + 29) / 1020}),
    # 64 grey values once each.
    "ramp": (np.arange(64, dtype=np.uint8).reshape(8, 8)[..., None].repeat(3, 2), {"entropy": 6}),
}


def test_closed_forms(tmp_path: Path) -> None:
    run = _run(tmp_path, {name: picture for name, (picture, _) in CLOSED_FORMS.items()})
    values = metric_values(run, "frame", FRAME_METRICS)
    for name, (_, expected) in CLOSED_FORMS.items():
        for statistic, value in expected.items():
            found = values.loc[name, f"frame_{statistic}"]
            assert found == pytest.approx(value, rel=1e-6, abs=1e-7), (name, statistic)


def test_an_object_takes_its_laplacian_from_the_frame(tmp_path: Path) -> None:
    """The square alone is of one colour; its edge of 32 pixels, and 4 corners twice, sees the frame."""
    boxes = {"frame": [(5.0, 5.0, 10.0, 10.0), (5.0, 5.0, 20.0, 5.0), (6.0, 6.0, 8.0, 8.0)]}
    run = _run(tmp_path, {"frame": _square((255, 0, 0))}, boxes)
    values = metric_values(run, "prediction", OBJECT_METRICS)
    step = 128 - 76
    variance = step**2 * ((32 + 4 * 4) / 100 - (40 / 100) ** 2)
    assert values["object_sharpness"].iloc[0] == pytest.approx(variance, rel=1e-6)
    assert values["object_sharpness"].iloc[2] == 0
    assert values["object_red"].tolist() == pytest.approx([1, 50 / 75, 1], rel=1e-6)
    assert values["object_contrast"].iloc[0] == values["object_entropy"].iloc[0] == 0


# On either side of each border: hues of 10, 170, 35, 75, 90 and 130; S of 50, V of 40; luma of 26 and 229.
BORDERS: list[tuple[tuple[int, int, int], dict[str, float]]] = [
    ((255, 85, 0), {"red": 1, "green": 0, "blue": 0}), ((255, 94, 0), {"red": 0}),
    ((255, 0, 85), {"red": 1, "green": 0, "blue": 0}), ((255, 0, 94), {"red": 0}),
    ((212, 255, 0), {"red": 0, "green": 1, "blue": 0}), ((217, 255, 0), {"green": 0}),
    ((0, 255, 127), {"red": 0, "green": 1, "blue": 0}), ((0, 255, 136), {"green": 0}),
    ((0, 255, 255), {"red": 0, "green": 0, "blue": 1}), ((0, 255, 246), {"blue": 0}),
    ((85, 0, 255), {"red": 0, "green": 0, "blue": 1}), ((94, 0, 255), {"blue": 0}),
    ((200, 161, 161), {"red": 1}), ((200, 162, 162), {"red": 0}),
    ((40, 0, 0), {"red": 1}), ((39, 0, 0), {"red": 0}),
    ((25, 25, 25), {"dark_share": 1, "bright_share": 0}), ((26, 26, 26), {"dark_share": 0}),
    ((229, 229, 229), {"bright_share": 0}), ((230, 230, 230), {"bright_share": 1, "dark_share": 0}),
    # 25.5 and 229.499, of which OpenCV makes 25 and 230.
    ((0, 18, 131), {"dark_share": 1}), ((220, 249, 154), {"bright_share": 1}),
]  # fmt: skip


def test_borders_of_colours_and_of_dark_and_bright(tmp_path: Path) -> None:
    pictures = {str(colour): filled(4, 6, colour) for colour, _ in BORDERS}
    values = metric_values(_run(tmp_path, pictures), "frame", FRAME_METRICS)
    for colour, expected in BORDERS:
        found = {name: values.loc[str(colour), f"frame_{name}"] for name in expected}
        assert found == expected, colour


def test_the_oracle_itself() -> None:
    """OpenCV's planes against the formulas, its filter against the sums."""
    rng = np.random.default_rng(44)
    picture = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    planes = planes_of(picture)
    # OpenCV's 0.299, 0.587 and 0.114 are whole numbers of 32768ths.
    assert (planes.luma == (picture @ np.array([9798, 19235, 3735]) + 16384) // 32768).all()
    assert np.abs(planes.luma - picture @ np.array([0.299, 0.587, 0.114])).max() < 0.504
    hsv = np.array([colorsys.rgb_to_hsv(*(colour / 255)) for colour in picture.reshape(-1, 3)])
    apart = np.abs(planes.hue.ravel() - 180 * hsv[:, 0])
    # OpenCV divides by whole numbers of 4096ths, which may put a rounded hue 0.1 beside the true one.
    assert np.minimum(apart, 180 - apart).max() < 0.6
    assert np.abs(planes.saturation.ravel() - 255 * hsv[:, 1]).max() < 0.6
    assert (planes.value == picture.max(axis=2)).all()
    for shape in ((40, 50), (1, 9), (9, 1), (1, 1), (2, 2)):
        luma = rng.integers(0, 256, shape).astype(np.uint8)
        filtered = cv2.Laplacian(luma, cv2.CV_64F, ksize=1, borderType=cv2.BORDER_REFLECT_101)
        assert (laplacian_of(luma) == filtered).all()
