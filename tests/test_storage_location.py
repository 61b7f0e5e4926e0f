from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from emqa_core.config import StorageConfig
from emqa_core.errors import ConfigError, StorageError
from emqa_core.storage.location import FileAccess, Location
from tests.seaweed import S3Store

SECRETS = {"AWS_ACCESS_KEY_ID": "key-of-a-test", "AWS_SECRET_ACCESS_KEY": "secret-of-a-test"}


@pytest.fixture
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/data/out", "file:///data/out"),
        ("file:///data/out/", "file:///data/out"),
        ("/data/../data/out", "file:///data/../data/out"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3a://bucket/a", "s3://bucket/a"),
        ("gcs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "abfs://container/a"),
    ],
)
def test_a_place_has_one_url(given: str, url: str, no_endpoint: None) -> None:
    assert Location.of(given).url == url


def test_a_relative_path_is_taken_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Location.of("out").url == f"file://{tmp_path}/out"
    assert str(Location.of(Path("out"))) == f"{tmp_path}/out"


@pytest.mark.parametrize("url", ["ftp://host/x", "memory://x", "s3://", "s3:///x"])
def test_an_unknown_store_or_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(StorageError):
        Location.of(url)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://key:hidden@bucket/x", None),
        ("s3://bucket/x", "https://key:hidden@store.example"),
        ("s3://bucket/x", "key:hidden@store.example"),
        ("abfs://container@account.hidden/x", None),
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(
    url: str, endpoint: str | None, no_endpoint: None
) -> None:
    with pytest.raises(StorageError) as caught:
        Location.of(url, StorageConfig(endpoint_url=endpoint))
    assert "hidden" not in str(caught.value)
    assert "environment" in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_http_is_for_this_machine(host: str, no_endpoint: None) -> None:
    location = Location.of("s3://bucket/x", StorageConfig(endpoint_url=f"http://{host}:8333"))
    assert location.delta_options()["allow_http"] == "true"


def test_plain_http_to_other_machines_must_be_allowed(no_endpoint: None) -> None:
    with pytest.raises(StorageError, match="allow_http"):
        Location.of("s3://bucket/x", StorageConfig(endpoint_url="http://store.example:8333"))
    allowed = StorageConfig(endpoint_url="http://store.example:8333", allow_http=True)
    assert Location.of("s3://bucket/x", allowed).delta_options()["allow_http"] == "true"


def test_an_endpoint_that_is_no_url_is_a_configuration_error(no_endpoint: None) -> None:
    with pytest.raises(ConfigError, match="endpoint_url"):
        Location.of("s3://bucket/x", StorageConfig(endpoint_url="store.example"))


def test_both_libraries_get_the_same_settings(no_endpoint: None) -> None:
    storage = StorageConfig(endpoint_url="https://store.example/", region="eu-north-1", timeout_s=7)
    location = Location.of("s3://bucket/x", storage)
    delta = location.delta_options()
    files = location.filesystem().storage_options
    assert delta["aws_endpoint_url"] == files["endpoint_url"] == "https://store.example"
    assert delta["aws_region"] == files["client_kwargs"]["region_name"] == "eu-north-1"
    assert delta["timeout"] == "1750ms"  # a quarter for an attempt
    assert files["config_kwargs"]["read_timeout"] == 1.75
    assert delta["retry_timeout"] == "5250ms"
    assert files["config_kwargs"]["retries"]["total_max_attempts"] == 1  # it is we who repeat
    assert delta["aws_conditional_put"] == "etag"
    assert delta["aws_virtual_hosted_style_request"] == "false"
    assert files["config_kwargs"]["s3"]["addressing_style"] == "path"
    assert delta["allow_http"] == "false"


