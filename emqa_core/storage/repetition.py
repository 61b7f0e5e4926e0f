"""Requests to a store that fail by chance are made again, in one place and within one time.

`storage.timeout_s` bounds a request with its repetitions: an attempt may be silent for a quarter of it, and
none begins after three quarters. Each library that reaches a store also repeats by itself. Left as they come,
fsspec repeats what botocore has repeated, and a store that says nothing holds a run for hours.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from emqa_core.config import StorageConfig

_ATTEMPT_SHARE = 0.25
_REPEAT_SHARE = 0.75
_FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# The answers of a store that is overloaded, restarting or repairing itself.
_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"})
_STARTED = "emqa_started"

T = TypeVar("T")


def attempt_s(storage: StorageConfig) -> float:
    """How long one attempt of a request may be silent."""
    return storage.timeout_s * _ATTEMPT_SHARE


def repeat_s(storage: StorageConfig) -> float:
    """How long after a request's beginning it may be made again."""
    return storage.timeout_s * _REPEAT_SHARE


def pause_s(attempt: int, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Seconds after an attempt (1 is the first): random, so that clients do not come all at once."""
    return random.uniform(0.0, 1.0) * min(_FIRST_PAUSE_S * 2.0 ** min(attempt, 20), longest_s)


def repeated(call: Callable[[], T], limit_s: float, passes: Callable[[Exception], bool]) -> T:
    """The result of a call that only reads, made again after an error that `passes`.

    The clients do not repeat a request whose answer breaks off in its middle. What they do repeat comes
    here when its time is over, and this one's too.
    """
    started = time.monotonic()
    attempt = 1
    while True:
        try:
            return call()
        except Exception as error:
            pause = pause_s(attempt)
            if not passes(error) or time.monotonic() + pause - started > limit_s:
                raise
        time.sleep(pause)
        attempt += 1


def s3_session(limit_s: float) -> Any:
    """A session whose clients repeat requests, of every kind, for that long.

    botocore's own rule counts attempts, which are over in a second where a store refuses at once and last
    for many minutes where it is silent.
    """
    from aiobotocore.session import AioSession

    session = AioSession()
    session.register("request-created.s3", _note_start)
    session.register("needs-retry.s3", partial(_pause_before_next, limit_s))
    return session


def _note_start(request: Any, **_: Any) -> None:
    request.context.setdefault(_STARTED, time.monotonic())


def _pause_before_next(
    limit_s: float,
    attempts: int,
    response: Any = None,
    caught_exception: Exception | None = None,
    request_dict: Any = None,
    **_: Any,
) -> float | None:
    """Seconds until the next attempt; None: what came is the answer."""
    if not _passes(response, caught_exception):
        return None
    pause = pause_s(attempts)
    elapsed = time.monotonic() - request_dict["context"].get(_STARTED, 0.0)
    return pause if elapsed + pause <= limit_s else None


def _passes(response: Any, error: Exception | None) -> bool:
    """Whether a request's failure may pass by itself."""
    from botocore.exceptions import ConnectionError as ConnectingError
    from botocore.exceptions import HTTPClientError, ProxyConnectionError, SSLError

    if error is not None:
        lost = isinstance(error, HTTPClientError | ConnectingError)
        return lost and not isinstance(error, ProxyConnectionError | SSLError)
    if response is None:
        return False
    answer, parsed = response
    return answer.status_code in _PASSING_STATUS or parsed.get("Error", {}).get("Code") in _PASSING_CODES
