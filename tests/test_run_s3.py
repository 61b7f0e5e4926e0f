"""The whole run against a real S3 store, read back by other programs; and stores that must be refused."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import duckdb
import polars as pl
import pytest
from duckdb_extensions import import_extension

from emqa_core import evaluate, read_run
from emqa_core.errors import StorageError
from emqa_core.storage.location import Location
from emqa_core.storage.runs import Run
from tests.command import emqa
from tests.oracles.same_run import differences, tables_of
from tests.oracles.synthetic import make_data_set
from tests.seaweed import S3Store
from tests.test_storage_readers import NOT_FOR_POLARS
from tests.unconditional_proxy import proxy_without_conditional_puts

pytestmark = pytest.mark.s3

OPTIONS: dict[str, Any] = {
    "run_date": "2026-03-01",
    "iou_thresholds": [0.5, 0.75],
    "cluster": {"partitions": 3},
}


def run_into(output: str | None, **options: Any) -> Run:
    data = make_data_set(40, crowds=True)
    place = {} if output is None else {"output": output}
    run = evaluate(
        labels=data.labels,
        predictions=data.predictions,
        frames=data.frames,
        **{**OPTIONS, **place, **options},
    )
    assert isinstance(run, Run)
    return run


@pytest.fixture(scope="module")
def stored(s3: S3Store) -> str:
    """The output of a run in the store."""
    output = s3.folder()
    run_into(output)
    return output


def test_the_store_holds_what_the_disk_would(stored: str) -> None:
    assert differences(tables_of(read_run(stored)), tables_of(run_into(None))) == []


def test_duckdb_pandas_and_polars_count_the_same(stored: str, s3: S3Store) -> None:
    run = read_run(stored)
    for name in ("httpfs", "delta"):
        import_extension(name)
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.load_extension("httpfs")
    connection.load_extension("delta")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID $key, SECRET $secret, ENDPOINT $endpoint, REGION 'us-east-1',"
        " USE_SSL false, URL_STYLE 'path')",
        {"key": s3.access_key, "secret": s3.secret_key, "endpoint": urlsplit(s3.endpoint).netloc},
    )
    kept = {k: v for k, v in Location.of(stored).delta_options().items() if k not in NOT_FOR_POLARS}
    options = kept | {
        "aws_access_key_id": s3.access_key,
        "aws_secret_access_key": s3.secret_key,
    }
    described = run.row()
    for name, column in (("prediction", "n_predictions"), ("label", "n_labels"), ("frame", "n_frames")):
        query = (
            f"SELECT count(*) FROM delta_scan('{stored}/{name}') AS rows"
            f" JOIN delta_scan('{stored}/run') AS run USING (run_id) WHERE run.status = 'complete'"
        )
        by_duckdb = connection.sql(query).fetchall()[0][0]
        by_polars = pl.scan_delta(f"{stored}/{name}", storage_options=options).select(pl.len()).collect()
        assert by_duckdb == by_polars.item() == len(run.to_pandas(name)) == described[column] > 0


def test_counts_in_sql_are_the_summary_s(stored: str) -> None:
    """True positives counted from the rows are those of the summary."""
    run = read_run(stored)
    predictions = run.to_pandas("prediction")
    summary = {row["measure"]: row["value"] for row in run.table("summary").to_pylist()}
    assert (predictions["outcome"] == "true_positive").sum() == summary["n_true_positive"] > 0
    assert (run.to_pandas("label")["outcome"] == "missed").sum() == summary["n_missed"] > 0


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [("AWS_SECRET_ACCESS_KEY", "wrong", "credentials"), ("AWS_ACCESS_KEY_ID", "nobody", "credentials")],
)
def test_wrong_credentials(
    s3: S3Store, monkeypatch: pytest.MonkeyPatch, name: str, value: str, fragment: str
) -> None:
    output = s3.folder()
    with monkeypatch.context() as patch:
        patch.setenv(name, value)
        with pytest.raises(StorageError, match=fragment) as caught:
            run_into(output)
    assert s3.secret_key not in str(caught.value)
    assert not Location.of(output).exists()


def test_missing_bucket(s3: S3Store) -> None:
    with pytest.raises(StorageError, match="no-such-bucket"):
        run_into("s3://no-such-bucket/eval")


def test_a_store_without_conditional_puts(s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    output = s3.folder()
    with proxy_without_conditional_puts(s3) as endpoint, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match="conditional"):
            run_into(output)
    left = [url for url in Location.of(output).list() if "/_emqa/" not in url]
    assert left == []
    assert "AWS_ENDPOINT_URL" in os.environ


def test_the_page_in_the_store_opens_in_a_browser(stored: str) -> None:
    page = Location.of(stored).child("report", f"{read_run(stored).run_id}.html")
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert page.filesystem().info(page.path)["ContentType"] == "text/html; charset=utf-8"


def test_the_worst_go_into_the_store(stored: str, s3: S3Store, capsys: pytest.CaptureFixture[str]) -> None:
    to = f"{s3.folder()}/worst.csv"
    arguments = ("worst", stored, "--by", "missed", "--limit", "5")
    done = emqa(capsys, *arguments, "--to", to)
    assert done.code == 0, done.err
    assert Location.of(to).read_bytes().decode() == emqa(capsys, *arguments).out
