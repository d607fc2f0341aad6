"""A plain HTTP client for the tests of the mock: what it sends and sees is the wire itself."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple

MODEL = "anthropic/claude-sonnet-4-6"
CHAT = "/chat/completions"


class Got(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def chunks(self) -> list[Any]:
        """The JSON of a stream's events; its end mark as the string `[DONE]`."""
        events = self.body.decode().removesuffix("\n\n").split("\n\n")
        data = [event.removeprefix("data: ") for event in events]
        return [item if item == "[DONE]" else json.loads(item) for item in data]

    @property
    def streamed_text(self) -> str:
        chunks = [chunk for chunk in self.chunks if chunk != "[DONE]"]
        return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def ask(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def connect(base_url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=30)


def raw_socket(base_url: str) -> socket.socket:
    host, port = base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send(
    base_url: str,
    path: str = CHAT,
    body: Any = None,
    *,
    method: str | None = None,
    key: str | None = "Bearer some-key",
    connection: http.client.HTTPConnection | None = None,
) -> Got:
    """One exchange. A body that is not bytes is sent as JSON; without one it is a GET."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    used = connection or connect(base_url)
    headers = {"Authorization": key} if key is not None else {}
    try:
        used.request(method or ("GET" if data is None else "POST"), f"/api/v1{path}", data, headers)
        response = used.getresponse()
        return Got(response.status, response.headers, response.read())
    finally:
        if connection is None:
            used.close()


def raw_post(body: Any, version: str = "1.1") -> bytes:
    """A chat request as bytes on the wire."""
    data = json.dumps(body).encode()
    return (
        b"POST /api/v1/chat/completions HTTP/%b\r\nHost: localhost\r\nAuthorization: Bearer k\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (version.encode(), len(data), data)
    )


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
