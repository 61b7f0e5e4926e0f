"""A proxy before a real store that fails as networks and stores do: on chosen requests, and on purpose.

    python -m tests.faults.fault_proxy http://127.0.0.1:8333 --answer 503 --share 0.2

prints its endpoint and lets that share of all requests fail until it is stopped. Requests are passed on as
they came, so that their signatures hold.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

Answer = Literal["500", "503", "reset", "stall", "lose", "fail_after", "cut"]
_CODES = {"500": b"InternalError", "503": b"ServiceUnavailable"}
_UPSTREAM_S = 30.0


@dataclass(frozen=True)
class Fault:
    """Which requests fail, and how.

    answer: an HTTP error; `reset` of the connection; `stall`: no answer until the fault is over; `lose`: the
    request is carried out and the connection then reset; `fail_after`: it is carried out and 500 answered;
    `cut`: half of the answer's body. method, path: regular expressions of the requests meant. first_of_each:
    only so many for each path. share: only this share of them, chosen by a hash of the request's number.
    begins: a request, as method and path, with which the fault begins.
    """

    answer: Answer
    method: str = ".*"
    path: str = ".*"
    first_of_each: int | None = None
    share: float = 1.0
    seed: int = 1
    begins: str = ""

    def means(self, method: str, path: str, number: int) -> bool:
        if not (re.fullmatch(self.method, method) and re.search(self.path, path)):
            return False
        digest = hashlib.sha256(f"{self.seed}:{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.share * 2**64


@dataclass
class FaultProxy:
    """A proxy that runs; `injected` names the requests that failed so far."""

    upstream: str
    port: int = 0
    fault: Fault | None = None
    injected: list[str] = field(default_factory=list)
    refuses: bool = False
    _number: int = 0
    _begun: bool = False
    _lock: Lock = field(default_factory=Lock)
    _over: Event = field(default_factory=Event)
    _met: Event = field(default_factory=Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def inject(self, fault: Fault) -> None:
        """Let requests fail from now on."""
        self._over.clear()
        self._met.clear()
        self.injected.clear()
        self._begun = False
        self.fault = fault

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Requests fail in the block."""
        self.inject(fault)
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        """The store is well again."""
        self.fault = None
        self._over.set()

    def wait_for_fault(self, timeout_s: float = 180.0) -> None:
        """Until a request has failed."""
        assert self._met.wait(timeout_s), "no request was meant by the fault"

    def refuse(self) -> None:
        """Connections are refused; those that are open are reset at their next request."""
        assert self._server is not None
        self.refuses = True
        self._server.shutdown()
        self._server.server_close()

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.refuses = False
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def choose(self, method: str, path: str) -> Fault | None:
        """The fault that the next request meets."""
        with self._lock:
            self._number += 1
            fault = self.fault
            if fault is None:
                return None
            self._begun = self._begun or bool(re.search(fault.begins, f"{method} {path}"))
            if not self._begun or not fault.means(method, path, self._number):
                return None
            request = f"{method} {path}"
            if fault.first_of_each is not None and self.injected.count(request) >= fault.first_of_each:
                return None
            self.injected.append(request)
            self._met.set()
            return fault

    def wait_until_over(self) -> None:
        self._over.wait()


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy that passes everything on until it is told otherwise."""
    proxy = FaultProxy(upstream)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.clear()
        if not proxy.refuses:
            proxy.refuse()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.proxy.refuses:
            self.reset()
            return
        fault = self.proxy.choose(self.command, unquote(self.path))
        answer = None if fault is None else fault.answer
        if answer == "reset":
            self.reset()
        elif answer == "stall":
            self.proxy.wait_until_over()
            self.reset()
        elif answer in _CODES:
            self.refuse_with(answer)
        else:
            status, headers, content = self.pass_on(body)
            if answer == "lose":
                self.reset()
            elif answer == "fail_after":
                self.refuse_with("500")
            else:
                self.give(status, headers, content, cut=answer == "cut")

    def pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=_UPSTREAM_S)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def give(self, status: int, headers: list[tuple[str, str]], content: bytes, *, cut: bool) -> None:
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # of a HEAD: what a GET would give
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.reset()

    def refuse_with(self, code: str) -> None:
        content = b"<Error><Code>%s</Code><Message>injected</Message></Error>" % _CODES[code]
        if self.command == "HEAD":
            content = b""
        self.give(int(code), [("Content-Type", "application/xml")], content, cut=False)

    def reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)  # closing then sends RST
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Stay quiet."""

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve  # noqa: N815 - the names it looks for


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("upstream")
    parser.add_argument("--answer", default="503")
    parser.add_argument("--method", default=".*")
    parser.add_argument("--path", default=".*")
    parser.add_argument("--first-of-each", type=int)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    with fault_proxy(options.pop("upstream")) as proxy:
        proxy.inject(Fault(**options))
        print(proxy.endpoint, flush=True)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main()
