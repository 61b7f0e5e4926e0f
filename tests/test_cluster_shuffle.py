"""Sources that are not clustered by frame: the cluster's shuffle gives the run that sorting gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emqa_core import evaluate
from emqa_core.errors import PlanError
from emqa_core.pipeline import shuffle

N_FRAMES = 60
FACTS = {
    "prediction": ["frame_id", "prediction_id"],
    "label": ["frame_id", "label_id"],
    "frame": ["frame_id"],
}


def write_scattered(folder: Path) -> dict[str, str]:
    """Labels and predictions in random order, in many row groups; one prediction of an unknown frame."""
    rng = np.random.default_rng(5)
    frames = pa.table(
        {
            "frame_id": np.arange(N_FRAMES) * 7,
            "width_px": np.full(N_FRAMES, 100.0),
            "height_px": np.full(N_FRAMES, 80.0),
        }
    )

    def objects(n: int) -> dict[str, object]:
        return {
            "frame_id": rng.integers(0, N_FRAMES, n) * 7,
            "class_id": rng.integers(1, 4, n),
            "class_name": pa.array([None] * n, pa.string()),
            "x_px": rng.uniform(0, 60, n),
            "y_px": rng.uniform(0, 40, n),
            "width_px": rng.uniform(5, 40, n),
            "height_px": rng.uniform(5, 40, n),
            "weather": pa.array(rng.choice(["rain", "sun", "fog"], n)),
        }

    labels = pa.table({"label_id": np.arange(400), **objects(400)}).drop_columns(["class_name"])
    predictions = objects(1500)
    predictions["frame_id"][3] = 1  # type: ignore[index]
    table = pa.table({**predictions, "score": rng.uniform(0, 1, 1500)}).drop_columns(["class_name"])
    paths = {}
    for name, content in (("frames", frames), ("labels", labels), ("predictions", table)):
        paths[name] = str(folder / f"{name}.parquet")
        pq.write_table(content, paths[name], row_group_size=97)
    return paths


@pytest.mark.cluster
def test_shuffled_and_sorted_rows_give_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffle, "_ROWS_PER_READ", 97)  # a row group, else there is nothing to bring together
    paths = write_scattered(tmp_path)
    sorted_run = evaluate(**paths, run_date="2026-01-01", output=str(tmp_path / "sorted"))
    shuffled_run = evaluate(
        **paths,
        run_date="2026-01-01",
        output=str(tmp_path / "shuffled"),
        cluster={"address": "local", "hold_below_mib": 0, "partitions": 5, "memory_per_worker_mib": 1024},
    )
    assert sorted_run.run_id == shuffled_run.run_id
    for name, key in FACTS.items():
        expected, found = (
            sorted(run.table(name).to_pylist(), key=lambda row: [row[k] for k in key])
            for run in (sorted_run, shuffled_run)
        )
        assert expected and expected == found
    for name in ("class_performance", "summary", "precision_recall", "quarantine"):
        assert sorted_run.table(name).to_pylist() == shuffled_run.table(name).to_pylist(), name
    assert shuffled_run.table("quarantine")["reason"].to_pylist() == ["unknown_frame"]
    assert shuffled_run.row()["n_partitions"] == 5


def test_too_much_for_one_process_is_refused(tmp_path: Path) -> None:
    """300 MiB of rows in random order do not fit a promise of 256 MiB; nothing is read to find out."""
    n = 3_000_000
    rng = np.random.default_rng(0)
    random = {name: rng.uniform(0, 10, n) for name in ("x_px", "y_px", "width_px", "height_px", "score")}
    table = pa.table({"frame_id": rng.integers(0, 1000, n), "class_id": np.ones(n, np.int64), **random})
    path = str(tmp_path / "predictions.parquet")
    pq.write_table(table, path, compression="none", use_dictionary=False)
    labels = pa.table(
        {
            "frame_id": [1],
            "class_id": [1],
            "x_px": [0.0],
            "y_px": [0.0],
            "width_px": [1.0],
            "height_px": [1.0],
        }
    )
    with pytest.raises(PlanError, match="not clustered by frame") as caught:
        evaluate(
            labels=labels,
            predictions=path,
            frames=pa.table({"frame_id": np.arange(1000)}),
            cluster={"address": "none", "memory_per_worker_mib": 256},
        )
    assert "run on a cluster" in str(caught.value)
