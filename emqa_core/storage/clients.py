"""The two libraries that reach a store, set up from one configuration.

fsspec moves files and deltalake moves tables, and the two take endpoint, region, TLS and timeouts in
different ways. Credentials are read from the environment by the libraries themselves: no value of ours
ever holds one.
"""

from __future__ import annotations

import os
from typing import Any, Literal
from urllib.parse import urlsplit

from emqa_core.config import StorageConfig
from emqa_core.errors import ConfigError, StorageError
from emqa_core.storage.certificates import read_ca, trust
from emqa_core.storage.repetition import LONGEST_PAUSE_S, attempt_s, repeat_s, s3_session

Store = Literal["file", "s3", "gs", "abfs"]
_MOST_ATTEMPTS = 1000  # time ends them, not their number
_CONNECT_TIMEOUT_S = 5.0
_EXTRAS = {"gs": "gcs", "abfs": "azure"}


def delta_options(store: Store, storage: StorageConfig) -> dict[str, str]:
    """The storage_options of deltalake."""
    if store == "file":
        return {}
    options = {
        "timeout": _milliseconds(attempt_s(storage)),
        "connect_timeout": _milliseconds(_connect_s(storage)),
        "max_retries": str(_MOST_ATTEMPTS),
        "retry_timeout": _milliseconds(repeat_s(storage)),
        "backoff_config.max_backoff": _milliseconds(LONGEST_PAUSE_S),
    }
    if store == "s3":
        options["aws_conditional_put"] = "etag"
        options["aws_region"] = storage.region or "us-east-1"
        if storage.endpoint_url:
            options["aws_endpoint_url"] = storage.endpoint_url
            options["aws_virtual_hosted_style_request"] = "false"
            options["allow_http"] = str(storage.endpoint_url.startswith("http://")).lower()
        ca_file = storage.ca_file or os.environ.get("AWS_CA_BUNDLE")
        if ca_file and not (storage.endpoint_url or "").startswith("http://"):
            trust(ca_file)
    return options


def filesystem(store: Store, storage: StorageConfig, limit_s: float | None = None) -> Any:
    """The file system of fsspec. Raises StorageError where the store's package is not installed.

    limit_s: how long a request to S3 may be repeated, of a file system for this once; default: as `storage`
    has it.
    """
    import fsspec

    options = _s3_options(storage) if store == "s3" else {}
    try:
        files = fsspec.filesystem(store, skip_instance_cache=limit_s is not None, **options)
    except ImportError as error:
        raise StorageError(
            f"{store}:// needs a package that is not installed",
            found=str(error),
            next_step=f"pip install 'emqa[{_EXTRAS.get(store, store)}]'",
        ) from error
    if store == "s3":
        files.retries = 1  # the session repeats
        if files.session is None:  # as it is until the first request
            files.session = s3_session(repeat_s(storage) if limit_s is None else limit_s)
    return files


def _s3_options(storage: StorageConfig) -> dict[str, Any]:
    client: dict[str, Any] = {"region_name": storage.region or "us-east-1"}
    if storage.ca_file:
        read_ca(storage.ca_file)
        client["verify"] = storage.ca_file
    return {
        "endpoint_url": storage.endpoint_url,
        "client_kwargs": client,
        "config_kwargs": {
            "connect_timeout": _connect_s(storage),
            "read_timeout": attempt_s(storage),
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "s3": {"addressing_style": "path" if storage.endpoint_url else "auto"},
        },
        # Other processes write here too: a remembered listing would miss their files.
        "use_listings_cache": False,
    }


def _connect_s(storage: StorageConfig) -> float:
    return min(_CONNECT_TIMEOUT_S, attempt_s(storage))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


def resolved(store: Store, storage: StorageConfig) -> StorageConfig:
    """The configuration with endpoint and region of this process's environment filled in."""
    if store != "s3":
        return storage
    environment = os.environ
    endpoint = (
        storage.endpoint_url or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    )
    region = storage.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if endpoint:
        _check_endpoint(endpoint, storage.allow_http)
    return storage.model_copy(
        update={
            "endpoint_url": endpoint.rstrip("/") if endpoint else None,
            "region": region or "us-east-1",
        }
    )


def _check_endpoint(endpoint: str, allow_http: bool) -> None:
    parts = urlsplit(endpoint)
    if "@" in endpoint:
        raise StorageError(
            "the endpoint's URL carries credentials",
            next_step="remove them from the URL and give them in the environment",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "option 'storage.endpoint_url'", expected="http(s)://host:port", found=repr(endpoint)
        )
    if parts.scheme == "http" and not allow_http and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise StorageError(
            f"the endpoint {endpoint} is not encrypted",
            expected="https://",
            next_step="set storage.allow_http: true if the network is trusted",
        )
