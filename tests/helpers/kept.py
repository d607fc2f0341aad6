"""A server that keeps its connections: any number of requests on each."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple

from tests.helpers.servers import TcpServer, read_request


class Request(NamedTuple):
    """One request: on which connection, as the how many-eth of it, both from 0."""

    connection: int
    number: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, empty when it is not there."""
        found = re.search(rf"\r\n{name}: *([^\r\n]*)".encode(), self.head, re.IGNORECASE)
        return found[1].decode() if found else ""


# Writes the answer, or closes the connection by raising `Close`.
Answer = Callable[[socket.socket, Request], None]


class Close(Exception):
    """Close the connection now."""


class KeptServer(TcpServer):
    """Answers every request by `answer`, until the client or the answer closes the connection.

    `requests` holds all of them, in the order in which they came. With `context` it speaks TLS.
    """

    def __init__(self, answer: Answer | bytes, context: ssl.SSLContext | None = None) -> None:
        super().__init__(self._serve_connection)
        self._answer = answer
        self._context = context
        self._lock = threading.Lock()
        self._numbers = 0
        self.requests: list[Request] = []
        self.url = f"{'https://localhost' if context else 'http://127.0.0.1'}:{self.port}"

    @property
    def places(self) -> list[tuple[int, int]]:
        """Connection and number of every request."""
        return [(request.connection, request.number) for request in self.requests]

    def _serve_connection(self, connection: socket.socket) -> None:
        with self._lock:
            mine = self._numbers
            self._numbers += 1
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            number = 0
            while read := read_request(connection):
                request = Request(mine, number, *read)
                self.requests.append(request)
                number += 1
                if isinstance(self._answer, bytes):
                    connection.sendall(self._answer)
                    continue
                try:
                    self._answer(connection, request)
                except Close:
                    return
