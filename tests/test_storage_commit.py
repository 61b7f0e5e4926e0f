from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from emqa_core.errors import SchemaError, StorageError
from emqa_core.schema import TABLES
from emqa_core.storage.commit import commit_run, is_committed, remove_unfinished
from emqa_core.storage.delta import commit_table, file_sizes, open_table, run_files, table_schema
from emqa_core.storage.location import Location
from emqa_core.storage.parts import read_arrays, write_arrays, write_part
from emqa_core.storage.runs import Run, list_runs, read_run
from emqa_core.storage.stored_columns import stored_schema
from tests.data import ROOT
from tests.storage_program import DEATHS
from tests.storage_rows import SIZES, declared_rows, run_row, store_run, write_run_parts

ROWS = {name: sum(SIZES.get(name, ())) for name in TABLES} | {"run": 1}
BRIGHTNESS = pa.array([0.5, None, 2.5, 3.5, 4.5, 5.5, 6.5], pa.float32())
SCHEMAS = {name: table.arrow() for name, table in TABLES.items() if name != "run"}


def test_a_run_is_every_table_with_its_rows(output: Location) -> None:
    store_run(output, "r1")
    run = read_run(output)
    assert set(run.tables) == set(TABLES)
    assert {name: run.table(name).num_rows for name in TABLES} == ROWS
    assert set(run.table("prediction")["run_id"].to_pylist()) == {"r1"}
    for name in TABLES:
        assert run.table(name).schema.names == TABLES[name].arrow().names


def test_values_and_types_come_back(output: Location) -> None:
    store_run(output, "r1", {"metric_bin": (7,), "frame": (4,)})
    run = read_run(output)
    for name, n_rows in (("metric_bin", 7), ("frame", 4), ("run", 1)):
        expected = run_row("r1") if name == "run" else declared_rows(name, n_rows, "r1")
        found = run.table(name)
        assert found.to_pylist() == expected.to_pylist()
        assert found.schema.types == TABLES[name].arrow().types


def test_a_run_committed_twice_has_its_rows_once(output: Location) -> None:
    store_run(output, "r1")
    files = output.sizes()
    store_run(output, "r1", row=run_row("r1", cluster=pa.array(["of the second commit"])))
    assert output.sizes() == files
    assert {name: read_run(output).table(name).num_rows for name in TABLES} == ROWS
    assert list_runs(output)["cluster"].to_pylist() == ["cluster 0"]


@pytest.mark.parametrize("counts", [(2,), (3, 2), (7, 5, 1)], ids=["fewer", "as many", "more"])
def test_other_rows_under_the_same_names_replace_the_first(output: Location, counts: tuple[int, ...]) -> None:
    store_run(output, "r1")
    store_run(output, "r2")
    store_run(output, "r1", {**SIZES, "prediction": counts})
    table = open_table(output, "prediction")
    assert table is not None
    stored = {url.rsplit("/prediction/")[1]: size for url, size in output.child("prediction").sizes().items()}
    assert file_sizes(table).items() <= stored.items()
    run_ids = table.to_pyarrow_table()["run_id"].to_pylist()
    assert (run_ids.count("r1"), run_ids.count("r2")) == (sum(counts), 12)
    for url in output.child("prediction", "_delta_log").list():
        # Readers may take either action for the last, so no transaction has both.
        actions = [json.loads(line) for line in Location(url, output.storage).read_bytes().splitlines()]
        paths = {
            kind: {action[kind]["path"] for action in actions if kind in action} for kind in ("add", "remove")
        }
        assert not paths["add"] & paths["remove"]


def test_metric_columns_come_and_go(output: Location) -> None:
    store_run(output, "r1", brightness=BRIGHTNESS)
    store_run(output, "r2")
    store_run(output, "r3", contrast=BRIGHTNESS, brightness=BRIGHTNESS)
    one, two, three = (read_run(output, name) for name in ("r1", "r2", "r3"))
    assert one.table("prediction", ["brightness"])["brightness"].to_pylist()[:3] == [0.5, None, 2.5]
    assert two.table("prediction", ["brightness"])["brightness"].to_pylist() == [None] * 12
    assert one.table("prediction", ["contrast"])["contrast"].to_pylist() == [None] * 12
    assert three.table("prediction", ["contrast"])["contrast"].to_pylist()[2] == 2.5
    assert "brightness" not in two.table("prediction").column_names
    assert one.table("prediction").column_names[-1] == "brightness"
    declared = TABLES["prediction"].arrow().names
    table = open_table(output, "prediction")
    assert table is not None
    assert table_schema(table).names == [*declared, "brightness", "contrast"]
    assert table.to_pyarrow_table().num_rows == 36


