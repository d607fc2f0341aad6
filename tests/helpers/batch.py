"""Servers that count what they are asked, and every way in which they may fail a row."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.helpers.replies import completion
from tests.helpers.servers import read_request, reset


class Said(NamedTuple):
    """What a server does with a request: the bytes it sends, and what becomes of the connection:
    `keep`, `close`, `reset`, or `stall` until the client goes."""

    data: bytes
    then: str = "keep"


class Way(NamedTuple):
    """A way to answer, and what the row is then: `kind` is None for an answered one; `status` is
    that of its response, None where there is none."""

    said: Said
    kind: str | None
    status: int | None = 200


def kept(
    body: bytes, status: str = "200 OK", content_type: str = "application/json", *more: str
) -> bytes:
    """A response that leaves the connection open."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "x-request-id: req-7", *more, "", ""]).encode() + body


def failing(status: str, code: int | str, *more: str) -> bytes:
    """An error of the API."""
    body = json.dumps({"error": {"code": code, "message": "as you wish"}}).encode()
    return kept(body, status, "application/json", *more)


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.001}
ANSWER = kept(completion("fine", usage=USAGE))
_PAGE = b"<!DOCTYPE html><html><body>Log in to the network</body></html>"
_ENVELOPE = {"success": False, "error": '{"code":"content_filter","message":"no"}'}


