"""Servers on loopback, from well-behaved to mute; none waits by the clock."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self


class RawServer:
    """A TCP server on loopback that reads one HTTP request and lets `answer` do the rest.

    `answer` gets the connection and the number of the request, from 0; it writes what it likes.
    `requests` holds (head, body) of every request. A context manager.
    """

    def __init__(
        self,
        answer: Callable[[socket.socket, int], None] | bytes,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.answer = answer
        self.requests: list[tuple[bytes, bytes]] = []
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.create_server(address, family=family)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Unlike close, shutdown wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def bodies(self) -> list[Any]:
        """The request bodies, parsed."""
        return [json.loads(body) for _, body in self.requests]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = read_request(connection)
            if request is None:
                return
            number = len(self.requests)
            self.requests.append(request)
            try:
                if isinstance(self.answer, bytes):
                    connection.sendall(self.answer)
                else:
                    self.answer(connection, number)
            except OSError:
                return  # The client has gone, as some tests want it to.


def read_request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of one HTTP request, None when the client sends none."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    pieces = [body]
    size = len(body)
    while size < length:
        piece = connection.recv(1 << 20)
        if not piece:
            return None
        pieces.append(piece)
        size += len(piece)
    return head, b"".join(pieces)


class TcpServer:
    """A listener that hands every connection to `handle`, in a thread, with nothing read.

    `connections` counts them, `connected` is set by the first.
    """

    def __init__(
        self, handle: Callable[[socket.socket], None], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._handle = handle
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.connections = 0
        self.connected = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Unlike close, shutdown wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.connected.set()
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        # The client goes when it likes; that is what many tests are about.
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handle(connection)


def stall(connection: socket.socket) -> None:
    """For `TcpServer`: say nothing until the client goes."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_head(connection: socket.socket) -> bytes:
    """An HTTP request up to its blank line; what follows is left unread. Empty without one."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        head += piece
    return head


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses every connection: bound, so that nobody else gets it, and deaf."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def blackhole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        address = listener.getsockname()
        while True:
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
            # The first one that gets no answer shows that the queue is full.
            if not select.select([], [filler], [], 0.2)[1]:
                break
        yield address[1]


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
