"""One frozen value with every option, read once.

Each option says whether it `changes_results`: those that do are part of the run's digest, those that
do not (cluster, output, storage) may differ between two runs of the same night. `configs/default.yaml`
and the JSON schema are printed from this file.
"""

from __future__ import annotations

import datetime
import difflib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from emqa_core.errors import ConfigError
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


def _option(default: Any, description: str, *, changes_results: bool, **constraints: Any) -> Any:
    return Field(
        default,
        description=description,
        json_schema_extra={"changes_results": changes_results},
        **constraints,
    )


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColumnNames(_Section):
    """What the sources call the columns: canonical name -> name in the source."""

    frame: dict[str, str] = _option({}, "Columns of the frame table.", changes_results=True)
    label: dict[str, str] = _option({}, "Columns of the label table.", changes_results=True)
    prediction: dict[str, str] = _option({}, "Columns of the prediction table.", changes_results=True)


class ClusterConfig(_Section):
    """Where the work runs and how much memory each worker may use."""

    address: str = _option(
        "auto",
        "`none`: in this process; `local`: a Dask cluster on this machine; tcp:// or tls://: a scheduler;"
        " `auto`: `none` or `local`, by size.",
        changes_results=False,
    )
    workers: int | None = _option(
        None,
        "Workers of a local cluster; default: as many as cores and memory allow.",
        changes_results=False,
        ge=1,
    )
    local_from_predictions: int = _option(
        5_000_000, "Predictions from which `auto` means `local`.", changes_results=False, ge=0
    )
    memory_per_worker_mib: int = _option(
        4096, "Memory each task may count on, in MiB.", changes_results=False, ge=256
    )
    partition_predictions: int = _option(
        500_000, "Predictions per partition, at most; frames stay whole.", changes_results=False, ge=1
    )
    partitions: int | None = _option(
        None, "Exact number of partitions instead (as far as there are frames).", changes_results=False, ge=1
    )
    reduce_predictions: int = _option(
        1_000_000,
        "Predictions per task of the reduce, at most; classes and scores of any share are cut.",
        changes_results=False,
        ge=1,
        le=2**31,
    )
    timeout_s: float = _option(
        60.0, "Time a scheduler may take to answer, and be without workers.", changes_results=False, gt=0
    )
    hold_below_mib: int = _option(
        512,
        "Unclustered Parquet up to this size is sorted by the driver; larger is shuffled by the cluster.",
        changes_results=False,
        ge=0,
    )
    tls_ca_file: str | None = _option(None, "CA certificate for tls://.", changes_results=False)
    tls_cert_file: str | None = _option(None, "Client certificate for tls://.", changes_results=False)
    tls_key_file: str | None = _option(None, "Client key for tls://.", changes_results=False)


class StorageConfig(_Section):
    """How object stores are reached. Credentials come from the environment, never from here."""

    endpoint_url: str | None = _option(
        None, "Endpoint of an S3-compatible store; default: AWS_ENDPOINT_URL.", changes_results=False
    )
    region: str | None = _option(None, "Region; default: AWS_REGION, else us-east-1.", changes_results=False)
    allow_http: bool = _option(False, "Allow an http:// endpoint.", changes_results=False)
    ca_file: str | None = _option(None, "CA bundle of the store's certificate.", changes_results=False)
    timeout_s: float = _option(
        60.0, "Time a request may take, its repetitions included, in seconds.", changes_results=False, gt=0
    )
    lease_s: float = _option(
        30.0,
        "A process that is silent for so many seconds has lost its run to one that waits for it.",
        changes_results=False,
        gt=0,
    )


