"""The plan of a run: what is read, how the frames are cut, what it will be called. Computes nothing."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

import emqa_core
from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.errors import ConfigError, InputError
from emqa_core.ingest.columns import EMBEDDING
from emqa_core.objects import Array
from emqa_core.pipeline.fact_tables import RunIdentity
from emqa_core.pipeline.inputs import ParquetRows, Stretch
from emqa_core.pipeline.metric_results import MOST_METRICS
from emqa_core.pipeline.open_inputs import Inputs, InputTables, open_inputs
from emqa_core.pipeline.partitioning import (
    MOST_SNAPPED,
    SNAP_TO_SEQUENCE,
    RowDensity,
    are_rows_kept,
    check_memory,
    count_bytes,
    cut_frames,
    evaluate_bytes,
    is_scratch_held,
    pixel_bytes,
    reduce_bytes,
    relate_bytes,
    scratch_bytes,
)
from emqa_core.pipeline.progress import Progress, SilentProgress
from emqa_core.pixels.images import ImageRoot
from emqa_core.quality.availability import Offer, is_vector
from emqa_core.quality.chosen import ChosenMetrics
from emqa_core.quality.metric import LEVELS
from emqa_core.quality.registry import choose_metrics
from emqa_core.schema import SCHEMA_VERSION
from emqa_core.storage.commit import is_committed
from emqa_core.storage.location import Location
from emqa_core.storage.probe import reach_location

DIGEST_LENGTH = 10  # characters of the digest in a run_id


@dataclass(frozen=True)
class Plan:
    """Everything that is known before a row is evaluated.

    bounds (P + 1,) int64: partition p evaluates the frames bounds[p]:bounds[p + 1]. runs, digests: per
    model. committed: models whose digest is already in the output. projected_bytes: peak of a process.
    """

    config: EvaluationConfig
    inputs: Inputs
    classes: ClassList
    metrics: Mapping[str, ChosenMetrics]
    location: Location
    bounds: Array
    runs: Mapping[str, RunIdentity]
    digests: Mapping[str, str]
    committed: frozenset[str]
    projected_bytes: int
    started_at: datetime.datetime

    @cached_property
    def stretches(self) -> list[Stretch]:
        """The frames of each partition, in order."""
        return self.inputs.frames.stretches(self.bounds)

    @property
    def n_partitions(self) -> int:
        return len(self.bounds) - 1

    @property
    def pending(self) -> list[str]:
        """Models that are still to be evaluated."""
        return [model for model in self.runs if model not in self.committed]

    def describe(self) -> dict[str, object]:
        """What a dry run shows."""
        return {
            "output": str(self.location),
            "n_frames": self.inputs.frames.n_frames,
            "n_labels": self.inputs.labels.n_rows,
            "n_predictions": {m: source.n_rows for m, source in self.inputs.predictions.items()},
            "n_classes": len(self.classes),
            "n_metrics": {model: len(metrics) for model, metrics in self.metrics.items()},
            "n_partitions": self.n_partitions,
            "cluster": self.config.cluster.address,
            "projected_memory_mib": round(self.projected_bytes / 2**20),
            "memory_per_worker_mib": self.config.cluster.memory_per_worker_mib,
            "runs": {model: run.run_id for model, run in self.runs.items()},
            "already_complete": sorted(self.committed),
            "n_quarantined": {source: bad.num_rows for source, bad in self.inputs.quarantine.items()},
        }


def run_identity(config: EvaluationConfig, model: str, digest: str, run_date: datetime.date) -> RunIdentity:
    """run_id: date, model and the digest's first characters, safe as a folder's name."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.") or "model"
    return RunIdentity(
        f"{run_date.isoformat()}-{safe}-{digest[:DIGEST_LENGTH]}", run_date, model, config.dataset_name
    )


