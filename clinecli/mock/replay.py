"""Recorded exchanges, served again: matched by method and path, in the order of the file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clinecli.chat.codec import DONE, decode_chunk
from clinecli.chat.reply import Event as ChatEvent
from clinecli.chat.reply import Reply
from clinecli.chat.sse import SSEDecoder
from clinecli.errors import UsageError
from clinecli.jsontext import InvalidJson, dumps, loads
from clinecli.mock.answers import Answer, Body, Event, Stream

_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
_STREAM_STARTS = (b"data:", b"event:", b":")
_HINT = (
    "a recording is a JSON array of objects with method, path, status, contentType and "
    "response: a string for a body as it is, an object for JSON"
)


@dataclass(frozen=True)
class Exchange:
    """One recorded answer and what it answers."""

    method: str
    path: str
    status: int
    content_type: str
    body: bytes

    @property
    def is_stream(self) -> bool:
        """Whether the body is an event stream, which not every server labels as one."""
        return "event-stream" in self.content_type or self.body.startswith(_STREAM_STARTS)

    def answer(self, *, stream: bool, delay: float) -> Answer:
        """The answer to a request; `stream` is false for one that asked for a whole reply."""
        if not self.is_stream:
            return Body(self.body, self.status, self.content_type)
        if stream or self.status != 200:
            return Stream(split_events(self.body, delay), self.status, self.content_type)
        return fold(self.body, delay)


def split_events(body: bytes, delay: float = 0.0) -> list[Event]:
    """An event stream in pieces that give it back exactly when joined, `delay` between them."""
    pieces = [piece for piece in _EVENT_END.split(body) if piece]
    return [Event(piece, delay if index else 0.0) for index, piece in enumerate(pieces)]


def fold(body: bytes, delay: float = 0.0) -> Body:
    """A recorded stream as the one object that the API would have sent instead.

    A stream that was cut becomes an object that is cut, one that fails an object that says so,
    and one with a chunk that is not JSON that very chunk.
    """
    decoder = SSEDecoder(max_event_bytes=len(body) + 2)
    reply = Reply()
    reasoning: list[str] = []
    first: dict[str, Any] = {}
    error: Any = None
    events = [*decoder.feed(body), *decoder.close()]
    for data, _ in events:
        if data == DONE:
            reply.done = True
            continue
        try:
            delta = decode_chunk(data)
        except InvalidJson:
            return Body(data)
        first = first or loads(data)
        error = _error_of(loads(data)) if delta.error else error
        reply.add(ChatEvent(data, delta))
        reasoning.append(delta.reasoning)
    document = _document(reply, "".join(reasoning), first.get("created"), error)
    data = dumps(document)
    whole = reply.complete or error is not None
    kept = len(data) if whole else len(data) // 2
    total_delay = delay * max(0, len(events) - 1)
    return Body(data[:kept], delay=total_delay, missing=len(data) - kept)


def _document(reply: Reply, reasoning: str, created: object, error: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reasoning:
        message["reasoning"] = reasoning
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.tool_calls
        ]
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    if error is not None:
        choice |= {"finish_reason": "error", "error": error}
    document = {
        "id": reply.id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [choice],
        "usage": reply.usage,
    }
    return {key: value for key, value in document.items() if value is not None}


def _error_of(chunk: dict[str, Any]) -> Any:
    choices = chunk.get("choices") or [{}]
    return chunk.get("error") or choices[0].get("error") or {"message": "the stream failed"}


class Recordings:
    """The exchanges of a file, handed out in order; the last of each kind repeats."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._lock = threading.Lock()
        self._queues: dict[tuple[str, str], list[Exchange]] = {}
        for exchange in reversed(list(exchanges)):
            self._queues.setdefault((exchange.method, exchange.path), []).append(exchange)

    def take(self, method: str, path: str) -> Exchange | None:
        """The next exchange for a method and path; None when none was recorded."""
        with self._lock:
            queue = self._queues.get((method, path))
            if not queue:
                return None
            return queue.pop() if len(queue) > 1 else queue[0]


_FIELDS: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("method", str, "a string"),
    ("path", str, "a string"),
    ("status", int, "a number"),
    ("contentType", str, "a string"),
    ("response", (str, dict, list), "a string, an object or an array"),
)


def read_exchanges(document: Any, name: str) -> list[Exchange]:
    """The exchanges of a parsed recording. Raises `UsageError` that says what is wrong with it."""
    if not isinstance(document, list) or not document:
        raise UsageError(f"{name} is not a JSON array of exchanges", hint=_HINT)
    return [_exchange(item, f"{name}: exchange {n}") for n, item in enumerate(document, start=1)]


def _exchange(item: Any, where: str) -> Exchange:
    if not isinstance(item, dict):
        raise UsageError(f"{where} is not an object", hint=_HINT)
    for field, kind, description in _FIELDS:
        if field not in item:
            raise UsageError(f"{where} has no {field!r}", hint=_HINT)
        if not isinstance(item[field], kind):
            raise UsageError(f"{where}: {field!r} is not {description}", hint=_HINT)
    if not 200 <= item["status"] <= 599:
        raise UsageError(f"{where}: status {item['status']} is no final HTTP status", hint=_HINT)
    content_type = item["contentType"]
    if not (content_type.isascii() and content_type.isprintable()):
        raise UsageError(f"{where}: 'contentType' is no header value", hint=_HINT)
    response = item["response"]
    try:
        body = response.encode() if isinstance(response, str) else dumps(response)
    except ValueError:
        raise UsageError(f"{where}: 'response' is not Unicode text", hint=_HINT) from None
    return Exchange(item["method"].upper(), item["path"], item["status"], content_type, body)
