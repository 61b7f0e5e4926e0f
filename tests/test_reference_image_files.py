"""The same picture in every kind of file gives the same metrics, and EXIF turns it as configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image, ImageOps

from tests.metric_values import assert_metrics, metric_values
from tests.oracles.pixel_statistics import FRAME_METRICS, Box
from tests.picture_runs import (
    evaluate_pictures,
    expected_frames,
    expected_objects,
    frames_of_pictures,
    random_boxes,
    random_picture,
    rows_of_boxes,
)

ORIENTATION = 0x0112  # tag of EXIF
HEIGHT, WIDTH = 46, 61
_RNG = np.random.default_rng(51)
COLOURED = random_picture(_RNG, HEIGHT, WIDTH, n_colours=150)
GREY = np.repeat(random_picture(_RNG, HEIGHT, WIDTH)[..., :1], 3, axis=2)
BLACK_AND_WHITE = (GREY > 127).astype(np.uint8) * np.uint8(255)
NOISE = _RNG.integers(0, 256, (HEIGHT, WIDTH, 3))

Writer = Callable[[Path], None]


def _pillow(pixels: np.ndarray, **options: Any) -> Writer:
    return lambda path: Image.fromarray(pixels).save(path, **options)


def _tifffile(pixels: np.ndarray, **options: Any) -> Writer:
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    return lambda path: tifffile.imwrite(path, pixels, photometric=photometric, **options)


def _opencv(pixels: np.ndarray) -> Writer:
    """For PNG of 16 bits; OpenCV writes blue, green, red."""

    def write(path: Path) -> None:
        assert cv2.imwrite(str(path), pixels if pixels.ndim == 2 else pixels[..., ::-1])

    return write


def _sixteen_bits(picture: np.ndarray) -> np.ndarray:
    """The picture in the upper byte, noise in the lower: dividing by 257 gives other values."""
    return (picture.astype(np.uint16) << 8) | NOISE[..., : picture.shape[-1]].astype(np.uint16)


def _with_alpha(picture: np.ndarray) -> np.ndarray:
    """Some pixels are wholly transparent, some half; their colours stay."""
    return np.concatenate([picture, NOISE[..., :1].astype(np.uint8) // 128 * 128], axis=2)


def _palette(picture: np.ndarray) -> Writer:
    """Each colour once, in a palette of the file's own order."""
    colours, codes = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    order = np.random.default_rng(52).permutation(len(colours))
    image = Image.fromarray(np.argsort(order)[codes].reshape(picture.shape[:2]).astype(np.uint8))
    image.putpalette(colours[order].astype(np.uint8).tobytes())
    assert image.mode == "P"
    return image.save


def _bilevel(path: Path) -> None:
    Image.fromarray(BLACK_AND_WHITE[..., 0]).convert("1").save(path)


LOSSLESS: dict[str, tuple[np.ndarray, Writer]] = {
    "rgb.png": (COLOURED, _pillow(COLOURED)),
    "rgb_16.png": (COLOURED, _opencv(_sixteen_bits(COLOURED))),
    "grey.png": (GREY, _pillow(GREY[..., 0])),
    "grey_16.png": (GREY, _opencv(_sixteen_bits(GREY)[..., 0])),
    "bilevel.png": (BLACK_AND_WHITE, _bilevel),
    "palette.png": (COLOURED, _palette(COLOURED)),
    "alpha.png": (COLOURED, _pillow(_with_alpha(COLOURED))),
    "grey_alpha.png": (GREY, _pillow(_with_alpha(GREY)[..., 2:])),
    "lossless.webp": (COLOURED, _pillow(COLOURED, lossless=True)),
    "alpha.webp": (COLOURED, _pillow(_with_alpha(COLOURED), lossless=True, exact=True)),
    "rgb.bmp": (COLOURED, _pillow(COLOURED)),
    "palette.bmp": (COLOURED, _palette(COLOURED)),
    "rgb.tif": (COLOURED, _tifffile(COLOURED)),
    "grey.tif": (GREY, _tifffile(GREY[..., 0])),
    "rgb_lzw.tiff": (COLOURED, _pillow(COLOURED, compression="tiff_lzw")),
    "rgb_16.tif": (COLOURED, _tifffile(_sixteen_bits(COLOURED))),
    "rgb_16_big_endian.tif": (COLOURED, _tifffile(_sixteen_bits(COLOURED), byteorder=">")),
    "grey_16.tif": (GREY, _tifffile(_sixteen_bits(GREY)[..., 0])),
}
# A decoder decides about these; libjpeg's own, in its slow and exact mode, is what Pillow has too.
LOSSY: dict[str, Writer] = {
    "rgb.jpg": _pillow(COLOURED, quality=90, subsampling=0),
    "subsampled.jpg": _pillow(COLOURED, quality=80, subsampling=2),
    "progressive.jpg": _pillow(COLOURED, quality=80, progressive=True),
    "grey.jpg": _pillow(GREY[..., 0], quality=80),
}


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Any, dict[str, np.ndarray], dict[str, list[Box]]]:
    """One run over all kinds of file, with the pictures in them and 20 boxes in each."""
    folder = tmp_path_factory.mktemp("files")
    pictures = {}
    for name, (picture, write) in LOSSLESS.items():
        write(folder / name)
        pictures[name] = picture
    for name, write in LOSSY.items():
        write(folder / name)
        with Image.open(folder / name) as image:
            pictures[name] = np.asarray(image.convert("RGB"))
    boxes = {name: random_boxes(np.random.default_rng(53), HEIGHT, WIDTH, 20) for name in pictures}
    frames = frames_of_pictures(pictures, {name: name for name in pictures})
    return evaluate_pictures(folder, frames, boxes, partitions=2), pictures, boxes


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_kind_of_file(files: tuple[Any, dict[str, np.ndarray], dict[str, list[Box]]], name: str) -> None:
    run, pictures, _ = files
    found = metric_values(run, "frame", FRAME_METRICS).loc[name]
    expected = expected_frames({name: pictures[name]}).loc[name]
    assert expected["frame_entropy"] > 0.5
    np.testing.assert_allclose(found, expected[found.index], rtol=1e-5, atol=1e-6)


