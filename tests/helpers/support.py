"""What the process tests share: the real command, and servers that answer any bytes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CLI = [sys.executable, "-m", "clinecli"]
KEY = "sk-test-0123456789abcdef"
RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment without proxies, keys or config files of whoever runs the tests."""
    keep = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COVERAGE_PROCESS_START")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    return environment | {"HOME": str(home), "NO_PROXY": "127.0.0.1,localhost,::1"} | extra


def run(
    arguments: Iterable[str],
    env: dict[str, str],
    *,
    stdin: bytes | None = None,
    timeout: float = 60,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command; stdin is /dev/null unless given."""
    source: dict[str, Any] = (
        {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    )
    return subprocess.run(
        [*CLI, *arguments],
        env=env,
        capture_output=True,
        timeout=timeout,
        check=False,
        **(source | options),
    )


def no_traceback(done: subprocess.CompletedProcess[bytes]) -> None:
    """What holds of every run: no traceback, and the key is nowhere."""
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"internal error" not in done.stderr, done.stderr.decode()
    assert KEY.encode() not in done.stdout + done.stderr


def failure(done: subprocess.CompletedProcess[bytes], status: int) -> tuple[str, str]:
    """Message and hint of a run that failed as every failure should: two lines, no more."""
    no_traceback(done)
    assert done.returncode == status, done
    lines = re.fullmatch(rb"clinecli: error: ([^\n]+)\nclinecli: hint: ([^\n]+)\n", done.stderr)
    assert lines, done.stderr.decode()
    return lines[1].decode(), lines[2].decode()


def response(
    body: bytes, *, status: str = "200 OK", content_type: str = "application/json", **headers: str
) -> bytes:
    """An HTTP/1.1 response with a Content-Length."""
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)


def http_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text: str | None = None, **choice: Any) -> bytes:
    """One event of a stream with a content delta."""
    entry = {"index": 0, "delta": {"content": text} if text is not None else {}} | choice
    chunk = {"id": "gen_1", "model": "test/model", "choices": [entry]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


STOP = delta(finish_reason="stop")
DONE = b"data: [DONE]\n\n"


def event_stream(*events: bytes) -> bytes:
    """A streamed response, whole; each event is an HTTP chunk of its own."""
    return STREAM_HEAD + b"".join(map(http_chunk, events)) + http_chunk(b"")


def completion(text: str | None, finish_reason: str | None = "stop", **extra: Any) -> bytes:
    """A non-streaming reply."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    reply = {"id": "gen_1", "model": "test/model", "choices": [choice]} | extra
    return json.dumps(reply, ensure_ascii=False).encode()


class RawServer:
    """A TCP server on loopback that reads one HTTP request and lets `answer` do the rest.

    `answer` gets the connection and the number of the request, from 0; it writes what it likes.
    `requests` holds (head, body) of every request. A context manager.
    """

    def __init__(self, answer: Callable[[socket.socket, int], None] | bytes) -> None:
        self._answer = answer
        self.requests: list[tuple[bytes, bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Unlike close, shutdown wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def bodies(self) -> list[Any]:
        """The request bodies, parsed."""
        return [json.loads(body) for _, body in self.requests]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = read_request(connection)
            if request is None:
                return
            number = len(self.requests)
            self.requests.append(request)
            try:
                if isinstance(self._answer, bytes):
                    connection.sendall(self._answer)
                else:
                    self._answer(connection, number)
            except OSError:
                return  # The client has gone, as some tests want it to.


def read_request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of one HTTP request, None when the client sends none."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    pieces = [body]
    size = len(body)
    while size < length:
        piece = connection.recv(1 << 20)
        if not piece:
            return None
        pieces.append(piece)
        size += len(piece)
    return head, b"".join(pieces)
