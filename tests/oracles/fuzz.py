"""Small random data sets made of the cases on which evaluations differ.

Coordinates lie on a coarse grid and scores take few values, so that ties of score and of IoU, and IoUs
exactly at a threshold, are frequent. Every set is decided by its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tests.oracles.pycocotools_oracle import AREA_RANGES, IOU_THRESHOLDS, MAX_DETS

N_SETS = 240
IMAGE_WIDTH, IMAGE_HEIGHT = 320.0, 240.0
# 32 x 32 = 16 x 64 = 1,024 and 96 x 96 = 64 x 144 = 9,216: on the borders of COCO's ranges.
BORDER_SIZES = ((32, 32), (16, 64), (96, 96), (64, 144))
PLAIN_SIZES = ((8, 8), (20, 20), (20, 40), (40, 20), (60, 60), (120, 100), (10, 100))
FLAT_SIZES = ((0, 20), (20, 0), (0, 0))


@dataclass(frozen=True)
class FuzzSet:
    """Tables in frame and input order, with the options to evaluate them."""

    seed: int
    frames: pd.DataFrame
    labels: pd.DataFrame
    predictions: pd.DataFrame
    classes: tuple[int | str, ...]
    iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS
    area_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    max_dets: tuple[int, ...] = MAX_DETS


def make_set(seed: int) -> FuzzSet:
    """One data set. Every eighth set has a cell with more than 100 predictions, every fifth string ids,
    every third its own thresholds, ranges or max_dets; crowds and ignored labels stand in three of four."""
    rng = np.random.default_rng([20240517, seed])
    string_ids = seed % 5 == 0
    frame_ids = _frame_ids(rng, int(rng.integers(1, 9)), string_ids)
    class_ids: list[int | str] = [3, 7, 10, 2][: int(rng.integers(1, 5))]
    if string_ids:
        class_ids = [f"class {class_id}" for class_id in class_ids]
    class_ids = sorted(class_ids)

    grid = int(rng.choice([1, 4, 10]))
    n_scores = int(rng.choice([1, 3, 20, 1000]))
    special = seed % 4 != 3
    label_rows: list[dict[str, object]] = []
    prediction_rows: list[dict[str, object]] = []
    for position, frame_id in enumerate(frame_ids):
        kind = rng.choice(["both", "labels", "predictions", "empty"], p=[0.7, 0.1, 0.1, 0.1])
        labels: list[dict[str, object]] = []
        if kind in ("both", "labels"):
            # The last class never has a label in odd sets.
            labelled = class_ids[:-1] if seed % 2 and len(class_ids) > 1 else class_ids
            for _ in range(rng.integers(1, 9)):
                labels.append(_label(rng, frame_id, labelled, grid, special, labels))
        if kind in ("both", "predictions"):
            crowded = seed % 8 == 0 and position == 0
            n_predictions = int(rng.integers(105, 150)) if crowded else int(rng.integers(1, 25))
            for _ in range(n_predictions):
                row = _prediction(rng, frame_id, class_ids, labels, grid, n_scores)
                if crowded and rng.random() < 0.95:
                    row["class_id"] = class_ids[0]
                prediction_rows.append(row)
        label_rows.extend(labels)
    if seed % 6 == 0 and prediction_rows:
        unlisted = "class 99" if string_ids else 99
        prediction_rows[int(rng.integers(len(prediction_rows)))]["class_id"] = unlisted

    # Rows arrive in any order; within a frame that order is the input order.
    rng.shuffle(label_rows)
    rng.shuffle(prediction_rows)
    return FuzzSet(
        seed,
        pd.DataFrame({"frame_id": frame_ids, "width_px": IMAGE_WIDTH, "height_px": IMAGE_HEIGHT}),
        _table(label_rows, "label_id", ("area_px2", "is_crowd", "is_ignored"), string_ids),
        _table(prediction_rows, "prediction_id", ("score",), string_ids),
        tuple(class_ids),
        **_options(rng, seed),
    )


def make_all() -> list[FuzzSet]:
    """All N_SETS data sets."""
    return [make_set(seed) for seed in range(N_SETS)]


def _frame_ids(rng: np.random.Generator, n_frames: int, string_ids: bool) -> list[int | str]:
    """In frame order: integers ascending (9 before 10), strings by code point ('10' before '9')."""
    numbers = [int(number) for number in rng.choice(np.arange(1, 30), n_frames, replace=False)]
    return sorted(str(number) for number in numbers) if string_ids else sorted(numbers)


def _box(rng: np.random.Generator, grid: int) -> dict[str, float]:
    kind = rng.random()
    sizes = FLAT_SIZES if kind < 0.05 else BORDER_SIZES if kind < 0.3 else PLAIN_SIZES
    width, height = sizes[int(rng.integers(len(sizes)))]
    # From -40: boxes cross the image's edges, and some lie outside altogether.
    x = float(rng.integers(-40 // grid, 340 // grid) * grid)
    y = float(rng.integers(-40 // grid, 260 // grid) * grid)
    if rng.random() < 0.2:
        x, y = x + float(rng.random()), y + float(rng.random())
    return {"x_px": x, "y_px": y, "width_px": float(width), "height_px": float(height)}


def _label(
    rng: np.random.Generator,
    frame_id: int | str,
    class_ids: list[int | str],
    grid: int,
    special: bool,
    labels: list[dict[str, object]],
) -> dict[str, object]:
    box = _box(rng, grid)
    class_id = class_ids[int(rng.integers(len(class_ids)))]
    if labels and rng.random() < 0.4:
        # Beside another label, or on it: a prediction between two labels has equal IoU with both.
        other = labels[int(rng.integers(len(labels)))]
        box = {name: float(other[name]) for name in box}  # type: ignore[arg-type]
        box["x_px"] += float(rng.choice([0.0, 0.1, 0.5])) * box["width_px"]
        class_id = other["class_id"]  # type: ignore[assignment]
    area = np.nan
    if rng.random() < 0.5:
        # The mask's area of COCO: smaller than the box, now and then exactly on a border.
        share = float(rng.choice([0.3, 0.6, 1.0]))
        area = float(rng.choice([1024.0, 9216.0, box["width_px"] * box["height_px"] * share]))
    return {
        "frame_id": frame_id,
        "class_id": class_id,
        **box,
        "area_px2": area,
        "is_crowd": bool(special and rng.random() < 0.15),
        "is_ignored": bool(special and rng.random() < 0.15),
    }


def _prediction(
    rng: np.random.Generator,
    frame_id: int | str,
    class_ids: list[int | str],
    labels: list[dict[str, object]],
    grid: int,
    n_scores: int,
) -> dict[str, object]:
    class_id = class_ids[int(rng.integers(len(class_ids)))]
    box = _box(rng, grid)
    if labels and rng.random() < 0.75:
        label = labels[int(rng.integers(len(labels)))]
        box = {name: float(label[name]) for name in box}  # type: ignore[arg-type]
        side = ("x_px", "y_px", "width_px", "height_px")[int(rng.integers(4))]
        # Shifts by tenths and quarters of a side give IoUs such as 0.6, 0.75, 0.9 exactly, and ties.
        step = float(rng.choice([0.0, 0.0, 0.05, 0.1, 0.25, 0.5])) * float(rng.choice([-1, 1]))
        length = box["width_px"] if side in ("x_px", "width_px") else box["height_px"]
        box[side] += step * length
        if rng.random() < 0.9:
            class_id = label["class_id"]  # type: ignore[assignment]
    score = float(rng.integers(0, n_scores + 1)) / n_scores
    if rng.random() < 0.02:
        score = float(rng.choice([-0.5, 1.5, 0.0]))
    if rng.random() < 0.02:
        # Equal in float32, not in float64.
        score = float(np.nextafter(score, 2.0))
    return {"frame_id": frame_id, "class_id": class_id, **box, "score": score}


def _table(
    rows: list[dict[str, object]], id_column: str, extra: tuple[str, ...], string_ids: bool
) -> pd.DataFrame:
    id_type = object if string_ids else np.int64
    columns = ["frame_id", "class_id", "x_px", "y_px", "width_px", "height_px", *extra]
    table = pd.DataFrame(rows, columns=columns)
    ids = [f"o{row}" for row in range(len(rows))] if string_ids else list(range(len(rows)))
    table.insert(0, id_column, pd.Series(ids, dtype=id_type))
    for name in columns:
        kind = bool if name.startswith("is_") else id_type if name.endswith("_id") else np.float64
        table[name] = table[name].astype(kind)  # type: ignore[arg-type]
    table.insert(3, "class_name", pd.Series([f"name of {c}" for c in table["class_id"]], dtype=object))
    return table


def _options(rng: np.random.Generator, seed: int) -> dict[str, object]:
    ranges = dict(zip(("all", "small", "medium", "large"), AREA_RANGES, strict=True))
    if seed % 3:
        return {"area_ranges": ranges}
    if seed % 9 == 0:
        # More than 64 combinations of threshold and range.
        ranges |= {"tiny": (0.0, 64.0), "flat": (0.0, 0.0), "odd": (400.0, 1024.0)}
        return {"area_ranges": ranges, "iou_thresholds": tuple(np.linspace(0.05, 1.0, 20))}
    return {
        "area_ranges": ranges,
        "iou_thresholds": tuple(sorted(rng.choice([0.1, 0.3, 0.5, 0.55, 0.75, 0.9, 1.0], 3, replace=False))),
        "max_dets": ((1, 2), (3,), (1, 5, 20), (2, 10, 100))[int(rng.integers(4))],
    }
