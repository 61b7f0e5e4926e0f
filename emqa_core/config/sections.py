"""Sections of the configuration: columns, cluster, storage, images."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


def option(default: Any, description: str, *, changes_results: bool, **constraints: Any) -> Any:
    """A field that says whether it changes results."""
    return Field(
        default,
        description=description,
        json_schema_extra={"changes_results": changes_results},
        **constraints,
    )


class Section(BaseModel):
    """A frozen group of options; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColumnNames(Section):
    """What the sources call the columns: canonical name -> name in the source."""

    frame: dict[str, str] = option({}, "Columns of the frame table.", changes_results=True)
    label: dict[str, str] = option({}, "Columns of the label table.", changes_results=True)
    prediction: dict[str, str] = option({}, "Columns of the prediction table.", changes_results=True)


class ClusterConfig(Section):
    """Where the work runs and how much memory each worker may use."""

    address: str = option(
        "auto",
        "`none`: in this process; `local`: a Dask cluster on this machine; tcp:// or tls://: a scheduler;"
        " `auto`: `none` or `local`, by size.",
        changes_results=False,
    )
    workers: int | None = option(
        None,
        "Workers of a local cluster; default: as many as cores and memory allow.",
        changes_results=False,
        ge=1,
    )
    local_from_predictions: int = option(
        5_000_000, "Predictions from which `auto` means `local`.", changes_results=False, ge=0
    )
    memory_per_worker_mib: int = option(
        4096, "Memory each task may count on, in MiB.", changes_results=False, ge=256
    )
    partition_predictions: int = option(
        500_000, "Predictions per partition, at most; frames stay whole.", changes_results=False, ge=1
    )
    partitions: int | None = option(
        None, "Exact number of partitions instead (as far as there are frames).", changes_results=False, ge=1
    )
    reduce_predictions: int = option(
        1_000_000,
        "Predictions per task of the reduce, at most; classes and scores of any share are cut.",
        changes_results=False,
        ge=1,
        le=2**31,
    )
    timeout_s: float = option(
        60.0, "Time a scheduler may take to answer, and be without workers.", changes_results=False, gt=0
    )
    hold_below_mib: int = option(
        512,
        "Unclustered Parquet up to this size is sorted by the driver; larger is shuffled by the cluster.",
        changes_results=False,
        ge=0,
    )
    tls_ca_file: str | None = option(None, "CA certificate for tls://.", changes_results=False)
    tls_cert_file: str | None = option(None, "Client certificate for tls://.", changes_results=False)
    tls_key_file: str | None = option(None, "Client key for tls://.", changes_results=False)


class StorageConfig(Section):
    """How object stores are reached. Credentials come from the environment, never from here."""

    endpoint_url: str | None = option(
        None, "Endpoint of an S3-compatible store; default: AWS_ENDPOINT_URL.", changes_results=False
    )
    region: str | None = option(None, "Region; default: AWS_REGION, else us-east-1.", changes_results=False)
    allow_http: bool = option(False, "Allow an http:// endpoint.", changes_results=False)
    ca_file: str | None = option(None, "CA bundle of the store's certificate.", changes_results=False)
    timeout_s: float = option(
        60.0, "Time a request may take, its repetitions included, in seconds.", changes_results=False, gt=0
    )
    lease_s: float = option(
        30.0,
        "A process that is silent for so many seconds has lost its run to one that waits for it.",
        changes_results=False,
        gt=0,
    )


class ImagesConfig(Section):
    """Where the images of the frames lie, and how they are read."""

    root: str | None = option(
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

    exif_orientation: Literal["auto", "apply", "ignore"] = option(
        "auto",
        "`apply`: turned as EXIF says; `ignore`: as stored; `auto`: turned, unless only the stored size is"
        " the frame's.",
        changes_results=True,
    )
    max_pixels: int = option(
        50_000_000, "Images of more pixels are not decoded.", changes_results=True, ge=1, le=170_000_000
    )
    allow_http: bool = option(False, "Allow a root of http:// or https://.", changes_results=False)
    cache: bool = option(
        True, "Keep pixel statistics beside the output: an image is measured once.", changes_results=False
    )
