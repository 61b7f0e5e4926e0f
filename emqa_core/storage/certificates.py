"""A private CA for deltalake, which reads its certificates from SSL_CERT_FILE alone."""

from __future__ import annotations

import atexit
import os
import ssl
import tempfile
import threading
from pathlib import Path

from emqa_core.errors import StorageError

_VARIABLE = "SSL_CERT_FILE"
_lock = threading.Lock()


def trust(ca_file: str) -> None:
    """Let this process's SSL_CERT_FILE hold a CA besides those that it held.

    The variable is read by others too (Python's own TLS among them), so what they trusted stays in it: it
    names a copy with the CA at its end, removed when the process ends.
    """
    with _lock:
        present = os.environ.get(_VARIABLE) or ssl.get_default_verify_paths().cafile
        wanted = read_ca(ca_file)
        held = Path(present).read_bytes() if present and Path(present).is_file() else b""
        if wanted in held and os.environ.get(_VARIABLE):
            return
        handle, name = tempfile.mkstemp(prefix="emqa-ca-", suffix=".pem")
        with os.fdopen(handle, "wb") as file:
            file.write(held + b"\n" + wanted + b"\n")
        atexit.register(Path(name).unlink, missing_ok=True)
        os.environ[_VARIABLE] = name


def read_ca(ca_file: str) -> bytes:
    """The certificates of a CA file. Raises StorageError where it cannot be read."""
    try:
        return Path(ca_file).read_bytes().strip()
    except OSError as error:
        raise StorageError(
            f"the CA file {ca_file} cannot be read",
            found=error.strerror,
            next_step="correct storage.ca_file; workers need the file too",
        ) from error