# Each is asked once with --retries 0, and then is what the table says.
WAYS: dict[str, Way] = {
    "answered": Way(Said(ANSWER), None),
    "in-an-envelope": Way(
        Said(kept(b'{"success":true,"data":%b}' % completion("fine"))), None
    ),
    "compressed": Way(
        Said(kept(gzip.compress(completion("fine")), "200 OK", "application/json",
                  "Content-Encoding: gzip")), None
    ),
    "closed-after-it": Way(
        Said(kept(completion("fine"), "200 OK", "application/json", "Connection: close"), "close"),
        None,
    ),
    "ended-by-the-close": Way(
        Said(b"HTTP/1.0 200 OK\r\nContent-Type: text/json\r\n\r\n" + completion("fine"), "close"),
        None,
    ),
    "after-information": Way(Said(b"HTTP/1.1 103 Early Hints\r\n\r\n" + ANSWER), None),
    "tool-calls-alone": Way(
        Said(kept(json.dumps({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": None, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ]}}]}).encode())), None
    ),
    "bad-request": Way(Said(failing("400 Bad Request", 400)), "rejected", 400),
    "no-such-model": Way(Said(failing("404 Not Found", 404)), "rejected", 404),
    "too-large": Way(Said(failing("413 Content Too Large", 413)), "rejected", 413),
    "unprocessable": Way(Said(failing("422 Unprocessable", 422)), "rejected", 422),
    "rate-limit": Way(Said(failing("429 Too Many Requests", 429)), "transient", 429),
    "server-error": Way(Said(failing("500 Internal", 500)), "transient", 500),
    "bad-gateway": Way(Said(kept(_PAGE, "502 Bad Gateway", "text/html")), "transient", 502),
    "overloaded": Way(Said(failing("503 Unavailable", 503)), "transient", 503),
    "captive-portal": Way(Said(kept(_PAGE, "200 OK", "text/html")), "incomplete"),
    "network-login": Way(
        Said(kept(_PAGE, "511 Network Authentication Required", "text/html")), "incomplete", 511
    ),
    "redirect": Way(
        Said(kept(b"", "302 Found", "text/html", "Location: https://example.com/")),
        "incomplete", 302,
    ),
    "empty-body": Way(Said(kept(b"")), "incomplete"),
    "no-json": Way(Said(kept(b'{"choices": [')), "incomplete"),
    "another-json": Way(Said(kept(b'{"object":"list","data":[]}')), "incomplete"),
    "no-choices": Way(Said(kept(b'{"choices":[]}')), "incomplete"),
    "empty-reply": Way(Said(kept(completion("", usage=USAGE))), "incomplete"),
    "null-reply": Way(Said(kept(completion(None, usage=USAGE))), "incomplete"),
    "blank-reply": Way(Said(kept(completion(" \n"))), "incomplete"),
    "length": Way(Said(kept(completion("fine but", "length"))), "incomplete"),
    "filtered": Way(Said(kept(completion("fine", "content_filter"))), "rejected"),
    "error-after-200": Way(Said(kept(json.dumps(_ENVELOPE).encode())), "rejected"),
    "error-in-a-choice": Way(
        Said(kept(b'{"choices":[{"finish_reason":"error","error":{"code":"server_error",'
                  b'"message":"no"}}]}')), "transient"
    ),
    "cut": Way(Said(ANSWER[:-10], "close"), "incomplete"),
    "cut-by-a-reset": Way(Said(ANSWER[:-10], "reset"), "incomplete"),
    "damaged-compression": Way(
        Said(kept(b"\x1f\x8bnothing", "200 OK", "application/json", "Content-Encoding: gzip")),
        "incomplete",
    ),
    "closed": Way(Said(b"", "close"), "connection", None),
    "reset": Way(Said(b"", "reset"), "connection", None),
    "half-a-head": Way(Said(ANSWER[:30], "close"), "connection", None),
    "no-http": Way(Said(b"220 mail.example.com ESMTP\r\n", "close"), "incomplete", None),
}  # fmt: skip


class CountingServer:
    """Answers each prompt as `say` has it, on connections that stay open. A context manager.

    `say` gets the prompt and how often it has been asked before. `asked` counts by prompt,
    `connections` has the peers; `wait_for` waits until so many requests have come.
    """

    def __init__(self, say: Callable[[str, int], Said]) -> None:
        self._say = say
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self.asked: Counter[str] = Counter()
        self.bodies: list[Any] = []
        self.heads: list[bytes] = []
        self.connections: set[Any] = set()
        self.most_at_once = 0
        self._at_once = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, requests: int, seconds: float = 60) -> None:
        """Wait until so many requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked.total() >= requests, seconds)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.add(connection)
            self.connections.add(connection.getpeername())
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := read_request(connection):
                if not self._answer(connection, *request):
                    break
        with self._changed:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, head: bytes, body: bytes) -> bool:
        parsed = json.loads(body)
        prompt = str(parsed["messages"][-1]["content"])
        with self._changed:
            before = self.asked[prompt]
            self.asked[prompt] += 1
            self.bodies.append(parsed)
            self.heads.append(head)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._changed.notify_all()
        try:
            said = self._say(prompt, before)
        finally:
            with self._changed:
                self._at_once -= 1
        connection.sendall(said.data)
        if said.then == "reset":
            reset(connection)
        elif said.then == "stall":
            while connection.recv(65536):
                """Until the client goes."""
        return said.then == "keep"


def always(way: str) -> Callable[[str, int], Said]:
    """Answers everything in one way."""
    return lambda _prompt, _before: WAYS[way].said


def write_rows(path: Path, ids: Iterable[str]) -> str:
    """An input whose rows ask `ask ID`; gives its name."""
    path.write_text(
        "".join(json.dumps({"id": row_id, "prompt": f"ask {row_id}"}) + "\n" for row_id in ids)
    )
    return str(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of an output, each of which has to be whole."""
    text = path.read_bytes()
    assert text.endswith(b"\n") or not text
    return [json.loads(line) for line in text.splitlines()]


def by_id(lines: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lines by the id of their row, of which each has one."""
    lines = list(lines)
    found = {line["custom_id"]: line for line in lines}
    assert len(found) == len(lines), "a row has two lines"
    return found


def kind_of(line: dict[str, Any]) -> str | None:
    """The kind of a row's error; None for an answered one."""
    assert set(line) == {"id", "custom_id", "response", "error"}
    return line["error"]["kind"] if line["error"] else None
