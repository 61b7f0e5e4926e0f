"""A seeded data set that looks like a detector's output on COCO val2017, at any size.

    python -m benchmarks.generate S            Parquet as `emqa convert` writes it, and COCO JSON
    python -m benchmarks.generate XL --json    Parquet alone; `--json labels`: with the labels' JSON

Per frame 7.4 labels and 50 predictions on average, 80 classes of which one has 30% of the labels, 41% small
and 24% large labels, crowds, tied scores, duplicates and confusions. One size and seed give one data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.coco_json import WRITE_JSON
from emqa_core.storage.input_tables import parquet_options

DATA = Path(__file__).parent.parent / "bench-data"
FRAMES_OF_SIZE = {"XS": 500, "S": 5_000, "M": 50_000, "L": 118_000, "XL": 500_000}
N_CLASSES = 80
LABELS_PER_FRAME = 36_781 / 5_000
PREDICTIONS_PER_FRAME = 50
MOST_PREDICTIONS = 100
SEED = 20_170_000

FRAME_SIZES = np.array([(640, 480), (480, 640), (640, 427), (427, 640), (500, 375), (640, 640)], np.float64)
FRAME_SIZE_SHARES = (0.32, 0.08, 0.33, 0.09, 0.13, 0.05)
# Logarithms of box areas in px²: share, mean, spread of small, medium and large labels.
AREA_MIXTURE = ((0.41, np.log(360), 0.75), (0.35, np.log(3_400), 0.6), (0.24, np.log(32_000), 0.8))


@dataclass
class Boxes:
    """Boxes of one origin: index of the frame, class from 0, geometry in px, and a score."""

    frame: np.ndarray
    code: np.ndarray
    x: np.ndarray
    y: np.ndarray
    width: np.ndarray
    height: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Boxes:
        return Boxes(**{name: values[rows] for name, values in vars(self).items()})

    @staticmethod
    def together(parts: list[Boxes]) -> Boxes:
        return Boxes(
            **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
        )


class Scene:
    """The frames and what is in them; every number is drawn from one generator in one order."""

    def __init__(self, n_frames: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed + n_frames)
        self.n_frames = n_frames
        size = FRAME_SIZES[self.rng.choice(len(FRAME_SIZES), n_frames, p=FRAME_SIZE_SHARES)]
        self.width, self.height = size[:, 0].copy(), size[:, 1].copy()
        ids = self.rng.choice(max(600_000, 4 * n_frames), n_frames, replace=False)
        self.frame_id = np.sort(ids).astype(np.int64) + 1
        # One to a dozen classes per frame; objects of a frame crowd into the first of them.
        self.n_present = 1 + self.rng.poisson(1.9, n_frames)
        self.present = self.classes_at_random((n_frames, int(self.n_present.max())))

    def classes_at_random(self, shape: int | tuple[int, ...]) -> np.ndarray:
        tail = np.geomspace(0.052, 0.00028, N_CLASSES - 1)
        share = np.concatenate([[0.3], 0.7 * tail / tail.sum()])
        return self.rng.choice(N_CLASSES, shape, p=share)

    def present_class(self, frame: np.ndarray, skew: float) -> np.ndarray:
        index = self.rng.random(len(frame)) ** skew * self.n_present[frame]
        return self.present[frame, index.astype(np.int64)]

    def label_counts(self) -> np.ndarray:
        """Labels of each frame: negative binomial with a long tail, about 1% without any."""
        shape = 1.25
        count = self.rng.negative_binomial(shape, shape / (shape + LABELS_PER_FRAME), self.n_frames)
        count = np.clip(count, 1, 63)
        count[self.rng.random(self.n_frames) < 0.0096] = 0
        missing = round(LABELS_PER_FRAME * self.n_frames) - int(count.sum())
        if missing > 0:
            np.add.at(count, self.rng.choice(np.flatnonzero(count), missing), 1)
        elif missing < 0:
            spare = np.repeat(np.arange(self.n_frames), np.maximum(count - 1, 0))
            np.subtract.at(count, self.rng.choice(spare, -missing, replace=False), 1)
        return count

    def labels(self) -> tuple[Boxes, np.ndarray, np.ndarray]:
        """Labels in frame order, their mask areas and crowd flags."""
        rng = self.rng
        frame = np.repeat(np.arange(self.n_frames), self.label_counts())
        n = len(frame)
        code = self.present_class(frame, 1.6)
        share, mean, spread = (np.array(column) for column in zip(*AREA_MIXTURE, strict=True))
        kind = rng.choice(len(share), n, p=share)
        width, height = self.sides(np.exp(rng.normal(mean[kind], spread[kind])), frame, 3)
        x, y = self.corner(frame, width, height)
        is_crowd = rng.random(n) < np.where(code == 0, 0.028, 0.005)
        width = np.where(is_crowd, np.minimum(np.maximum(width, 150), self.width[frame] - x), width)
        height = np.where(is_crowd, np.minimum(np.maximum(height, 80), self.height[frame] - y), height)
        x, y = x.round(2), y.round(2)
        width, height = np.maximum(width.round(2), 1), np.maximum(height.round(2), 1)
        area = (width * height * rng.uniform(0.45, 0.9, n)).round(4)
        return Boxes(frame, code, x, y, width, height, np.ones(n)), area, is_crowd

    def sides(self, area: np.ndarray, frame: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
        aspect = np.exp(self.rng.normal(-0.1, 0.5, len(area)))
        width = np.maximum(np.sqrt(area * aspect), least)
        height = np.maximum(area / width, least)
        return np.minimum(width, 0.98 * self.width[frame]), np.minimum(height, 0.98 * self.height[frame])

    def corner(
        self, frame: np.ndarray, width: np.ndarray, height: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        x = self.rng.random(len(frame)) * (self.width[frame] - width)
        return x, self.rng.random(len(frame)) * (self.height[frame] - height)

    def predictions(self, labels: Boxes, area: np.ndarray, is_crowd: np.ndarray) -> Boxes:
        """Found labels, duplicates, boxes inside crowds and false positives, as a detector emits them."""
        rng, is_small = self.rng, area < 32**2
        n = len(labels)
        found = np.flatnonzero(~is_crowd & (rng.random(n) < np.where(is_small, 0.72, 0.93)))
        doubled = np.repeat(np.arange(n), np.where(is_crowd, 0, rng.poisson(1.2, n)))
        crowded = np.repeat(np.arange(n), np.where(is_crowd, rng.poisson(6, n), 0))
        parts = [
            self.found(labels.take(found), is_small[found]),
            self.duplicates(labels.take(doubled)),
            self.inside(labels.take(crowded)),
        ]
        present = np.bincount(np.concatenate([part.frame for part in parts]), minlength=self.n_frames)
        parts.append(self.false_positives(present))
        return self.emitted(Boxes.together(parts))

    def jittered(self, boxes: Boxes, spread: np.ndarray | float) -> tuple[Boxes, np.ndarray]:
        rng, n = self.rng, len(boxes)
        spread = spread * np.exp(rng.normal(0, 0.6, n))
        moved = Boxes(
            boxes.frame,
            boxes.code.copy(),
            boxes.x + boxes.width * spread * rng.normal(0, 1, n),
            boxes.y + boxes.height * spread * rng.normal(0, 1, n),
            boxes.width * np.exp(spread * rng.normal(0, 1, n)),
            boxes.height * np.exp(spread * rng.normal(0, 1, n)),
            boxes.score,
        )
        return moved, spread

    def confuse(self, boxes: Boxes, share: float) -> None:
        wrong = self.rng.random(len(boxes)) < share
        boxes.code[wrong] = self.rng.integers(0, N_CLASSES, int(wrong.sum()))

    def found(self, labels: Boxes, is_small: np.ndarray) -> Boxes:
        boxes, spread = self.jittered(labels, np.where(is_small, 0.085, 0.04))
        score = self.rng.beta(5, 2.2, len(boxes)) - 1.2 * spread - 0.12 * is_small
        boxes.score = np.clip(score, 0.003, 0.999)
        self.confuse(boxes, 0.06)
        return boxes

    def duplicates(self, labels: Boxes) -> Boxes:
        boxes, _ = self.jittered(labels, 0.17)
        boxes.score = np.clip(self.rng.beta(1.3, 7, len(boxes)), 0.001, 0.97)
        self.confuse(boxes, 0.35)
        return boxes

    def inside(self, crowds: Boxes) -> Boxes:
        rng, n = self.rng, len(crowds)
        width, height = crowds.width * rng.uniform(0.05, 0.3, n), crowds.height * rng.uniform(0.2, 0.8, n)
        x = crowds.x + rng.random(n) * (crowds.width - width)
        y = crowds.y + rng.random(n) * (crowds.height - height)
        score = np.clip(rng.beta(2, 3.5, n), 0.001, 0.97)
        return Boxes(crowds.frame, crowds.code, x, y, width, height, score)

    def false_positives(self, present: np.ndarray) -> Boxes:
        """As many as fill each frame's budget (gamma, at most 100), the budgets scaled to the mean."""
        rng, total = self.rng, self.n_frames * PREDICTIONS_PER_FRAME
        budget = np.round(rng.gamma(4, PREDICTIONS_PER_FRAME / 4, self.n_frames))
        count = np.maximum(np.minimum(budget, MOST_PREDICTIONS) - present, 0)
        room = np.maximum(MOST_PREDICTIONS - present, 0)
        for _ in range(6):
            missing = total - np.minimum(present + count, MOST_PREDICTIONS).sum()
            count = np.minimum(np.round(count * max(0.1, 1 + missing / max(count.sum(), 1))), room)
        frame = np.repeat(np.arange(self.n_frames), count.astype(np.int64))
        n = len(frame)
        code = np.where(rng.random(n) < 0.55, self.present_class(frame, 1), self.classes_at_random(n))
        width, height = self.sides(np.exp(rng.normal(np.log(3_000), 1.5, n)), frame, 4)
        x, y = self.corner(frame, width, height)
        return Boxes(frame, code, x, y, width, height, np.clip(rng.beta(0.8, 9, n), 0.001, 0.95))

    def emitted(self, boxes: Boxes) -> Boxes:
        """Clipped to the frame, rounded (so that scores tie), best first, at most 100 per frame."""
        w_frame, h_frame = self.width[boxes.frame], self.height[boxes.frame]
        right = np.clip(boxes.x + boxes.width, 1, w_frame)
        lower = np.clip(boxes.y + boxes.height, 1, h_frame)
        x, y = np.clip(boxes.x, 0, w_frame - 1).round(3), np.clip(boxes.y, 0, h_frame - 1).round(3)
        width = np.maximum((right - x).round(3), 0.5)
        height = np.maximum((lower - y).round(3), 0.5)
        score = boxes.score.round(4)
        clipped = Boxes(boxes.frame, boxes.code, x, y, width, height, score)
        clipped = clipped.take(np.lexsort((self.rng.random(len(score)), -score, boxes.frame)))
        first = np.searchsorted(clipped.frame, np.arange(self.n_frames))
        rank = np.arange(len(clipped)) - first[clipped.frame]
        return clipped.take(np.flatnonzero(rank < MOST_PREDICTIONS))


