"""What other programs see: the tables by Delta, and the files by plain Parquet joined to `run`."""

from __future__ import annotations

import os
import warnings
from urllib.parse import urlsplit

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from duckdb_extensions import import_extension

from emqa_core.schema import TABLES
from emqa_core.storage.location import Location
from tests.storage_outputs import BACKENDS, empty_output
from tests.storage_rows import SIZES, store_run, write_run_parts

# Polars takes the store's options as deltalake does, but these as numbers.
NOT_FOR_POLARS = ("max_retries", "retry_timeout")
CONTRAST = pa.array([0.5, 1.5, None, 3.5, 4.5, 5.5, 6.5], pa.float32())


@pytest.fixture(scope="module", params=BACKENDS)
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Location:
    """Two runs, of which one brought a column, and an attempt that never committed; tests only read."""
    output = empty_output(request, tmp_path_factory.mktemp("tables"))
    store_run(output, "r1")
    store_run(output, "r2", contrast=CONTRAST)
    write_run_parts(output, "r3", SIZES)
    return output


@pytest.fixture(scope="module")
def extensions() -> None:
    """DuckDB's extensions, from their wheels: nothing is fetched."""
    for name in ("httpfs", "delta"):
        import_extension(name)


@pytest.fixture
def database(tables: Location, extensions: None) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.load_extension("httpfs")
    connection.load_extension("delta")
    if tables.store == "s3":
        connection.execute(
            "CREATE SECRET (TYPE s3, KEY_ID $key, SECRET $secret, ENDPOINT $endpoint, REGION 'us-east-1',"
            " USE_SSL false, URL_STYLE 'path')",
            {
                "key": os.environ["AWS_ACCESS_KEY_ID"],
                "secret": os.environ["AWS_SECRET_ACCESS_KEY"],
                "endpoint": urlsplit(str(tables.storage.endpoint_url)).netloc,
            },
        )
    return connection


def test_duckdb_reads_the_delta_tables(tables: Location, database: duckdb.DuckDBPyConnection) -> None:
    for name in TABLES:
        n_rows = 1 if name == "run" else sum(SIZES.get(name, ()))
        counted = database.sql(
            f"SELECT run_id, count(*) FROM delta_scan('{tables}/{name}') GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert counted == ([("r1", n_rows), ("r2", n_rows)] if n_rows else [])
    sums = database.sql(
        f"SELECT run_id, sum(score), count(contrast), sum(contrast), count(iou)"
        f" FROM delta_scan('{tables}/prediction') GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    # Rows of 7 and 5: scores row + 0.5; contrast null in row 2 of both; iou null in rows 0, 3, 6 and 0, 3.
    assert sums == [("r1", 37.0, 0, None, 7), ("r2", 37.0, 10, 32.0, 7)]


def test_duckdb_skips_files_by_the_log_s_statistics(
    tables: Location, database: duckdb.DuckDBPyConnection
) -> None:
    plan = database.sql(
        "EXPLAIN ANALYZE SELECT count(contrast)"
        f" FROM delta_scan('{tables}/prediction') WHERE frame_order >= 6"
    ).fetchall()[0][1]
    # Of four files, those with frame_order up to 4 are left out.
    assert "2/4" in plan.replace(" ", "")


def test_delta_s_own_reader_and_pandas(tables: Location) -> None:
    from deltalake import DeltaTable

    table = DeltaTable(tables.child("prediction").delta_url, storage_options=tables.delta_options())
    frame = table.to_pandas()
    assert frame.groupby("run_id")["score"].agg(["size", "sum"]).to_numpy().tolist() == [[12, 37.0]] * 2
    assert frame.loc[frame["run_id"] == "r2", "contrast"].sum() == 32.0
    assert frame.loc[frame["run_id"] == "r1", "contrast"].isna().all()


def test_polars_reads_the_delta_tables(tables: Location) -> None:
    options = {name: value for name, value in tables.delta_options().items() if name not in NOT_FOR_POLARS}
    counted = pl.read_delta(f"{tables}/prediction", storage_options=options).group_by("run_id").len()
    assert sorted(counted.rows()) == [("r1", 12), ("r2", 12)]
    lazy = pl.scan_delta(f"{tables}/prediction", storage_options=options)
    picked = lazy.filter(pl.col("score") > 5, pl.col("run_id") == "r2").select(pl.col("contrast").sum())
    assert picked.collect().item() == 5.5 + 6.5


def test_plain_parquet_joined_to_run(tables: Location, database: duckdb.DuckDBPyConnection) -> None:
    """A reader that knows no Delta sees the third attempt's files too, until it joins to `run`."""
    files = f"read_parquet('{tables}/prediction/*/*.parquet', hive_partitioning=true, union_by_name=true)"
    complete = (
        f"SELECT run_id FROM read_parquet('{tables}/run/*/*.parquet', hive_partitioning=true)"
        " WHERE status = 'complete'"
    )
    assert database.sql(f"SELECT count(*) FROM {files}").fetchall() == [(36,)]
    counted = f"SELECT count(*), count(contrast) FROM {files} WHERE run_id IN ({complete})"
    assert database.sql(counted).fetchall() == [(24, 10)]


def test_pandas_reads_a_run_s_files(tables: Location) -> None:
    with warnings.catch_warnings():
        # pandas hands the store to fsspec, whose session it never closes.
        warnings.simplefilter("ignore", ResourceWarning)
        endpoint = {"client_kwargs": {"endpoint_url": tables.storage.endpoint_url}}
        frame = pd.read_parquet(
            f"{tables}/prediction/run_id=r2", storage_options=endpoint if tables.store == "s3" else None
        )
    assert len(frame) == 12
    assert frame["contrast"].sum() == 32.0
    assert set(frame["frame_id"]) == {f"frame_id {row}" for row in range(4)}
