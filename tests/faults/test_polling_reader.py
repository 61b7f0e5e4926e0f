"""The reader that watches the other tests sees what is partial, twice or unreadable."""

from __future__ import annotations

from pathlib import Path

from emqa_core.schema import TABLES
from emqa_core.storage.delta import commit_table, open_table, remove_rows
from emqa_core.storage.location import Location
from emqa_core.storage.parts import write_part
from emqa_core.storage.stored_columns import stored_schema
from tests.faults.polling_reader import poll
from tests.storage_rows import SIZES, run_row, store_run

ROWS = {name: sum(SIZES.get(name, ())) for name in TABLES} | {"run": 1}


def test_a_whole_run_is_no_problem(tmp_path: Path) -> None:
    assert poll(str(tmp_path), ROWS) == {"n_runs": 0, "problems": []}
    store_run(Location.of(tmp_path), "r1")
    assert poll(str(tmp_path), ROWS) == {"n_runs": 1, "problems": []}


def test_rows_that_are_missing(tmp_path: Path) -> None:
    store_run(Location.of(tmp_path), "r1")
    remove_rows(Location.of(tmp_path), "frame", "r1")
    found = poll(str(tmp_path), ROWS)
    assert found["n_runs"] == 1
    assert found["problems"] == [f"r1 has {ROWS | {'frame': 0}}"]


def test_a_file_that_is_gone_or_cut(tmp_path: Path) -> None:
    store_run(Location.of(tmp_path), "r1")
    (file,) = tmp_path.glob("label/*/*.parquet")
    whole = file.read_bytes()
    for content in (None, whole[: len(whole) // 2]):
        file.unlink() if content is None else file.write_bytes(content)
        assert len(poll(str(tmp_path), ROWS)["problems"]) == 1


def test_rows_that_are_there_twice(tmp_path: Path) -> None:
    location = Location.of(tmp_path)
    store_run(location, "r1")
    row = run_row("r1")
    parts = [write_part(location, "run", "r1", name, row) for name in ("run", "again")]
    commit_table(location, "run", "r1", parts, stored_schema("run", row.schema), open_table(location, "run"))
    assert "r1 is there twice" in poll(str(tmp_path), ROWS)["problems"]