class ImagesConfig(_Section):
    """Where the images of the frames lie, and how they are read."""

    root: str | None = _option(
        None,
        "Folder or URL under which the frames' image_uri lie; without one there are no pixel metrics.",
        changes_results=True,
    )

    @field_validator("root")
    @classmethod
    def _root_is_named(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("a folder or URL; leave it out for no images")
        return value

    exif_orientation: Literal["auto", "apply", "ignore"] = _option(
        "auto",
        "`apply`: turned as EXIF says; `ignore`: as stored; `auto`: turned, unless only the stored size is"
        " the frame's.",
        changes_results=True,
    )
    max_pixels: int = _option(
        50_000_000, "Images of more pixels are not decoded.", changes_results=True, ge=1, le=170_000_000
    )
    allow_http: bool = _option(False, "Allow a root of http:// or https://.", changes_results=False)
    cache: bool = _option(
        True, "Keep pixel statistics beside the output: an image is measured once.", changes_results=False
    )


class EvaluationConfig(_Section):
    """Every option of an evaluation."""

    labels: str | None = _option(
        None,
        "Labels: COCO JSON (.json, .json.gz), Parquet, CSV or JSON lines; file, folder or URL.",
        changes_results=False,  # the content is in the digest, the path is not
    )
    predictions: dict[str, str] = _option(
        {}, "Predictions by model name: COCO results JSON, Parquet, CSV, JSON lines.", changes_results=False
    )
    frames: str | None = _option(
        None, "Frame table, where the labels do not bring one.", changes_results=False
    )
    columns: ColumnNames = _option(ColumnNames(), "What the sources call the columns.", changes_results=True)
    output: str | None = _option(
        None, "Where the tables go: a folder or s3://, gs://, abfs://.", changes_results=False
    )
    report: bool = _option(
        True, "Write each run's HTML page beside its tables, in the folder report.", changes_results=False
    )
    dataset: str | None = _option(
        None, "Name of the data set; default: stem of the labels' file.", changes_results=True
    )
    run_date: datetime.date | None = _option(
        None, "Night the run stands for; default: today, UTC.", changes_results=True
    )

    classes: tuple[str, ...] | None = _option(
        None, "Classes to evaluate, by id or name; default: all.", changes_results=True
    )
    unlisted_classes: Literal["ignore", "quarantine", "evaluate"] = _option(
        "ignore", "Predictions of classes that the labels do not list.", changes_results=True
    )
    absent_classes: Literal["exclude", "zero"] = _option(
        "exclude", "Classes without labels: left out of means, or counted as 0.", changes_results=True
    )

    matching: Literal["coco", "best_iou"] = _option("coco", "Matching protocol.", changes_results=True)
    iou_threshold: float = _option(0.5, "The chosen IoU threshold T.", changes_results=True, ge=0, le=1)
    iou_thresholds: tuple[float, ...] = _option(
        COCO_IOU_THRESHOLDS, "IoU thresholds that AP and AR average over.", changes_results=True
    )
    score_threshold: float = _option(
        0.0, "Predictions below it are ignored in outcomes, not in AP.", changes_results=True
    )
    max_dets: tuple[int, ...] = _option(
        (1, 10, 100), "Predictions per frame and class, ascending; the last bounds AP.", changes_results=True
    )
    area_ranges: dict[str, tuple[float, float]] = _option(
        COCO_AREA_RANGES,
        "Area ranges in px², closed at both ends; `all` must be there.",
        changes_results=True,
    )

    error_types: bool = _option(
        True, "Why each prediction is false and each label missed, at the chosen T.", changes_results=True
    )
    metrics: tuple[str, ...] = _option(
        ("all",),
        "Quality metrics by name or group (`emqa metrics` lists both), or a function as `module:function`.",
        changes_results=True,
    )
    metric_errors: Literal["continue", "fail"] = _option(
        "continue",
        "Where a function of the user's raises: go on with null, or fail the run.",
        changes_results=True,
    )
    images: ImagesConfig = _option(
        ImagesConfig(), "Where the images lie, and how they are read.", changes_results=True
    )
    importance_target: Literal["outcome", "iou"] = _option(
        "outcome", "What importance explains: the outcome, or IoU x true positive.", changes_results=True
    )
    resampling_unit: str = _option(
        "frame", "`frame`, or a frame column that groups frames (sequence_id, camera).", changes_results=True
    )
    fine_bins: int = _option(200, "Fine bins of a metric's axis.", changes_results=True, ge=50, le=2000)
    edges_from: str | None = _option(
        None, "run_id whose bin edges are taken over; default: from this run's data.", changes_results=True
    )
    intervals: bool = _option(
        True, "Jackknife intervals of AP, importance and correlation.", changes_results=True
    )
    slice_metrics: int = _option(
        12,
        "Most important metrics whose bins and pairs are searched for the worst slices; 0: no search.",
        changes_results=True,
        ge=0,
        le=24,
    )
    nearest_neighbour: bool = _option(
        False, "scikit-learn's nearest-neighbour mutual information beside importance.", changes_results=True
    )

    max_quarantine_share: float = _option(
        0.01, "Share of bad rows of a source above which the run fails.", changes_results=False, ge=0, le=1
    )
    cluster: ClusterConfig = _option(ClusterConfig(), "Where the work runs.", changes_results=False)
    storage: StorageConfig = _option(StorageConfig(), "How object stores are reached.", changes_results=False)

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
        if isinstance(inner, type) and issubclass(inner, _Section):
            chosen[name] = _changing_results(inner)
        else:
            chosen[name] = True
    return chosen


def config_from(values: Mapping[str, Any]) -> EvaluationConfig:
    """Validate options. Raises ConfigError naming the option, what was expected and found."""
    try:
        return EvaluationConfig.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(error) from None


def read_config(
    text: str | None, source: str, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> EvaluationConfig:
    """Options from a YAML text, then `options`, then `key=value` overrides, the later ones winning.

    `source` names the text in errors. Dotted keys reach into sections: `cluster.workers=4`.
    """
    values: dict[str, Any] = {}
    if text is not None:
        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{source} is not valid YAML", found=str(error)) from None
        if loaded is not None and not isinstance(loaded, dict):
            raise ConfigError(f"{source} must be a mapping of options", found=type(loaded).__name__)
        values = dict(loaded or {})
    _merge(values, options or {})
    for override in overrides:
        key, equals, raw = override.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set {override!r} is not key=value", next_step="write --set iou_threshold=0.6"
            )
        try:
            value = yaml.safe_load(raw) if raw else None
        except yaml.YAMLError:
            value = raw
        nested: dict[str, Any] = {}
        target = nested
        *sections, last = key.split(".")
        for section in sections:
            target = target.setdefault(section, {})
        target[last] = value
        _merge(values, nested)
    return config_from(values)


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        present = into.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(present, Mapping)
            and key in ("cluster", "storage", "columns", "images")
        ):
            merged = dict(present)
            _merge(merged, value)
            into[key] = merged
        else:
            into[key] = value


def _explain(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        sections: dict[str, type[BaseModel]] = {
            "cluster": ClusterConfig,
            "storage": StorageConfig,
            "columns": ColumnNames,
            "images": ImagesConfig,
        }
        section = sections[str(first["loc"][0])] if len(first["loc"]) > 1 else EvaluationConfig
        near = difflib.get_close_matches(str(first["loc"][-1]), section.model_fields, n=1)
        return ConfigError(
            f"unknown option {key!r}",
            next_step=f"did you mean {near[0]!r}?" if near else "see `emqa config` for all options",
        )
    message = str(first["msg"]).removeprefix("Value error, ")
    return ConfigError(
        f"option {key!r}" if key else "the configuration",
        expected=message if message[1:2].isupper() else message[:1].lower() + message[1:],
        found=_short(first.get("input")) if key else None,
        next_step="see `emqa config --schema`",
    )


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
