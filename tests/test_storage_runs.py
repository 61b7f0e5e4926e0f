from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.errors import RunNotFoundError, SchemaError
from emqa_core.schema import DATE, TABLES, TIME
from emqa_core.storage.commit import commit_run
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run, find_run, list_runs, read_run
from emqa_core.storage.stored_columns import stored_type
from tests.storage_rows import SIZES, declared_rows, run_row, store_run, write_run_parts


def test_no_runs_yet(output: Location) -> None:
    assert list_runs(output).num_rows == 0
    assert list_runs(output).schema.names == TABLES["run"].arrow().names
    with pytest.raises(RunNotFoundError, match="there is no run in"):
        find_run(output)
    assert output.list() == []
    if output.store == "file":
        assert not Path(output.path).exists()


@pytest.fixture
def nights(tmp_path: Path) -> Location:
    """Four runs: of two nights, one of them evaluated twice."""
    location = Location.of(tmp_path)
    for run_id, day, hour in (("b-1", 2, 5), ("a-1", 2, 7), ("a-2", 1, 9), ("c", 1, 8)):
        finished = datetime.datetime(2026, 3, day, hour, tzinfo=datetime.UTC)
        row = run_row(
            run_id,
            run_date=pa.array([finished.date()], DATE),
            finished_at=pa.array([finished], TIME),
        )
        store_run(location, run_id, {"summary": (2,)}, row)
    return location


def test_runs_are_listed_newest_first(nights: Location) -> None:
    assert list_runs(nights)["run_id"].to_pylist() == ["a-1", "b-1", "a-2", "c"]
    assert list_runs(nights).schema.types == TABLES["run"].arrow().types


def test_a_run_is_found_by_its_name_or_a_beginning(nights: Location) -> None:
    assert find_run(nights) == "a-1"
    assert find_run(nights, "a-2") == "a-2"
    assert find_run(nights, "b") == "b-1"
    assert find_run(nights, "c") == "c"
    assert read_run(str(nights), "b").run_id == "b-1"


def test_a_run_that_is_not_there_names_those_that_are(nights: Location) -> None:
    with pytest.raises(RunNotFoundError) as caught:
        find_run(nights, "a-3")
    assert all(run_id in str(caught.value) for run_id in ("a-1", "a-2", "b-1", "c"))
    with pytest.raises(RunNotFoundError, match="no run '2'"):
        find_run(nights, "2")
    with pytest.raises(RunNotFoundError, match="2 runs") as caught:
        find_run(nights, "a")
    assert "a-1, a-2" in str(caught.value)
    assert "b-1" not in str(caught.value)


def test_a_whole_name_wins_over_longer_ones(tmp_path: Path) -> None:
    for run_id in ("night", "night-2"):
        store_run(Location.of(tmp_path), run_id, {})
    assert find_run(Location.of(tmp_path), "night") == "night"


def test_files_without_a_row_in_run_are_no_run(output: Location) -> None:
    store_run(output, "r1")
    write_run_parts(output, "r2", SIZES)
    write_run_parts(output, "r3", {"run": (1,)})
    assert list_runs(output)["run_id"].to_pylist() == ["r1"]
    with pytest.raises(RunNotFoundError):
        read_run(output, "r2")


def test_reading_writes_nothing(output: Location) -> None:
    store_run(output, "r1")
    before = output.sizes()
    run = read_run(output)
    for name in run.tables:
        run.table(name)
    list_runs(output)
    run.row()
    assert output.sizes() == before


def test_runs_of_an_older_version_have_nulls_where_a_column_is_new(tmp_path: Path) -> None:
    from deltalake import write_deltalake

    older = run_row("r0").drop_columns(["n_unlisted", "cluster"])
    plain = pa.schema([field.with_type(stored_type("run", field.name, field.type)) for field in older.schema])
    write_deltalake(tmp_path / "run", older.cast(plain), partition_by=["run_id"])
    location = Location.of(tmp_path)
    assert list_runs(location)["cluster"].to_pylist() == [None]
    assert read_run(location).table("run").column_names == older.column_names
    store_run(location, "r1", {})
    assert sorted(list_runs(location)["cluster"].to_pylist(), key=str) == [None, "cluster 0"]
    assert read_run(location, "r0").table("run", ["cluster"])["cluster"].to_pylist() == [None]


def test_a_run_in_memory_reads_like_a_stored_one(tmp_path: Path) -> None:
    tables = {name: declared_rows(name, 4, "r1").drop_columns(["run_id"]) for name in ("frame", "summary")}
    held = Run.in_memory("r1", tables)
    store_run(Location.of(tmp_path), "r1", {"frame": (4,), "summary": (4,)})
    stored = read_run(str(tmp_path))
    assert held.tables == ("frame", "summary")
    for name in held.tables:
        assert held.table(name).equals(stored.table(name))
        assert held.table(name, ["run_date", "run_id"]).equals(stored.table(name, ["run_date", "run_id"]))
        assert held.to_pandas(name).equals(stored.to_pandas(name))
    for run in (held, stored):
        with pytest.raises(SchemaError, match=r"no table 'frames'.*did you mean 'frame'"):
            run.table("frames")
        with pytest.raises(SchemaError, match=r"'n_label'.*did you mean 'n_labels'"):
            run.table("frame", ["n_label"])


def test_parts_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    location = Location.of(tmp_path)
    parts = write_run_parts(location, "r1", {"frame": (1, 2, 3, 4)})["frame"]
    shuffled = [parts[2], parts[0], parts[3], parts[1]]
    schemas = {"frame": TABLES["frame"].arrow()}
    commit_run(location, "r1", {"frame": shuffled}, schemas, run_row("r1"))
    assert read_run(location).table("frame")["frame_order"].to_pylist() == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]


def test_the_row_of_a_run(tmp_path: Path) -> None:
    store_run(Location.of(tmp_path), "r1", {})
    row = read_run(str(tmp_path)).row()
    assert row["run_id"] == "r1"
    assert row["status"] == "complete"


def test_rows_come_a_row_group_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emqa_core.storage.parts._ROW_GROUP_ROWS", 4)
    location = Location.of(tmp_path)
    store_run(location, "a-1", {"prediction": (10, 3)}, run_row("a-1"))
    run = read_run(location)
    columns = ["frame_order", "score", "class_id", "run_id"]
    batches = list(run.batches("prediction", columns))
    assert [batch.num_rows for batch in batches] == [4, 4, 2, 3]
    whole = run.table("prediction", columns)
    assert pa.concat_tables(batches).to_pylist() == whole.to_pylist()
    assert batches[0].schema.types == whole.schema.types
    held = Run.in_memory("a-1", {"prediction": run.table("prediction")})
    for each in (run, held):
        some = list(each.batches("prediction", columns, np.array([1, 9, 12])))
        assert [row["frame_order"] for batch in some for row in batch.to_pylist()] == [1, 9, 1]
    # Rows 4 to 7 of the first file cannot hold one of them.
    assert len(list(run.batches("prediction", columns, np.array([1, 9, 12])))) == 3
    with pytest.raises(SchemaError, match="did you mean 'score'"):
        list(run.batches("prediction", ["scores"]))
