"""Answers on sockets: a threaded HTTP/1.1 server on 127.0.0.1."""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from clinecli.errors import UsageError
from clinecli.mock.answers import Body, Event, Headers, Silence, Stream, error_body
from clinecli.mock.api import Call, MockApi

HOST = "127.0.0.1"
# How soon the accepting thread notices that it is to stop, where nothing wakes it.
_POLL_SECONDS = 0.1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class MockServer:
    """The mock API, listening from the moment it is made; a context manager that closes it.

    Raises `UsageError` when the port cannot be had.
    """

    def __init__(self, api: MockApi, port: int = 0) -> None:
        self._http = _Http(api)
        try:
            self._http.listen(port)
        except OSError as error:
            self._http.server_close()
            raise UsageError(
                f"cannot listen on {HOST}:{port}: {error.strerror}",
                hint="choose another --port, or --port 0 for any free one",
            ) from None
        self.base_url = f"http://{HOST}:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> MockServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut the connections that are open."""
        self._http.stop()
        self._thread.join()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    # Two mocks on one port would share its connections between them.
    allow_reuse_port = False
    request_queue_size = 1024

    def __init__(self, api: MockApi) -> None:
        super().__init__((HOST, 0), _Handler, bind_and_activate=False)
        self.api = api
        self.stopping = threading.Event()
        self.request_numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def listen(self, port: int) -> None:
        """Bind, and listen unless every connection is to be refused. Raises `OSError`."""
        self.server_address = (HOST, port)
        deaf = self.api.scenario.faults.refuses_all
        # A port that nobody listens on is not reserved when it may be reused.
        self.allow_reuse_address = not deaf
        # Not HTTPServer's own, which asks the resolver for the name of the address.
        TCPServer.server_bind(self)
        if not deaf:
            self.server_activate()

    def serve(self) -> None:
        """Accept connections until `stop`."""
        if self.api.scenario.faults.refuses_all:
            self.stopping.wait()
        else:
            self.serve_forever(_POLL_SECONDS)

    def stop(self) -> None:
        """End `serve`, every delay and every connection."""
        self.stopping.set()
        if not self.api.scenario.faults.refuses_all:
            # On Linux this ends the wait for connections at once.
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def verify_request(self, request: Any, _client: Any) -> bool:
        if not self.api.scenario.faults.for_connection():
            return True
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.close()
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _client: Any) -> None:
        error = sys.exc_info()[1]
        # Clients come and go; anything else is a bug, told in one line beside the user's output.
        if not isinstance(error, ConnectionError):
            print(f"clinecli: mock: internal error: {error!r}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        try:
            body = self._read_body()
        except ValueError:
            self.send_error(400, "the request's length or its chunks are malformed")
            return
        authorization = self.headers.get("Authorization", "")
        answer = self.server.api.answer(Call(self.command, self.path, authorization, body))
        match answer:
            case Body():
                self._send_body(answer)
            case Stream():
                self._send_stream(answer)
            case Silence():
                self._stay_silent()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def send_error(
        self, code: int, message: str | None = None, _explain: str | None = None
    ) -> None:
        """Tell of a request that could not even be read, as JSON like every error."""
        self.close_connection = True
        # Otherwise an unreadable request counts as HTTP/0.9, which has no status line.
        self.request_version = self.protocol_version
        self._send_body(error_body(int(code), message or "malformed request"))

    def version_string(self) -> str:
        """The Server header."""
        return "clinecli-mock"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr belongs to the user's command."""

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._read_chunk, b""))
        length = int(self.headers.get("Content-Length") or 0)
        if length < 0:
            raise ValueError
        return self._read(length)

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline(1024).split(b";")[0], 16)
        if size:
            data = self._read(size)
            self.rfile.readline(3)
            return data
        while self.rfile.readline(65536).strip():
            """Trailers are read over."""
        return b""

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionAbortedError
        return data

    def _head(self, status: int, content_type: str, headers: Headers) -> None:
        number = next(self.server.request_numbers)
        self.send_response(status)
        self.send_header("x-request-id", f"req-mock-{number:06d}")
        for name, value in (("Content-Type", content_type), *headers):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, body: Body) -> None:
        self._pause(body.delay)
        length = len(body.data) + body.missing
        self._head(body.status, body.content_type, (*body.headers, ("Content-Length", str(length))))
        if self.command != "HEAD":
            self.wfile.write(body.data)
        if body.missing:
            self.close_connection = True

    def _send_stream(self, stream: Stream) -> None:
        # HTTP/1.0 knows no chunks: there the end of the connection ends the stream.
        chunked = self.request_version != "HTTP/1.0"
        self.close_connection = self.close_connection or not chunked
        headers: Headers = (("Transfer-Encoding", "chunked"),) if chunked else ()
        self._head(stream.status, stream.content_type, (("Cache-Control", "no-cache"), *headers))
        for event in stream.events:
            self._send_event(event, chunked=chunked)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_event(self, event: Event, *, chunked: bool) -> None:
        self._pause(event.delay)
        data = event.data
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)

    def _stay_silent(self) -> None:
        self.close_connection = True
        while self.connection.recv(65536):
            """What the client still sends is read over, until it goes."""

    def _pause(self, seconds: float) -> None:
        if seconds and self.server.stopping.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise ConnectionAbortedError
