"""What error types cost, worked out by mending the rows of the tables one error type at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tests.oracles.error_rows import Row, nearest

Judged = list[tuple[str, bool]]  # class and whether right, in score order


def average_precision(judged: Sequence[bool], n_positive: int) -> float:
    """101 points, each the highest precision at its recall or beyond."""
    if n_positive <= 0:
        return 0.0
    true = np.cumsum(judged)
    precision, recall = true / (np.arange(len(judged)) + 1), true / n_positive
    reached = [precision[recall >= point].max(initial=0.0) for point in np.linspace(0, 1, 101)]
    return float(np.mean(reached))


def wanted_labels(predictions: Sequence[Row], labels: Sequence[Row]) -> dict[int, Row]:
    """The label that each error of place or class would hold, by place of its row.

    Of those that want one label the highest score would, the first on ties.
    """
    holder: dict[int, tuple[int, Row]] = {}
    for place, row in enumerate(predictions):
        if row["error_type"] not in ("localization", "classification"):
            continue
        is_same = row["error_type"] == "localization"
        _, label = nearest(
            row,
            [
                each
                for each in labels
                if each["frame_id"] == row["frame_id"]
                and each["outcome"] != "ignored"
                and (each["class_id"] == row["class_id"]) == is_same
            ],
        )
        assert label is not None
        if label["outcome"] == "found":
            continue
        before = holder.get(id(label))
        if before is None or row["score"] > predictions[before[0]]["score"]:
            holder[id(label)] = (place, label)
    return dict(holder.values())


def expected_costs(
    predictions: Sequence[Row], labels: Sequence[Row], classes: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Cost by fix and class, None without labels, from rows of the tables `prediction` and `label`."""
    wanted = wanted_labels(predictions, labels)
    order = sorted(
        (place for place, row in enumerate(predictions) if row["outcome"] != "ignored"),
        key=lambda place: (
            -predictions[place]["score"],
            predictions[place]["frame_order"],
            predictions[place]["input_index"],
        ),
    )
    n_positive = Counter(row["class_id"] for row in labels if row["outcome"] != "ignored")
    missed = Counter(row["class_id"] for row in labels if row["error_type"] == "missed")
    lost = Counter(row["class_id"] for row in labels if row["outcome"] == "missed")

    def judged(mend: Callable[[int, Row], tuple[str, bool] | None]) -> dict[str, list[bool]]:
        by_class: dict[str, list[bool]] = defaultdict(list)
        for place in order:
            mended = mend(place, predictions[place])
            if mended is not None:
                by_class[mended[0]].append(mended[1])
        return by_class

    def as_it_is(_: int, row: Row) -> tuple[str, bool]:
        return row["class_id"], row["outcome"] == "true_positive"

    def without(error: str) -> Callable[[int, Row], tuple[str, bool] | None]:
        def mend(place: int, row: Row) -> tuple[str, bool] | None:
            if row["error_type"] != error:
                return as_it_is(place, row)
            if place not in wanted:
                return None
            return wanted[place]["class_id"], True

        return mend

    def only_right(place: int, row: Row) -> tuple[str, bool] | None:
        return as_it_is(place, row) if row["outcome"] == "true_positive" else None

    plain = judged(as_it_is)
    fixed = {
        error: (judged(without(error)), n_positive)
        for error in (
            *("localization", "classification", "duplicate", "background"),
            "classification_and_localization",
        )
    }
    fixed["missed"] = (plain, n_positive - missed)
    fixed["false_negative"] = (plain, n_positive - lost)
    fixed["false_positive"] = (judged(only_right), n_positive)
    base = {each: average_precision(plain[each], n_positive[each]) for each in classes}
    return {
        fix: {
            each: average_precision(rows[each], positives[each]) - base[each] if n_positive[each] else None
            for each in classes
        }
        for fix, (rows, positives) in fixed.items()
    }