def test_endpoint_and_region_travel_with_the_location(
    monkeypatch: pytest.MonkeyPatch, no_endpoint: None
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    sent = pickle.dumps(Location.of("s3://bucket/x"))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    options = pickle.loads(sent).delta_options()  # noqa: S301 - our own bytes
    assert options["aws_endpoint_url"] == "https://store.example"
    assert options["aws_region"] == "eu-west-3"


def test_secrets_stay_in_the_environment(monkeypatch: pytest.MonkeyPatch, no_endpoint: None) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    location = Location.of("s3://bucket/x", StorageConfig(endpoint_url="https://store.example"))
    shown = [repr(location), str(location), repr(location.delta_options()), repr(location.filesystem())]
    shown += [repr(location.filesystem().storage_options), pickle.dumps(location).decode("latin1")]
    shown += [pickle.dumps(location.filesystem()).decode("latin1")]
    for text in shown:
        assert not any(secret in text for secret in SECRETS.values())


def test_files_are_written_listed_and_removed(output: Location) -> None:
    assert not output.exists()
    assert output.list() == []
    output.child("b", "two").write_bytes(b"22")
    with output.child("a", "one").open("wb") as file:
        file.write(b"1")
    output.child("a", "deep", "er").write_bytes(b"")
    assert [url.removeprefix(output.url) for url in output.list()] == ["/a/deep/er", "/a/one", "/b/two"]
    assert list(output.sizes().values()) == [0, 1, 2]
    assert output.child("b", "two").list() == [output.child("b", "two").url]
    assert output.child("b", "two").size() == 2
    assert output.child("a").exists()
    with output.child("b", "two").open() as file:
        assert file.read() == b"22"
    output.child("a").remove()
    output.child("a").remove()
    assert [url.removeprefix(output.url) for url in output.list()] == ["/b/two"]
    with pytest.raises(FileNotFoundError):
        output.child("a", "one").read_bytes()


def test_another_client_s_files_are_seen_at_once(output: Location) -> None:
    output.child("old").write_bytes(b"x")
    assert len(output.list()) == 1
    # Other settings give a client of its own, as another process has.
    other = Location(output.url, output.storage.model_copy(update={"timeout_s": 30.0}))
    other.child("new").write_bytes(b"xy")
    assert list(output.sizes().values()) == [2, 1]
    assert output.child("new").size() == 2
    other.child("new").write_bytes(b"xyz")
    assert output.child("new").size() == 3
    other.child("new").remove()
    assert not output.child("new").exists()
    assert len(output.list()) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = Location.of(tmp_path / "x")
    file.write_bytes(b"old")
    with pytest.raises(TypeError), file.local_replacement() as sink:
        sink.writelines([b"new", "and no bytes"])  # type: ignore[list-item]
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_content_tag_changes_with_the_content(output: Location) -> None:
    file = output.child("x")
    file.write_bytes(b"1")
    first = file.etag_or_none()
    file.write_bytes(b"2")
    if output.store == "file":
        assert first is None
    else:
        assert first
        assert first != file.etag_or_none()


def test_ingest_sees_data_files_only(output: Location) -> None:
    for name in ("b.csv", "a.csv", "c/d.csv", "_delta_log/0.json", ".hidden.csv", "c/_tmp/e.csv"):
        output.child(*name.split("/")).write_bytes(b"x")
    files = FileAccess(output.storage)
    listed = files.list(str(output))
    assert [Location.of(url).url.removeprefix(output.url) for url in listed] == [
        "/a.csv",
        "/b.csv",
        "/c/d.csv",
    ]
    assert files.list(listed[0]) == [listed[0]]
    assert files.size(listed[0]) == 1
    with files.open(listed[0]) as file:
        assert file.seek(0, 2) == 1
    # A hidden folder above the one asked for hides nothing.
    output.child("_up", "f.csv").write_bytes(b"x")
    assert len(files.list(f"{output}/_up")) == 1


@pytest.mark.s3
def test_an_object_is_read_by_ranges(s3: S3Store) -> None:
    file = Location.of(s3.folder()).child("big")
    file.write_bytes(bytes(range(256)) * 40_000)
    with file.open() as source:
        source.seek(256 * 20_000)
        assert source.read(4) == b"\0\1\2\3"
        source.seek(-1, 2)
        assert source.read() == b"\xff"


def test_an_optional_store_says_what_to_install(no_endpoint: None) -> None:
    gcsfs = pytest.importorskip("importlib.util").find_spec("gcsfs")
    if gcsfs is not None:
        pytest.skip("gcsfs is installed")
    with pytest.raises(StorageError, match=r"emqa\[gcs\]"):
        Location.of("gs://bucket/x").exists()


def test_a_pipe_is_not_replaced_and_a_link_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StorageError, match="no regular file"):
        Location.of(str(pipe)).write_bytes(b"x")
    assert pipe.is_fifo()
    link, file = tmp_path / "link", tmp_path / "file"
    file.write_bytes(b"old")
    link.symlink_to(file)
    Location.of(str(link)).write_bytes(b"new")
    assert link.is_symlink() and file.read_bytes() == b"new"
