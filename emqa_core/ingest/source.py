"""The way in: labels, predictions and frames of any format as input tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emqa_core.config import EvaluationConfig
from emqa_core.errors import InputError
from emqa_core.ingest.arrow_columns import canonical_table, check_types
from emqa_core.ingest.class_columns import ClassPairs, classes_of, with_class_names
from emqa_core.ingest.coco import CocoLabels, read_images, read_results
from emqa_core.ingest.columns import COCO_LAYOUT, Kind, content_of
from emqa_core.ingest.data_frames import arrow_table, table_digest
from emqa_core.ingest.delimited import concatenated, ids_from_text, read_csv
from emqa_core.ingest.files import ContentDigest, Files, combined_digest, format_of, list_files, read_blocks
from emqa_core.ingest.json_rows import JsonRows
from emqa_core.ingest.json_stream import JsonStream
from emqa_core.ingest.lines import read_lines
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.ingest.quarantine import BadRows, combine_quarantine
from emqa_core.ingest.validate import validate_frames


@dataclass(frozen=True)
class LabelInput:
    """Labels as read: rows that could not be read are in quarantine, the others not yet validated.

    frame: validated frames where the source brings them (COCO), else None. classes: every class, also
    one without labels. n_rows: rows of the source by `frame` and `label`. digest: of the content.
    """

    frame: pa.Table | None
    label: pa.Table
    classes: ClassPairs
    quarantine: pa.Table
    n_rows: dict[str, int]
    digest: str
    bytes_read: int


@dataclass(frozen=True)
class PredictionInput:
    """Predictions of one model as read; rows that could not be read are in quarantine."""

    prediction: pa.Table
    quarantine: pa.Table
    n_rows: int
    digest: str
    bytes_read: int


@dataclass(frozen=True)
class FrameInput:
    """Frames, validated and in order; the others are in quarantine."""

    frame: pa.Table
    quarantine: pa.Table
    n_rows: int
    digest: str
    bytes_read: int


@dataclass
class _Reading:
    """What reading the files of one source gathers beside its rows."""

    files: Files
    digests: dict[str, ContentDigest] = field(default_factory=dict)

    def blocks(self, url: str) -> Iterator[bytes]:
        self.digests[url] = ContentDigest()
        return read_blocks(url, self.files, self.digests[url])

    def stream(self, url: str) -> JsonStream:
        return JsonStream(self.blocks(url), url)

    @property
    def digest(self) -> str:
        return combined_digest(digest.hexdigest() for digest in self.digests.values())

    @property
    def bytes_read(self) -> int:
        return sum(digest.n_bytes for digest in self.digests.values())


def read_labels(url: str, config: EvaluationConfig, files: Files) -> LabelInput:
    """Labels of a file or folder: COCO JSON, JSON lines, CSV or Parquet.

    Raises InputError for what cannot be read, or is no table of labels.
    """
    urls = list_files(url, files)
    if format_of(urls[0]) != "json":
        return _label_input(_read_rows(urls, url, "label", config.columns.label, files))
    reading = _Reading(files)
    coco = CocoLabels(config.columns.frame, config.columns.label)
    is_object = {coco.read(reading.stream(name), name) for name in urls}
    if len(is_object) > 1:
        raise InputError(
            f"{url} mixes COCO files with arrays of labels", next_step="keep each in a folder of its own"
        )
    if True in is_object:
        return _coco_input(coco, reading)
    labels = coco.labels
    return _label_input(_Rows(labels.table(), labels.bad, labels.n_rows, reading.digest, reading.bytes_read))


def read_predictions(url: str, config: EvaluationConfig, files: Files) -> PredictionInput:
    """Predictions of a file or folder: COCO results JSON, JSON lines, CSV or Parquet.

    Raises InputError for what cannot be read, or is no table of predictions.
    """
    urls = list_files(url, files)
    return _prediction_input(_read_rows(urls, url, "prediction", config.columns.prediction, files))


def read_frames(url: str, config: EvaluationConfig, files: Files) -> FrameInput:
    """Frames of a file or folder: the images of COCO JSON, JSON lines, CSV or Parquet."""
    return _frame_input(_read_rows(list_files(url, files), url, "frame", config.columns.frame, files))


def labels_from_frame(frame: Any, config: EvaluationConfig) -> LabelInput:
    """Labels of a table in memory: pandas, Arrow, or one with Arrow's stream interface."""
    return _label_input(_memory_rows(frame, "label", config.columns.label))


def predictions_from_frame(frame: Any, config: EvaluationConfig) -> PredictionInput:
    """Predictions of a table in memory."""
    return _prediction_input(_memory_rows(frame, "prediction", config.columns.prediction))


