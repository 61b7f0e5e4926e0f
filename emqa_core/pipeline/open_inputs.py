"""Open the sources of a run: files by URL, or tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.classes import ClassList
from emqa_core.combined import combined
from emqa_core.config import ClusterConfig, EvaluationConfig
from emqa_core.errors import ConfigError
from emqa_core.ingest.files import Files, format_of, list_files
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import check_quarantine_share
from emqa_core.ingest.source import (
    FrameInput,
    frames_from_frame,
    labels_from_frame,
    predictions_from_frame,
    read_frames,
    read_labels,
    read_predictions,
)
from emqa_core.pipeline.choose_cluster import choose_cluster
from emqa_core.pipeline.frame_rows import FrameRows, HeldFrames
from emqa_core.pipeline.inputs import RowSource
from emqa_core.pipeline.opened_source import OpenedSource
from emqa_core.pipeline.reused_memory import reused_memory
from emqa_core.pipeline.stored_frames import StoredFrames
from emqa_core.quality.availability import Offer
from emqa_core.quality.metric import Level
from emqa_core.storage.location import FileAccess


@dataclass(frozen=True)
class InputTables:
    """Inputs given in memory instead of by path."""

    labels: Any = None
    predictions: Mapping[str, Any] = field(default_factory=dict)
    frames: Any = None
    given_paths: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: Any, predictions: Any, frames: Any) -> InputTables:
        """Tables apart from paths; one table or path of predictions is the model `model`."""
        paths: dict[str, Any] = {}
        if isinstance(labels, str):
            paths["labels"], labels = labels, None
        if isinstance(frames, str):
            paths["frames"], frames = frames, None
        if predictions is None:
            predictions = {}
        elif isinstance(predictions, str) or not isinstance(predictions, Mapping):
            predictions = {"model": predictions}
        by_path = {name: value for name, value in predictions.items() if isinstance(value, str)}
        if by_path:
            paths["predictions"] = by_path
        held = {name: value for name, value in predictions.items() if name not in by_path}
        return cls(labels, held, frames, paths)

    def paths(self) -> dict[str, Any]:
        """The paths among what was given, as options."""
        return dict(self.given_paths)


@dataclass(frozen=True)
class OpenedFrames:
    """The frames, and what was found on the way to them."""

    rows: FrameRows
    quarantine: pa.Table
    n_rows: int
    digest: str
    bytes_read: int

    @classmethod
    def held(cls, read: FrameInput) -> OpenedFrames:
        return cls(HeldFrames.of(read.frame), read.quarantine, read.n_rows, read.digest, read.bytes_read)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run.

    frames: the good frames in frame order. labels, predictions: sources of rows. listed: the classes that
    the label set lists. quarantine, n_rows, contents: bad rows found so far, rows (bad ones too) and digest
    of the content of each source, by `frame`, `label` and `prediction:MODEL`. cluster: where the run runs;
    why_there: the reason, where that was to be decided.
    """

    frames: FrameRows
    labels: RowSource
    predictions: Mapping[str, RowSource]
    listed: ClassList
    quarantine: Mapping[str, pa.Table]
    n_rows: Mapping[str, int]
    contents: Mapping[str, str]
    bytes_read: int
    cluster: ClusterConfig
    why_there: str | None

    def contents_for(self, model: str) -> dict[str, str]:
        """Digests of what a model's run depends on."""
        return {
            key: digest
            for key, digest in self.contents.items()
            if not key.startswith("prediction:") or key == f"prediction:{model}"
        }

    def column_types(self, model: str) -> dict[Level, pa.Schema]:
        """The columns of the tables that a model's run reads."""
        return {
            "frame": self.frames.column_types(),
            "label": self.labels.column_types(),
            "prediction": self.predictions[model].column_types(),
        }


@reused_memory()
def open_inputs(config: EvaluationConfig, tables: InputTables | None = None) -> Inputs:
    """Open labels, predictions and frames, and bring frames and classes in order.

    Raises ConfigError for a source that is not given, InputError for one that cannot be read,
    QuarantineError for one with too many bad rows.
    """
    tables = tables or InputTables()
    files = FileAccess(config.storage)
    labels, label_frames, listed = _open_labels(config, tables, files)
    predictions = _open_predictions(config, tables, files)
    frames = _open_frames(config, tables, files, label_frames, [labels, *predictions.values()])
    _check_resampling_unit(config, frames.rows.column_types().names)
    check_quarantine_share(
        frames.quarantine.num_rows, frames.n_rows, "frames", config.max_quarantine_share, frames.quarantine
    )
    cluster, why_there = choose_cluster(
        config.cluster,
        sum(source.n_rows for source in predictions.values()),
        max(source.unclustered_bytes(frames.rows) for source in (labels, *predictions.values())),
    )
    config = config.model_copy(update={"cluster": cluster})
    label_rows = labels.rows(frames.rows, config)
    prediction_rows = {model: source.rows(frames.rows, config) for model, source in predictions.items()}
    class_pairs = labels.classes() if listed is None else listed  # rows that are held now are not read again
    if config.unlisted_classes == "evaluate":
        for source in predictions.values():
            class_pairs = [*class_pairs, *source.classes()]
    sources = {labels.key: labels, **{source.key: source for source in predictions.values()}}
    return Inputs(
        frames.rows,
        label_rows,
        prediction_rows,
        ClassList.of(class_pairs),
        {"frame": frames.quarantine, **{key: source.quarantine for key, source in sources.items()}},
        {"frame": frames.n_rows, **{key: source.n_rows for key, source in sources.items()}},
        {"frame": frames.digest, **{key: source.digest for key, source in sources.items()}},
        frames.bytes_read + sum(source.bytes_read for source in sources.values()),
        cluster,
        why_there,
    )


