"""A user's own metrics: the worked example of the documents, errors, packages, and what is refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from emqa_core import evaluate
from emqa_core.config import config_from
from emqa_core.demo import DemoPaths
from emqa_core.errors import ConfigError, MetricError
from emqa_core.quality import own
from tests.command import emqa
from tests.data import ROOT

HEADER = "import numpy as np\nfrom emqa_core import column_metric, image_metric\n"
FRAMES = pd.DataFrame(
    {"frame_id": [1, 2, 3], "width_px": 100.0, "height_px": 50.0, "weather": ["a", "b", None]}
)
LABELS = pd.DataFrame(
    {
        "frame_id": [1, 1, 2, 3],
        "class_id": 1,
        "x_px": [0.0, 20, 30, 40],
        "y_px": 0.0,
        "width_px": 10.0,
        "height_px": 10.0,
    }
)
PREDICTIONS = LABELS.assign(score=[0.9, 0.8, 0.7, 0.6])


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which modules are found, and forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
            own._TEXT_OF.pop(name, None)


def run(**options):
    return evaluate(
        labels=LABELS, predictions=PREDICTIONS, frames=FRAMES, intervals=False,
        **{"cluster": {"address": "none"}, **options},
    )  # fmt: skip


def test_the_worked_example_of_the_documents(write_module: Path, demo: DemoPaths, tmp_path: Path) -> None:
    code = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/own-metrics.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (write_module / "my_metrics.py").write_text(code[0])
    result = evaluate(
        labels=str(demo.labels), predictions=str(demo.predictions), images={"root": str(demo.labels.parent)},
        metrics=["my_metrics:distance_from_middle", "my_metrics:greenness"], intervals=False,
        cluster={"address": "none", "partitions": 3},
    )  # fmt: skip
    frames = result.table("frame").to_pandas()
    width = frames.set_index("frame_id")["width_px"]
    for name in ("label", "prediction"):
        rows = result.table(name).to_pandas()
        expected = (
            (rows["x_px"] + rows["width_px"] / 2) / rows["frame_id"].astype(str).map(width) - 0.5
        ).abs()
        np.testing.assert_allclose(
            rows["distance_from_middle"], expected.where(expected <= 0.5), rtol=1e-5, atol=1e-6
        )
    for _, frame in frames.head(5).iterrows():
        pixels = np.asarray(Image.open(demo.labels.parent / frame["image_uri"]).convert("RGB"), float)
        red, green, blue = (pixels[:, :, place].mean() for place in range(3))
        assert frame["frame_greenness"] == pytest.approx(max(green - (red + blue) / 2, 0), abs=1e-3)
    listed = set(result.table("metric_importance")["metric"].to_pylist())
    assert {"distance_from_middle", "frame_greenness"} <= listed


FAILING = (
    HEADER
    + '''
@column_metric(levels=("label",), needs=("x_px", "frame.weather"), unit="px", high=1e6)
def uneasy(columns):
    """Fails in frame 2."""
    if "b" in columns["frame.weather"].tolist():
        raise RuntimeError("no such weather")
    return columns["x_px"] * 2

@column_metric(levels=("prediction",), needs=("score",))
def fine(columns):
    return columns["score"]

@column_metric(levels=("label",), needs="x_px")
def nothing(columns):
    print("a word")

@column_metric(levels=("label",), needs=("x_px",))
def leaves(columns):
    raise SystemExit(4)

@column_metric(levels=("label",), needs=("x_px",))
def imaginary(columns):
    return columns["x_px"] * 1j

@column_metric(levels=("label",), needs=("x_px",))
def words(columns):
    return columns["x_px"].astype(str)

@column_metric(levels=("label",), needs=("x_px",))
def changes_and_fails(columns):
    columns["x_px"] += 1
    if len(columns["x_px"]) > 1:
        raise ValueError
    return columns["x_px"]

@column_metric(levels=("prediction",), needs=("score",))
def too_many(columns):
    return np.zeros(len(columns["score"]) + 1)
'''
)


@pytest.mark.parametrize("partitions", [1, 3])
def test_an_error_nulls_its_frame_alone_and_is_named(write_module: Path, partitions: int) -> None:
    (write_module / "failing.py").write_text(FAILING)
    result = run(
        metrics=["failing:uneasy", "failing:fine", "object_width_px"],
        cluster={"address": "none", "partitions": partitions},
    )
    assert result.table("label")["uneasy"].to_pylist() == [0, 40, None, 80]
    assert result.table("label")["object_width_px"].to_pylist() == [10] * 4
    assert result.table("prediction")["fine"].to_pylist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    (row,) = result.table("quarantine").to_pylist()
    assert (row["source"], row["reason"], row["column"]) == ("metric", "metric_failed", "uneasy")
    assert (row["frame_id"], row["row"], row["value"]) == ("2", 1, "RuntimeError: no such weather")


def test_an_error_ends_the_run_where_it_must(write_module: Path) -> None:
    (write_module / "failing.py").write_text(FAILING)
    with pytest.raises(
        MetricError, match="metric 'uneasy' failed at frame 2; found RuntimeError: no such weather"
    ):
        run(metrics=["failing:uneasy"], metric_errors="fail")
    with pytest.raises(MetricError, match=r"returned an array of shape \(3,\) for 2 rows"):
        run(metrics=["failing:too_many"], metric_errors="fail")


def test_workers_find_the_function_and_images_give_their_boxes(write_module: Path, tmp_path: Path) -> None:
    (write_module / "of_images.py").write_text(
        HEADER
        + '''
@image_metric(levels=("label",), low=0)
def first_red(image):
    """Red of the first pixel."""
    assert image.shape == (10, 10, 3)
    image[:] = 7
    return image[0, 0, 0] if image.max() == 7 else -1

@image_metric(levels=("frame",))
def red_corner(image):
    return image[0, 0, 0]
'''
    )
    for frame in (1, 2):
        Image.new("RGB", (100, 50), (frame * 10, 0, 0)).save(tmp_path / f"{frame}.png")
    frames = FRAMES.assign(image_uri=["1.png", "2.png", "missing.png"])
    result = evaluate(
        labels=LABELS,
        predictions=PREDICTIONS,
        frames=frames,
        intervals=False,
        images={"root": str(tmp_path)},
        metrics=["of_images:first_red", "of_images:red_corner", "frame_brightness"],
        cluster={"address": "none"},
    )
    assert result.table("label")["first_red"].to_pylist() == [7, 7, 7, None]
    assert result.table("frame")["frame_red_corner"].to_pylist() == [10, 20, None]
    # What one function does to its pixels is seen by nobody else.
    assert result.table("frame")["frame_brightness"].to_pylist()[:2] == pytest.approx([3 / 255, 6 / 255])
    assert result.table("quarantine")["reason"].to_pylist() == ["image_missing"]


def test_another_text_of_the_function_is_another_run(write_module: Path, tmp_path: Path) -> None:
    ids = []
    for text in ("columns['x_px']", "columns['x_px'] * 2"):
        (write_module / "mine.py").write_text(
            HEADER
            + f"\n@column_metric(levels=('label',), needs=('x_px',))\ndef mine(columns):\n    return {text}\n"
        )
        ids.append(run(metrics=["mine:mine"], run_date="2026-01-01").run_id)
    assert ids[0] != ids[1]


def test_an_installed_package_brings_its_metrics(write_module: Path) -> None:
    (write_module / "packed.py").write_text(FAILING)
    info = write_module / "packed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: packed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[emqa.metrics]\nfine = packed:fine\n")
    assert "fine" in run(metrics=["all"]).table("prediction").column_names
    assert "fine" in run(metrics=["installed"]).table("prediction").column_names
    assert "fine" in run(metrics=["fine"]).table("prediction").column_names
    assert "fine" not in run(metrics=["catalogue"]).table("prediction").column_names


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            "nowhere:metric",
            "metric 'nowhere:metric' cannot be loaded; expected an importable module.*ModuleNotFound",
        ),
        ("failing:nowhere", "cannot be loaded.*AttributeError"),
        (
            "failing:np",
            "metric 'failing:np' is not declared as a metric; found module; decorate the function",
        ),
        ("failing:lost", "metric 'failing:lost' is not available; found the label table has no column lost"),
        ("failing:outcome", "function 'failing:outcome' has the name of the result column 'outcome'"),
        (
            "failing:object_overlap",
            "function 'failing:object_overlap' has the name of the catalogue's metric",
        ),
        ("failing:on_images", "is not available; found the frame table has no column image_uri"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(write_module: Path, metric: str, message: str) -> None:
    (write_module / "failing.py").write_text(
        FAILING
        + "".join(
            f"\n@column_metric(levels=('label',), needs=('{need}',))\ndef {name}(columns): return 0\n"
            for name, need in (("lost", "lost"), ("outcome", "x_px"), ("object_overlap", "x_px"))
        )
        + "\n@image_metric(levels=('label',))\ndef on_images(image): return 0\n"
    )
    with pytest.raises(ConfigError, match=message):
        run(metrics=[metric])


@pytest.mark.parametrize("levels", [(), ("frame", "label"), ("box",), "objects"])
def test_levels_that_are_none_are_refused(write_module: Path, levels: object) -> None:
    (write_module / "bad.py").write_text(
        HEADER + f"\n@column_metric(levels={levels!r}, needs=())\ndef bad(columns): return 0\n"
    )
    with pytest.raises(ConfigError, match="'bad:bad' cannot be loaded.*levels=.*'frame'"):
        run(metrics=["bad:bad"])


def test_the_command_lists_what_the_data_allow(capsys, demo: DemoPaths, write_module: Path) -> None:
    (write_module / "failing.py").write_text(FAILING)
    data = ("--labels", demo.labels, "--predictions", demo.predictions)
    listed = {
        m["name"]: m
        for m in emqa(capsys, "metrics", *data, "--metrics", "failing:uneasy", "--json").json["metrics"]
    }
    assert listed["object_overlap"]["available"] == ["label", "prediction"]
    assert listed["frame_brightness"]["why_not"] == ["no folder of images is given (--images ROOT)"]
    assert "track_id" in listed["object_track_age"]["why_not"][0]
    assert listed["uneasy"]["why_not"] == ["the frame table has no column weather"]
    with_images = emqa(capsys, "metrics", *data, "--images", demo.labels.parent, "--json").json["metrics"]
    assert next(m for m in with_images if m["name"] == "object_sharpness")["available"] == [
        "label",
        "prediction",
    ]
    text = emqa(capsys, "metrics").out
    assert all(name in text for name in ("object_area_px2", "frame_uniqueness", "module:function"))


def test_options_that_are_wrong_name_themselves() -> None:
    with pytest.raises(ConfigError, match="unknown option 'images.rot'; did you mean 'root'"):
        config_from({"images": {"rot": "x"}})
    with pytest.raises(ConfigError, match="exif_orientation"):
        config_from({"images": {"exif_orientation": "sideways"}})


@pytest.mark.parametrize("name", ["nothing", "leaves", "imaginary", "words"])
def test_what_is_no_number_is_named(write_module: Path, capsys, name: str) -> None:
    (write_module / "failing.py").write_text(FAILING)
    result = run(metrics=[f"failing:{name}"])
    assert result.table("label")[name].null_count == 4
    assert result.table("quarantine")["frame_id"].to_pylist() == ["1", "2", "3"]
    assert capsys.readouterr().out == ""


def test_a_function_that_changed_its_columns_gets_them_anew(write_module: Path) -> None:
    (write_module / "failing.py").write_text(FAILING)
    assert run(metrics=["failing:changes_and_fails"]).table("label")["changes_and_fails"].to_pylist() == [
        None, None, 31, 41,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([], "names of metrics or groups; `none` for no metrics"),
        (
            ["tracks"],
            "no metric of the group 'tracks' is available; found the label table has no column track_id",
        ),
        (["pixels", "geometry"], "no metric of the group 'pixels'.*image_uri"),
    ],
)
def test_a_choice_of_nothing_is_refused(metrics: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(metrics=metrics)