def digest_of(
    config: EvaluationConfig,
    run_date: datetime.date,
    model: str,
    contents: Mapping[str, str | None],
    metrics: ChosenMetrics,
) -> str:
    """SHA-256 over what changes results: options, inputs' content, metrics, users' functions, versions."""
    described = {
        "metrics": {metric.name: metric.levels for metric in metrics},
        "own": {metric.own: metric.digest for metric in metrics if metric.own is not None},
        "options": config.result_options(),
        "dataset": config.dataset_name,
        "run_date": run_date.isoformat(),
        "model": model,
        "contents": dict(contents),
        "schema_version": SCHEMA_VERSION,
        "code_version": emqa_core.__version__,
    }
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def offer_of(config: EvaluationConfig, inputs: Inputs, model: str) -> Offer:
    """What a model's data set brings for metrics."""
    return Offer(inputs.column_types(model), has_images=config.images.root is not None)


def check_images(config: EvaluationConfig, inputs: Inputs, location: Location) -> None:
    """Raise ConfigError for images that no frame names, InputError for a root that is not there."""
    root = config.images.root
    if root is None:
        return
    columns = inputs.frames.column_types().names
    if "image_uri" not in columns:
        raise ConfigError(
            "images.root is set, but the frames do not say which image is theirs",
            expected="a column image_uri (or file_name) in the frame table",
            found=", ".join(columns),
            next_step="add it, or name it with --set columns.frame.image_uri=NAME",
        )
    place = ImageRoot.of(root, location, allow_http=config.images.allow_http).location
    if place is not None and not (place.is_folder() if place.store == "file" else place.exists()):
        raise InputError(
            f"there are no images at {place.where}",
            expected="a folder, or a URL below which images lie",
            next_step="correct --images (images.root)",
        )


def cut(config: EvaluationConfig, inputs: Inputs, *, looks_at_pixels: bool = False) -> Array:
    """Bounds of the partitions, (P + 1,) int64. Frames of a video are decoded in order: it is cut rarely."""
    sources, n_frames = list(inputs.predictions.values()), inputs.frames.n_frames
    predictions = RowDensity.highest([source.density() for source in sources], n_frames)
    ends = [source.row_group_ends() for source in sources if isinstance(source, ParquetRows)]
    if looks_at_pixels and len(sequence_ends := inputs.frames.video_ends()):
        bounds = cut_frames(predictions, n_frames, config.cluster, sequence_ends, SNAP_TO_SEQUENCE)
        if np.diff(predictions.before(bounds)).max() <= MOST_SNAPPED * config.cluster.partition_predictions:
            return bounds
    ends_of_all = np.unique(np.concatenate(ends)) if ends else np.empty(0, np.int64)
    return cut_frames(predictions, n_frames, config.cluster, ends_of_all)


def project_memory(
    config: EvaluationConfig,
    inputs: Inputs,
    bounds: Array,
    n_metrics: int,
    n_classes: int,
    *,
    looks_at_pixels: bool = False,
    compares_vectors: bool = False,
) -> int:
    """Peak memory in bytes of the process that runs the largest task. Raises PlanError for a large partition.

    In this process what is held of the inputs and between stages comes on top.
    """
    labels = inputs.labels.in_partitions(bounds)
    predictions = [source.in_partitions(bounds) for source in inputs.predictions.values()]
    needed = evaluate_bytes(predictions, labels, n_metrics)
    if looks_at_pixels:
        n_of_all = labels.n_rows + np.sum([each.n_rows for each in predictions], axis=0)
        largest = min(inputs.frames.largest_px, config.images.max_pixels)
        needed = needed + pixel_bytes(n_of_all, largest)
    check_memory(bounds, needed, np.max([each.n_rows for each in predictions], axis=0), config.cluster)
    tasks_before = [relate_bytes(n, d) for n, d in vectors_of(inputs)] if compares_vectors else []
    n_predictions = max(source.n_rows for source in inputs.predictions.values())
    n_rows = inputs.labels.n_rows + n_predictions
    most_rows = max(float((each.n_rows + labels.n_rows).max()) for each in predictions)
    n_scratch = inputs.labels.n_rows + sum(source.n_rows for source in inputs.predictions.values())
    is_held = config.cluster.address == "none" and is_scratch_held(config.cluster, n_scratch, n_metrics)
    n_kept = n_scratch if is_held and are_rows_kept(config.cluster, n_scratch, n_metrics) else 0
    n_counted = min(n_metrics, MOST_METRICS)
    tasks = [
        float(needed.max()),
        count_bytes(n_rows, most_rows, n_counted, n_classes, n_kept) if n_metrics else 0.0,
        reduce_bytes(n_predictions, config.cluster, is_held=is_held),
        *tasks_before,
    ]
    held = 0.0
    if config.cluster.address == "none":
        held = inputs.labels.bytes_held + sum(source.bytes_held for source in inputs.predictions.values())
        if is_held:
            held += scratch_bytes(n_scratch, n_metrics)
    return int(max(tasks) + held)


