"""Many requests in the air at once, in one thread: a selector over kept connections.

Threads would do the same with less text, but fight for the interpreter: 256 of them answer 3,400
rows a second where this loop answers 4,300. They are left what cannot be done without waiting.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.batch.blocking import Helpers
from clinecli.errors import ClinecliError, Code
from clinecli.transport.client import Call, EarlyConnection, Transport, log_answer
from clinecli.transport.exchange import Answer
from clinecli.transport.polled import Flight, Heads, PolledConnection

if TYPE_CHECKING:
    from clinecli.config.secret import Redactor

# How late a request may be found to have taken too long.
_TICK = 0.25
# A connection that was idle for so many seconds may have been closed by a server that is tired of
# waiting. One that is closed in the middle of the work has lost a request, which was perhaps paid.
_TIRED_SECONDS = 1.0


class Landed(NamedTuple):
    """What became of a request: an answer with its whole body, or an error.

    An answer that broke off has both an error and what was there of it.
    """

    ticket: Any
    answer: Answer | None
    body: bytes
    error: ClinecliError | None


class _Sent:
    """A request that was sent, or is about to be. `heard` is when something was last read;
    `may_be_late` says that the connection may have been closed before."""

    __slots__ = ("call", "flight", "heard", "may_be_late", "ticket")

    def __init__(self, ticket: Any, call: Call) -> None:
        self.ticket = ticket
        self.call = call
        self.flight: Flight | None = None
        self.may_be_late = False
        self.heard = 0.0


class Wire:
    """Sends calls and tells what became of them. Not to be shared by threads."""

    def __init__(
        self,
        transport: Transport,
        redact: Redactor,
        early: EarlyConnection | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._redact = redact
        self._heads = Heads(transport)
        self._early = early
        self._clock = clock
        self._helpers = Helpers()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._helpers, selectors.EVENT_READ)
        # Connections that nothing was asked on since when; the last one is used first.
        self._idle: dict[PolledConnection, float] = {}
        # Who waits for an answer, by connection; one in `_sent` alone is being connected, or sent.
        self._waiting: dict[PolledConnection, _Sent] = {}
        self._sent: set[_Sent] = set()
        self._landed: list[Landed] = []
        self._swept = clock()

    @property
    def signal_fd(self) -> int:
        """A descriptor for `signal.set_wakeup_fd`: what is written there ends `poll`."""
        return self._helpers.signal_fd

    def wake(self) -> None:
        """Have `poll` return; any thread may call it."""
        self._helpers.wake()

    def send(self, ticket: Any, call: Call) -> None:
        """Send a call; `poll` will tell what became of it, with `ticket`."""
        sent = _Sent(ticket, call)
        self._sent.add(sent)
        while self._idle:
            connection, since = self._idle.popitem()
            if connection.peek() == "quiet":
                sent.may_be_late = self._clock() - since >= _TIRED_SECONDS
                self._begin(sent, connection)
                return
            self._drop(connection)
        self._connect(sent)

    def poll(self, timeout: float) -> list[Landed]:
        """Wait for something to happen, `timeout` seconds at most, and tell what has landed."""
        timeout = 0.0 if self._landed else min(timeout, _TICK)
        for key, _ in self._selector.select(max(timeout, 0.0)):
            if key.data is None:
                self._helpers.finish()
            else:
                self._heard(key.data)
        now = self._clock()
        if now - self._swept >= _TICK:
            self._swept = now
            self._sweep(now)
        landed, self._landed = self._landed, []
        return landed

    def close(self) -> None:
        """Close every connection; what is in the air is lost."""
        for connection in [*self._idle, *self._waiting]:
            self._drop(connection)
        self._idle.clear()
        self._waiting.clear()
        self._sent.clear()

    def _connect(self, sent: _Sent) -> None:
        early, self._early = self._early, None

        def job() -> Callable[[], None]:
            try:
                connection = self._transport.connect(sent.call, PolledConnection, early)
            except ClinecliError as error:
                return partial(self._land, sent, error)
            return partial(self._connected, sent, connection)

        self._helpers.run(job)

    def _connected(self, sent: _Sent, connection: PolledConnection) -> None:
        if sent not in self._sent:
            connection.close()
            return
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._begin(sent, connection)

    def _begin(self, sent: _Sent, connection: PolledConnection) -> None:
        flight = sent.flight = Flight(connection, sent.call, self._redact)
        self._transport.log_request(sent.call, self._redact)
        rest = flight.begin(self._heads.of(sent.call))
        if not rest:
            self._await(sent, connection)
            return
        # Two threads must not use one connection.
        self._selector.unregister(connection)

        def job() -> Callable[[], None]:
            try:
                connection.write(rest, sent.call.deadline, sent.call.idle)
            except ClinecliError as error:
                connection.close()
                return partial(self._land, sent, error)
            return partial(self._written, sent, connection)

        self._helpers.run(job)

    def _written(self, sent: _Sent, connection: PolledConnection) -> None:
        if sent not in self._sent:
            connection.close()
            return
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._await(sent, connection)

    def _await(self, sent: _Sent, connection: PolledConnection) -> None:
        sent.heard = self._clock()
        self._waiting[connection] = sent

    def _heard(self, connection: PolledConnection) -> None:
        sent = self._waiting.get(connection)
        if sent is None:
            # Nothing was asked: it is closed, or says what nobody wants to know.
            if connection in self._idle and connection.peek() != "quiet":
                del self._idle[connection]
                self._drop(connection)
            return
        assert sent.flight is not None
        try:
            body = sent.flight.advance()
        except ClinecliError as error:
            self._failed(sent, connection, error)
            return
        if body is None:
            sent.heard = self._clock()
            return
        del self._waiting[connection]
        answer = sent.flight.answer
        assert answer is not None
        log_answer(sent.call, answer)
        if answer.kept:
            self._idle[connection] = self._clock()
        else:
            self._drop(connection)
        self._sent.discard(sent)
        self._landed.append(Landed(sent.ticket, answer, body, None))

    def _failed(self, sent: _Sent, connection: PolledConnection, error: ClinecliError) -> None:
        del self._waiting[connection]
        self._drop(connection)
        if sent.may_be_late and error.code is Code.CLOSED:
            # Closed between the look and the request: RFC 9112, section 9.3.1.
            sent.may_be_late = False
            sent.flight = None
            self._connect(sent)
        else:
            self._land(sent, error)

    def _land(self, sent: _Sent, error: ClinecliError) -> None:
        if sent in self._sent:
            self._sent.discard(sent)
            flight = sent.flight
            answer, body = (flight.answer, flight.partial) if flight else (None, b"")
            self._landed.append(Landed(sent.ticket, answer, body, error))

    def _drop(self, connection: PolledConnection) -> None:
        self._selector.unregister(connection)
        connection.close()

    def _sweep(self, now: float) -> None:
        """Find the requests that take too long."""
        for connection, sent in list(self._waiting.items()):
            idle = sent.call.idle
            if sent.call.deadline.remaining() <= 0 or (idle and now - sent.heard > idle):
                assert sent.flight is not None
                self._failed(sent, connection, sent.flight.timed_out())
