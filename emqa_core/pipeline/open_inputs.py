"""Open the sources of a run: files by URL, or tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.classes import ClassList
from emqa_core.config import EvaluationConfig
from emqa_core.errors import ConfigError, InputError, PlanError
from emqa_core.ingest.class_columns import classes_of
from emqa_core.ingest.columns import Kind
from emqa_core.ingest.files import Files, format_of, list_files
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import check_quarantine_share, combine_quarantine, empty_quarantine
from emqa_core.ingest.source import (
    FrameInput,
    frames_from_frame,
    labels_from_frame,
    predictions_from_frame,
    read_frames,
    read_labels,
    read_predictions,
)
from emqa_core.ingest.validate import validate_labels, validate_predictions
from emqa_core.pipeline.inputs import HeldRows, ParquetRows, RowSource, UnclusteredRows
from emqa_core.pipeline.rows import combined
from emqa_core.quality.registry import Level
from emqa_core.storage.location import FileAccess

_HELD_FACTOR = 3  # rows held, the copy that sorting makes, and the arrays made from them

_VALIDATE = {"label": validate_labels, "prediction": validate_predictions}


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
class Inputs:
    """The inputs of a run.

    frames: the frame table in frame order. labels, predictions: sources of rows. listed: the classes that
    the label set lists. quarantine, n_rows, contents: bad rows found so far, rows (bad ones too) and digest
    of the content of each source, by `frame`, `label` and `prediction:MODEL`.
    """

    frames: pa.Table
    labels: RowSource
    predictions: Mapping[str, RowSource]
    listed: ClassList
    quarantine: Mapping[str, pa.Table]
    n_rows: Mapping[str, int]
    contents: Mapping[str, str]
    bytes_read: int

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
            "frame": self.frames.schema,
            "label": self.labels.column_types(),
            "prediction": self.predictions[model].column_types(),
        }


@dataclass
class _Opened:
    """One source of objects: read, or known by its footers."""

    kind: Kind
    key: str
    name: str
    table: pa.Table | None
    parquet: ParquetSource | None
    quarantine: pa.Table
    n_rows: int
    digest: str
    bytes_read: int

    def frame_ids(self) -> pa.Array:
        """Distinct frame ids of the rows."""
        if self.table is not None:
            column = self.table["frame_id"]
        else:
            assert self.parquet is not None
            column = self.parquet.read(columns=["frame_id"])["frame_id"]
        return pc.unique(column).drop_null()

    def rows(self, frame_ids: pa.Array, config: EvaluationConfig) -> RowSource:
        """The source, cut by frame. Held rows are checked here; those of Parquet when they are read."""
        if self.parquet is not None:
            if self._stays_on_storage(frame_ids):
                return ParquetRows(self.parquet, frame_ids)
            if self._is_shuffled(config):
                return UnclusteredRows(self.parquet, frame_ids)
            self.table = self.parquet.read()
        assert self.table is not None
        table, bad = _VALIDATE[self.kind](_with_ids_of(self.table, frame_ids.type, self.name), frame_ids)
        self.quarantine = combine_quarantine([self.quarantine, bad])
        check_quarantine_share(
            self.quarantine.num_rows, self.n_rows, self.name, config.max_quarantine_share, self.quarantine
        )
        return HeldRows.of(table, frame_ids)

    def _is_shuffled(self, config: EvaluationConfig) -> bool:
        """Whether the cluster brings the rows together.

        Raises PlanError where there is none and the rows are too many for this process.
        """
        assert self.parquet is not None
        size = sum(group.n_bytes for group in self.parquet.row_groups)
        if config.cluster.address != "none":
            return size > config.cluster.hold_below_mib << 20
        promised, needed = config.cluster.memory_per_worker_mib << 20, size * _HELD_FACTOR
        if needed > promised:
            raise PlanError(
                f"{self.name} are not clustered by frame and need about {needed / 2**30:.1f} GiB",
                expected=f"at most {promised / 2**30:.1f} GiB, what a worker has",
                next_step="sort the files by frame_id, or run on a cluster, which shuffles them",
            )
        return False

    def _stays_on_storage(self, frame_ids: pa.Array) -> bool:
        """Whether partitions are stretches of the row groups: both ascend by frame id."""
        assert self.parquet is not None
        if not self.parquet.is_clustered or self.parquet.schema.field("frame_id").type != frame_ids.type:
            return False
        ids = frame_ids.to_numpy(zero_copy_only=False)
        return bool(np.all(ids[1:] > ids[:-1]))


def open_inputs(config: EvaluationConfig, tables: InputTables | None = None) -> Inputs:
    """Open labels, predictions and frames, and bring frames and classes in order.

    Raises ConfigError for a source that is not given, InputError for one that cannot be read,
    QuarantineError for one with too many bad rows.
    """
    tables = tables or InputTables()
    files = FileAccess(config.storage)
    labels, label_frames, class_pairs = _open_labels(config, tables, files)
    predictions = _open_predictions(config, tables, files)
    frames = _open_frames(config, tables, files, label_frames, [labels, *predictions.values()])
    frames = replace(frames, frame=_in_frame_order(frames.frame))
    frame_ids = combined(frames.frame["frame_id"])
    _check_resampling_unit(config, frames.frame)
    check_quarantine_share(
        frames.quarantine.num_rows, frames.n_rows, "frames", config.max_quarantine_share, frames.quarantine
    )
    label_rows = labels.rows(frame_ids, config)
    prediction_rows = {model: source.rows(frame_ids, config) for model, source in predictions.items()}
    if config.unlisted_classes == "evaluate":
        for source in predictions.values():
            class_pairs = [*class_pairs, *_classes_of(source)]
    sources = {labels.key: labels, **{source.key: source for source in predictions.values()}}
    return Inputs(
        frames.frame,
        label_rows,
        prediction_rows,
        ClassList.of(class_pairs),
        {"frame": frames.quarantine, **{key: source.quarantine for key, source in sources.items()}},
        {"frame": frames.n_rows, **{key: source.n_rows for key, source in sources.items()}},
        {"frame": frames.digest, **{key: source.digest for key, source in sources.items()}},
        frames.bytes_read + sum(source.bytes_read for source in sources.values()),
    )


def _open_labels(
    config: EvaluationConfig, tables: InputTables, files: Files
) -> tuple[_Opened, FrameInput | None, list[tuple[int | str, str]]]:
    if tables.labels is None and config.labels is None:
        raise ConfigError("no labels are set", next_step="give --labels, or `labels` in the configuration")
    if tables.labels is None and config.labels is not None and _is_parquet(config.labels, files):
        source = ParquetSource.open(config.labels, "label", config.columns.label, files)
        opened = _opened_parquet(source, "label", "label", f"labels {config.labels}")
        return opened, None, list(source.read_classes())
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
    opened = _Opened(
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


def _open_predictions(config: EvaluationConfig, tables: InputTables, files: Files) -> dict[str, _Opened]:
    if not tables.predictions and not config.predictions:
        raise ConfigError(
            "no predictions are set", next_step="give --predictions, or `predictions` in the configuration"
        )
    opened = {}
    for model, url in config.predictions.items():
        key, name = f"prediction:{model}", f"predictions of model {model}"
        if _is_parquet(url, files):
            source = ParquetSource.open(url, "prediction", config.columns.prediction, files)
            opened[model] = _opened_parquet(source, "prediction", key, name)
            continue
        read = read_predictions(url, config, files)
        opened[model] = _Opened(
            "prediction", key, name, read.prediction, None, read.quarantine, read.n_rows, read.digest,
            read.bytes_read,
        )  # fmt: skip
    for model, table in tables.predictions.items():
        read = predictions_from_frame(table, config)
        opened[model] = _Opened(
            "prediction", f"prediction:{model}", f"predictions of model {model}", read.prediction, None,
            read.quarantine, read.n_rows, read.digest, read.bytes_read,
        )  # fmt: skip
    return opened


def _open_frames(
    config: EvaluationConfig,
    tables: InputTables,
    files: Files,
    of_labels: FrameInput | None,
    sources: list[_Opened],
) -> FrameInput:
    """The frame table given, else the one that the labels bring, else the frames that the objects name."""
    if tables.frames is not None:
        return frames_from_frame(tables.frames, config)
    if config.frames is not None:
        return read_frames(config.frames, config, files)
    if of_labels is not None:
        return of_labels
    ids = [source.frame_ids() for source in sources]
    types = {str(each.type) for each in ids if len(each)}
    if len(types) > 1:
        ids = [each.cast(pa.string()) for each in ids]
    filled = [each for each in ids if len(each)] or ids[:1]
    named = pc.unique(pa.concat_arrays([combined(each) for each in filled]))
    return frames_from_frame(pa.table({"frame_id": named.sort()}), config)


def _in_frame_order(frames: pa.Table) -> pa.Table:
    """The frame table by frame_order, on which the order of equal scores rests; ties by frame_id."""
    order = combined(frames["frame_order"]).to_numpy(zero_copy_only=False)
    if np.all(order[1:] > order[:-1]):
        return frames
    return frames.sort_by([("frame_order", "ascending"), ("frame_id", "ascending")])


def _is_parquet(url: str, files: Files) -> bool:
    return format_of(list_files(url, files)[0]) == "parquet"


def _opened_parquet(source: ParquetSource, kind: Kind, key: str, name: str) -> _Opened:
    return _Opened(
        kind, key, name, None, source, empty_quarantine(), source.n_rows, source.digest, source.n_bytes_stored
    )


def _classes_of(source: _Opened) -> list[tuple[int | str, str]]:
    if source.table is not None:
        return list(classes_of(source.table))
    assert source.parquet is not None
    return list(source.parquet.read_classes())


def _with_ids_of(table: pa.Table, type_: pa.DataType, name: str) -> pa.Table:
    """A table whose frame ids have the type of the frame table's."""
    position = table.schema.get_field_index("frame_id")
    column = table["frame_id"]
    if column.type == type_:
        return table
    try:
        return table.set_column(position, "frame_id", column.cast(type_))
    except pa.ArrowInvalid:
        found = pc.unique(column)[:3].to_pylist()
        raise InputError(
            f"{name}: column 'frame_id' does not fit the frames",
            expected="whole numbers, as in the frame table" if pa.types.is_integer(type_) else str(type_),
            found=f"{column.type}: {', '.join(map(repr, found))}, ...",
            next_step="give frames and objects the same ids",
        ) from None


def _check_resampling_unit(config: EvaluationConfig, frames: pa.Table) -> None:
    unit = config.resampling_unit
    if unit != "frame" and unit not in frames.column_names:
        raise ConfigError(
            f"resampling_unit {unit!r} is not a column of the frames",
            expected=f"frame, or one of {', '.join(frames.column_names)}",
        )
