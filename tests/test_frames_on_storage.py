"""Frames that are in order in their files stay there: workers read their own, the driver keeps row groups."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emqa_core import evaluate
from emqa_core.config import config_from
from emqa_core.ingest.parquet import ParquetSource
from emqa_core.pipeline.execute import InProcessExecutor
from emqa_core.pipeline.frame_rows import HeldFrames
from emqa_core.pipeline.partition_tasks import partition_tasks
from emqa_core.pipeline.plan import Plan, plan_run
from emqa_core.pipeline.progress import SilentProgress
from emqa_core.pipeline.scratch import MemoryScratch
from emqa_core.pipeline.stored_frames import StoredFrames
from emqa_core.storage.location import FileAccess
from tests.oracles.same_run import differences, tables_of

BOX = ("x_px", "y_px", "width_px", "height_px")


def stored(path: Path, table: pa.Table, row_group: int) -> StoredFrames | None:
    pq.write_table(table, path, row_group_size=row_group)
    opened = StoredFrames.of(ParquetSource.open(str(path), "frame", {}, FileAccess()))
    return None if opened is None else opened[0]


def objects(frame_id: pa.Array, n: int, seed: int) -> dict[str, Any]:
    """Objects of random frames, rows in the order of the frames."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.integers(0, len(frame_id), n))
    return {
        "frame_id": frame_id.take(pa.array(rows)),
        "class_id": rng.integers(1, 4, n),
        **{name: rng.integers(1, 30, n).astype(float) for name in BOX},
    }


def write_run(folder: Path, frames: pa.Table, row_group: int) -> dict[str, str]:
    """The three inputs of a run as Parquet, with objects of every frame that has an id, bad ones too."""
    folder.mkdir(exist_ok=True)
    known = frames["frame_id"].combine_chunks().drop_null()
    labels = pa.table(objects(known, 4 * len(known), 1))
    predictions = objects(known, 9 * len(known), 2)
    predictions = pa.table({**predictions, "score": np.random.default_rng(3).uniform(0, 1, 9 * len(known))})
    paths = {}
    for name, table in (("frames", frames), ("labels", labels), ("predictions", predictions)):
        paths[name] = str(folder / f"{name}.parquet")
        pq.write_table(table, paths[name], row_group_size=row_group)
    return paths


def frames_with_bad_ones(ids: list[Any]) -> pa.Table:
    """A size below 0, an id twice in a row group, no id; the others ascend."""
    n = len(ids)
    ids = [*ids[:9], ids[8], *ids[9:20], None, *ids[20:]]
    width = [100.0] * (n + 2)
    width[4] = -1.0
    sequence = [f"s{row % 5}" for row in range(n + 2)]
    return pa.table(
        {"frame_id": ids, "width_px": width, "sequence_id": sequence, "light": np.arange(n + 2.0)}
    )


@pytest.mark.parametrize("ids", [[7 * i for i in range(40)], [f"f{i:03d}" for i in range(40)]])
@pytest.mark.parametrize("row_group", [6, 13, 1000])
def test_a_run_is_the_same_whether_its_frames_are_held_or_stay(
    tmp_path: Path, ids: list[Any], row_group: int
) -> None:
    """Bad frames and all; text ids have no order of their own, so that their rank is taken."""
    frames = frames_with_bad_ones(ids)
    paths = write_run(tmp_path, frames, row_group)
    assert stored(tmp_path / "f.parquet", frames, row_group) is not None
    options: dict[str, Any] = {
        "run_date": "2026-03-01",
        "resampling_unit": "sequence_id",
        "max_quarantine_share": 0.5,
    }
    held = tables_of(evaluate(**{**paths, "frames": frames}, **options))
    assert sorted(held["quarantine"]["reason"].to_pylist())[:4] == [
        "duplicate_id",
        "frame_id_missing",
        "negative_size",
        "unknown_frame",
    ]
    for n_partitions in (1, 4, 11):
        run = evaluate(**paths, **options, cluster={"partitions": n_partitions})
        assert run.row()["n_partitions"] == n_partitions
        assert differences(tables_of(run), held, apart=("run_id", "digest")) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"frame_id": [1, 2, 3, 5, 4, 6]},
        {"frame_id": [1, 2, 3, 3, 4, 5]},  # twice, in two row groups
        {"frame_id": [1, 2, 3, 4, 5, 6], "frame_order": [1, 2, 3, 3, 4, 5]},
        {"frame_id": [1, 2, 3, 4, 5, 6], "frame_order": [6, 5, 4, 3, 2, 1]},
        {"frame_id": [1.0, 2.0, 3.0, 4.0, 5.0, 6.5]},  # judged by the whole column
        {"frame_id": ["a", "b", "c", "B", "d", "e"]},
    ],
)
def test_frames_that_must_be_put_in_order_do_not_stay(tmp_path: Path, columns: dict[str, list[Any]]) -> None:
    assert stored(tmp_path / "f.parquet", pa.table(columns), 3) is None