def test_partitions_may_differ_in_their_columns(output: Location) -> None:
    first = declared_rows("prediction", 7, "r1", brightness=BRIGHTNESS)
    second = declared_rows("prediction", 3, "r1", contrast=BRIGHTNESS[:3])
    parts = {
        "prediction": [
            write_part(output, "prediction", "r1", name, rows) for name, rows in (("a", first), ("b", second))
        ]
    }
    commit_run(output, "r1", parts, SCHEMAS, run_row("r1"))
    rows = read_run(output).table("prediction")
    assert rows["brightness"].to_pylist()[7:] == [None] * 3
    assert rows["contrast"].to_pylist() == [None] * 7 + [0.5, None, 2.5]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ({"brightness": pa.array(range(7), pa.int64())}, r"'brightness'.*float.*int64"),
        ({"brightness": pa.array(list("abcdefg"))}, r"'brightness'.*float.*string"),
        ({"Brightness": BRIGHTNESS}, r"'brightness' and 'Brightness'.*case"),
    ],
    ids=["type", "text", "case"],
)
def test_a_clashing_column_is_refused_before_anything_is_committed(
    output: Location, column: dict[str, pa.Array], problem: str
) -> None:
    store_run(output, "r1", brightness=BRIGHTNESS)
    versions = {name: version(output, name) for name in TABLES}
    with pytest.raises(SchemaError, match=problem) as caught:
        store_run(output, "r2", **column)
    assert "'prediction'" in str(caught.value)
    assert {name: version(output, name) for name in TABLES} == versions
    assert list_runs(output)["run_id"].to_pylist() == ["r1"]
    remove_unfinished(output, "r2")
    assert not any("run_id=r2" in url for url in output.list())


def test_the_first_run_may_not_clash_with_itself(output: Location) -> None:
    first = declared_rows("prediction", 7, "r1", brightness=BRIGHTNESS)
    second = declared_rows("prediction", 3, "r1", brightness=pa.array(range(3)))
    parts = {
        "prediction": [
            write_part(output, "prediction", "r1", name, rows) for name, rows in (("a", first), ("b", second))
        ]
    }
    with pytest.raises(SchemaError, match="brightness"):
        commit_run(output, "r1", parts, SCHEMAS, run_row("r1"))
    assert not any(output.child(name, "_delta_log").exists() for name in TABLES)


def test_a_part_that_is_gone_stops_the_commit(output: Location) -> None:
    parts = write_run_parts(output, "r1", SIZES)
    output.child(parts["prediction"][1].path).remove()
    with pytest.raises(StorageError, match="part-00001"):
        commit_run(output, "r1", parts, SCHEMAS, run_row("r1"))
    assert list_runs(output).num_rows == 0
    assert not any(output.child(name, "_delta_log").exists() for name in TABLES)


def test_an_unfinished_attempt_is_removed_and_no_more(output: Location) -> None:
    store_run(output, "r1")
    kept = output.sizes()
    write_run_parts(output, "r2", SIZES)
    write_arrays(output, "r2", "state", {"counts": np.arange(3)})
    write_arrays(output, "r10", "state", {"counts": np.arange(3)})
    remove_unfinished(output, "r1")
    remove_unfinished(output, "r2")
    left = {url: size for url, size in output.sizes().items() if url not in kept}
    assert kept.items() <= output.sizes().items()
    assert [url.removeprefix(output.url) for url in left] == ["/_emqa/work/r10/state.zip"]
    assert read_arrays(output, "r10", "state")["counts"].tolist() == [0, 1, 2]


