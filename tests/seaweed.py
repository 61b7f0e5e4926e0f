"""A real S3 store for tests: SeaweedFS from its wheel, on free ports, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ACCESS_KEY, SECRET_KEY, BUCKET = "emqa-test-key", "emqa-test-secret", "emqa-test"
_PORTS = (
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
    "-s3.port.grpc",
    "-admin.port",
    "-admin.port.grpc",
)
_READY_S = 60.0


@dataclass(frozen=True)
class S3Store:
    """A running store. `environment` is all that a client needs, in this process or another."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    process: subprocess.Popen[bytes]
    ports: tuple[int, ...]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def stop(self) -> None:
        """End it by SIGKILL (SIGTERM takes it 20 s), and remove the sockets that it then leaves."""
        self.process.kill()
        self.process.wait()
        for port in self.ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - its choice
                left.unlink(missing_ok=True)

    def folder(self) -> str:
        """URL of a folder in the bucket that no other test has."""
        return f"s3://{self.bucket}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """A store for the session, with its keys and endpoint in this process's environment."""
    folder = tmp_path_factory.mktemp("seaweed")
    store = start_store(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in store.environment.items():
            patch.setenv(name, value)
        try:
            yield store
        finally:
            store.stop()
            shutil.rmtree(folder, ignore_errors=True)


def start_store(folder: Path, *further: str) -> S3Store:
    """Start a store; another program may take a port in between, so several times if need be."""
    for _ in range(3):
        store = _launch(folder, *further)
        end = time.monotonic() + _READY_S
        while time.monotonic() < end and store.process.poll() is None:
            if _takes_objects(store):
                return store
            time.sleep(0.05)
        store.stop()
    log = (folder / "weed.log").read_text(errors="replace")
    raise RuntimeError(f"SeaweedFS did not start:\n{log[-3000:]}")


def _launch(folder: Path, *further: str) -> S3Store:
    ports = free_ports(1 + len(_PORTS))
    data = folder / uuid.uuid4().hex
    data.mkdir()
    command = [
        str(Path(sys.executable).with_name("weed")),
        "mini",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={data}",
        *(f"{name}={port}" for name, port in zip(("-s3.port", *_PORTS), ports, strict=True)),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        *further,
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "S3_BUCKET": BUCKET,
    }
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=data, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    return S3Store(f"http://127.0.0.1:{ports[0]}", BUCKET, ACCESS_KEY, SECRET_KEY, process, tuple(ports))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _takes_objects(store: S3Store) -> bool:
    """Whether an object can be written: the bucket and the volumes come up after the S3 server."""
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=store.endpoint,
        region_name="us-east-1",
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    try:
        client.put_object(Bucket=store.bucket, Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True
