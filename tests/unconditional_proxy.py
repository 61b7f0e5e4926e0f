"""A proxy before a real store that drops the If-None-Match header: an S3 server without conditional puts."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.seaweed import S3Store

# The signature covers all headers, so the proxy, which knows the keys, signs anew.
_NOT_PASSED_ON = {
    "if-none-match",
    "authorization",
    "host",
    "x-amz-date",
    "connection",
    "expect",
    "amz-sdk-request",
}


@contextmanager
def proxy_without_conditional_puts(store: S3Store) -> Iterator[str]:
    """Run the proxy; gives its endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON
            }
            request = AWSRequest(self.command, store.endpoint + self.path, headers, body)
            S3SigV4Auth(Credentials(store.access_key, store.secret_key), "s3", "us-east-1").add_auth(request)
            upstream = http.client.HTTPConnection(urlsplit(store.endpoint).netloc, timeout=20)
            try:
                upstream.request(self.command, self.path, body, dict(request.headers.items()))
                answer = upstream.getresponse()
                content = answer.read()
            finally:
                upstream.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Stay quiet."""

    for verb in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{verb}", Handler.pass_on)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
