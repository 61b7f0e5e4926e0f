"""The same rows give the same tables in whatever form they come, alone or beside another model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from emqa_core import evaluate
from tests.oracles.pycocotools_oracle import TWELVE, run_pycocotools
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import DataSet, make_data_set

OPTIONS: dict[str, Any] = {
    "iou_thresholds": [0.5, 0.75],
    "run_date": "2026-03-01",
    "dataset": "night",
    "cluster": {"partitions": 4},
}
# The content is digested as it is stored, so that the form of a source tells in the run's identity.
APART = ("run_id", "digest")


def _by_frame(data: DataSet) -> DataSet:
    """Rows clustered by frame, as large sources have to be."""
    return DataSet(
        data.frames,
        data.labels.sort_values("frame_id", kind="stable", ignore_index=True),
        data.predictions.sort_values("frame_id", kind="stable", ignore_index=True),
    )


def _tables(data: DataSet) -> dict[str, pd.DataFrame]:
    return {"frames": data.frames, "labels": data.labels, "predictions": data.predictions}


@pytest.fixture(scope="module")
def data() -> DataSet:
    return _by_frame(make_data_set(60, crowds=True))


@pytest.fixture(scope="module")
def expected(data: DataSet) -> dict[str, pa.Table]:
    return tables_of(evaluate(**_tables(data), **OPTIONS))


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False, row_group_size=40)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _write_lines(table: pd.DataFrame, path: Path) -> None:
    # 15 digits do not hold every float64.
    table.to_json(path, orient="records", lines=True, double_precision=15)


@pytest.mark.parametrize(
    ("suffix", "write"), [("parquet", _write_parquet), ("csv", _write_csv), ("csv.gz", _write_csv)]
)
def test_files_say_what_data_frames_say(
    data: DataSet,
    expected: dict[str, pa.Table],
    tmp_path: Path,
    suffix: str,
    write: Callable[[pd.DataFrame, Path], None],
) -> None:
    paths = {}
    for name, table in _tables(data).items():
        paths[name] = tmp_path / f"{name}.{suffix}"
        write(table, paths[name])
    run = evaluate(
        frames=str(paths["frames"]),
        labels=str(paths["labels"]),
        predictions=str(paths["predictions"]),
        **OPTIONS,
    )
    assert differences(tables_of(run), expected, apart=(*APART, "model")) == []


def test_rows_without_a_frame_are_listed_however_it_was_cut(tmp_path: Path, data: DataSet) -> None:
    predictions = data.predictions.astype({"frame_id": "Int64"})
    nowhere = list(range(7, len(predictions), 45))
    predictions.loc[nowhere, "frame_id"] = pd.NA
    _write_parquet(predictions, tmp_path / "predictions.parquet")
    for table, name in ((data.labels, "labels"), (data.frames, "frames")):
        _write_parquet(table, tmp_path / f"{name}.parquet")
    paths = {name: str(tmp_path / f"{name}.parquet") for name in ("frames", "labels", "predictions")}
    runs = [
        tables_of(evaluate(**paths, **OPTIONS | {"cluster": {"partitions": n}}, max_quarantine_share=0.5))
        for n in (1, 4)
    ]
    assert runs[0]["quarantine"]["row"].to_pylist() == nowhere
    assert set(runs[0]["quarantine"]["reason"].to_pylist()) == {"frame_id_missing"}
    assert differences(*runs) == []


def test_json_lines_say_what_data_frames_say(tmp_path: Path) -> None:
    """Coordinates rounded to what pandas writes as JSON."""
    data = _by_frame(make_data_set(40))
    rounded = {name: table.round(6) for name, table in _tables(data).items()}
    paths = {}
    for name, table in rounded.items():
        paths[name] = tmp_path / f"{name}.jsonl"
        _write_lines(table, paths[name])
    run = evaluate(**{name: str(path) for name, path in paths.items()}, **OPTIONS)
    found = tables_of(run)
    assert differences(found, tables_of(evaluate(**rounded, **OPTIONS)), apart=(*APART, "model")) == []


def test_a_folder_of_files_says_what_one_file_says(
    data: DataSet, expected: dict[str, pa.Table], tmp_path: Path
) -> None:
    """Files in sorted path order, cut between and within frames."""
    for name, table in _tables(data).items():
        (tmp_path / name).mkdir()
        for part, first in enumerate(range(0, len(table), 333)):
            table.iloc[first : first + 333].to_parquet(tmp_path / name / f"part-{part:03d}.parquet")
    run = evaluate(**{name: str(tmp_path / name) for name in _tables(data)}, **OPTIONS)
    assert differences(tables_of(run), expected, apart=(*APART, "model")) == []


def test_arrow_tables_say_what_data_frames_say(data: DataSet, expected: dict[str, pa.Table]) -> None:
    arrow = {name: pa.Table.from_pandas(table) for name, table in _tables(data).items()}
    assert differences(tables_of(evaluate(**arrow, **OPTIONS)), expected, apart=APART) == []


def test_renamed_columns_say_the_same(data: DataSet, expected: dict[str, pa.Table]) -> None:
    tables = _tables(data)
    tables["labels"] = tables["labels"].rename(columns={"class_id": "category", "x_px": "left"})
    tables["predictions"] = tables["predictions"].rename(columns={"score": "conf", "width_px": "w"})
    run = evaluate(
        **tables,
        columns={"label": {"class_id": "category", "x_px": "left"}, "prediction": {"score": "conf"}},
        **OPTIONS,
    )
    assert differences(tables_of(run), expected, apart=(*APART, "configuration")) == []


@pytest.mark.cluster
@pytest.mark.slow
def test_unclustered_parquet_is_shuffled_on_a_cluster(tmp_path: Path) -> None:
    shuffled = make_data_set(60, crowds=True)
    expected = tables_of(evaluate(**_tables(shuffled), **OPTIONS))
    paths = {}
    for name, table in _tables(shuffled).items():
        paths[name] = str(tmp_path / f"{name}.parquet")
        _write_parquet(table, Path(paths[name]))
    options = OPTIONS | {"cluster": {"address": "local", "workers": 2, "partitions": 4}}
    run = evaluate(**paths, output=str(tmp_path / "eval"), **options)
    assert differences(tables_of(run), expected, apart=(*APART, "model")) == []


def test_models_together_say_what_they_say_alone(data: DataSet) -> None:
    other = make_data_set(60, crowds=True, seed=21).predictions
    models = {"one": data.predictions, "two": other}
    together = evaluate(frames=data.frames, labels=data.labels, predictions=models, **OPTIONS)
    assert set(together) == {"one", "two"}
    for name, predictions in models.items():
        alone = evaluate(frames=data.frames, labels=data.labels, predictions={name: predictions}, **OPTIONS)
        assert differences(tables_of(together[name]), tables_of(alone[name])) == []


def _with_unlisted(data: DataSet) -> tuple[pd.DataFrame, int]:
    """Predictions of which some name a class that no label has."""
    predictions = data.predictions.copy()
    rows = predictions.index[::9]
    predictions.loc[rows, "class_id"] = 77
    predictions.loc[rows, "class_name"] = "unicorn"
    return predictions, len(rows)


def test_unlisted_classes_are_ignored_and_counted(data: DataSet) -> None:
    predictions, n_unlisted = _with_unlisted(data)
    without = predictions[predictions["class_id"] != 77].reset_index(drop=True)
    run = evaluate(frames=data.frames, labels=data.labels, predictions=predictions, **OPTIONS)
    assert run.table("run")["n_unlisted"].to_pylist() == [n_unlisted]
    expected = evaluate(frames=data.frames, labels=data.labels, predictions=without, **OPTIONS)
    apart = (*APART, "n_unlisted", "input_index")
    assert differences(tables_of(run), tables_of(expected), apart=apart) == []


def test_unlisted_classes_go_to_quarantine_on_request(data: DataSet) -> None:
    predictions, n_unlisted = _with_unlisted(data)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=predictions,
        unlisted_classes="quarantine",
        max_quarantine_share=0.5,
        **OPTIONS,
    )
    rows = run.table("quarantine").to_pylist()
    assert len(rows) == n_unlisted
    assert {row["source"] for row in rows} == {"prediction"}
    assert sorted(row["row"] for row in rows) == list(range(0, len(predictions), 9))


def test_unlisted_classes_are_evaluated_on_request(data: DataSet) -> None:
    predictions, n_unlisted = _with_unlisted(data)
    run = evaluate(
        frames=data.frames,
        labels=data.labels,
        predictions=predictions,
        unlisted_classes="evaluate",
        metrics=["none"],
    )
    expected = run_pycocotools(data.frames, data.labels, predictions, classes=[1, 2, 10, 77])
    summary = run.table("summary").to_pandas().set_index("measure")["value"]
    for measure in TWELVE:
        assert summary[measure] == pytest.approx(expected.twelve_numbers()[measure], abs=1e-12)
    rows = run.table("class_performance").to_pylist()
    unicorn = [row for row in rows if row["class_name"] == "unicorn" and row["area_range"] == "all"]
    at_half = next(row for row in unicorn if row["iou_threshold"] == 0.5)
    assert at_half["n_false_positive"] == at_half["n_predictions"] == n_unlisted
    assert at_half["average_precision"] is None
