"""One client's socket: requests come in, and bytes go out as the client takes them."""

from __future__ import annotations

import socket
from typing import Protocol

from clinecli.mock.loop import READ, WRITE, Callback, Loop, Timer
from clinecli.mock.request import Malformed, Request, RequestReader

_READ_SIZE = 256 << 10
# How much of further requests is taken in while one is being answered.
_READ_AHEAD = 1 << 20
# How long what a client still sends is read over after the last answer: closing at once would
# take the answer away from it (RFC 9112, 9.6).
_LINGER_SECONDS = 2.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Service(Protocol):
    """What a connection needs of its server."""

    loop: Loop

    def serve(self, connection: Connection, request: Request) -> None:
        """Answer a request; `Connection.finish` or `Connection.hang_up` ends it."""

    def refuse(self, connection: Connection, error: Malformed) -> None:
        """Tell of bytes that are no request."""

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection:
    """Reads requests, one at a time, and sends; all of it in the loop's thread."""

    def __init__(self, sock: socket.socket, service: Service) -> None:
        self._sock = sock
        self._service = service
        self._reader = RequestReader()
        self._out = memoryview(b"")
        self._when_sent: Callback | None = None
        self._timer: Timer | None = None
        self._watched = 0
        self._busy = False
        self._input_ended = False
        self._reading_over = False
        self.closed = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch()

    # For whoever answers

    def send(self, data: bytes, then: Callback) -> None:
        """Send bytes, and go on when the socket has taken all of them."""
        if self.sends_at_once(data, then):
            then()

    def sends_at_once(self, data: bytes, then: Callback) -> bool:
        """Send bytes; whether the socket took all of them. If not, `then` is called when it has."""
        self._out = memoryview(data)
        self._flush()
        if not self._out:
            return not self.closed
        self._when_sent = then
        self._watch()
        return False

    def after(self, seconds: float, callback: Callback) -> None:
        """Go on after some seconds, at once if there are none."""
        if seconds:
            self._timer = self._service.loop.later(seconds, callback)
        else:
            callback()

    def finish(self) -> None:
        """The answer is sent: take up the next request."""
        self._busy = False
        if self._reader.buffered or self._input_ended:
            # Not at once: others have their turn, and a thousand requests do not nest.
            self._service.loop.soon(self._take_request)
        self._watch()

    def hang_up(self) -> None:
        """The last answer is sent: close when the client has read it."""
        if self._input_ended:
            self.close()
            return
        self.read_over()
        self.after(_LINGER_SECONDS, self.close)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def read_over(self) -> None:
        """Take no further request, but notice when the client goes."""
        self._reading_over = True
        self._reader = RequestReader()
        self._watch()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        if self.closed:
            return
        self.closed = True
        if self._timer:
            self._timer.cancel()
        self._out, self._when_sent = memoryview(b""), None
        self._service.loop.watch(self._sock, 0, self._ready)
        self._sock.close()
        self._service.forget(self)

    # What the loop calls

    def _watch(self) -> None:
        """Have the loop tell of what can be gone on with."""
        if self.closed:
            return
        waits = not self._busy or self._reading_over or self._reader.buffered < _READ_AHEAD
        events = READ if waits and not self._input_ended else 0
        events |= WRITE if self._out else 0
        if events != self._watched:
            self._watched = events
            self._service.loop.watch(self._sock, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE and not self.closed:
            self._flush()
            if not self._out and self._when_sent:
                go_on, self._when_sent = self._when_sent, None
                go_on()
        if events & READ and not self.closed:
            self._read()
        self._watch()

    def _flush(self) -> None:
        while self._out and not self.closed:
            try:
                sent = self._sock.send(self._out)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._out = self._out[sent:]

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._input_ended = not data
        if not self._reading_over:
            self._reader.feed(data)
            self._take_request()
        elif self._input_ended:
            self.close()

    def _take_request(self) -> None:
        """Have the next request answered, if it is here and none is being answered."""
        if self.closed or self._busy or self._reading_over:
            return
        try:
            request = self._reader.next(ended=self._input_ended)
        except Malformed as error:
            self._busy = True
            self._service.refuse(self, error)
            return
        if request:
            self._busy = True
            self._service.serve(self, request)
        elif self._input_ended:
            self.close()
        elif self._reader.expects_continue:
            self.send(_CONTINUE, lambda: None)
