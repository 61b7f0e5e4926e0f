"""Frames of a run with the objects in them, as a page draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from emqa_core.report.examples.groups import SOURCES, Source
from emqa_core.report.view import Row, plain_rows

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

_FRAME_COLUMNS = (
    *("frame_id", "frame_order", "width_px", "height_px", "image_uri"),
    *("n_predictions", "n_labels", "n_false_positive", "n_missed", "f1"),
)
_OBJECT_COLUMNS = (
    *("frame_order", "input_index", "class_id", "class_name", "x_px", "y_px", "width_px", "height_px"),
    *("outcome", "error_type"),
)


@dataclass(frozen=True)
class ExampleObject:
    """A label or a prediction. box: x, y, width, height in px. score: None for a label."""

    source: Source
    input_index: int
    class_id: str
    class_name: str
    outcome: str
    error_type: str | None
    box: tuple[float, float, float, float]
    score: float | None

    @property
    def key(self) -> tuple[Source, int]:
        """What tells it from the others of its frame."""
        return self.source, self.input_index


@dataclass(frozen=True)
class ExampleFrame:
    """A frame and its objects: the examples in it, then labels, then predictions by score descending.

    row: its row of the frame table, some columns. n_objects: how many there are, of which `objects` are the
    first.
    """

    row: Row
    objects: tuple[ExampleObject, ...]
    n_objects: int


def read_frames(
    run: Run, frame_orders: Sequence[int], examples: set[tuple[Source, int, int]], n_objects: int
) -> list[ExampleFrame]:
    """The frames by frame_order, in the order given, with up to n_objects objects each.

    examples: (source, frame_order, input_index) of the objects that are shown before others.
    """
    wanted = np.unique(np.array(frame_orders, np.int64))
    rows = {row["frame_order"]: row for row in _rows(run, "frame", _FRAME_COLUMNS, wanted)}
    objects: dict[int, list[ExampleObject]] = {order: [] for order in frame_orders}
    for source in SOURCES:
        columns = (*_OBJECT_COLUMNS, "score") if source == "prediction" else _OBJECT_COLUMNS
        for row in _rows(run, source, columns, wanted):
            objects[row["frame_order"]].append(_object(source, row))

    frames = []
    for order in frame_orders:
        # Examples first, so that none of them is beyond the limit.
        shown_first = [
            (
                ((each.source, order, each.input_index) not in examples, each.source != "label"),
                (-(each.score or 0.0), each.input_index),
                each,
            )
            for each in objects[order]
        ]
        ordered = [each for _, _, each in sorted(shown_first, key=itemgetter(0, 1))]
        frames.append(ExampleFrame(rows[order], tuple(ordered[:n_objects]), len(ordered)))
    return frames


def _rows(run: Run, table: str, columns: Sequence[str], frame_orders: np.ndarray) -> list[Row]:
    if not len(frame_orders):
        return []
    return [row for batch in run.batches(table, columns, frame_orders) for row in plain_rows(batch)]


def _object(source: Source, row: Row) -> ExampleObject:
    return ExampleObject(
        source,
        row["input_index"],
        row["class_id"],
        row["class_name"],
        row["outcome"],
        row["error_type"],
        (row["x_px"], row["y_px"], row["width_px"], row["height_px"]),
        row.get("score"),
    )
