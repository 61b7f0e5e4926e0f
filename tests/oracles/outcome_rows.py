"""The fact tables of a run as rows of outcomes, one data frame per side: what all references start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from emqa_core import keys, schema

N_GROUPS = 20


@dataclass(frozen=True)
class OutcomeTables:
    """Rows of one run.

    prediction, label: a row per object with frame_id, class_id, group, unit, `ignored` (at the chosen
    IoU threshold, taken for all), right_<suffix> per threshold (true positive, or found), every
    metric of its own and every frame metric. frame: a row per frame, with group, unit, frame metrics.
    sides_of: metric -> the sides (`prediction`, `label`) on which it is defined; both for frame metrics.
    level_of: metric -> `frame` or `object`. classes: class ids in evaluation order. explains_iou:
    importance explains IoU x true positive, for objects at the chosen threshold.
    """

    prediction: pd.DataFrame
    label: pd.DataFrame
    frame: pd.DataFrame
    sides_of: dict[str, tuple[str, ...]]
    level_of: dict[str, str]
    classes: tuple[str, ...]
    iou_thresholds: tuple[float, ...]
    chosen: float
    explains_iou: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(sorted(self.sides_of))

    def side(self, name: str) -> pd.DataFrame:
        return self.prediction if name == "prediction" else self.label

    def targets_of(self, metric: str) -> tuple[tuple[str, str], ...]:
        """(level, target) pairs that metric_importance has for a metric."""
        if self.level_of[metric] == "frame":
            return (("frame", "prediction"), ("frame", "label"), ("frame", "frame"))
        return tuple((side, side) for side in self.sides_of[metric])


def outcome_tables(
    prediction: pd.DataFrame,
    label: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    classes: Sequence[str],
    iou_thresholds: Sequence[float],
    chosen: float,
    integer_frame_ids: bool,
    resampling_unit: str = "frame",
    explains_iou: bool = False,
) -> OutcomeTables:
    """From the three fact tables of a run.

    Frame ids are strings in the tables but hashed as what they were in the sources.
    """
    frame = frame.copy()
    ids = frame["frame_id"].astype(str)
    frame_ids = pa.array([int(i) for i in ids], pa.int64()) if integer_frame_ids else pa.array(list(ids))
    frame["frame_id"] = ids
    if resampling_unit == "frame":
        unit_hash = keys.hash_column(frame_ids)
    else:
        unit_hash = keys.hash_column(pa.array([str(unit) for unit in frame[resampling_unit]]))
    frame["unit"] = unit_hash
    frame["group"] = keys.group_of(unit_hash, N_GROUPS)

    frame_metrics = _metric_columns(frame.drop(columns=["unit", "group"]), schema.FRAME)
    sides = {}
    for name, table, declared in (
        ("prediction", prediction, schema.PREDICTION),
        ("label", label, schema.LABEL_TABLE),
    ):
        sides[name] = _metric_columns(table, declared)
        if set(sides[name]) & set(frame_metrics):
            raise ValueError(f"{name} and frame table share {set(sides[name]) & set(frame_metrics)}")
    of_frame = frame[["frame_id", "unit", "group", *frame_metrics]]
    sides_of = dict.fromkeys(frame_metrics, ("prediction", "label"))
    for metric in {*sides["prediction"], *sides["label"]}:
        sides_of[metric] = tuple(side for side in ("prediction", "label") if metric in sides[side])
    return OutcomeTables(
        _side(prediction, of_frame, iou_thresholds, schema.true_positive_column),
        _side(label, of_frame, iou_thresholds, schema.found_column),
        frame,
        sides_of,
        {metric: "frame" if metric in frame_metrics else "object" for metric in sides_of},
        tuple(classes),
        tuple(iou_thresholds),
        chosen,
        explains_iou,
    )


def right_column(iou_threshold: float) -> str:
    return f"right_{schema.threshold_suffix(iou_threshold)}"


def _metric_columns(table: pd.DataFrame, declared: schema.TableSchema) -> list[str]:
    known = {column.name for column in (*schema.COMMON, *declared.columns)}
    return [
        name
        for name in table.columns
        if name not in known and not name.startswith(("is_true_positive_", "is_found_"))
    ]


def _side(
    table: pd.DataFrame, of_frame: pd.DataFrame, iou_thresholds: Sequence[float], column
) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    rows = table.copy()
    rows["frame_id"] = rows["frame_id"].astype(str)
    rows["class_id"] = rows["class_id"].astype(str)
    rows["ignored"] = (rows["outcome"].astype(str) == "ignored").to_numpy(bool)
    for threshold in iou_thresholds:
        rows[right_column(threshold)] = rows[column(threshold)].to_numpy(bool) & ~rows["ignored"]
    return rows.merge(of_frame, on="frame_id", how="left", validate="many_to_one")
