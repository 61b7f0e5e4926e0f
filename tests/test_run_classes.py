"""Classes given by id, by name or both: the same run; and classes that the labels do not list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emqa_core import evaluate
from emqa_core.ingest.parquet import CLASSES_KEY
from emqa_core.storage.runs import Run

BOX = {"x_px": 10.0, "y_px": 10.0, "width_px": 20.0, "height_px": 20.0}
FRAMES = pd.DataFrame({"frame_id": [1, 2], "width_px": [100.0] * 2, "height_px": [100.0] * 2})
LABELS = pd.DataFrame(
    [
        {"frame_id": f, "class_id": c, "class_name": n, **BOX}
        for f in (1, 2)
        for c, n in ((3, "cat"), (7, "dog"))
    ]
)
PREDICTIONS = pd.DataFrame(
    [
        {"frame_id": f, "class_id": c, "class_name": n, "score": 0.5, **BOX}
        for f, c, n in ((1, 3, "cat"), (2, 7, "dog"), (2, 9, "emu"))
    ]
)


def run(labels: pd.DataFrame | str, predictions: pd.DataFrame, **options: Any) -> Run:
    found = evaluate(labels=labels, predictions=predictions, frames=FRAMES, metrics=["none"], **options)
    assert isinstance(found, Run)
    return found


def counts(found: Run) -> tuple[float, float, float, int]:
    summary = {row["measure"]: row["value"] for row in found.table("summary").to_pylist()}
    return (
        summary["n_labels"],
        summary["n_true_positive"],
        summary["n_predictions"],
        found.row()["n_unlisted"],
    )


@pytest.mark.parametrize("label_column", ["class_id", "class_name", None])
@pytest.mark.parametrize("prediction_column", ["class_id", "class_name", None])
def test_id_or_name_is_enough(label_column: str | None, prediction_column: str | None) -> None:
    """Two of four labels are found, an emu is not listed; only ids against names cannot meet."""
    labels = LABELS.drop(columns=[label_column] if label_column else [])
    predictions = PREDICTIONS.drop(columns=[prediction_column] if prediction_column else [])
    if {label_column, prediction_column} == {"class_id", "class_name"}:
        assert counts(run(labels, predictions)) == (4, 0, 0, 3)
    else:
        assert counts(run(labels, predictions)) == (4, 2, 2, 1)


@pytest.mark.parametrize(
    ("policy", "n_predictions", "n_unlisted", "n_bad"),
    [("ignore", 2, 1, 0), ("quarantine", 2, 0, 1), ("evaluate", 3, 0, 0)],
)
def test_unlisted_classes(policy: str, n_predictions: int, n_unlisted: int, n_bad: int) -> None:
    found = run(LABELS, PREDICTIONS, unlisted_classes=policy, max_quarantine_share=0.5)
    assert counts(found) == (4, 2, n_predictions, n_unlisted)
    assert found.row()["n_quarantined"] == n_bad
    assert found.table("quarantine")["reason"].to_pylist() == ["unknown_class"] * n_bad


@pytest.mark.parametrize("is_clustered", [True, False])
def test_a_list_of_classes_in_the_file_is_taken_before_its_rows(tmp_path: Path, is_clustered: bool) -> None:
    """Labels in frame order stay on the disk, others are held: both know the emu that no label has."""
    rows = LABELS.drop(columns="class_name").iloc[:: 1 if is_clustered else -1]
    listed = json.dumps([[3, "cat"], [7, "dog"], [9, "emu"]]).encode()
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata({CLASSES_KEY: listed})
    pq.write_table(table, tmp_path / "labels.parquet", row_group_size=2)
    assert counts(run(str(tmp_path / "labels.parquet"), PREDICTIONS)) == (4, 2, 3, 0)
