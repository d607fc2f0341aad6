"""Exchanges that never wait: many of them, in one thread, each moved on when there is something
to read. Stages, errors and the reading of answers are those of `exchange`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clinecli.errors import ClinecliError, Code, IncompleteError
from clinecli.transport.connection import Connection
from clinecli.transport.exchange import (
    MAX_BODY_BYTES,
    Answer,
    read_head,
    request_bytes,
    request_event,
)
from clinecli.transport.route import Stage

if TYPE_CHECKING:
    import h11

    from clinecli.config.secret import Redactor
    from clinecli.transport.client import Call, Transport
    from clinecli.transport.deadline import Deadline

_READ_BYTES = 65536
# What every system takes in at once on a connection where nothing is pending.
_SENT_AT_ONCE = 16 * 1024
_MOST_HEADS = 4096
_WANTS = {"BlockingIOError", "SSLWantReadError", "SSLWantWriteError"}


class NotReady(Exception):
    """There is nothing to read yet."""


class PolledConnection(Connection):
    """A connection whose reads do not wait. Raises `NotReady` instead."""

    def read(self, stage: Stage, deadline: Deadline, idle: float | None) -> bytes:  # noqa: ARG002
        """What is there to be read; empty at the end. Raises `NotReady` and `ClinecliError`."""
        self._set_timeout(0.0)
        try:
            if self._broken:
                raise self._broken
            return self._socket.recv(_READ_BYTES)
        except OSError as error:
            # By name: plain connections have no need of the module ssl.
            if type(error).__name__ in _WANTS:
                raise NotReady from None
            raise self.failed(stage, error) from None

    def send_at_once(self, data: bytes) -> bytes:
        """Send what can be sent without waiting; gives the rest, for `write`."""
        send = getattr(self._socket, "send", None)
        if send is None or len(data) > _SENT_AT_ONCE:
            return data
        self._set_timeout(0.0)
        try:
            return data[send(data) :]
        except OSError as error:
            if type(error).__name__ in _WANTS:
                return data
            # A peer that hangs up is heard by reading; see `write`.
            self.http.send_failed()
            return b""

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def timed_out(self, stage: Stage, call: Call) -> ClinecliError:
        """The error of a peer that was silent for too long."""
        return self._failed(stage, TimeoutError(), call.deadline, call.idle)


class Heads:
    """The heads of requests, which h11 takes long to check: many calls have the same."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: dict[tuple[object, ...], h11.Request] = {}

    def of(self, call: Call) -> h11.Request:
        """The head of a call."""
        same = (call.method, call.path, call.headers, call.key, call.sends_key, len(call.body))
        head = self._known.get(same)
        if head is None:
            if len(self._known) >= _MOST_HEADS:
                self._known.clear()
            head = self._known[same] = request_event(call, *self._transport.head(call))
        return head


class Flight:
    """One exchange on a polled connection, from the request to the whole body of its answer.

    `answer` is there once its head is.
    """

    def __init__(self, connection: PolledConnection, call: Call, redact: Redactor) -> None:
        self.connection = connection
        self.call = call
        self.answer: Answer | None = None
        self._redact = redact
        self._pieces: list[bytes] = []
        self._size = 0
        self._started = 0.0

    def begin(self, head: h11.Request) -> bytes:
        """Send the request as far as that needs no waiting; gives the rest."""
        data = request_bytes(self.connection, head, self.call.body)
        self._started = time.monotonic()
        return self.connection.send_at_once(data)

    def advance(self) -> bytes | None:
        """The whole body once it is there, None before. Raises `ClinecliError`."""
        try:
            answer = self.answer or self._head()
            while data := answer.read():
                self._pieces.append(data)
                self._size += len(data)
                if self._size > MAX_BODY_BYTES:
                    raise IncompleteError(
                        f"the reply exceeds {MAX_BODY_BYTES >> 20} MiB", code=Code.TOO_LARGE
                    )
        except NotReady:
            return None
        return self.partial

    @property
    def partial(self) -> bytes:
        """What is there of the body."""
        return b"".join(self._pieces)

    def _head(self) -> Answer:
        head = read_head(self.connection, self.call)
        timings = self.connection.dialled.timings
        timings = timings._replace(first_byte=time.monotonic() - self._started)
        self.answer = Answer(self.connection, head, self.call, self._redact, timings)
        return self.answer

    def timed_out(self) -> ClinecliError:
        """The error of an exchange that takes too long."""
        return self.connection.timed_out(Stage.BODY if self.answer else Stage.WAIT, self.call)
