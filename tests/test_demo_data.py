"""The demo data: consistent, repeatable, and as hard as planted, measured through pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emqa_core.demo.dataset import DemoPaths, write_demo
from emqa_core.demo.detector import Detector
from emqa_core.demo.digits import STRETCH, Digits, draw_digit, inked_part, read_digits
from emqa_core.demo.render import LARGEST_PX, SMALLEST_PX, render_frame


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> DemoPaths:
    return write_demo(tmp_path_factory.mktemp("few"), n_frames=8, seed=3)


def test_labels_lie_in_decodable_images(few: DemoPaths) -> None:
    labels = json.loads(few.labels.read_text())
    images = {image["id"]: image for image in labels["images"]}
    assert len(images) == 8
    for image in images.values():
        with Image.open(few.labels.parent / image["file_name"]) as decoded:
            decoded.load()
            assert decoded.size == (image["width"], image["height"])
    assert len({a["id"] for a in labels["annotations"]}) == len(labels["annotations"]) > 8
    for annotation in labels["annotations"]:
        x, y, width, height = annotation["bbox"]
        image = images[annotation["image_id"]]
        assert 0 <= x < x + width <= image["width"]
        assert 0 <= y < y + height <= image["height"]
        assert annotation["area"] == width * height


def test_predictions_are_probabilities_of_listed_classes(few: DemoPaths) -> None:
    classes = {category["id"] for category in json.loads(few.labels.read_text())["categories"]}
    predictions = json.loads(few.predictions.read_text())
    assert predictions
    assert all(0 < p["score"] <= 1 and p["category_id"] in classes for p in predictions)


def test_same_seed_same_bytes(few: DemoPaths, tmp_path: Path) -> None:
    again = write_demo(tmp_path / "again", n_frames=8, seed=3)
    other = write_demo(tmp_path / "other", n_frames=8, seed=4)
    for name in ("labels", "predictions"):
        written = getattr(few, name).read_bytes()
        assert getattr(again, name).read_bytes() == written
        assert getattr(other, name).read_bytes() != written
    for file in sorted(few.images.iterdir()):
        assert (again.images / file.name).read_bytes() == file.read_bytes()


def test_a_frame_does_not_depend_on_the_others(few: DemoPaths, tmp_path: Path) -> None:
    fewer = write_demo(tmp_path, n_frames=3, seed=3)
    of_eight = [p for p in json.loads(few.predictions.read_text()) if p["image_id"] <= 3]
    assert json.loads(fewer.predictions.read_text()) == of_eight


def test_detector_never_saw_a_pasted_digit() -> None:
    pasted, learned = read_digits()
    assert len(pasted) + len(learned) == 1797
    assert not {ink.tobytes() for ink in pasted.ink} & {ink.tobytes() for ink in learned.ink}
    assert set(pasted.value) == set(learned.value) == set(range(10))


def test_box_of_a_full_square_is_what_was_drawn() -> None:
    squares = Digits(np.ones((1, 8, 8)), np.array([7]))
    labels = [label for index in range(40) for label in render_frame(squares, index, seed=0).labels]
    assert all(label.value == 7 for label in labels)
    width, height = (np.array([getattr(label, name) for label in labels]) for name in ("width", "height"))
    side = np.sqrt(width * height)
    assert side.min() > SMALLEST_PX - 1
    assert side.max() < LARGEST_PX + 1
    # Log-uniform: half of them below the geometric mean, and as many slim as wide.
    assert np.mean(side < np.sqrt(SMALLEST_PX * LARGEST_PX)) == pytest.approx(0.5, abs=0.1)
    large = side > 30
    assert np.abs(np.log(height / width)[large]).max() <= 2 * STRETCH + 0.05
    assert np.mean(height[large] > width[large]) == pytest.approx(0.5, abs=0.15)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(read_digits()[1], seed=0)


def test_detector_finds_a_clear_digit_where_it_is(detector: Detector) -> None:
    pasted, _ = read_digits()
    rng = np.random.default_rng(5)
    right = 0
    for row in range(100):
        drawn = draw_digit(pasted.ink[row], 48, 48)
        drawn = drawn[inked_part(drawn, 0.3)]
        grey = 0.3 + 0.01 * rng.standard_normal((240, 320))
        grey[60 : 60 + drawn.shape[0], 100 : 100 + drawn.shape[1]] += 0.5 * drawn
        found = detector.detect(np.clip(255 * grey, 0, 255).astype(np.uint8))
        best = max(found, key=lambda detection: detection.score)
        assert abs(best.x - 100) <= 2
        assert abs(best.y - 60) <= 2
        assert abs(best.width - drawn.shape[1]) <= 4
        assert abs(best.height - drawn.shape[0]) <= 4
        right += best.value == pasted.value[row]
    assert right >= 85


def test_empty_frame_gives_no_detection(detector: Detector) -> None:
    assert detector.detect(np.full((240, 320), 80, np.uint8)) == []


@dataclass(frozen=True)
class Measured:
    """What pycocotools says: AP at 0.50, and which labels are found there, with what was planted."""

    average_precision_50: float
    found: np.ndarray
    side_px: np.ndarray
    covered: np.ndarray
    planted: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def measured(demo: DemoPaths) -> Measured:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO(str(demo.labels))
        evaluation = COCOeval(labels, labels.loadRes(str(demo.predictions)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    found: dict[int, bool] = {}
    for cell in evaluation.evalImgs:
        if cell is not None and cell["aRng"] == evaluation.params.areaRng[0]:
            found.update(zip(cell["gtIds"], cell["gtMatches"][0] > 0, strict=True))
    annotations = labels.loadAnns(list(found))
    columns = ("digit_contrast", "blur_px", "noise_level", "texture")
    return Measured(
        float(evaluation.stats[1]),
        np.array(list(found.values())),
        np.sqrt([a["area"] for a in annotations]),
        np.array([_covered_share(a, labels.imgToAnns[a["image_id"]]) for a in annotations]),
        {name: np.array([labels.imgs[a["image_id"]][name] for a in annotations]) for name in columns},
    )


def _covered_share(annotation: dict[str, Any], others: list[dict[str, Any]]) -> float:
    """The largest share of a box that one other box of the frame covers."""
    x, y, width, height = annotation["bbox"]
    covered = 0.0
    for other in others:
        if other is annotation:
            continue
        left, top, other_width, other_height = other["bbox"]
        shared_width = min(x + width, left + other_width) - max(x, left)
        shared_height = min(y + height, top + other_height) - max(y, top)
        covered = max(covered, max(shared_width, 0) * max(shared_height, 0) / (width * height))
    return covered


def _recall_gap(found: np.ndarray, values: np.ndarray) -> float:
    """Recall in the upper third of the values minus recall in the lower third."""
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    return float(found[values >= high].mean() - found[values <= low].mean())


@pytest.mark.slow
def test_detector_is_neither_hopeless_nor_perfect(measured: Measured) -> None:
    assert 0.4 < measured.average_precision_50 < 0.8


@pytest.mark.slow
def test_failures_depend_on_what_was_planted(measured: Measured) -> None:
    found, planted = measured.found, measured.planted
    assert _recall_gap(found, measured.side_px) > 0.3
    assert _recall_gap(found, planted["digit_contrast"]) > 0.2
    assert _recall_gap(found, planted["blur_px"]) < -0.2
    assert found[measured.covered == 0].mean() - found[measured.covered > 0.1].mean() > 0.3


@pytest.mark.slow
def test_noise_and_texture_matter_little(measured: Measured) -> None:
    found, planted = measured.found, measured.planted
    assert abs(_recall_gap(found, planted["noise_level"])) < 0.15
    by_texture = [found[planted["texture"] == name].mean() for name in set(planted["texture"])]
    assert max(by_texture) - min(by_texture) < 0.15
