"""What servers answer, as bytes on the wire."""

from __future__ import annotations

import json
from typing import Any


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


REPLY = response(completion("hello"))
STREAM = STREAM_HEAD + http_chunk(delta("hel") + delta("lo") + STOP + DONE) + http_chunk(b"")
# For either command, the answer that it asks for.
ANSWER = {
    "ask": response(completion("Paris.")),
    "stream": event_stream(delta("Paris."), STOP, DONE),
}