def test_removing_from_an_empty_place_makes_nothing(tmp_path: Path) -> None:
    remove_unfinished(Location.of(tmp_path / "none"), "r1")
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "step"),
    [
        *(("local", step) for step in DEATHS),
        pytest.param("s3", "between-tables", marks=pytest.mark.s3),
        pytest.param("s3", "before-run-row", marks=pytest.mark.s3),
    ],
    indirect=["output"],
)
def test_a_killed_commit_shows_nothing_and_is_done_again(output: Location, step: str) -> None:
    store_run(output, "r0")
    assert run_program(str(output), "r1", "--die-at", step).returncode == -signal.SIGKILL
    finished = step == "after-run-row"
    assert is_committed(output, "r1") == finished
    assert sorted(list_runs(output)["run_id"].to_pylist()) == (["r0", "r1"] if finished else ["r0"])
    assert {name: read_run(output, "r0").table(name).num_rows for name in TABLES} == ROWS
    if not finished:
        remove_unfinished(output, "r1")
        assert not any("r1" in url.split("output")[-1] for url in output.list())
        assert rows_of_all_runs(output) == {name: n_rows for name, n_rows in ROWS.items() if n_rows}
    store_run(output, "r1")
    assert rows_of_all_runs(output) == {name: 2 * n_rows for name, n_rows in ROWS.items() if n_rows}
    assert output.child("_emqa").list() == []


@pytest.mark.slow
@pytest.mark.parametrize("output", ["local"], indirect=True)
def test_a_commit_killed_between_tables_may_be_repeated_as_it_is(output: Location) -> None:
    assert run_program(str(output), "r1", "--die-at", "between-tables").returncode == -signal.SIGKILL
    store_run(output, "r1", metric_r1=pa.array(np.arange(7, dtype=np.float32)))
    assert rows_of_all_runs(output) == {name: n_rows for name, n_rows in ROWS.items() if n_rows}


def test_runs_that_create_a_table_at_once_all_keep_rows_and_columns(output: Location) -> None:
    runs = [f"r{number}" for number in range(4)]
    barrier = threading.Barrier(len(runs))

    def create(run_id: str) -> None:
        rows = declared_rows("prediction", 3, run_id, **{f"metric_{run_id}": pa.array([1.0, 2.0, 3.0])})
        part = write_part(output, "prediction", run_id, "p", rows)
        barrier.wait()  # none of them has seen a table
        schema = stored_schema("prediction", rows.schema)
        commit_table(output, "prediction", run_id, [part], schema, None)

    with ThreadPoolExecutor(len(runs)) as threads:
        list(threads.map(create, runs))
    table = open_table(output, "prediction")
    assert table is not None
    found = table.to_pyarrow_table()
    assert sorted(found["run_id"].to_pylist()) == sorted(runs * 3)
    for run_id in runs:
        assert found[f"metric_{run_id}"].null_count == 3 * (len(runs) - 1)


@pytest.mark.slow
def test_two_processes_commit_into_the_same_tables(output: Location, tmp_path: Path) -> None:
    runs = {"a": [f"a{i}" for i in range(3)], "b": [f"b{i}" for i in range(3)]}
    go = tmp_path / "go"
    programs = [start_program(str(output), ",".join(names), "--wait-for", str(go)) for names in runs.values()]
    go.touch()
    seen = set()
    try:
        while any(program.poll() is None for program in programs):
            for run_id in list_runs(output)["run_id"].to_pylist():
                if run_id not in seen:
                    # A run that is there is whole, whatever else is being committed.
                    assert {name: Run(run_id, output).table(name).num_rows for name in SIZES} == {
                        name: ROWS[name] for name in SIZES
                    }
                    seen.add(run_id)
    finally:
        outputs = [program.communicate()[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0], outputs
    everything = runs["a"] + runs["b"]
    assert sorted(list_runs(output)["run_id"].to_pylist()) == everything
    assert rows_of_all_runs(output) == {name: 6 * n_rows for name, n_rows in ROWS.items() if n_rows}
    table = open_table(output, "prediction")
    assert table is not None
    rows = table.to_pyarrow_table()
    assert set(rows.column_names) >= {f"metric_{run_id}" for run_id in everything}
    for run_id in everything:
        assert len(run_files(table, run_id)) == 2
        assert rows[f"metric_{run_id}"].null_count == 5 * 12


def rows_of_all_runs(location: Location) -> dict[str, int]:
    """Rows of every table by Delta's own reader, those that no run owns included."""
    counts = {}
    for name in TABLES:
        table = open_table(location, name)
        if table is not None and (n_rows := table.to_pyarrow_table().num_rows):
            counts[name] = n_rows
    return counts


def version(location: Location, name: str) -> int:
    table = open_table(location, name)
    assert table is not None
    return int(table.version())


def start_program(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage_program", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run_program(*arguments: str) -> subprocess.Popen[bytes]:
    program = start_program(*arguments)
    program.communicate(timeout=120)
    return program