def make_tables(n_frames: int, seed: int = SEED, clustered: bool = False) -> dict[str, pa.Table]:
    """The three input tables. Labels come in random order, as COCO's do; clustered: in frame order."""
    scene = Scene(n_frames, seed)
    labels, area, is_crowd = scene.labels()
    predictions = scene.predictions(labels, area, is_crowd)
    shuffled = scene.rng.permutation(len(labels))
    order = np.arange(len(labels)) if clustered else shuffled
    frame = {"frame_id": scene.frame_id, "width_px": scene.width, "height_px": scene.height}
    label = {
        "label_id": np.arange(1, len(labels) + 1),
        **box_columns(labels.take(order), scene.frame_id),
        "area_px2": area[order],
        "is_crowd": is_crowd[order],
    }
    prediction = {**box_columns(predictions, scene.frame_id), "score": predictions.score}
    return {"frame": pa.table(frame), "label": pa.table(label), "prediction": pa.table(prediction)}


def box_columns(boxes: Boxes, frame_id: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "frame_id": frame_id[boxes.frame],
        "class_id": boxes.code.astype(np.int64) + 1,
        "x_px": boxes.x,
        "y_px": boxes.y,
        "width_px": boxes.width,
        "height_px": boxes.height,
    }


TABLES = ("frame", "label", "prediction")


