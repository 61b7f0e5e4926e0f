"""COCO files kept as Parquet give the same rows, classes and frames, clustered by frame."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from emqa_core.config import StorageConfig
from emqa_core.ingest.parquet import CLASSES_KEY, ParquetSource
from emqa_core.ingest.source import read_frames, read_labels, read_predictions
from emqa_core.storage.input_tables import write_input_table
from emqa_core.storage.location import Location
from tests.data import data_folder
from tests.ingest.sources import CONFIG, FILES


def _written(table: pa.Table, path: Path) -> str:
    write_input_table(Location.of(str(path), StorageConfig()), table)
    return str(path)


@pytest.mark.parametrize(
    ("data_set", "labels_name", "predictions_name"),
    [
        ("voc2007_test", "gt_all.json.gz", "dt_yolov2_ep260.json.gz"),
        ("coco446", "labels.json.gz", "predictions_yolox_nano.json.gz"),
    ],
)
def test_real_files_survive_the_conversion(
    tmp_path: Path, data_set: str, labels_name: str, predictions_name: str
) -> None:
    folder = data_folder(data_set)
    labels = read_labels(str(folder / labels_name), CONFIG, FILES)
    assert labels.frame is not None
    listed = labels.label.replace_schema_metadata({CLASSES_KEY: json.dumps(labels.classes)})
    label_url = _written(listed, tmp_path / "label.parquet")
    again = read_labels(label_url, CONFIG, FILES)
    assert again.classes == labels.classes
    assert again.label.sort_by("input_index").to_pylist() == labels.label.to_pylist()

    frame_url = _written(labels.frame, tmp_path / "frame.parquet")
    in_order = labels.frame.sort_by("frame_id").to_pylist()
    assert read_frames(frame_url, CONFIG, FILES).frame.to_pylist() == in_order

    predictions = read_predictions(str(folder / predictions_name), CONFIG, FILES).prediction
    prediction_url = _written(predictions, tmp_path / "prediction.parquet")
    back = read_predictions(prediction_url, CONFIG, FILES).prediction
    assert back.sort_by("input_index").equals(predictions)

    assert ParquetSource.open(label_url, "label", {}, FILES).is_clustered
    assert ParquetSource.open(prediction_url, "prediction", {}, FILES).is_clustered
