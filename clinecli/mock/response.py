"""Answers as HTTP responses: heads and framing, each piece at its time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from http import HTTPStatus

from clinecli.mock.answers import Answer, Body, Event, Headers, Silence, Stream
from clinecli.mock.connection import Connection
from clinecli.mock.loop import Callback, Loop
from clinecli.mock.request import Request

# How many events of a stream are sent before it is the turn of other connections.
_EVENTS_PER_TURN = 64
_LAST_CHUNK = Event(b"0\r\n\r\n")
_KNOWN = frozenset(map(int, HTTPStatus))


class Responder:
    """Sends answers; every response has a request id of its own."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._numbers = itertools.count(1)

    def respond(self, connection: Connection, request: Request, answer: Answer) -> None:
        """Send an answer, then finish with the connection."""
        match answer:
            case Body():
                send = partial(self._send_body, connection, request, answer)
                connection.after(answer.delay, send)
            case Stream():
                start = partial(self._start_stream, connection, request, answer)
                connection.after(answer.delay, start)
            case Silence():
                connection.read_over()

    def _send_body(self, connection: Connection, request: Request, body: Body) -> None:
        length = ("Content-Length", str(len(body.data) + body.missing))
        stays = request.keeps_alive
        headers = (*body.headers, length, *_persistence(request, stays=stays))
        head = self._head(body.status, body.content_type, headers)
        data = b"" if request.method == "HEAD" else body.data
        end = connection.finish if stays and not body.missing else connection.hang_up
        connection.send(head + data, end)

    def _start_stream(self, connection: Connection, request: Request, stream: Stream) -> None:
        # HTTP/1.0 knows no chunks: there the end of the connection ends the stream.
        chunked = not request.http_1_0
        stays = request.keeps_alive and chunked
        framing: Headers = (("Cache-Control", "no-cache"),)
        framing += (("Transfer-Encoding", "chunked"),) if chunked else ()
        headers = (*stream.headers, *framing, *_persistence(request, stays=stays))
        head = self._head(stream.status, stream.content_type, headers)
        end = connection.finish if stays and not stream.cut else connection.hang_up
        if request.method == "HEAD":
            connection.send(head, end)
            return
        events = _chunks(stream.events, cut=stream.cut) if chunked else iter(stream.events)
        connection.send(head, partial(self._pump, connection, events, end))

    def _pump(self, connection: Connection, events: Iterator[Event], end: Callback) -> None:
        """Send events until one has to wait for its time, or for the client to read."""
        go_on = partial(self._pump, connection, events, end)
        for _ in range(_EVENTS_PER_TURN):
            event = next(events, None)
            if connection.closed:
                return
            if event is None:
                end()
                return
            if event.delay:
                connection.after(event.delay, partial(connection.send, event.data, go_on))
                return
            if not connection.sends_at_once(event.data, go_on):
                return
        self._loop.soon(go_on)

    def _head(self, status: int, content_type: str, headers: Headers) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
        return (
            f"{_opening(status, int(time.time()))}"
            f"x-request-id: req-mock-{next(self._numbers):06d}\r\n"
            f"Content-Type: {content_type}\r\n{lines}\r\n"
        ).encode("latin-1")


@lru_cache(maxsize=16)
def _opening(status: int, now: int) -> str:
    reason = HTTPStatus(status).phrase if status in _KNOWN else ""
    # RFC 9110, 5.6.7. Names of days are English as long as a program chooses no locale.
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
    return f"HTTP/1.1 {status} {reason}\r\nServer: clinecli-mock\r\nDate: {date}\r\n"


def _persistence(request: Request, *, stays: bool) -> Headers:
    if not stays:
        return (("Connection", "close"),)
    return (("Connection", "keep-alive"),) if request.http_1_0 else ()


def _chunks(events: Iterable[Event], *, cut: bool) -> Iterator[Event]:
    for data, delay in events:
        yield Event(b"%x\r\n%b\r\n" % (len(data), data), delay)
    if not cut:
        yield _LAST_CHUNK
