"""Files of a web site, where the configuration allows them: read only, and no redirect is followed."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException
from typing import Any

from emqa_core.errors import StorageError

_TIMEOUT_S = 30.0
_PAUSES_S = (0.5, 2.0, 5.0)  # before a request is made again
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403, 451})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect may lead anywhere, so none is followed."""

    def redirect_request(self, *_: Any) -> None:
        return None


def version(url: str) -> tuple[str, int]:
    """What changes when the file does, as far as the server tells: etag or time of change; its size.

    FileNotFoundError for a file that is not there, PermissionError for one that may not be read,
    StorageError where the server does not answer.
    """
    headers, _ = _request(url, "HEAD", 0)
    tag = headers.get("ETag") or headers.get("Last-Modified") or ""
    return tag.strip('"'), int(headers.get("Content-Length") or 0)


def read_bytes(url: str, most: int) -> bytes:
    """The file, or the first `most` bytes of it. Raises as `version`."""
    return _request(url, "GET", most)[1]


def _request(url: str, method: str, most: int) -> tuple[Message, bytes]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no web address")
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the scheme is checked above
    problem: object = None
    for pause in (*_PAUSES_S, None):
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                return answer.headers, answer.read(most) if most else b""
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _GONE:
                    raise FileNotFoundError(url) from None
                if error.code in _REFUSED or 300 <= error.code < 400:
                    raise PermissionError(f"the server answers {error.code} {error.reason}") from None
                problem = f"{error.code} {error.reason}"
                if error.code not in _PASSING:
                    break
        except (urllib.error.URLError, HTTPException, OSError) as error:
            problem = getattr(error, "reason", error)
        if pause is not None:
            time.sleep(pause)
    raise StorageError(
        f"{url} cannot be read", found=problem, next_step="see that the site is up, then start the run again"
    )
