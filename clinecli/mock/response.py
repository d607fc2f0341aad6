"""Answers as HTTP responses: heads and framing, each piece at its time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from http import HTTPStatus

from clinecli.mock.answers import Answer, Body, Event, Headers, Relay, Relayed, Silence, Stream
from clinecli.mock.connection import Connection
from clinecli.mock.loop import Callback, Loop
from clinecli.mock.request import Request

# How many events of a stream are sent before it is the turn of other connections.
_EVENTS_PER_TURN = 64
_REQUEST_ID = "x-request-id"
_LAST_CHUNK = b"0\r\n\r\n"
# How often a thread that waits for its client to read looks whether the client is still there.
_LOOK_SECONDS = 0.5
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
            case Relayed():
                relay = ThreadRelay(self, self._loop, connection, request)
                threading.Thread(target=relay.run, args=(answer.make,), daemon=True).start()

    def _send_body(self, connection: Connection, request: Request, body: Body) -> None:
        length = ("Content-Length", str(len(body.data) + body.missing))
        stays = request.keeps_alive
        headers = (*body.headers, length, *_persistence(request, stays=stays))
        head = self._head(body.status, body.content_type, headers)
        data = b"" if request.method == "HEAD" else body.data
        end = connection.finish if stays and not body.missing else connection.hang_up
        connection.send(head + data, end)

    def stream_head(self, request: Request, stream: Stream) -> bytes:
        """The head of an answer whose length is not known."""
        headers: Headers = (*stream.headers, ("Cache-Control", "no-cache"))
        if not request.http_1_0:
            headers += (("Transfer-Encoding", "chunked"),)
        headers += _persistence(request, stays=_stays_after_stream(request))
        return self._head(stream.status, stream.content_type, headers)

    def _start_stream(self, connection: Connection, request: Request, stream: Stream) -> None:
        stays = _stays_after_stream(request) and not stream.cut
        end = connection.finish if stays else connection.hang_up
        head = self.stream_head(request, stream)
        if request.method == "HEAD":
            connection.send(head, end)
            return
        pieces = _framed(request, stream)
        connection.send(head, partial(self._pump, connection, pieces, end))

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
        own: Headers = (("Content-Type", content_type),)
        # A relayed answer has the id that its server gave it.
        if all(name.lower() != _REQUEST_ID for name, _ in headers):
            own = ((_REQUEST_ID, f"req-mock-{next(self._numbers):06d}"), *own)
        lines = "".join([f"{name}: {value}\r\n" for name, value in own + headers])
        return f"{_opening(status, int(time.time()))}{lines}\r\n".encode("latin-1", "replace")


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


def _stays_after_stream(request: Request) -> bool:
    # HTTP/1.0 knows no chunks: there the end of the connection ends the stream.
    return request.keeps_alive and not request.http_1_0


def _frame(request: Request, data: bytes) -> bytes:
    if request.http_1_0:
        return data
    return b"%x\r\n%b\r\n" % (len(data), data)


def _framed(request: Request, stream: Stream) -> Iterator[Event]:
    for data, delay in stream.events:
        yield Event(_frame(request, data), delay)
    if not stream.cut and not request.http_1_0:
        yield Event(_LAST_CHUNK)


class ThreadRelay:
    """Hands an answer from the thread that makes it to the loop, which sends it."""

    def __init__(
        self, responder: Responder, loop: Loop, connection: Connection, request: Request
    ) -> None:
        self._responder = responder
        self._loop = loop
        self._connection = connection
        self._request = request
        self._has_body = request.method != "HEAD"

    def run(self, make: Callable[[Relay], None]) -> None:
        """Have the answer made; what goes wrong there is told like every bug."""
        try:
            make(self)
        except ConnectionError:
            return
        except Exception as error:
            self._loop.report(error)
            self.cut()

    def head(self, status: int, content_type: str, headers: Headers) -> None:
        """How the answer begins."""
        stream = Stream((), status, content_type, headers)
        self._send(self._responder.stream_head(self._request, stream))

    def data(self, data: bytes) -> None:
        """A piece of the body."""
        if self._has_body and data:
            self._send(_frame(self._request, data))

    def end(self) -> None:
        """The answer is whole."""
        if self._has_body and not self._request.http_1_0:
            self._send(_LAST_CHUNK)
        stays = _stays_after_stream(self._request)
        self._loop.soon(self._connection.finish if stays else self._connection.hang_up)

    def cut(self) -> None:
        """The answer breaks off."""
        self._loop.soon(self._connection.hang_up)

    def instead(self, body: Body) -> None:
        """Another answer, where none has begun."""
        respond = self._responder.respond
        self._loop.soon(partial(respond, self._connection, self._request, body))

    def _send(self, data: bytes) -> None:
        sent = threading.Event()
        self._loop.soon(partial(self._connection.send, data, sent.set))
        while not sent.wait(_LOOK_SECONDS):
            if self._connection.closed:
                raise ConnectionAbortedError
