"""Other evaluators, each from what it takes fastest: arrays where it has an entry for them, else JSON.

Every one is a function of the data's folder that loads what is loaded late and gives the run to time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

BOX = ("x_px", "y_px", "width_px", "height_px")
N_CLASSES = 80

Run = Callable[[], list[float]]  # gives the twelve numbers


def read_arrays(folder: Path, name: str) -> dict:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / f"{name}.parquet", use_threads=False)
    return {column: table[column].to_numpy() for column in table.column_names}


def prediction_rows(folder: Path):
    """The (n, 7) array that COCO's loadRes takes: image, x, y, width, height, score, category."""
    import numpy as np

    rows = read_arrays(folder, "prediction")
    return np.column_stack(
        [rows[name].astype(np.float64) for name in ("frame_id", *BOX, "score", "class_id")]
    )


def load_late_parts_of_arrow(folder: Path) -> None:
    import pyarrow.parquet as pq

    pq.read_table(folder / "frame.parquet")


def categories() -> list[dict]:
    return [{"id": index + 1, "name": f"class {index + 1}"} for index in range(N_CLASSES)]


def evaluated(evaluation) -> list[float]:
    """The three steps of the COCO API."""
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats[:12]]


def pycocotools(folder: Path) -> Run:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def run() -> list[float]:
        labels = COCO(str(folder / "labels.json"))
        predictions = labels.loadRes(str(folder / "predictions.json"))
        return evaluated(COCOeval(labels, predictions, "bbox"))

    return run


def ultrafast(folder: Path) -> Run:
    from ultrafast_pycocotools import COCO, COCOeval

    load_late_parts_of_arrow(folder)

    def run() -> list[float]:
        labels = COCO(str(folder / "labels.json"))  # it has no entry for label arrays
        return evaluated(COCOeval(labels, labels.loadRes(prediction_rows(folder)), "bbox"))

    return run


def hotcoco(folder: Path) -> Run:
    import numpy as np
    from hotcoco import COCO, COCOeval

    load_late_parts_of_arrow(folder)

    def run() -> list[float]:
        frame, label = read_arrays(folder, "frame"), read_arrays(folder, "label")
        columns = (frame["frame_id"], frame["width_px"].astype(int), frame["height_px"].astype(int))
        images = [
            {"id": frame_id, "width": width, "height": height}
            for frame_id, width, height in zip(*(column.tolist() for column in columns), strict=True)
        ]
        labels = COCO.from_arrays(
            images,
            categories(),
            label["frame_id"],
            label["class_id"],
            np.column_stack([label[name] for name in BOX]),
            ids=label["label_id"],
            area=label["area_px2"],
            iscrowd=label["is_crowd"].astype(np.uint8),
        )
        return evaluated(COCOeval(labels, labels.load_res(prediction_rows(folder)), "bbox"))

    return run


def vernier(folder: Path, tables: Literal["all"] | None = None) -> Run:
    """tables: `all` for its rows by image, class, detection and pair, held in memory as Arrow."""
    import numpy as np
    from vernier.instance import Bbox, CocoDataset, Evaluator

    load_late_parts_of_arrow(folder)
    if tables is not None:
        import polars as pl  # noqa: F401 -- what its tables come as, loaded with the first of them
    evaluator = Evaluator(iou=Bbox(), parity_mode="strict")

    def run() -> list[float]:
        frame, label = read_arrays(folder, "frame"), read_arrays(folder, "label")
        labels = CocoDataset.from_arrays(
            {
                "id": frame["frame_id"].copy(),  # it takes no array that is read-only, as Arrow's are
                "width": frame["width_px"].astype(np.int64),
                "height": frame["height_px"].astype(np.int64),
            },
            {
                "id": label["label_id"].copy(),
                "image_id": label["frame_id"].copy(),
                "category_id": label["class_id"].copy(),
                "bbox": np.column_stack([label[name] for name in BOX]),
                "area": label["area_px2"].copy(),
                "iscrowd": label["is_crowd"].copy(),
            },
            categories(),
        )
        found = evaluator.evaluate(labels, prediction_rows(folder), num_threads=1, tables=tables)
        summary = found if tables is None else found.summary
        if tables is not None:
            for name in ("per_image", "per_class", "per_detection", "per_pair"):
                getattr(found, name)  # made when they are asked for
        return [float(value) for value in summary.stats[:12]]

    return run
