"""What must not be read, and what must not be kept: paths, playlists, web sites, and the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emqa_core import evaluate
from emqa_core.errors import ConfigError, StorageError
from emqa_core.storage import http_files
from emqa_core.storage.location import Location
from emqa_core.storage.pixel_cache import PixelCache
from tests.test_image_sources import (
    FRAMES,
    LABELS,
    N_FRAMES,
    PREDICTIONS,
    pictures,
    png,
    run,
    values,
    write_video,
)
from tests.web_site import web_site


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for place, pixels in enumerate(pictures()):
        (folder / f"{place:02d}.png").write_bytes(png(pixels))
    return folder


def reasons(result) -> dict[int, str]:
    return {row["row"]: row["reason"] for row in result.table("quarantine").to_pylist()}


def test_a_playlist_reads_no_other_file(tmp_path: Path, root: Path) -> None:
    write_video(tmp_path / "outside.mkv", pictures())
    (root / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path / 'outside.mkv'}\n#EXT-X-ENDLIST\n"
    )
    (root / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'outside.mkv'}'\n")
    frames = FRAMES.assign(image_uri=["list.m3u8#0", "list.ffconcat#1", *FRAMES["image_uri"][2:]])
    result = run(str(root), frames)
    assert reasons(result) == {0: "image_unreadable", 1: "image_unreadable"}
    assert result.table("frame")["frame_brightness"].to_pylist()[:2] == [None, None]


@pytest.mark.parametrize(
    "uri",
    [
        "../secret.png",
        "a/../../secret.png",
        "/etc/hostname",
        "file:///etc/hostname",
        "s3://bucket/a.png",
        "..",
        ".",
        "a/..",
    ],
)
def test_nothing_outside_the_root_is_read(tmp_path: Path, root: Path, uri: str) -> None:
    (tmp_path / "secret.png").write_bytes(png(pictures()[0]))
    assert reasons(run(str(root), FRAMES.assign(image_uri=[uri, *FRAMES["image_uri"][1:]]))) == {
        0: "image_not_allowed"
    }


@pytest.mark.parametrize("uri", ["00.png/x", "n" * 300 + ".png", "a\\b.png", "sp ace ü%20.png"])
def test_a_path_that_no_file_has_is_a_missing_or_unreadable_image(root: Path, uri: str) -> None:
    found = reasons(run(str(root), FRAMES.assign(image_uri=[uri, *FRAMES["image_uri"][1:]])))
    assert list(found) == [0] and found[0] in ("image_missing", "image_unreadable")


def test_a_site_cannot_lead_elsewhere_nor_a_name_out_of_its_root() -> None:
    picture = png(pictures()[0])

    def answer(path: str):
        if path.startswith("/in/moved"):
            return 302, {"Location": "/secret.png"}, b""
        return 200, {"ETag": "1"}, picture

    uris = ["moved.png", "%2e%2e/secret.png", "..%2Fsecret.png", "ok.png?x=../secret", *["ok.png"] * 8]
    with web_site(answer) as (url, asked):
        uris = [*uris, f"{url}/in/%2e%2e/secret.png"][:N_FRAMES]
        uris[-1] = f"{url}/in/%2e%2e/secret.png"
        result = run(f"{url}/in", FRAMES.assign(image_uri=uris), images={"allow_http": True})
    assert not [each for each in asked if " /in/" not in each or "/../" in each]
    found = reasons(result)
    assert found[0] == "image_unreadable" and found[N_FRAMES - 1] == "image_not_allowed"


@pytest.mark.parametrize(("status", "reason"), [(404, "image_missing"), (403, "image_unreadable")])
def test_what_a_site_refuses_is_an_image_less(status: int, reason: str) -> None:
    def answer(path: str):
        return (status, {}, b"") if "03" in path else (200, {"ETag": path}, png(pictures()[0]))

    with web_site(answer) as (url, _):
        assert reasons(run(url, images={"allow_http": True})) == {3: reason}


def test_a_site_in_trouble_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_files, "_PAUSES_S", (0.01,))
    with web_site(lambda _: (503, {}, b"")) as (url, _), pytest.raises(StorageError, match="503"):
        run(url, images={"allow_http": True})
    with pytest.raises(StorageError, match="cannot be read"):  # nobody listens there any more
        run(url, images={"allow_http": True})


@pytest.mark.parametrize("bad", ["http://user:secret@host/in", "https://host/in?token=secret"])
def test_credentials_in_the_root_are_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="credentials or a query") as caught:
        run(bad, images={"allow_http": True})
    assert "secret" not in str(caught.value)


def test_what_may_pass_is_not_kept(root: Path, tmp_path: Path) -> None:
    hashed = FRAMES.assign(content_hash=[f"h{i}" for i in range(N_FRAMES)])
    (root / "03.png").rename(root / "away.png")
    options = {"output": str(tmp_path / "out")}
    assert reasons(run(str(root), hashed, run_date="2026-01-01", **options)) == {3: "image_missing"}
    (root / "away.png").rename(root / "03.png")
    again = run(str(root), hashed, run_date="2026-01-02", **options)
    assert reasons(again) == {}
    # With a hash of its own an image is not looked at again, whatever became of the file.
    for file in root.iterdir():
        file.unlink()
    assert values(run(str(root), hashed, run_date="2026-01-03", **options)) == values(again)


def test_frames_without_an_image_have_null(root: Path, tmp_path: Path) -> None:
    frames = FRAMES.assign(
        image_uri=[None, "", *FRAMES["image_uri"][2:]], content_hash=[f"h{i}" for i in range(N_FRAMES)]
    )
    for night in ("2026-01-01", "2026-01-02"):
        result = run(str(root), frames, run_date=night, output=str(tmp_path / "out"))
        assert result.table("frame")["frame_brightness"].is_null().to_pylist() == [True, True] + [False] * 10
        assert reasons(result) == {}


def test_the_box_of_no_pixel_is_not_the_frame(root: Path, tmp_path: Path) -> None:
    labels = LABELS.assign(x_px=-1.0, y_px=-1.0, width_px=0.0, height_px=0.0)
    for night in ("2026-01-01", "2026-01-02"):
        result = evaluate(
            labels=labels, predictions=PREDICTIONS, frames=FRAMES, images={"root": str(root)},
            metrics=["pixels"], intervals=False, run_date=night, output=str(tmp_path / "out"),
            cluster={"address": "none"},
        )  # fmt: skip
        assert result.table("label")["object_brightness"].null_count == N_FRAMES
        assert result.table("frame")["frame_brightness"].null_count == 0


def test_a_file_of_the_cache_leaves_when_another_has_all_of_it(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"

    def night(date: str, rows: slice, **options) -> int:
        some = FRAMES[rows]
        evaluate(
            labels=LABELS[LABELS["frame_id"].isin(some["frame_id"])],
            predictions=PREDICTIONS[PREDICTIONS["frame_id"].isin(some["frame_id"])],
            frames=some, images={"root": str(root)}, metrics=["pixels"], intervals=False, run_date=date,
            output=str(output), dataset="d", **{"cluster": {"address": "none"}, **options},
        )  # fmt: skip
        return len(PixelCache.open(Location.of(output), "d").files)

    assert night("2026-01-01", slice(0, 4)) == 2  # one for frames and labels, one for predictions
    assert night("2026-01-02", slice(0, 8)) == 2  # holds all of the first
    assert night("2026-01-03", slice(6, 12)) == 4  # does not: both stay
    assert night("2026-01-04", slice(0, 12)) == 4  # all is known, nothing is written
    (root / "11.png").write_bytes(png(np.zeros((24, 32, 3), np.uint8)))
    assert night("2026-01-05", slice(0, 12)) == 2


def test_a_damaged_cache_is_computed_again(root: Path, tmp_path: Path) -> None:
    options = {"output": str(tmp_path / "out")}
    first = run(str(root), run_date="2026-01-01", **options)
    for place, file in enumerate(sorted((tmp_path / "out" / "_emqa").rglob("*.parquet"))):
        file.write_bytes(b"garbage" if place % 2 else file.read_bytes()[:-7])
    assert values(run(str(root), run_date="2026-01-02", **options)) == values(first)


def test_one_model_knows_nothing_of_another_s_errors(tmp_path: Path, root: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_boxes.py").write_text(
        "from emqa_core import image_metric\n\n"
        "@image_metric(levels=('prediction',))\n"
        "def narrow(image):\n"
        "    if image.shape[1] > 12:\n"
        "        raise ValueError('too wide')\n"
        "    return image.shape[1]\n"
    )
    wide = PREDICTIONS.assign(width_px=20.0)
    # Two boxes in a frame: it is named once for all that a function raises there.
    models = {"narrow": PREDICTIONS, "wide": pd.concat([wide, wide.assign(x_px=5.0)])}
    runs = evaluate(
        labels=LABELS, predictions=models, frames=FRAMES, images={"root": str(root)},
        metrics=["of_boxes:narrow"], intervals=False, cluster={"address": "none", "partitions": 2},
    )  # fmt: skip
    assert runs["narrow"].table("quarantine").num_rows == 0
    assert runs["wide"].table("quarantine")["reason"].to_pylist() == ["metric_failed"] * N_FRAMES
    assert pd.Series(runs["narrow"].table("prediction")["narrow"].to_pylist()).eq(10).all()
