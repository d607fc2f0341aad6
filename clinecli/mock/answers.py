"""What the mock sends, as plain values; the server alone knows about sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from clinecli.jsontext import dumps

Headers = tuple[tuple[str, str], ...]


class Event(NamedTuple):
    """One event of a stream, blank line included, sent `delay` seconds after the one before."""

    data: bytes
    delay: float = 0.0


@dataclass(frozen=True)
class Body:
    """A whole answer, after `delay` seconds. `missing` bytes are announced and never sent."""

    data: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Headers = ()
    delay: float = 0.0
    missing: int = 0


@dataclass(frozen=True)
class Stream:
    """An answer sent event by event. Its head is sent after `delay` seconds.

    `cut` is for one that breaks off after its events, without the end of the transfer.
    """

    events: Iterable[Event]
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Headers = ()
    delay: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Silence:
    """No answer at all, for as long as the client stays."""


class Relay(Protocol):
    """Takes an answer from the thread that makes it, step by step. Each step returns when the
    client has been sent it, and raises `ConnectionError` when the client has gone."""

    def head(self, status: int, content_type: str, headers: Headers) -> None:
        """How the answer begins."""

    def data(self, data: bytes) -> None:
        """A piece of the body."""

    def end(self) -> None:
        """The answer is whole."""

    def cut(self) -> None:
        """The answer breaks off."""

    def instead(self, body: Body) -> None:
        """Another answer, where none has begun."""


@dataclass(frozen=True)
class Relayed:
    """An answer that is made as it is sent, by a function in a thread of its own."""

    make: Callable[[Relay], None]


Answer = Body | Stream | Silence | Relayed


def json_body(document: Any, status: int = 200, headers: Headers = ()) -> Body:
    """A JSON document on one line."""
    return Body(dumps(document), status, headers=headers)


def error_body(status: int, message: str, *, headers: Headers = (), **fields: Any) -> Body:
    """An error in the documented shape; `fields` go into its `error` object."""
    error = {"code": status, "message": message, **fields}
    return json_body({"error": error}, status, headers)


def enveloped(data: Any) -> Body:
    """A document in the envelope of the account endpoints."""
    return json_body({"data": data, "success": True})


def sse_event(document: Any, delay: float = 0.0) -> Event:
    """A JSON document as one event."""
    return Event(b"data: " + dumps(document) + b"\n\n", delay)


def later(answer: Answer, seconds: float) -> Answer:
    """The same answer, that much later."""
    if seconds and isinstance(answer, Body | Stream):
        return replace(answer, delay=answer.delay + seconds)
    return answer


DONE_EVENT = Event(b"data: [DONE]\n\n")
