"""A row of table `slice` computed again by loops from the prediction, label and frame tables."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from scipy import stats

from tests.oracles.performance_by_metric import BinCounts, is_null


@dataclass(frozen=True)
class Slice:
    """Rows in the region and in what it is compared with, each (frame, is wrong); keys of those inside."""

    inside: list[tuple[str, bool]]
    compared: list[list[tuple[str, bool]]]
    keys: frozenset[tuple[str, str]]

    def z(self) -> float:
        return min(_z(self.inside, each) for each in self.compared)

    def counts(self) -> tuple[int, int]:
        return len(self.inside), sum(is_wrong for _, is_wrong in self.inside)

    def interval(self) -> tuple[float, float]:
        """Of the share that is wrong."""
        n = Counter(frame for frame, _ in self.inside)
        return BinCounts(n, Counter(frame for frame, is_wrong in self.inside if is_wrong)).interval()


def slice_of(run: Any, row: dict[str, Any]) -> Slice:
    """The rows that a row of the table is of."""
    target = row["target"]
    frames = {each["frame_id"]: each for each in run.table("frame").to_pylist()}
    suffixes = [""] if row["metric_other"] is None else ["", "_other"]
    inside, whole, keys = [], [], []
    of_one: list[list[tuple[str, bool]]] = [[], []]
    for each in run.table(target).to_pylist():
        is_wrong = is_wrong_at(each, target, row["score_threshold"])
        if is_wrong is None:
            continue
        own = (each["frame_id"], is_wrong)
        of = [each if row[f"level{s}"] != "frame" else frames[each["frame_id"]] for s in suffixes]
        values = [source[row[f"metric{s}"]] for source, s in zip(of, suffixes, strict=True)]
        if any(is_null(value) for value in values):
            continue
        whole.append(own)
        holds = [_holds(value, row, suffix) for value, suffix in zip(values, suffixes, strict=True)]
        for index, is_held in enumerate(holds):
            if is_held:
                of_one[index].append(own)
        if all(holds):
            inside.append(own)
            keys.append((each["frame_id"], each[f"{target}_id"]))
    compared = [whole] if len(suffixes) == 1 else [whole, *of_one]
    return Slice(inside, compared, frozenset(keys))


def is_wrong_at(row: dict[str, Any], target: str, score_threshold: float) -> bool | None:
    """Of a row of its table at a score threshold above the configured one; None where it does not count."""
    is_below = is_null(row["score"]) or row["score"] < score_threshold
    if row["outcome"] == "ignored" or (target == "prediction" and is_below):
        return None
    return bool(row["outcome"] == "false_positive" if target == "prediction" else is_below)


def _holds(value: Any, row: dict[str, Any], suffix: str) -> bool:
    if row[f"category{suffix}"] is not None:
        return (str(value).lower() if isinstance(value, bool) else value) == row[f"category{suffix}"]
    lower, upper = row[f"lower{suffix}"], row[f"upper{suffix}"]
    return (lower is None or value > lower) and (upper is None or value <= upper)


def _z(inside: list[tuple[str, bool]], whole: list[tuple[str, bool]]) -> float:
    """The difference to the rest over its standard error, from sums over frames."""
    n, n_in = len(whole), len(inside)
    p = sum(wrong for _, wrong in whole) / n
    wrong_in = sum(wrong for _, wrong in inside)
    rate = wrong_in / n_in
    rest = (p * n - wrong_in) / (n - n_in)
    of_frame: dict[str, float] = {frame: 0.0 for frame, _ in whole}
    for frame, wrong in whole:
        of_frame[frame] -= (wrong - p) / (n - n_in)
    for frame, wrong in inside:
        of_frame[frame] += (wrong - p) * (1 / n_in + 1 / (n - n_in))
    m = len(of_frame)
    return (rate - rest) / math.sqrt(m / (m - 1) * math.fsum(each**2 for each in of_frame.values()))


def one_sided_p(z: float) -> float:
    return float(stats.norm.sf(z))
