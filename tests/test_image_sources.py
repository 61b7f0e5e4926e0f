"""Where images come from: a web site, videos; a store in tests/faults. What is read twice, and what never."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emqa_core import evaluate
from emqa_core.errors import ConfigError, InputError
from tests.oracles.pixel_statistics import frame_statistics, planes_of
from tests.web_site import web_site

N_FRAMES = 12
FRAMES = pd.DataFrame(
    {
        "frame_id": range(N_FRAMES),
        "width_px": 32.0,
        "height_px": 24.0,
        "image_uri": [f"{i:02d}.png" for i in range(N_FRAMES)],
    }
)
LABELS = pd.DataFrame(
    {"frame_id": range(N_FRAMES), "class_id": 1, "x_px": 3.0, "y_px": 2.0, "width_px": 9.5, "height_px": 8.0}
)
PREDICTIONS = LABELS.assign(score=0.5, x_px=4.0)


def pictures(seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (N_FRAMES, 24, 32, 3), np.uint8))


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def run(root: str, frames: pd.DataFrame = FRAMES, **options):
    images = {"root": root, **options.pop("images", {})}
    return evaluate(
        labels=LABELS, predictions=PREDICTIONS, frames=frames, images=images, metrics=["pixels"],
        intervals=False, **{"cluster": {"address": "none", "partitions": 2}, **options},
    )  # fmt: skip


def values(result) -> dict[str, list]:
    return {
        f"{name}.{column}": result.table(name)[column].to_pylist()
        for name in ("frame", "label", "prediction")
        for column in result.table(name).column_names
        if column.startswith(("frame_bright", "frame_sharp", "object_bright", "object_sharp"))
    }


@pytest.fixture(scope="module")
def expected() -> dict[str, list]:
    """What the pictures give, from a folder without a cache."""
    found = [frame_statistics(planes_of(pixels)) for pixels in pictures()]
    return {
        f"frame.{name}": [each[name] for each in found] for name in ("frame_brightness", "frame_sharpness")
    }


def assert_expected(result, expected: dict[str, list]) -> None:
    assert result.table("quarantine").num_rows == 0
    for name, column in expected.items():
        assert values(result)[name] == pytest.approx(column, rel=1e-5)


def test_a_web_site_is_read_where_that_is_allowed(tmp_path: Path, expected: dict[str, list]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(png(pictures()[0]))
    for place, pixels in enumerate(pictures()):
        (tmp_path / "in" / f"{place:02d}.png").write_bytes(png(pixels))

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        file = tmp_path / path.lstrip("/")
        return (200, {"Last-Modified": "then"}, file.read_bytes()) if file.is_file() else (404, {}, b"")

    with web_site(answer) as (url, requests):
        with pytest.raises(ConfigError, match="images.root is http://.*allow_http"):
            run(f"{url}/in")
        assert requests == []
        assert_expected(run(f"{url}/in", images={"allow_http": True}), expected)
        outside = FRAMES.assign(
            image_uri=[f"{url}/in/00.png", f"{url}/secret.png", "../secret.png", *["00.png"] * 9]
        )
        bad = run(f"{url}/in", outside, images={"allow_http": True}).table("quarantine")
        assert bad["reason"].to_pylist() == ["image_not_allowed"] * 2
        assert bad["frame_id"].to_pylist() == ["1", "2"]
        # A page elsewhere is not read because a frame names it.
        elsewhere = FRAMES.assign(image_uri=[f"{url}/secret.png"] * N_FRAMES)
        requests.clear()
        assert (
            run(str(tmp_path), elsewhere).table("quarantine")["reason"].to_pylist()
            == ["image_not_allowed"] * N_FRAMES
        )
        assert requests == []


def write_video(path: Path, images: list[np.ndarray]) -> None:
    """A video without loss, an image a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "bgr0"
        for pixels in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def test_frames_of_videos(tmp_path: Path, expected: dict[str, list]) -> None:
    write_video(tmp_path / "one.mkv", pictures()[:7])
    write_video(tmp_path / "two.mkv", pictures()[7:])
    uris = [*(f"one.mkv#{i}" for i in range(7)), *(f"two.mkv#{i}" for i in range(5))]
    frames = FRAMES.assign(image_uri=uris)
    for partitions in (1, 5):
        options = {"cluster": {"address": "none", "partitions": partitions}, "output": str(tmp_path / "out")}
        assert_expected(run(str(tmp_path), frames, run_date=f"2026-01-0{partitions}", **options), expected)
    backwards = run(str(tmp_path), frames.assign(image_uri=uris[::-1]))
    assert values(backwards)["frame.frame_brightness"] == pytest.approx(
        expected["frame.frame_brightness"][::-1], rel=1e-5
    )


def test_videos_that_end_early_or_are_none(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mkv", pictures()[:3])
    (tmp_path / "broken.mkv").write_bytes(b"no video" * 100)
    uris = [*(f"short.mkv#{i}" for i in range(5)), "broken.mkv#0", "gone.mkv#2", *["short.mkv#1"] * 5]
    frames = FRAMES.assign(image_uri=uris)
    bad = run(str(tmp_path), frames).table("quarantine").to_pylist()
    assert [(row["row"], row["reason"]) for row in bad] == [
        (3, "image_missing"), (4, "image_missing"), (5, "image_unreadable"), (6, "image_missing"),
    ]  # fmt: skip
    assert bad[0]["value"] == "short.mkv#3: the video has 3 frames"


def test_a_root_that_is_not_there_or_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there are no images at .*nowhere; expected a folder.*correct --images"
    ):
        run(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="the frames do not say which image is theirs.*image_uri"):
        run(str(tmp_path), FRAMES.drop(columns="image_uri"))


def test_images_that_memory_does_not_allow_are_seen_in_the_plan(tmp_path: Path) -> None:
    from emqa_core.errors import PlanError

    huge = FRAMES.assign(width_px=6000.0, height_px=8000.0)
    with pytest.raises(PlanError, match="needs about 1.4 GiB"):
        run(str(tmp_path), huge, cluster={"address": "none", "memory_per_worker_mib": 1024})


@pytest.mark.parametrize("stored", [False, True])
def test_partitions_begin_where_sequences_do(tmp_path: Path, stored: bool) -> None:
    from emqa_core.config import config_from
    from emqa_core.pipeline.open_inputs import InputTables
    from emqa_core.pipeline.plan import plan_run

    for place, pixels in enumerate(pictures()):
        (tmp_path / f"{place:02d}.png").write_bytes(png(pixels))
    uris = [f"{name}.mkv#{i}" for name, n in (("a", 5), ("b", 5), ("c", 2)) for i in range(n)]
    frames = FRAMES.assign(sequence_id=["a"] * 5 + ["b"] * 5 + ["c"] * 2, image_uri=uris)
    if stored:
        frames.to_parquet(tmp_path / "frames.parquet")
        given = InputTables(LABELS, {"m": PREDICTIONS}, None)
        place = {"frames": str(tmp_path / "frames.parquet")}
    else:
        given, place = InputTables(LABELS, {"m": PREDICTIONS}, frames), {}
    options = {
        "output": str(tmp_path / "out"),
        "cluster": {"address": "none", "partition_predictions": 4},
        **place,
    }
    apart = plan_run(config_from({**options, "metrics": ["none"]}), tables=given)
    together = plan_run(config_from({**options, "images": {"root": str(tmp_path)}}), tables=given)
    assert apart.bounds.tolist() == [0, 4, 8, 12]
    assert together.bounds.tolist() == [0, 5, 10, 12]
