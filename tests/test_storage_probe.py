from __future__ import annotations

import datetime
import errno
import ipaddress
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emqa_core.config import StorageConfig
from emqa_core.errors import StorageError
from emqa_core.storage.location import Location
from emqa_core.storage.probe import probe_location
from emqa_core.storage.runs import list_runs
from tests.seaweed import S3Store, free_ports, start_store
from tests.unconditional_proxy import proxy_without_conditional_puts

NOBODY = 65534


def test_a_good_place_passes_and_stays_empty(output: Location) -> None:
    probe_location(output)
    probe_location(output)
    assert output.list() == []
    if output.store == "file":
        assert list(Path(output.path).iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(StorageError, match="folder") as caught:
            probe_location(Location.of(place))
        assert str(tmp_path / "taken") in str(caught.value)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")  # as vfat answers

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="hard links") as caught:
        probe_location(Location.of(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    with without_root(tmp_path), pytest.raises(StorageError, match="written") as caught:
        probe_location(Location.of(closed))
    assert str(closed) in str(caught.value)
    with without_root(tmp_path), pytest.raises(StorageError, match="written"):
        probe_location(Location.of(closed / "below"))
    assert list(closed.iterdir()) == []


@contextmanager
def without_root(folder: Path) -> Iterator[None]:
    """Drop root's rights, which no folder is closed to, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    for above in (folder, *folder.parents):
        if above.owner() == "root" and above.name:
            above.chmod(above.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.s3
@pytest.mark.parametrize(
    ("key", "secret"),
    [("emqa-test-key", "wrong-secret"), ("wrong-key", "emqa-test-secret"), (None, None)],
    ids=["secret", "key", "none"],
)
def test_wrong_credentials(
    s3: S3Store, monkeypatch: pytest.MonkeyPatch, key: str | None, secret: str | None
) -> None:
    location = Location.of(s3.folder())
    for name, value in (("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)):
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    # Without this, a machine in a cloud would find its own credentials.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    location.filesystem().clear_instance_cache()
    said = "refuses the credentials" if key is not None else "cannot be used without credentials"
    with within_seconds(5), pytest.raises(StorageError, match=said) as caught:
        probe_location(location)
    assert s3.endpoint in str(caught.value)
    assert s3.bucket in str(caught.value)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert secret is None or secret not in str(caught.value)
    if key is not None:
        with pytest.raises(StorageError, match="refuses the credentials"):
            list_runs(location)
    location.filesystem().clear_instance_cache()


@pytest.mark.s3
def test_a_missing_bucket(s3: S3Store) -> None:
    location = Location.of("s3://no-such-bucket/out")
    with within_seconds(5), pytest.raises(StorageError, match="'no-such-bucket' does not exist") as caught:
        probe_location(location)
    assert s3.endpoint in str(caught.value)
    with pytest.raises(StorageError, match="'no-such-bucket' does not exist"):
        list_runs(location)
    # The probe must not have made it.
    with pytest.raises(StorageError, match="'no-such-bucket' does not exist"):
        probe_location(location)


@pytest.mark.s3
@pytest.mark.usefixtures("s3")
def test_an_endpoint_where_nobody_answers() -> None:
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    location = Location.of("s3://bucket/out", StorageConfig(endpoint_url=endpoint, timeout_s=20))
    with within_seconds(5), pytest.raises(StorageError, match="cannot be reached") as caught:
        probe_location(location)
    assert endpoint in str(caught.value)
    assert "storage.endpoint_url" in str(caught.value)
    with within_seconds(30), pytest.raises(StorageError, match="cannot be reached"):
        list_runs(location)


@pytest.mark.s3
@pytest.mark.usefixtures("s3")
def test_an_endpoint_that_takes_the_connection_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emqa_core.storage.probe._ANSWER_S", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        location = Location.of("s3://bucket/out", StorageConfig(endpoint_url=endpoint))
        with within_seconds(6), pytest.raises(StorageError, match="cannot be reached"):
            probe_location(location)


@pytest.mark.s3
def test_a_store_without_conditional_puts(s3: S3Store) -> None:
    url = s3.folder()
    with proxy_without_conditional_puts(s3) as endpoint:
        location = Location.of(url, StorageConfig(endpoint_url=endpoint))
        with pytest.raises(StorageError, match="no conditional puts") as caught:
            probe_location(location)
    assert endpoint in str(caught.value)
    assert "If-None-Match" in str(caught.value)
    assert Location.of(url).list() == []


@pytest.mark.s3
def test_a_private_ca_serves_both_libraries(
    s3: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    # Restores the variable after the test, whatever the code under test does with it.
    monkeypatch.setenv("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE", ""))
    ca, certificate, key = write_certificates(tmp_path)
    port = free_ports(1)[0]
    store = start_store(
        tmp_path,
        f"-s3.port.https={port}",
        f"-s3.cert.file={certificate}",
        f"-s3.key.file={key}",
    )
    try:
        endpoint = f"https://127.0.0.1:{port}"
        url = f"s3://{store.bucket}/out"
        with pytest.raises(StorageError, match=r"storage\.ca_file"):
            probe_location(Location.of(url, StorageConfig(endpoint_url=endpoint)))
        with pytest.raises(StorageError, match=r"missing\.pem cannot be read"):
            probe_location(Location.of(url, StorageConfig(endpoint_url=endpoint, ca_file="missing.pem")))
        location = Location.of(url, StorageConfig(endpoint_url=endpoint, ca_file=str(ca)))
        probe_location(location)
        assert list_runs(location).num_rows == 0
    finally:
        store.stop()


def write_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A CA of a test's own, and a certificate and key for 127.0.0.1 that it signed."""
    ca_key, store_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, store_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("a test's CA", "a test's store")
    )
    now = datetime.datetime.now(datetime.UTC)

    def sign(name: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    key_pem = store_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    paths = folder / "ca.pem", folder / "store.pem", folder / "store.key"
    paths[0].write_bytes(sign(ca_name, ca_key, x509.BasicConstraints(ca=True, path_length=None)))
    paths[1].write_bytes(
        sign(store_name, store_key, x509.BasicConstraints(ca=False, path_length=None), address)
    )
    paths[2].write_bytes(key_pem)
    return paths


@contextmanager
def within_seconds(limit: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < limit
