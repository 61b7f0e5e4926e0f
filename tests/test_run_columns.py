"""Runs with more, fewer and clashing metric columns in the same tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emqa_core import evaluate, read_run
from emqa_core.errors import SchemaError
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, list_runs
from tests.oracles.synthetic import DataSet, make_data_set

OPTIONS: dict[str, Any] = {"iou_thresholds": [0.5]}


def run_into(output: Path, data: DataSet, night: str, **options: Any) -> Run:
    run = evaluate(
        labels=data.labels,
        predictions=data.predictions,
        frames=data.frames,
        output=str(output),
        run_date=night,
        **OPTIONS,
        **options,
    )
    assert isinstance(run, Run)
    return run


def test_more_and_fewer_metrics_keep_every_older_column(tmp_path: Path) -> None:
    data = make_data_set(30)
    full = run_into(tmp_path, data, "2026-03-01")
    before = full.to_pandas("frame")
    few = run_into(tmp_path, data, "2026-03-02", metrics=["object_area_px2"])
    more = data.frames.assign(fog=range(len(data.frames)))
    richer = run_into(tmp_path, DataSet(more, data.labels, data.predictions), "2026-03-03")
    after = read_run(str(tmp_path), full.run_id).to_pandas("frame")
    assert after["frame_darkness"].notna().sum() > 0
    assert set(before.columns) <= set(after.columns)
    assert before["frame_darkness"].equals(after["frame_darkness"])
    assert "frame_fog" not in before.columns
    assert "frame_fog" not in after.columns or after["frame_fog"].isna().all()
    assert few.to_pandas("prediction")["object_area_px2"].notna().all()
    assert richer.to_pandas("frame")["frame_fog"].tolist() == list(range(30))
    assert list_runs(Location.of(tmp_path)).num_rows == 3


def test_a_column_that_changes_its_type_fails_and_leaves_the_tables_alone(tmp_path: Path) -> None:
    data = make_data_set(30)
    first = run_into(tmp_path, data, "2026-03-01")
    before = first.to_pandas("frame")
    clashing = data.frames.assign(lamp_count=data.frames["lamp_count"].map(lambda n: f"{n} lamps"))
    with pytest.raises(SchemaError, match="frame_lamp_count") as caught:
        run_into(tmp_path, DataSet(clashing, data.labels, data.predictions), "2026-03-02")
    assert "string" in str(caught.value) and "frame" in str(caught.value)
    assert list_runs(Location.of(tmp_path))["run_id"].to_pylist() == [first.run_id]
    assert read_run(str(tmp_path)).to_pandas("frame").equals(before)
