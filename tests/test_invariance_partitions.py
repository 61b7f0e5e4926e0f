"""The same run however it is cut and wherever it runs: every row equal, counts to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from emqa_core import evaluate, read_run
from tests.data import data_folder
from tests.oracles.same_run import APART, KEYS, differences, tables_of
from tests.oracles.synthetic import make_data_set

OPTIONS: dict[str, Any] = {
    "iou_thresholds": [0.5, 0.75],
    "run_date": "2026-03-01",
    "max_quarantine_share": 0.05,
}


def _run(output: Path | None = None, *, string_ids: bool = False, **options: Any) -> Any:
    data = make_data_set(85, crowds=True, string_ids=string_ids)
    # Bad rows: they go to quarantine whichever partition they fall in.
    labels, predictions = data.labels.copy(), data.predictions.copy()
    labels.loc[labels.index[[3, 20]], "width_px"] = [-1.0, float("nan")]
    predictions.loc[predictions.index[[5, 50]], "score"] = float("nan")
    place = {} if output is None else {"output": str(output)}
    return evaluate(frames=data.frames, labels=labels, predictions=predictions, **OPTIONS, **place, **options)


@pytest.fixture(scope="module")
def whole() -> dict[str, pa.Table]:
    """The run in one partition, in this process."""
    return tables_of(_run(cluster={"partitions": 1}))


def test_the_run_holds_rows_in_every_table(whole: dict[str, pa.Table]) -> None:
    assert {name: whole[name].num_rows for name in KEYS if whole[name].num_rows == 0} == {}
    assert whole["quarantine"].num_rows == 4


def test_one_partition_again(whole: dict[str, pa.Table]) -> None:
    assert differences(tables_of(_run(cluster={"partitions": 1})), whole) == []


@pytest.mark.parametrize("partitions", [3, 17])
def test_partitions_in_this_process(whole: dict[str, pa.Table], partitions: int) -> None:
    run = _run(cluster={"partitions": partitions})
    assert run.table("run")["n_partitions"].to_pylist() == [partitions]
    assert differences(tables_of(run), whole) == []


def test_string_ids_in_partitions() -> None:
    expected = tables_of(_run(string_ids=True, cluster={"partitions": 1}))
    assert differences(tables_of(_run(string_ids=True, cluster={"partitions": 7})), expected) == []


def test_order_of_the_rows_between_frames_does_not_matter(whole: dict[str, pa.Table]) -> None:
    """Sorted by frame, rows keep their order within it; input_index, row and digest alone tell."""
    data = make_data_set(85, crowds=True)
    labels = data.labels.sort_values("frame_id", kind="stable", ignore_index=True)
    predictions = data.predictions.sort_values("frame_id", kind="stable", ignore_index=True)
    expected = evaluate(frames=data.frames, labels=data.labels, predictions=data.predictions, **OPTIONS)
    run = evaluate(frames=data.frames, labels=labels, predictions=predictions, **OPTIONS)
    apart = ("run_id", "digest", "input_index")
    assert differences(tables_of(run), tables_of(expected), apart=apart) == []


@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_written_tables_are_the_same(whole: dict[str, pa.Table], partitions: int, tmp_path: Path) -> None:
    run = _run(tmp_path / "eval", cluster={"partitions": partitions})
    assert differences(tables_of(run), whole) == []
    again = read_run(str(tmp_path / "eval"))
    assert differences(tables_of(again), whole) == []


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_local_cluster(whole: dict[str, pa.Table], partitions: int, tmp_path: Path) -> None:
    cluster = {"address": "local", "workers": 2, "partitions": partitions}
    run = _run(tmp_path / "eval", cluster=cluster)
    assert differences(tables_of(run), whole) == []


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scheduler with two workers, three processes of their own."""
    folder = tmp_path_factory.mktemp("scheduler")
    scheduler_file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    started: list[subprocess.Popen[bytes]] = []
    logs = []

    def start(*arguments: str) -> None:
        log = (folder / f"{len(started)}.log").open("wb")
        logs.append(log)
        started.append(
            subprocess.Popen([*dask, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        )

    try:
        start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
            "--scheduler-file", str(scheduler_file),
        )  # fmt: skip
        for _ in range(2):
            start(
                "worker", "--scheduler-file", str(scheduler_file), "--nthreads", "1", "--no-nanny",
                "--dashboard-address", "127.0.0.1:0", "--local-directory", str(folder),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not scheduler_file.exists():
            assert time.monotonic() < deadline, (folder / "0.log").read_text()
            time.sleep(0.1)
        yield json.loads(scheduler_file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in logs:
            log.close()


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_remote_scheduler(
    whole: dict[str, pa.Table], scheduler: str, partitions: int, tmp_path: Path
) -> None:
    run = _run(tmp_path / "eval", cluster={"address": scheduler, "partitions": partitions})
    assert run.table("run")["cluster"].to_pylist() == [scheduler]
    assert differences(tables_of(run), whole) == []


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_detections_in_partitions() -> None:
    folder = data_folder("coco446")
    runs = [
        evaluate(
            labels=str(folder / "labels.json.gz"),
            predictions=str(folder / "predictions_yolox_nano.json.gz"),
            cluster={"partitions": partitions},
            iou_thresholds=[0.5, 0.75],
            run_date="2026-03-01",
        )
        for partitions in (1, 17)
    ]
    assert differences(tables_of(runs[1]), tables_of(runs[0])) == []


def test_differences_are_seen(whole: dict[str, pa.Table]) -> None:
    """The comparison itself: a changed bit, a lost row, a lost column."""
    summary = whole["summary"]
    values = summary["value"].to_pylist()
    first = next(index for index, value in enumerate(values) if value)
    values[first] = values[first] * (1 + 1e-15) + 1e-16
    changed = summary.set_column(summary.schema.names.index("value"), "value", pa.array(values, pa.float64()))
    assert differences({**whole, "summary": changed}, whole)
    assert differences({**whole, "label": whole["label"].slice(1)}, whole)
    assert differences({**whole, "label": whole["label"].drop_columns(["outcome"])}, whole)
    assert set(APART) <= set(KEYS)
