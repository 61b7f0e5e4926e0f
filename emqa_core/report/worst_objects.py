"""The objects and frames of a run that went worst, as rows for relabelling or inspection.

By a metric: false positives and missed labels of its ranges, those ranges first where most more goes wrong
than on average. By an error type: its false positives and missed labels. In either the highest scores and the
largest labels come first, ties by frame_order and input_index, so that the choice is the same however a run
was cut. By frame: the lowest F1 first, then the most errors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.combined import combined
from emqa_core.errors import ConfigError
from emqa_core.matching.error_types import ERROR_TYPES
from emqa_core.objects import Array
from emqa_core.report.examples.choice import FrameCodes
from emqa_core.report.performance import STORED_BINS, unknown_metric
from emqa_core.report.view import Row, View, plain_rows, rows_in_view, rows_where

if TYPE_CHECKING:
    from emqa_core.storage.runs import Run

FRAME, ERROR_TYPE = "frame", "error_type"
N_RANGES = 10
SOURCES = ("prediction", "label")
_WRONG = {"prediction": "false_positive", "label": "missed"}
_LARGEST = {"prediction": "score", "label": "area_px2"}
_OBJECT = (
    *("frame_id", "frame_order", "input_index", "class_id", "class_name"),
    *("x_px", "y_px", "width_px", "height_px", "outcome", "error_type"),
)
_FRAME = (
    *("frame_id", "frame_order", "image_uri", "width_px", "height_px", "n_predictions", "n_labels"),
    *("n_true_positive", "n_false_positive", "n_missed", "f1"),
)
# Of the rows written: an object's, then a frame's.
OBJECT_COLUMNS = (
    *("source", "frame_id", "object_id", "class_id", "class_name", "outcome", "error_type", "score"),
    *("x_px", "y_px", "width_px", "height_px", "area_px2", "metric", "value", "rate", "rate_average"),
)
FRAME_COLUMNS = tuple(name for name in _FRAME if name != "frame_order")


@dataclass(frozen=True)
class _Ranges:
    """Ranges of a metric: code_of gives that of values, -1 for none; rates of each source by range, and
    averages.
    """

    metric: str
    is_of_frames: bool
    code_of: Callable[[pa.ChunkedArray], Array]
    rates: dict[str, dict[int, float]]
    averages: dict[str, float]


def worst_objects(run: Run, by: str, view: View, limit: int) -> list[Row]:
    """At most `limit` rows with OBJECT_COLUMNS, the worst first, by a metric, an error type, or all of those.

    Raises ConfigError for what is neither a metric of the run nor an error type.
    """
    if by == ERROR_TYPE or by in ERROR_TYPES:
        return _by_error(run, by, view, limit)
    return _by_metric(run, by, view, limit)


def worst_frames(run: Run, view: View, limit: int) -> list[Row]:
    """At most `limit` rows of frames with an error, by F1; of a view of a class: by its objects alone."""
    counts = None if view.class_id is None else _counts_of_class(run, view)
    worst: list[Row] = []
    for batch in run.batches("frame", list(_FRAME)):
        frames = batch if counts is None else _with_counts(batch, *counts)
        n_errors = pc.add(frames["n_false_positive"], frames["n_missed"])
        worst += plain_rows(frames.filter(pc.greater(n_errors, 0)))
        worst.sort(key=lambda r: (r["f1"], -(r["n_false_positive"] + r["n_missed"]), r["frame_order"]))
        del worst[limit:]
    return worst


def _counts_of_class(run: Run, view: View) -> tuple[np.ndarray, np.ndarray]:
    """frame_order (F,) ascending, and of each frame (4, F): a class's predictions, true positives, labels and
    missed labels that count.
    """
    orders = np.sort(
        np.concatenate([combined(b["frame_order"]).to_numpy() for b in run.batches("frame", ["frame_order"])])
    )
    counts = np.zeros((4, len(orders)), np.int64)
    for place, (source, hit) in enumerate((("prediction", "true_positive"), ("label", "missed"))):
        for batch in run.batches(source, ["frame_order", "class_id", "outcome"]):
            rows = _of_class(batch, view)
            outcome = combined(rows["outcome"]).cast(pa.string())
            at = np.searchsorted(orders, combined(rows["frame_order"]).to_numpy())
            for row, mask in (
                (2 * place, pc.not_equal(outcome, "ignored")),
                (2 * place + 1, pc.equal(outcome, hit)),
            ):
                np.add.at(counts[row], at[mask.to_numpy(zero_copy_only=False)], 1)
    return orders, counts


def _with_counts(frames: pa.Table, orders: np.ndarray, counts: np.ndarray) -> pa.Table:
    """Rows of table frame with the counts and rates of one class."""
    n, right, labels, missed = counts[:, np.searchsorted(orders, combined(frames["frame_order"]).to_numpy())]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = {
            "precision": right / n,
            "recall": 1 - missed / labels,
            "f1": 2 * right / (n + labels),
        }
    own = {"n_predictions": n, "n_true_positive": right, "n_false_positive": n - right, "n_labels": labels}
    for name, values in {**own, "n_missed": missed, **rates}.items():
        if name in frames.column_names:
            place = frames.column_names.index(name)
            frames = frames.set_column(place, name, pa.array(values, from_pandas=True))
    return frames


def _by_error(run: Run, by: str, view: View, limit: int) -> list[Row]:
    """Types by number of errors, then false positives before missed labels."""
    errors = rows_where(run, "error_type", scope=view.scope)
    n_of: defaultdict[str, int] = defaultdict(int)
    for row in errors:
        if row["class_id"] == view.class_id:
            n_of[row["error_type"]] += row["n"]
    if not n_of:
        raise ConfigError(
            "the run did not tell error types apart", next_step="evaluate again with error_types: true"
        )
    found: list[tuple[Any, ...]] = []
    for place, source in enumerate(SOURCES):
        for rows in _wrong_rows(run, source, view):
            for row in plain_rows(rows):
                if by in (ERROR_TYPE, row["error_type"]):
                    rank = (-n_of[row["error_type"]], str(row["error_type"]), place)
                    found.append((rank, _size_key(row, source), _object_row(row, source)))
            found = _first(found, limit)
    return [row for *_, row in found]


def _by_metric(run: Run, metric: str, view: View, limit: int) -> list[Row]:
    ranges = _ranges_of(run, metric, view)
    frames = _codes_of_frames(run, ranges) if ranges.is_of_frames else None
    found: list[tuple[Any, ...]] = []
    for source in SOURCES:
        if source not in ranges.averages:
            continue
        for rows in _wrong_rows(run, source, view, [] if frames else [metric]):
            if frames:
                codes = frames.of(metric, combined(rows["frame_order"]).to_numpy())
            else:
                codes = ranges.code_of(rows[metric])
            for row, code in zip(plain_rows(rows), codes.tolist(), strict=True):
                excess = ranges.rates[source].get(code, 0.0) - ranges.averages[source]
                if code >= 0 and excess > 0:
                    rank = (-excess, source, code)
                    further = {
                        "metric": metric,
                        "value": row.get(metric),
                        "rate": ranges.rates[source][code],
                        "rate_average": ranges.averages[source],
                    }
                    found.append((rank, _size_key(row, source), _object_row(row, source) | further))
            found = _first(found, limit)
    if frames:
        values = _values_of_frames(run, metric, [order for _, (_, order, _), _ in found])
        return [row | {"value": values[order]} for _, (_, order, _), row in found]
    return [row for *_, row in found]


def _codes_of_frames(run: Run, ranges: _Ranges) -> FrameCodes:
    """Which range every frame is in: 10 bytes of each are kept."""
    orders: list[Array] = [np.empty(0, np.int64)]
    codes: list[Array] = [np.empty(0, np.int16)]
    for batch in run.batches("frame", ["frame_order", ranges.metric]):
        orders.append(combined(batch["frame_order"]).to_numpy())
        codes.append(ranges.code_of(batch[ranges.metric]).astype(np.int16))
    order = np.concatenate(orders)
    ascending = np.argsort(order, kind="stable")
    return FrameCodes(order[ascending], {ranges.metric: np.concatenate(codes)[ascending]})


def _values_of_frames(run: Run, metric: str, frame_orders: list[int]) -> dict[int, Any]:
    wanted = np.unique(np.array(frame_orders, np.int64))
    values: dict[int, Any] = {}
    for batch in run.batches("frame", ["frame_order", metric], wanted):
        values |= {row["frame_order"]: row[metric] for row in plain_rows(batch)}
    return values


def _ranges_of(run: Run, metric: str, view: View) -> _Ranges:
    """Ten ranges of a metric, or its categories, with the share that goes wrong in each."""
    bins = sorted(rows_where(run, "metric_bin", metric=metric), key=lambda row: row["bin"])
    if not bins:
        raise unknown_metric(run, metric, others=(FRAME, ERROR_TYPE, *ERROR_TYPES))
    is_categorical = bins[0]["category"] is not None
    width = 1 if is_categorical else STORED_BINS // N_RANGES
    n_of: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows_in_view(run, "metric_performance", view, metric=metric, resolution=STORED_BINS):
        for source, n, wrong in (
            ("prediction", row["n_predictions"], (row["n_predictions"] or 0) - (row["n_true_positive"] or 0)),
            ("label", row["n_labels"], row["n_missed"]),
        ):
            if n:
                for key in ((source, row["bin"] // width), (source, -1)):
                    n_of[key][0] += n
                    n_of[key][1] += wrong
    rates: dict[str, dict[int, float]] = {source: {} for source in SOURCES}
    averages = {}
    for (source, code), (n, wrong) in n_of.items():
        if code < 0:
            averages[source] = wrong / n
        else:
            rates[source][code] = wrong / n
    is_of_frames = bool(rows_where(run, "metric_importance", metric=metric, level="frame"))
    if is_categorical:
        place = {row["category"]: row["bin_50"] for row in bins}
        return _Ranges(metric, is_of_frames, lambda own: _codes_of_text(own, place), rates, averages)
    upper = np.array([row["upper"] for row in bins])
    codes = np.array([row["bin_50"] // width for row in bins])
    return _Ranges(metric, is_of_frames, lambda own: _codes_of_numbers(own, upper, codes), rates, averages)


def _codes_of_text(values: pa.ChunkedArray, place: dict[str, int]) -> Array:
    named = [str(v).lower() if isinstance(v, bool) else v for v in values.to_pylist()]
    return np.array([place.get(v, place.get("other", -1)) if v is not None else -1 for v in named], np.int64)


def _codes_of_numbers(values: pa.ChunkedArray, upper: Array, code: Array) -> Array:
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    at = np.minimum(np.searchsorted(upper, numbers, side="left"), len(upper) - 1)
    return np.where(np.isnan(numbers), -1, code[at])


def _wrong_rows(run: Run, source: str, view: View, further: list[str] | None = None) -> Iterator[pa.Table]:
    """False positives or missed labels of the view, a stretch of the table at a time."""
    columns = [*_OBJECT, f"{source}_id", _LARGEST[source], *(further or [])]
    for batch in run.batches(source, list(dict.fromkeys(columns))):
        is_wrong = pc.fill_null(pc.equal(batch["outcome"].cast(pa.string()), _WRONG[source]), False)
        yield _of_class(batch.filter(is_wrong), view)


def _of_class(rows: pa.Table, view: View) -> pa.Table:
    if view.class_id is None:
        return rows
    return rows.filter(pc.equal(rows["class_id"].cast(pa.string()), view.class_id))


def _size_key(row: Row, source: str) -> tuple[float, int, int]:
    return -(row[_LARGEST[source]] or 0.0), row["frame_order"], row["input_index"]


def _object_row(row: Row, source: str) -> Row:
    found = {name: row.get(name) for name in OBJECT_COLUMNS}
    return found | {"source": source, "object_id": row[f"{source}_id"]}


def _first(found: list[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    return sorted(found, key=lambda each: each[:2])[:limit]