def test_objects_in_every_kind_of_file(
    files: tuple[Any, dict[str, np.ndarray], dict[str, list[Box]]],
) -> None:
    run, pictures, boxes = files
    assert run.table("quarantine").to_pylist() == []
    expected = expected_objects(pictures, rows_of_boxes(boxes, "label_id"))
    for table in ("label", "prediction"):
        assert_metrics(run, table, expected)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    """Stripes of pure inks. Programs differ by one in how they mix them, so shares and means only."""
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255]], np.uint8)
    stripes = np.repeat(colours, 16, axis=0)[None].repeat(64, axis=0)
    Image.fromarray(stripes).convert("CMYK").save(tmp_path / "inks.jpg", quality=100, subsampling=0)
    with Image.open(tmp_path / "inks.jpg") as image:
        assert image.mode == "CMYK"
    run = evaluate_pictures(tmp_path, frames_of_pictures({"inks": stripes}, {"inks": "inks.jpg"}))
    found = metric_values(run, "frame", FRAME_METRICS).loc["inks"]
    expected = expected_frames({"inks": stripes}).loc["inks"]
    names = [f"frame_{name}" for name in ("brightness", "contrast", "red", "green", "blue", "saturation")]
    assert expected["frame_red"] == expected["frame_green"] == expected["frame_blue"] == 0.2
    np.testing.assert_allclose(found[names], expected[names], atol=0.02)
    np.testing.assert_allclose(found[["frame_dark_share", "frame_bright_share"]], 0.2, atol=0.02)


def _turned_pictures(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """JPEGs `1.jpg` ... `8.jpg` that differ by their EXIF orientation alone: as stored, and as turned."""
    stored, turned = {}, {}
    for orientation in range(1, 9):
        path = folder / f"{orientation}.jpg"
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        Image.fromarray(COLOURED).save(path, quality=90, subsampling=0, exif=exif)
        with Image.open(path) as image:
            stored[str(orientation)] = np.asarray(image)
            turned[str(orientation)] = np.asarray(ImageOps.exif_transpose(image))
    return stored, turned


@pytest.mark.parametrize(
    ("setting", "table_size", "is_turned"),
    [
        ("auto", "turned", True),
        ("auto", "stored", False),
        ("apply", "turned", True),
        ("ignore", "stored", False),
    ],
)
def test_exif_orientation(tmp_path: Path, setting: str, table_size: str, is_turned: bool) -> None:
    stored, turned = _turned_pictures(tmp_path)
    frames = frames_of_pictures(
        turned if table_size == "turned" else stored, {name: f"{name}.jpg" for name in stored}
    )
    # Under auto the table's size decides, which 2, 3 and 4 do not change: those are turned.
    seen = {
        name: turned[name] if is_turned or (setting == "auto" and int(name) <= 4) else stored[name]
        for name in stored
    }
    corner = {name: [(3.0, 5.0, 20.5, 11.0), (30.0, 2.0, 9.0, 40.0)] for name in stored}
    run = evaluate_pictures(tmp_path, frames, corner, images={"exif_orientation": setting})
    assert run.table("quarantine").num_rows == 0
    assert_metrics(run, "frame", expected_frames(seen))
    expected = expected_objects(seen, rows_of_boxes(corner, "label_id"))
    # Turning tells: the same box holds other pixels.
    other = expected_objects(stored if is_turned else turned, rows_of_boxes(corner, "label_id"))
    assert not np.allclose(expected.iloc[10:], other.iloc[10:], equal_nan=True)
    assert_metrics(run, "label", expected)
    assert_metrics(run, "prediction", expected)


@pytest.mark.parametrize(("setting", "table_size"), [("apply", "stored"), ("ignore", "turned")])
def test_an_orientation_that_disagrees_with_the_table(tmp_path: Path, setting: str, table_size: str) -> None:
    stored, turned = _turned_pictures(tmp_path)
    frames = frames_of_pictures(
        turned if table_size == "turned" else stored, {name: f"{name}.jpg" for name in stored}
    )
    run = evaluate_pictures(tmp_path, frames, images={"exif_orientation": setting})
    bad = {row["frame_id"]: row["reason"] for row in run.table("quarantine").to_pylist()}
    assert bad == dict.fromkeys("5678", "image_wrong_size")
    seen: dict[str, np.ndarray | None] = dict(turned if setting == "apply" else stored)
    assert_metrics(run, "frame", expected_frames(seen | dict.fromkeys("5678")))


def test_a_frame_of_unknown_size_is_measured(tmp_path: Path) -> None:
    Image.fromarray(COLOURED).save(tmp_path / "a.png")
    frames = pd.DataFrame({"frame_id": ["a"], "image_uri": ["a.png"]})
    boxes = {"a": [(3.0, 5.0, 20.5, 11.0), (float(WIDTH), 0.0, 5.0, 5.0)]}
    run = evaluate_pictures(tmp_path, frames, boxes)
    assert_metrics(run, "frame", expected_frames({"a": COLOURED}))
    expected = expected_objects({"a": COLOURED}, rows_of_boxes(boxes, "label_id"))
    assert_metrics(run, "label", expected)