def write(
    size: str, root: Path = DATA, *, as_json: tuple[str, ...] = tuple(WRITE_JSON), clustered: bool = False
) -> Path:
    """Write a data set unless it is there; returns its folder. as_json: which files to write as JSON too."""
    folder = root / (f"{size}-clustered" if clustered else size)
    is_there = are_written(folder)
    missing = [name for name in as_json if not (folder / f"{name}.json").exists()]
    if is_there and not missing:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    tables = make_tables(FRAMES_OF_SIZE[size], clustered=clustered)
    for name in missing:
        with replaced(folder / f"{name}.json") as path, path.open("w", encoding="utf-8") as file:
            WRITE_JSON[name](file, tables, N_CLASSES)
    if not is_there:
        write_tables(folder, tables)
    return folder


def are_written(folder: Path) -> bool:
    return all((folder / f"{name}.parquet").exists() for name in TABLES)


def write_tables(folder: Path, tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        with replaced(folder / f"{name}.parquet") as path:
            pq.write_table(table, path, **parquet_options(table.schema))


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file that is there whole or not at all."""
    part = path.with_suffix(f"{path.suffix}.part")
    yield part
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", choices=FRAMES_OF_SIZE)
    parser.add_argument(
        "--json", nargs="*", choices=WRITE_JSON, default=list(WRITE_JSON), help="default: both"
    )
    parser.add_argument("--clustered", action="store_true", help="labels in frame order")
    parser.add_argument("--root", type=Path, default=DATA)
    options = parser.parse_args()
    folder = write(options.size, options.root, as_json=tuple(options.json), clustered=options.clustered)
    for name in TABLES:
        print(f"{folder / name}.parquet: {pq.read_metadata(folder / f'{name}.parquet').num_rows} rows")


if __name__ == "__main__":
    main()
