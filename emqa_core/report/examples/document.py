"""Examples as plain values for a page: numbers rounded to what is drawn, words that repeat by number."""

from __future__ import annotations

from typing import Any

from emqa_core.report.examples.collection import Examples
from emqa_core.report.examples.frames import ExampleFrame, ExampleObject
from emqa_core.report.examples.groups import MetricGroups
from emqa_core.report.examples.pictures import Picture

# What the numbers of an object stand for, in this order.
OBJECT_FIELDS = (
    *("x", "y", "width", "height"),
    *("source", "class", "outcome", "error_type", "score"),
)


class _Words:
    """Words by number, in the order in which they are first used."""

    def __init__(self) -> None:
        self._number: dict[Any, int] = {}

    def number(self, word: Any) -> int:
        return self._number.setdefault(word, len(self._number))

    def listed(self) -> list[Any]:
        return list(self._number)


def examples_json(examples: Examples) -> dict[str, Any]:
    """Of lists, dicts, text, finite numbers and None alone.

    metrics: name and ranges (number, lower, upper, category). frames: with `objects`, each a list of
    OBJECT_FIELDS; box in px to a tenth; class, outcome, error_type: index into `classes` (id and name),
    `outcomes`, `error_types`, error_type and score null where there is none; source 0 a prediction, 1 a
    label. A frame's width and height: of the frame, else of its image, else as far as its boxes reach.
    examples: frame, object (index in the frame's objects), places: [metric, range, place], range by its
    number.
    """
    classes, outcomes, errors = _Words(), _Words(), _Words()
    frames = [
        _frame(frame, picture, (classes, outcomes, errors))
        for frame, picture in zip(examples.frames, examples.pictures, strict=True)
    ]
    return {
        "metrics": [_metric(each) for each in examples.metrics],
        "frames": frames,
        "examples": [
            {
                "frame": each.frame,
                "object": each.object,
                "places": [
                    [place.metric, examples.metrics[place.metric].ranges[place.range].number, place.place]
                    for place in each.places
                ],
            }
            for each in examples.examples
        ],
        "worst_frames": list(examples.worst_frames),
        "n_left_out": examples.n_left_out,
        "classes": [{"id": class_id, "name": name} for class_id, name in classes.listed()],
        "outcomes": outcomes.listed(),
        "error_types": errors.listed(),
    }


def _metric(each: MetricGroups) -> dict[str, Any]:
    return {
        "name": each.column,
        "is_categorical": each.axis.is_categorical,
        "ranges": [
            {"number": one.number, "lower": one.lower, "upper": one.upper, "category": one.category}
            for one in each.ranges
        ],
    }


def _frame(frame: ExampleFrame, picture: Picture, words: tuple[_Words, _Words, _Words]) -> dict[str, Any]:
    row = frame.row
    width, height = _size(frame, picture)
    return {
        "frame_id": row["frame_id"],
        "image_uri": row["image_uri"],
        "width": round(width, 1),
        "height": round(height, 1),
        "picture": picture.url,
        "reason": picture.reason,
        "n_predictions": row["n_predictions"],
        "n_labels": row["n_labels"],
        "n_false_positive": row["n_false_positive"],
        "n_missed": row["n_missed"],
        "f1": None if row["f1"] is None else round(row["f1"], 4),
        "n_objects": frame.n_objects,
        "objects": [_object(each, *words) for each in frame.objects],
    }


def _size(frame: ExampleFrame, picture: Picture) -> tuple[float, float]:
    width, height = frame.row["width_px"], frame.row["height_px"]
    if width and height:
        return width, height
    if picture.size is not None:
        return float(picture.size[0]), float(picture.size[1])
    boxes = [each.box for each in frame.objects]
    return max([1.0, *(x + w for x, _, w, _ in boxes)]), max([1.0, *(y + h for _, y, _, h in boxes)])


def _object(each: ExampleObject, classes: _Words, outcomes: _Words, errors: _Words) -> list[Any]:
    return [
        *(round(side, 1) for side in each.box),
        0 if each.source == "prediction" else 1,
        classes.number((each.class_id, each.class_name)),
        outcomes.number(each.outcome),
        None if each.error_type is None else errors.number(each.error_type),
        None if each.score is None else round(each.score, 4),
    ]
