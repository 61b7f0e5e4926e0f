"""Every option of an evaluation, and what follows from them."""

from __future__ import annotations

import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, field_validator, model_validator

from emqa_core.config.sections import (
    ClusterConfig,
    ColumnNames,
    ImagesConfig,
    Section,
    StorageConfig,
    option,
)
from emqa_core.schema import threshold_suffix

_FIRST, _LAST, _COUNT = 0.5, 0.95, 10
# numpy.linspace(.5, .95, 10) to the bit (its 0.9 is 0.8999999999999999) without importing NumPy.
COCO_IOU_THRESHOLDS = (
    *(_FIRST + index * ((_LAST - _FIRST) / (_COUNT - 1)) for index in range(_COUNT - 1)),
    _LAST,
)
COCO_AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 1024.0),
    "medium": (1024.0, 9216.0),
    "large": (9216.0, 1e10),
}
MAX_IOU_THRESHOLDS = 63  # one bit each in a word, and one for the chosen threshold
MAX_AREA_RANGES = 16
MATCH_EPSILON = 1e-10  # pycocotools matches at min(T, 1 - 1e-10)


class EvaluationConfig(Section):
    """Every option of an evaluation."""

    labels: str | None = option(
        None,
        "Labels: COCO JSON (.json, .json.gz), Parquet, CSV or JSON lines; file, folder or URL.",
        changes_results=False,  # the content is in the digest, the path is not
    )
    predictions: dict[str, str] = option(
        {}, "Predictions by model name: COCO results JSON, Parquet, CSV, JSON lines.", changes_results=False
    )
    frames: str | None = option(
        None, "Frame table, where the labels do not bring one.", changes_results=False
    )
    columns: ColumnNames = option(ColumnNames(), "What the sources call the columns.", changes_results=True)
    output: str | None = option(
        None, "Where the tables go: a folder or s3://, gs://, abfs://.", changes_results=False
    )
    report: bool = option(
        True, "Write each run's HTML page beside its tables, in the folder report.", changes_results=False
    )
    dataset: str | None = option(
        None, "Name of the data set; default: stem of the labels' file.", changes_results=True
    )
    run_date: datetime.date | None = option(
        None, "Night the run stands for; default: today, UTC.", changes_results=True
    )

    classes: tuple[str, ...] | None = option(
        None, "Classes to evaluate, by id or name; default: all.", changes_results=True
    )
    unlisted_classes: Literal["ignore", "quarantine", "evaluate"] = option(
        "ignore", "Predictions of classes that the labels do not list.", changes_results=True
    )
    absent_classes: Literal["exclude", "zero"] = option(
        "exclude", "Classes without labels: left out of means, or counted as 0.", changes_results=True
    )

    matching: Literal["coco", "best_iou"] = option("coco", "Matching protocol.", changes_results=True)
    iou_threshold: float = option(0.5, "The chosen IoU threshold T.", changes_results=True, ge=0, le=1)
    iou_thresholds: tuple[float, ...] = option(
        COCO_IOU_THRESHOLDS, "IoU thresholds that AP and AR average over.", changes_results=True
    )
    score_threshold: float = option(
        0.0, "Predictions below it are ignored in outcomes, not in AP.", changes_results=True
    )
    max_dets: tuple[int, ...] = option(
        (1, 10, 100), "Predictions per frame and class, ascending; the last bounds AP.", changes_results=True
    )
    area_ranges: dict[str, tuple[float, float]] = option(
        COCO_AREA_RANGES,
        "Area ranges in px², closed at both ends; `all` must be there.",
        changes_results=True,
    )

    error_types: bool = option(
        True, "Why each prediction is false and each label missed, at the chosen T.", changes_results=True
    )
    metrics: tuple[str, ...] = option(
        ("all",),
        "Quality metrics by name or group (`emqa metrics` lists both), or a function as `module:function`.",
        changes_results=True,
    )
    metric_errors: Literal["continue", "fail"] = option(
        "continue",
        "Where a function of the user's raises: go on with null, or fail the run.",
        changes_results=True,
    )
    images: ImagesConfig = option(
        ImagesConfig(), "Where the images lie, and how they are read.", changes_results=True
    )
    importance_target: Literal["outcome", "iou"] = option(
        "outcome", "What importance explains: the outcome, or IoU x true positive.", changes_results=True
    )
    resampling_unit: str = option(
        "frame", "`frame`, or a frame column that groups frames (sequence_id, camera).", changes_results=True
    )
    fine_bins: int = option(200, "Fine bins of a metric's axis.", changes_results=True, ge=50, le=2000)
    edges_from: str | None = option(
        None, "run_id whose bin edges are taken over; default: from this run's data.", changes_results=True
    )
    intervals: bool = option(
        True, "Intervals of AP, AR, F1, rates of classes, importance and correlation.", changes_results=True
    )
    slice_metrics: int = option(
        12,
        "Most important metrics whose bins and pairs are searched for the worst slices; 0: no search.",
        changes_results=True,
        ge=0,
        le=24,
    )
    nearest_neighbour: bool = option(
        False, "scikit-learn's nearest-neighbour mutual information beside importance.", changes_results=True
    )

    max_quarantine_share: float = option(
        0.01, "Share of bad rows of a source above which the run fails.", changes_results=False, ge=0, le=1
    )
    cluster: ClusterConfig = option(ClusterConfig(), "Where the work runs.", changes_results=False)
    storage: StorageConfig = option(StorageConfig(), "How object stores are reached.", changes_results=False)

    @field_validator("iou_thresholds")
    @classmethod
    def _thresholds_tell_apart(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values:
            raise ValueError("at least one IoU threshold")
        if len(values) > MAX_IOU_THRESHOLDS:
            raise ValueError(f"at most {MAX_IOU_THRESHOLDS} IoU thresholds")
        if any(not 0 <= value <= 1 for value in values):
            raise ValueError("IoU thresholds lie in 0..1")
        ordered = tuple(sorted(set(values)))
        suffixes = [threshold_suffix(value) for value in ordered]
        if len(set(suffixes)) < len(suffixes):
            raise ValueError("IoU thresholds must differ by at least 0.001")
        return ordered

    @field_validator("metrics")
    @classmethod
    def _metrics_are_named(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError("names of metrics or groups; `none` for no metrics")
        return values

    @field_validator("max_dets")
    @classmethod
    def _max_dets_ascend(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values or any(value < 1 for value in values) or list(values) != sorted(set(values)):
            raise ValueError("max_dets are ascending whole numbers from 1")
        return values

    @field_validator("area_ranges")
    @classmethod
    def _area_ranges_hold_all(cls, values: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if "all" not in values:
            raise ValueError("area_ranges must hold `all`")
        if len(values) > MAX_AREA_RANGES:
            raise ValueError(f"at most {MAX_AREA_RANGES} area ranges")
        for name, (low, high) in values.items():
            if not 0 <= low <= high:
                raise ValueError(f"area range {name}: 0 <= low <= high")
        # `all` is area index 0 in every array.
        return {"all": values["all"], **{k: v for k, v in values.items() if k != "all"}}

    @model_validator(mode="after")
    def _coco_has_no_zero_threshold(self) -> EvaluationConfig:
        if self.matching == "coco" and min(self.evaluated_iou_thresholds) <= 0:
            raise ValueError("IoU threshold 0 exists for matching: best_iou only; use one above 0")
        if any(not name or "/" in name or len(name) > 100 for name in self.predictions):
            raise ValueError("model names are 1 to 100 characters without /")
        return self

    @cached_property
    def evaluated_iou_thresholds(self) -> tuple[float, ...]:
        """`iou_thresholds` and the chosen one, ascending; the chosen one once, as the list writes it."""
        values = list(self.iou_thresholds)
        if threshold_suffix(self.iou_threshold) not in {threshold_suffix(v) for v in values}:
            values.append(self.iou_threshold)
        return tuple(sorted(values))

    @cached_property
    def chosen_threshold_index(self) -> int:
        """Index of the chosen IoU threshold in `evaluated_iou_thresholds`."""
        suffixes = [threshold_suffix(v) for v in self.evaluated_iou_thresholds]
        return suffixes.index(threshold_suffix(self.iou_threshold))

    @property
    def dataset_name(self) -> str:
        """The configured name, or the stem of the labels' file (`labels.json.gz` gives `labels`)."""
        if self.dataset:
            return self.dataset
        if self.labels is None:
            return "dataset"
        return PurePosixPath(self.labels.rstrip("/")).name.split(".")[0] or "dataset"

    def result_options(self) -> dict[str, Any]:
        """The options that change results, for the digest and the run's row."""
        return self.model_dump(mode="json", include=_changing_results(type(self)))


def _changing_results(section: type[BaseModel]) -> dict[str, Any]:
    """Names of a section's options that change results; of a section within, those of its own."""
    chosen: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or not extra["changes_results"]:
            continue
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            chosen[name] = _changing_results(inner)
        else:
            chosen[name] = True
    return chosen
