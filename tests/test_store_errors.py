"""What a store's clients say where there are no credentials, in words a user can act on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emqa_core.errors import StorageError
from emqa_core.storage.location import Location
from emqa_core.storage.store_errors import may_pass
from tests.command import emqa_program


class Refusal(BaseHTTPRequestHandler):
    """A machine's metadata service that gives nobody anything."""

    def do_GET(self) -> None:
        self.send_error(403)

    def do_PUT(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a metadata service that refuses, which all clients ask; nothing else has credentials."""
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "RUST_LOG"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    ):
        monkeypatch.delenv(name, raising=False)
    empty = tmp_path / "empty"
    empty.touch()
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(empty))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    address = f"http://127.0.0.1:{server.server_port}"
    for name in ("AWS_METADATA_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        monkeypatch.setenv(name, address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "env",
    [{}, {"AWS_EC2_METADATA_DISABLED": "true"}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}],
    ids=["the chain of AWS", "without a metadata service", "an endpoint of one's own"],
)
def test_deltas_client_without_credentials(metadata: str, env: dict[str, str]) -> None:
    done = emqa_program("show", "s3://bucket/folder", **env)
    assert done.code == 6
    problem, next_step = done.err.splitlines()
    assert problem.startswith("error: s3://bucket/folder/run")
    assert "cannot be used without credentials" in problem
    assert next_step.split()[:4] == ["set", "AWS_ACCESS_KEY_ID", "and", "AWS_SECRET_ACCESS_KEY"]


def test_who_asks_for_the_clients_log_has_it(metadata: str) -> None:
    assert "WARN" in emqa_program("show", "s3://bucket/folder", RUST_LOG="warn").err


def test_the_client_of_files_without_credentials(metadata: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match="cannot be used without credentials") as caught:
        Location.of("s3://bucket/folder/file").read_bytes()
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.next_step)
    assert not may_pass(caught.value.__cause__)
