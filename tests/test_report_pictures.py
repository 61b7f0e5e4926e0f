"""Pictures of frames on a page: from where, how many, how large, and why there is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emqa_core import evaluate
from emqa_core.config import ImagesConfig
from emqa_core.errors import ConfigError
from emqa_core.report.examples.collection import ExampleLimits, read_examples
from emqa_core.report.examples.document import examples_json
from emqa_core.report.examples.pictures import PictureLimits
from tests.picture_runs import filled

EVIL = "<script>alert(1)</script>"
RED, GREEN, GREY = (200, 10, 10), (10, 180, 10), (120, 120, 120)


def _run(root: Path, uris: dict[str, str | None], *, sizes: bool = True, **options: Any) -> Any:
    """A run of frames of 640 x 400 px with one box each, on which predictions never agree with labels."""
    frames = pd.DataFrame({"frame_id": list(uris), "image_uri": pd.Series(list(uris.values()), dtype=object)})
    if sizes:
        frames = frames.assign(width_px=640.0, height_px=400.0)
    rows = pd.DataFrame({"frame_id": list(uris), "class_id": 1, "class_name": EVIL, "y_px": 10.0})
    rows = rows.assign(width_px=80.0, height_px=60.0)
    return evaluate(
        frames=frames,
        labels=rows.assign(x_px=10.0),
        predictions=rows.assign(x_px=410.0, score=np.linspace(0.9, 0.1, len(rows))),
        **{
            "images": {"root": str(root)},
            "metrics": ["none"],
            "iou_thresholds": [0.5],
            "intervals": False,
            "cluster": {"address": "none"},
            **options,
        },
    )


def _save(
    folder: Path, name: str, colour: tuple[int, int, int], size: tuple[int, int] = (640, 400), **how: Any
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(filled(size[1], size[0], colour)).save(folder / name, **how)


def _shown(page: dict[str, Any], frame_id: str) -> Image.Image:
    frame = next(each for each in page["frames"] if each["frame_id"] == frame_id)
    kind, _, data = frame["picture"].partition(",")
    assert kind == "data:image/jpeg;base64" and frame["reason"] is None
    return Image.open(io.BytesIO(base64.b64decode(data)))


def _reasons(page: dict[str, Any]) -> dict[str, str | None]:
    return {frame["frame_id"]: frame["reason"] for frame in page["frames"]}


def test_pictures_and_why_there_is_none(tmp_path: Path) -> None:
    root = tmp_path / "images"
    _save(root, "red.png", RED)
    _save(root, "small.png", GREY, (64, 40))
    (root / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    _save(tmp_path, "secret.png", GREEN)
    uris = {
        "a": "red.png",
        "b": "gone.png",
        "c": "broken.jpg",
        "d": "../secret.png",
        "e": None,
        "f": "small.png",
    }
    page = examples_json(read_examples(_run(root, uris)))
    assert _reasons(page) == {
        "a": None,
        "b": "image_missing",
        "c": "image_unreadable",
        "d": "image_not_allowed",
        "e": "no_image_uri",
        "f": "image_wrong_size",
    }
    small = _shown(page, "a")
    assert small.size == (320, 200) and small.format == "JPEG"
    assert np.abs(np.asarray(small, int) - RED).max() < 12
    # All examples are there, with or without a picture, and a name is kept as it is.
    assert len(page["examples"]) == 4 + 4 and page["n_left_out"] == 0 and len(page["worst_frames"]) == 6
    assert [each["name"] for each in page["classes"]] == [EVIL]


def test_no_root_no_pictures(tmp_path: Path) -> None:
    run = _run(tmp_path, {"a": "red.png"}, images={})
    assert _reasons(examples_json(read_examples(run))) == {"a": "no_image_root"}
    _save(tmp_path, "red.png", RED)
    given = examples_json(read_examples(run, images=ImagesConfig(root=str(tmp_path))))
    assert _reasons(given) == {"a": None}
    elsewhere = read_examples(
        _run(tmp_path, {"a": "red.png"}), images=ImagesConfig(root=str(tmp_path / "no"))
    )
    assert _reasons(examples_json(elsewhere)) == {"a": "image_missing"}


def test_the_web_is_asked_with_leave_alone(tmp_path: Path) -> None:
    run = _run(tmp_path, {"a": "red.png"}, images={})
    with pytest.raises(ConfigError, match="allow_http"):
        read_examples(run, images=ImagesConfig(root="http://127.0.0.1:9/"))


def test_sizes_where_frames_have_none(tmp_path: Path) -> None:
    _save(tmp_path, "tall.png", RED, (200, 800))
    page = examples_json(read_examples(_run(tmp_path, {"a": "tall.png", "b": "gone.png"}, sizes=False)))
    sizes = {frame["frame_id"]: (frame["width"], frame["height"]) for frame in page["frames"]}
    # Of the picture; else as far as the boxes reach: a prediction at 410 + 80, both at 10 + 60.
    assert sizes == {"a": (200, 800), "b": (490, 70)}
    assert _shown(page, "a").size == (80, 320)


@pytest.mark.parametrize(("orientation", "is_turned"), [("auto", True), ("apply", True), ("ignore", False)])
def test_turned_as_exif_says_and_the_run_did(tmp_path: Path, orientation: str, is_turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _save(tmp_path, "turned.jpg", RED, (400, 640) if is_turned else (640, 400), exif=exif)
    images = {"root": str(tmp_path), "exif_orientation": orientation}
    page = examples_json(read_examples(_run(tmp_path, {"a": "turned.jpg"}, images=images)))
    assert _shown(page, "a").size == (320, 200)


def test_as_many_and_as_large_as_the_limits_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(8):
        picture = rng.integers(0, 256, (400, 640, 3)).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    run = _run(tmp_path, {str(number): f"{number}.png" for number in range(8)})
    few = examples_json(read_examples(run, limits=ExampleLimits(pictures=PictureLimits(pictures=3))))
    assert list(_reasons(few).values()) == [None] * 3 + ["over_limit"] * 5
    n_bytes = len(few["frames"][0]["picture"]) * 5 // 2
    small = examples_json(read_examples(run, limits=ExampleLimits(pictures=PictureLimits(n_bytes=n_bytes))))
    assert list(_reasons(small).values()) == [None] * 2 + ["over_limit"] * 6


def test_frames_of_videos(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 400, "yuv420p"
        for colour in (GREY, RED, GREEN):
            frame = av.VideoFrame.from_ndarray(filled(400, 640, colour), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    page = examples_json(
        read_examples(_run(tmp_path, {"a": "film.mp4#2", "b": "film.mp4#1", "c": "film.mp4#9"}))
    )
    assert _reasons(page) == {"a": None, "b": None, "c": "image_missing"}
    assert np.abs(np.asarray(_shown(page, "a"), int).mean(axis=(0, 1)) - GREEN).max() < 25
    assert np.abs(np.asarray(_shown(page, "b"), int).mean(axis=(0, 1)) - RED).max() < 25