@settings(max_examples=40, deadline=None)
@given(
    ids=st.lists(st.integers(-50, 50), unique=True, min_size=1).map(sorted),
    wanted=st.lists(st.integers(-60, 60)),
    row_group=st.integers(1, 9),
    as_text=st.booleans(),
)
def test_ids_are_found_as_in_the_held_table(
    tmp_path_factory: pytest.TempPathFactory,
    ids: list[int],
    wanted: list[int],
    row_group: int,
    as_text: bool,
) -> None:
    def named(values: list[int]) -> pa.Array:
        return pa.array([f"{value + 100:03d}" for value in values] if as_text else values, type_)

    type_ = pa.string() if as_text else pa.int64()
    table = pa.table({"frame_id": named(ids), "frame_order": np.arange(len(ids))})
    here = HeldFrames.of(table)
    there = stored(tmp_path_factory.getbasetemp() / "ids.parquet", table, row_group)
    assert there is not None
    for found, expected in zip(
        there.search(named(wanted).to_pylist()), here.search(named(wanted).to_pylist()), strict=True
    ):
        assert found.tolist() == expected.tolist()
    known, position = there.find(pa.chunked_array([named(wanted)]))
    assert known.to_pylist() == named(sorted(set(wanted) & set(ids))).to_pylist()
    assert table["frame_id"].take(pa.array(position)).to_pylist() == known.to_pylist()
    bounds = np.unique([0, *(abs(value) % len(ids) for value in wanted), len(ids)])
    assert there.stretches(bounds) == here.stretches(bounds)
    for stretch in there.stretches(bounds):
        assert there.cut(stretch).read().select(["frame_id"]) == here.cut(stretch).read().select(["frame_id"])


def planned(folder: Path, n_frames: int, row_group: int) -> Plan:
    paths = write_run(folder, pa.table({"frame_id": np.arange(n_frames) * 3}), row_group)
    return plan_run(
        config_from(
            {
                "frames": paths["frames"],
                "labels": paths["labels"],
                "predictions": {"m": paths["predictions"]},
                "output": str(folder / "eval"),
                "cluster": {"partitions": n_frames // 100},
            }
        )
    )


def test_what_is_sent_for_a_partition_does_not_grow_with_the_run(tmp_path: Path) -> None:
    """Ten times the frames, rows and row groups in ten times the partitions: the same for each of them."""
    sizes = []
    for n_frames in (1_000, 10_000):
        plan = planned(tmp_path / str(n_frames), n_frames, row_group=200)
        indices = range(plan.n_partitions)
        scratch = {model: MemoryScratch() for model in plan.pending}
        tasks = partition_tasks(plan, InProcessExecutor(), scratch, SilentProgress(), indices)
        assert len(tasks) == n_frames // 100
        sizes.append(max(len(pickle.dumps(task)) for task in tasks))
    assert sizes[1] < sizes[0] + 500
