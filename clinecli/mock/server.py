"""The mock on a port of 127.0.0.1: one thread serves every connection."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import Protocol

from clinecli.errors import UsageError
from clinecli.mock.answers import Answer, error_body
from clinecli.mock.connection import Connection
from clinecli.mock.faults import FaultPlan
from clinecli.mock.loop import READ, Loop
from clinecli.mock.request import Malformed, Request
from clinecli.mock.response import Responder

HOST = "127.0.0.1"
_BACKLOG = 1024
# How many connections are accepted before it is the turn of those that are open.
_ACCEPTED_PER_TURN = 64
# How long to wait when there are no descriptors left for another connection.
_FULL_SECONDS = 0.1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# Stands for a request that could not be read.
_UNREADABLE = Request("", "", {"connection": "close"})


class Api(Protocol):
    """What the server asks for answers."""

    @property
    def faults(self) -> FaultPlan:
        """Which connections are not let through."""

    def answer(self, request: Request) -> Answer:
        """The answer to a request, whatever it is."""


class MockServer:
    """The mock API: it listens from the moment it is made, and answers once it is started.

    A context manager that closes it. Raises `UsageError` when the port cannot be had.
    """

    def __init__(self, api: Api, port: int = 0) -> None:
        self._api = api
        self._deaf = api.faults.refuses_all
        self._listener = _listen(port, deaf=self._deaf)
        self.base_url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self.loop = Loop(_report)
        self._responder = Responder(self.loop)
        self._connections: set[Connection] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> MockServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def __enter__(self) -> MockServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut the connections that are open."""
        self.loop.stop()
        if self._thread.ident:
            self._thread.join()
        else:
            self.loop.close()
        self._listener.close()

    # What the connections need

    def serve(self, connection: Connection, request: Request) -> None:
        """Answer a request."""
        self._responder.respond(connection, request, self._answer(request))

    def refuse(self, connection: Connection, error: Malformed) -> None:
        """Tell of bytes that are no request, as JSON like every error."""
        answer = error_body(error.status, error.message)
        self._responder.respond(connection, _UNREADABLE, answer)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self._connections.discard(connection)

    # In the thread

    def _run(self) -> None:
        if not self._deaf:
            self.loop.watch(self._listener, READ, self._accept)
        self.loop.run()
        for connection in list(self._connections):
            connection.close()
        self.loop.close()

    def _answer(self, request: Request) -> Answer:
        try:
            return self._api.answer(request)
        except MemoryError:
            return error_body(413, "there is not enough memory for a request of this size")
        except Exception as error:
            _report(error)
            return error_body(500, "internal error of the mock")

    def _accept(self, _events: int) -> None:
        for _ in range(_ACCEPTED_PER_TURN):
            try:
                sock, _address = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                self._pause()
                return
            if self._api.faults.for_connection():
                with sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            else:
                self._connections.add(Connection(sock, self))

    def _pause(self) -> None:
        """Let clients wait until a connection is closed, instead of asking without end."""
        self.loop.watch(self._listener, 0, self._accept)
        self.loop.later(_FULL_SECONDS, lambda: self.loop.watch(self._listener, READ, self._accept))


def _listen(port: int, *, deaf: bool) -> socket.socket:
    """A socket that is bound, and listens unless every connection is to be refused."""
    listener = socket.socket()
    try:
        # A port that nobody listens on would not be reserved if it might be reused.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, not deaf)
        listener.setblocking(False)
        listener.bind((HOST, port))
        if not deaf:
            listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {HOST}:{port}: {error.strerror}",
            hint="choose another --port, or --port 0 for any free one",
        ) from None
    return listener


def _report(error: Exception) -> None:
    """Tell of a bug in one line, beside the output of the user's command."""
    with suppress(OSError):
        print(f"clinecli: mock: internal error: {error!r}", file=sys.stderr)
