"""A Prefect server for the length of one program, started while the program is still importing.

Prefect's own temporary server starts only when the flow does, and has the flow's process import the whole
server first: 7 of the demo's seconds. This module imports nothing of Prefect.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from emqa_core.errors import EmqaError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 5.0


class ServerError(EmqaError):
    """The temporary Prefect server did not start."""


class TemporaryServer:
    """A Prefect server on a free port of this machine; `log` has what it wrote."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "server.log"
        self.home = home.resolve()
        self._port = _free_port()
        app = ["--factory", "prefect.server.api.server:create_app", "--log-level", "error"]
        address = ["--host", "127.0.0.1", "--port", str(self._port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *app, *address],
                env={**os.environ, "PREFECT_HOME": str(self.home), "PREFECT_SERVER_UI_ENABLED": "false"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    def wait_until_ready(self) -> None:
        """Until it answers. Raises ServerError."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise ServerError(
                    "the temporary Prefect server " + ("ended" if ended else "does not answer"),
                    next_step=f"see {self.log}, or start a server and set PREFECT_API_URL",
                )
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api_url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_server(home: Path) -> TemporaryServer:
    """Start a server, point Prefect, which must not be imported yet, at it, and stop it when Python ends.

    home: where the server keeps its database and log; a second start there spares the making of the
    database.
    """
    if "prefect" in sys.modules:
        raise RuntimeError("Prefect has read its settings already")
    server = TemporaryServer(home)
    os.environ["PREFECT_HOME"] = str(server.home)
    os.environ["PREFECT_API_URL"] = server.api_url
    # Registered before Prefect registers the sending of its last logs and events: that comes first then.
    atexit.register(server.stop)
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
