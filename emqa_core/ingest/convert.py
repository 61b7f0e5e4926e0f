"""The input tables as Parquet, in the order in which partitions of whole frames are read from them."""

from __future__ import annotations

import json
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet as pq

from emqa_core.ingest.parquet import CLASSES_KEY
from emqa_core.ingest.source import LabelInput, PredictionInput

_ROW_GROUP_ROWS = 1 << 17


def label_tables(labels: LabelInput) -> dict[str, pa.Table]:
    """`label` and, where the labels bring frames, `frame`: clustered by frame, ready to be written.

    The list of classes, also those without labels, goes into the schema's metadata.
    """
    listed = json.dumps(labels.classes, ensure_ascii=False).encode()
    tables = {"label": _clustered(labels.label).replace_schema_metadata({CLASSES_KEY: listed})}
    if labels.frame is not None:
        tables["frame"] = labels.frame.sort_by("frame_id")
    return tables


def prediction_table(predictions: PredictionInput) -> pa.Table:
    """The predictions clustered by frame, ready to be written."""
    return _clustered(predictions.prediction)


def write_input_table(table: pa.Table, file: BinaryIO) -> None:
    """Write an input table as Parquet, with bounds of `frame_id` for each row group."""
    # Boxes and scores hardly repeat: a dictionary tried on them is most of the time of writing.
    plain = {pa.float32(), pa.float64()}
    pq.write_table(
        table,
        file,
        row_group_size=_ROW_GROUP_ROWS,
        compression="lz4",
        use_dictionary=[field.name for field in table.schema if field.type not in plain],
    )


def _clustered(table: pa.Table) -> pa.Table:
    """Rows by frame, then `input_index`: integer ids ascending, else in code-point order."""
    return table.sort_by([("frame_id", "ascending"), ("input_index", "ascending")]).combine_chunks()
