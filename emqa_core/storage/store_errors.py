"""What went wrong at a store, in words a user can act on."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emqa_core.errors import EmqaError, StorageError

if TYPE_CHECKING:
    from emqa_core.storage.location import Location

# Classes of the libraries are told by name: importing botocore alone would cost half a second.
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
# Deltalake's errors say nothing by their class, so their text is looked at.
# Where there are none, a client asks the machine's metadata service last, and tells of that alone.
_NO_CREDENTIALS = re.compile(
    r"NoCredentials|no credentials found in chain|IMDS (session token|is disabled|disabled by)"
    r"|/latest/(api/token|meta-data/)|//169\.254\.169\.254/|//metadata\.google\.internal"
)
_CREDENTIALS = re.compile(
    r"PartialCredentials|CredentialRetrieval|lacked the necessary privileges|\b40[13] [FU]"
    r"|SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|ExpiredToken"
)
_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_TLS = re.compile(r"SSLError|CERTIFICATE_VERIFY|certificate|InvalidContentType", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"EndpointConnection|ConnectTimeout|ReadTimeout|ConnectionClosed|ClientPayload|IncompleteRead"
    r"|ResponseStreaming|client error \(|error sending request|body error|operation timed out|dns error"
    r"|Connection reset"
)
_FAILING = re.compile(
    r"\b50[0234] (Internal|Bad|Service|Gateway)|InternalError|ServiceUnavailable|SlowDown|\(50[0234]\)"
)
_FULL = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\b")  # as Delta's client says it
_XML_REASON = re.compile(r"<Code>(.*?)</Code>(?:\s*<Message>(.*?)</Message>)?", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[\d+m")
_LONGEST_REASON = 400


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
        raise explained(location, error) from error


def is_store_error(error: Exception) -> bool:
    """Whether an error comes from the disk, the network, the store or the Delta log, not from our code."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _STORE_MODULES


def explained(location: Location, error: Exception, problem: str | None = None) -> StorageError:
    """The error as a user should read it: the place, what the store said, what to do about it."""
    what, next_step = _diagnosis(location, error)
    return StorageError(problem or f"{location.where} {what}", found=reason(error), next_step=next_step)


def may_pass(error: BaseException | None) -> bool:
    """Whether a store's error may be over in a moment: the network's, or the store's own."""
    text = _text(error)
    lasts = any(each.search(text) for each in (_BUCKET, _TLS, _NO_CREDENTIALS, _CREDENTIALS))
    return not lasts and bool(_UNREACHABLE.search(text) or _FAILING.search(text))


def http_status(error: BaseException) -> int | None:
    """HTTP status of a store's answer, where fsspec's error has one behind it."""
    for each in (error, error.__cause__):
        answer = getattr(each, "response", None)
        if isinstance(answer, dict):
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return int(status) if status else None
    return None


def _text(error: BaseException | None) -> str:
    """What an error and the one that it was made of say, with their names."""
    told = [error, error.__cause__] if error is not None else []
    return _COLOUR.sub("", " ".join(f"{type(each).__name__} {each}" for each in told if each is not None))


def reason(error: Exception) -> str:
    """What the store said, in one line."""
    if http_status(error) is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__  # fsspec keeps the message of an answer only
    text = _COLOUR.sub("", str(error)).strip()
    answer = _XML_REASON.search(text)
    if answer:
        return ": ".join(part.strip().splitlines()[0] for part in answer.groups() if part)
    steps = [line.strip().removeprefix("↳").strip() for line in text.splitlines()]
    steps = [step for step in steps if step] or [type(error).__name__]
    # Deltalake tells its errors from the outside in: the last line is the cause.
    short = steps[0] if len(steps) == 1 else f"{steps[0]}: {steps[-1]}"
    return short[:_LONGEST_REASON]


def _diagnosis(location: Location, error: Exception) -> tuple[str, str | None]:
    text = _text(error)
    if location.store == "file":
        if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
            return "may not be written or read", "give this user the right, or choose another folder"
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(text):
            return "cannot be written: the disk is full", "free space on the disk, then start again"
        return "cannot be used", None
    if _BUCKET.search(text):
        return (
            f"cannot be used: bucket {location.bucket!r} does not exist",
            "create the bucket, or correct the location or storage.endpoint_url",
        )
    keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" if location.store == "s3" else "the credentials"
    if _NO_CREDENTIALS.search(text):
        return "cannot be used without credentials", f"set {keys} in the environment, of the workers too"
    if _TLS.search(text):
        return (
            "cannot be reached safely",
            "see that the endpoint speaks TLS; set storage.ca_file to the CA of its certificate",
        )
    if isinstance(error, PermissionError) or _CREDENTIALS.search(text):
        rights = "their rights to list, read, write and delete"
        return "refuses the credentials", f"check {keys} in the environment, of the workers too, and {rights}"
    if _FAILING.search(text):
        return (
            "keeps answering with errors",
            "see the store's own log; start again when it is well",
        )
    if _UNREACHABLE.search(text):
        return (
            "cannot be reached",
            "check storage.endpoint_url (or AWS_ENDPOINT_URL), the network, and that the store is up",
        )
    return "cannot be used", None