def open_offer(config: EvaluationConfig) -> Offer:
    """What a data set brings for metrics; predictions may be left out, of several models the first counts.

    Raises as `open_inputs`.
    """
    files = FileAccess(config.storage)
    labels, label_frames, _ = _open_labels(config, InputTables(), files)
    predictions = _open_predictions(config, InputTables(), files) if config.predictions else {}
    sources = [labels, *predictions.values()]
    frames = _open_frames(config, InputTables(), files, label_frames, sources)
    columns: dict[Level, pa.Schema] = {
        "frame": frames.rows.column_types(),
        "label": labels.column_types(),
    }
    if predictions:
        columns["prediction"] = next(iter(predictions.values())).column_types()
    return Offer(columns, config.images.root is not None, bool(predictions))


def _open_labels(
    config: EvaluationConfig, tables: InputTables, files: Files
) -> tuple[OpenedSource, FrameInput | None, list[tuple[int | str, str]] | None]:
    """The labels, and of a file that lists them the frames and classes."""
    if tables.labels is None and config.labels is None:
        raise ConfigError("no labels are set", next_step="give --labels, or `labels` in the configuration")
    if tables.labels is None and config.labels is not None and _is_parquet(config.labels, files):
        source = ParquetSource.open(config.labels, "label", config.columns.label, files)
        opened = OpenedSource.of_parquet(source, "label", "label", f"labels {config.labels}")
        return opened, None, None
    if tables.labels is not None:
        read = labels_from_frame(tables.labels, config)
    else:
        assert config.labels is not None
        read = read_labels(config.labels, config, files)
    by_source = read.quarantine["source"].cast(pa.string())
    label_bad = read.quarantine.filter(pc.equal(by_source, "label"))
    frames = None
    if read.frame is not None:
        frame_bad = read.quarantine.filter(pc.equal(by_source, "frame"))
        frames = FrameInput(read.frame, frame_bad, read.n_rows["frame"], read.digest, 0)
    opened = OpenedSource(
        "label",
        "label",
        "labels",
        read.label,
        None,
        label_bad,
        read.n_rows["label"],
        read.digest,
        read.bytes_read,
    )
    return opened, frames, list(read.classes)


def _open_predictions(config: EvaluationConfig, tables: InputTables, files: Files) -> dict[str, OpenedSource]:
    if not tables.predictions and not config.predictions:
        raise ConfigError(
            "no predictions are set", next_step="give --predictions, or `predictions` in the configuration"
        )
    opened = {}
    for model, url in config.predictions.items():
        key, name = f"prediction:{model}", f"predictions of model {model}"
        if _is_parquet(url, files):
            source = ParquetSource.open(url, "prediction", config.columns.prediction, files)
            opened[model] = OpenedSource.of_parquet(source, "prediction", key, name)
            continue
        read = read_predictions(url, config, files)
        opened[model] = OpenedSource(
            "prediction", key, name, read.prediction, None, read.quarantine, read.n_rows, read.digest,
            read.bytes_read,
        )  # fmt: skip
    for model, table in tables.predictions.items():
        read = predictions_from_frame(table, config)
        opened[model] = OpenedSource(
            "prediction", f"prediction:{model}", f"predictions of model {model}", read.prediction, None,
            read.quarantine, read.n_rows, read.digest, read.bytes_read,
        )  # fmt: skip
    return opened


def _open_frames(
    config: EvaluationConfig,
    tables: InputTables,
    files: Files,
    of_labels: FrameInput | None,
    sources: list[OpenedSource],
) -> OpenedFrames:
    """The frame table given, else the one that the labels bring, else the frames that the objects name."""
    if tables.frames is not None:
        return OpenedFrames.held(frames_from_frame(tables.frames, config))
    if config.frames is not None:
        if _is_parquet(config.frames, files):
            source = ParquetSource.open(config.frames, "frame", config.columns.frame, files)
            if (stored := StoredFrames.of(source)) is not None:
                return OpenedFrames(*stored, source.n_rows, source.digest, source.n_bytes_stored)
        return OpenedFrames.held(read_frames(config.frames, config, files))
    if of_labels is not None:
        return OpenedFrames.held(of_labels)
    ids = [source.frame_ids() for source in sources]
    types = {str(each.type) for each in ids if len(each)}
    if len(types) > 1:
        ids = [each.cast(pa.string()) for each in ids]
    filled = [each for each in ids if len(each)] or ids[:1]
    named = pc.unique(pa.concat_arrays([combined(each) for each in filled]))
    return OpenedFrames.held(frames_from_frame(pa.table({"frame_id": named.sort()}), config))


def _is_parquet(url: str, files: Files) -> bool:
    return format_of(list_files(url, files)[0]) == "parquet"


def _check_resampling_unit(config: EvaluationConfig, columns: list[str]) -> None:
    unit = config.resampling_unit
    if unit != "frame" and unit not in columns:
        raise ConfigError(
            f"resampling_unit {unit!r} is not a column of the frames",
            expected=f"frame, or one of {', '.join(columns)}",
        )
