"""One HTTP/1.1 exchange on a connection, by h11: request out, head in, body pulled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import h11

from clinecli.chat.api_errors import not_the_api, one_line
from clinecli.errors import ClinecliError, Code, IncompleteError
from clinecli.transport.body import body_of
from clinecli.transport.decoding import Decoder, decoder
from clinecli.transport.route import Stage

if TYPE_CHECKING:
    from clinecli.config.secret import Redactor
    from clinecli.transport.client import Call
    from clinecli.transport.connection import Connection
    from clinecli.transport.dial import Timings

# For people; importlib.metadata, which tells it too, takes 15 ms to import.
HTTP_LIBRARY = f"h11 {h11.__version__}"  # type: ignore[attr-defined]
MAX_BODY_BYTES = 512 * 1024 * 1024
# What a server says of a failure is read as far as this, and for so long.
_MAX_ERROR_BYTES = 1024 * 1024
_ERROR_SECONDS = 10.0


class Answer:
    """What a server answers, whatever its status. A context manager that closes the connection,
    unless it can be kept.

    `headers` have names in lower case; repeated ones are joined by a comma. `request_id` is the
    server's name for the request, on one line; `redact` takes the secrets of the call out of text.
    The body is pulled: `read` gives what one read of the network brings, iterating gives that to
    the end, `body` all of it. That of a failure, which the status tells, only says more of it: it
    ends where it cannot be read. `kept` is the connection for the next call of the same worker,
    once the body has ended well.
    """

    def __init__(
        self,
        connection: Connection,
        head: h11.Response,
        call: Call,
        redact: Redactor,
        timings: Timings,
    ) -> None:
        self.status = head.status_code
        self.headers = _headers(head)
        self.request_id = one_line(redact(self.headers.get("x-request-id", "")), 100) or None
        self.timings = timings
        self.redact = redact
        self.kept: Connection | None = None
        self._connection = connection
        self._call = call
        self._body = body_of(head, connection.http)
        self._failure: ClinecliError | None = None
        self._started = time.monotonic() - (timings.first_byte or 0)
        self._error_bytes, self._error_end = 0, time.monotonic() + _ERROR_SECONDS
        self._decoder: Decoder | None = None
        try:
            self._decoder = decoder(redact(self.headers.get("content-encoding", "")))
        except ClinecliError as error:
            self._failure = error

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._body.ended and self._call.log:
            self._call.log(f"* done after {(time.monotonic() - self._started) * 1000:.0f} ms")
        if not self.kept:
            self._connection.close()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data

    def read(self, idle: float | None = None) -> bytes:
        """What the next read of the network brings of the body, decompressed; empty at its end.

        `idle` is in seconds, where it is to differ from the call's. What came before a failure
        is given first; the next read raises it, a `ClinecliError`.
        """
        idle = self._call.idle if idle is None else idle
        if self.status < 300:
            return self._read(idle)
        left = self._error_end - time.monotonic()
        if left <= 0 or self._error_bytes > _MAX_ERROR_BYTES:
            return b""
        try:
            data = self._read(left if idle is None else min(idle, left))
        except ClinecliError:
            # The status stands without it.
            return b""
        self._error_bytes += len(data)
        return data

    def _read(self, idle: float | None) -> bytes:
        body = self._body
        while not (body.ended or self._failure):
            pieces = body.pieces()
            self._settle()
            if self._decoder:
                pieces = self._decoded(pieces, self._decoder)
            if data := b"".join(pieces):
                return data
            if not (body.ended or self._failure):
                body.receive(self._connection.read(Stage.BODY, self._call.deadline, idle))
        if self._failure:
            raise self._failure
        return b""

    def _decoded(self, pieces: list[bytes], decoder: Decoder) -> list[bytes]:
        plain: list[bytes] = []
        try:
            for piece in pieces:
                plain.extend(decoder.feed(piece))
        except ClinecliError as error:
            self._failure = error
        return plain

    def _settle(self) -> None:
        """Keep the connection after a body that has ended well; tell of one that is broken."""
        if self._body.ended:
            if state := self._body.next_state():
                self._connection.http = state
                self.kept = self._connection
        elif self._body.broken:
            self._failure = self._connection.failed(Stage.BODY, EOFError())

    def body(self) -> bytes:
        """The whole body. Raises `ClinecliError`, also when it exceeds 512 MiB."""
        pieces, size = [], 0
        for piece in self:
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise IncompleteError(
                    f"the reply exceeds {MAX_BODY_BYTES >> 20} MiB", code=Code.TOO_LARGE
                )
        return b"".join(pieces)


def _headers(head: h11.Response) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii", "replace"), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def exchange(
    connection: Connection,
    call: Call,
    target: str,
    headers: list[tuple[str, str]],
    redact: Redactor,
) -> Answer:
    """Send a request and read the head of its answer. Raises `ClinecliError`."""
    data = request_bytes(connection, request_event(call, target, headers), call.body)
    started = time.monotonic()
    connection.write(data, call.deadline, call.idle)
    head = read_head(connection, call)
    timings = connection.dialled.timings._replace(first_byte=time.monotonic() - started)
    return Answer(connection, head, call, redact, timings)


def request_event(call: Call, target: str, headers: list[tuple[str, str]]) -> h11.Request:
    """The head of a request."""
    # RFC 9110, section 5.5, allows all bytes but controls in a value.
    fields = [(name.encode(), value.encode()) for name, value in headers]
    return h11.Request(method=call.method, target=target.encode(), headers=fields)


def request_bytes(connection: Connection, head: h11.Request, body: bytes) -> bytes:
    """A request as it goes over the wire."""
    send = connection.http.send
    parts = [send(head)]
    if body:
        parts.append(send(h11.Data(data=body)))
    parts.append(send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


def read_head(connection: Connection, call: Call) -> h11.Response:
    """The head of an answer. Raises `ClinecliError`."""
    try:
        return _head(connection, call)
    except h11.RemoteProtocolError as error:
        raise connection.failed(Stage.WAIT, error) from None


def _head(connection: Connection, call: Call) -> h11.Response:
    while True:
        event = connection.http.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            data = connection.read(Stage.WAIT, call.deadline, call.idle)
            if not data and b"HTTP/".startswith(connection.http.trailing_data[0][:5]):
                raise connection.failed(Stage.WAIT, EOFError())
            connection.http.receive_data(data)
        elif not isinstance(event, h11.InformationalResponse):
            raise not_the_api("a switch of protocols that nobody asked for")
