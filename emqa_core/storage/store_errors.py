"""What went wrong at a store, in words a user can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emqa_core.errors import EmqaError, StorageError

if TYPE_CHECKING:
    from emqa_core.storage.location import Location

# botocore's classes by name: importing them would cost half a second.
NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
UNREACHABLE = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
)
_STORE_MODULES = (
    "_internal",  # deltalake's
    "aiobotocore",
    "aiohttp",
    "azure",
    "botocore",
    "deltalake",
    "gcsfs",
    "google",
)


@contextmanager
def explain_errors(location: Location) -> Iterator[None]:
    """Turn a store's errors into StorageError; a file that is not there stays FileNotFoundError."""
    try:
        yield
    except (EmqaError, FileNotFoundError):
        raise
    except Exception as error:
        if not is_store_error(error):
            raise
        raise StorageError(
            f"{location.where} cannot be used",
            found=f"{type(error).__name__}: {error}",
            next_step=next_step_for(location, error),
        ) from error


def is_store_error(error: Exception) -> bool:
    """Whether an error comes from the disk, the network, the store or the Delta log, not from our code."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _STORE_MODULES


def next_step_for(location: Location, error: Exception) -> str | None:
    """What a user may do about an error of the store."""
    name, text = type(error).__name__, str(error)
    if name in NO_CREDENTIALS:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, of the workers too"
    if isinstance(error, PermissionError):
        if location.store == "file":
            return "check the folder's permissions"
        return (
            "check the credentials in the environment and their rights to list, read, write and delete here"
        )
    if "SSL" in name or "certificate" in text.lower():
        return "check that the endpoint speaks TLS and set storage.ca_file to the CA of its certificate"
    if name in {
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "ReadTimeoutError",
    }:
        return "check storage.endpoint_url (or AWS_ENDPOINT_URL), the network, and that the store is up"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "free space on the disk"
    return None