def frames_from_frame(frame: Any, config: EvaluationConfig) -> FrameInput:
    """Frames of a table in memory."""
    return _frame_input(_memory_rows(frame, "frame", config.columns.frame))


def with_frame_order(frames: pa.Table) -> pa.Table:
    """All frames of a source with `frame_order`: where ids are text and none is given, their rank."""
    if "frame_order" in frames.column_names:
        return frames
    rank = pc.rank(frames["frame_id"], sort_keys="ascending", tiebreaker="first")  # UTF-8: code points
    return frames.add_column(1, "frame_order", pc.subtract(rank.cast(pa.int64()), 1))


@dataclass(frozen=True)
class _Rows:
    """The rows of a source in canonical columns, and what was left out of them."""

    table: pa.Table
    bad: BadRows
    n_rows: int
    digest: str
    bytes_read: int
    classes: ClassPairs | None = None


def _read_rows(urls: list[str], url: str, kind: Kind, mapping: Mapping[str, str], files: Files) -> _Rows:
    format_ = format_of(urls[0])
    bad = BadRows(kind)
    if format_ == "parquet":
        source = ParquetSource.open(url, kind, mapping, files)
        classes = source.classes
        return _Rows(source.read(), bad, source.n_rows, source.digest, source.n_bytes_stored, classes)
    reading = _Reading(files)
    if format_ == "csv":
        return _read_csv_rows(url, urls, kind, mapping, reading, bad)
    rows = JsonRows(kind, mapping, bad, COCO_LAYOUT[kind] if format_ == "json" else None)
    for name in urls:
        if format_ == "lines":
            read_lines(reading.blocks(name), rows, name)
        else:
            _READ_JSON[kind](reading.stream(name), rows, name)
    return _Rows(rows.table(), bad, rows.n_rows, reading.digest, reading.bytes_read)


def _read_csv_rows(
    url: str, urls: list[str], kind: Kind, mapping: Mapping[str, str], reading: _Reading, bad: BadRows
) -> _Rows:
    table = concatenated([read_csv(partial(reading.blocks, name), kind, mapping, name) for name in urls])
    names = check_types(table.schema, kind, mapping, url, text_is_parsed=True)
    for position, name in enumerate(table.column_names):
        if content_of(kind, names.get(name, "")) == "id":
            table = table.set_column(position, name, ids_from_text(table[name]))
    result = canonical_table(table, kind, names, url, bad, np.arange(table.num_rows))
    return _Rows(result, bad, table.num_rows, reading.digest, reading.bytes_read)


def _memory_rows(frame: Any, kind: Kind, mapping: Mapping[str, str]) -> _Rows:
    name = f"the {kind} table"
    table = arrow_table(frame, name)
    names = check_types(table.schema, kind, mapping, name, text_is_parsed=True)
    bad = BadRows(kind)
    result = canonical_table(table, kind, names, name, bad, np.arange(table.num_rows))
    return _Rows(result, bad, table.num_rows, table_digest(table), table.nbytes)


def _coco_input(coco: CocoLabels, reading: _Reading) -> LabelInput:
    label = coco.label_table()
    rows = _Rows(coco.frames.table(), coco.frames.bad, coco.frames.n_rows, reading.digest, 0)
    frames = _frame_input(rows)
    return LabelInput(
        frame=frames.frame,
        label=label,
        classes=list(coco.classes.items()),
        quarantine=combine_quarantine([frames.quarantine, coco.labels.bad.table()]),
        n_rows={"frame": frames.n_rows, "label": coco.labels.n_rows},
        digest=reading.digest,
        bytes_read=reading.bytes_read,
    )


def _label_input(rows: _Rows) -> LabelInput:
    classes = classes_of(rows.table) if rows.classes is None else rows.classes
    return LabelInput(
        frame=None,
        label=with_class_names(rows.table, classes),
        classes=classes,
        quarantine=rows.bad.table(),
        n_rows={"label": rows.n_rows},
        digest=rows.digest,
        bytes_read=rows.bytes_read,
    )


def _prediction_input(rows: _Rows) -> PredictionInput:
    return PredictionInput(rows.table, rows.bad.table(), rows.n_rows, rows.digest, rows.bytes_read)


def _frame_input(rows: _Rows) -> FrameInput:
    kept = np.setdiff1d(np.arange(rows.n_rows), np.array(rows.bad.rows, np.int64))
    good, bad = validate_frames(rows.table, kept)
    return FrameInput(
        frame=with_frame_order(good),
        quarantine=combine_quarantine([rows.bad.table(), bad]),
        n_rows=rows.n_rows,
        digest=rows.digest,
        bytes_read=rows.bytes_read,
    )


_READ_JSON: dict[Kind, Callable[[JsonStream, JsonRows, str], None]] = {
    "frame": read_images,
    "prediction": read_results,
}