def vectors_of(inputs: Inputs) -> list[tuple[int, int]]:
    """How many embeddings each source has at most, and their length; 1,024 where only reading them tells."""
    sources: list[tuple[int, pa.Schema]] = [
        (inputs.frames.n_frames, inputs.frames.column_types()),
        (inputs.labels.n_rows, inputs.labels.column_types()),
        *((source.n_rows, source.column_types()) for source in inputs.predictions.values()),
    ]
    return [
        (n, type_.list_size if pa.types.is_fixed_size_list(type_) else 1_024)
        for n, columns in sources
        if EMBEDDING in columns.names and is_vector(type_ := columns.field(EMBEDDING).type)
    ]


def plan_run(
    config: EvaluationConfig, progress: Progress | None = None, tables: InputTables | None = None
) -> Plan:
    """Open the inputs, name the runs, cut the frames and check the memory that it takes.

    tables: inputs in memory instead of `config.labels`, `config.predictions` and `config.frames`. Reads
    the output to see which runs exist, writes nothing. Raises ConfigError, InputError, QuarantineError,
    PlanError, StorageError.
    """
    started_at = datetime.datetime.now(datetime.UTC)
    if config.output is None:
        raise ConfigError("no output is set", next_step="give --output, a folder or s3://bucket/path")
    progress = progress or SilentProgress()
    location = Location.of(config.output, config.storage)
    reach_location(location)
    progress.start("read", 1)
    inputs = open_inputs(config, tables)
    progress.finish("read")
    config = config.model_copy(update={"cluster": inputs.cluster})
    classes = inputs.listed if config.classes is None else inputs.listed.select(config.classes)
    check_images(config, inputs, location)
    if config.images.root is not None:
        # However the folder was written: it is in the digest, and another way to write it is no other run.
        root = ImageRoot.of(config.images.root, location, allow_http=config.images.allow_http)
        images = config.images.model_copy(update={"root": root.url})
        config = config.model_copy(update={"images": images})
    metrics = {
        model: choose_metrics(config.metrics, offer_of(config, inputs, model)) for model in inputs.predictions
    }
    run_date = config.run_date or started_at.date()
    digests = {
        model: digest_of(config, run_date, model, inputs.contents_for(model), metrics[model])
        for model in inputs.predictions
    }
    runs = {model: run_identity(config, model, digest, run_date) for model, digest in digests.items()}
    n_metrics = max(map(len, metrics.values()), default=0)
    looks_at_pixels = any(chosen.need("pixels", level) for chosen in metrics.values() for level in LEVELS)
    bounds = cut(config, inputs, looks_at_pixels=looks_at_pixels)
    compares_vectors = any(
        chosen.need("embeddings", level) for chosen in metrics.values() for level in LEVELS
    )
    projected = project_memory(
        config,
        inputs,
        bounds,
        n_metrics,
        len(classes),
        looks_at_pixels=looks_at_pixels,
        compares_vectors=compares_vectors,
    )
    committed = frozenset(model for model, run in runs.items() if is_committed(location, run.run_id))
    if inputs.why_there is not None and len(committed) < len(runs):
        progress.note(inputs.why_there)
    return Plan(
        config, inputs, classes, metrics, location, bounds, runs, digests, committed, projected, started_at
    )
