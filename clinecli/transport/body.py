"""Where the body of an answer ends: by h11, and for chunks by ourselves.

h11 takes 6 µs for a chunk, and a stream has a chunk for every token: that is more than all else
that becomes of it. `Chunked` takes a tenth of that. It is as strict as h11 0.16, which is what
the tests compare it with.
"""

from __future__ import annotations

import re
from typing import Protocol

import h11

# As httpcore: h11's own 16 KiB are too few for the headers of some gateways.
MAX_HEAD_BYTES = 100 * 1024
# RFC 9112, section 7.1; white space at the end is out there, and h11 takes it, too.
_HEADER = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;[^\r\n]*)?[ \t]*\r\n")
_MAX_LINE_BYTES = 16 * 1024
_CRLF = b"\r\n"
_BLANK_LINE = re.compile(rb"\n\r?\n")
_NO_BODY = {204, 304}


def new_state() -> h11.Connection:
    """HTTP on a connection where nothing was said yet."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


class Body(Protocol):
    """The pieces of one body: `receive` what the network brings, take the `pieces` of it.

    It is `broken` when no further piece can be had of it: damaged, or cut off.
    """

    ended: bool
    broken: bool

    def receive(self, data: bytes) -> None:
        """Take in what was read; empty at the end of the connection."""
        ...

    def pieces(self) -> list[bytes]:
        """What is there and was not taken yet."""
        ...

    def next_state(self) -> h11.Connection | None:
        """HTTP for the next exchange on the connection, None when it cannot be kept."""
        ...


def body_of(head: h11.Response, http: h11.Connection) -> Body:
    """The body that follows a head."""
    names = {name for name, _ in head.headers}
    # h11 refuses every other transfer coding, and more than one.
    if b"transfer-encoding" in names and head.status_code not in _NO_BODY:
        return Chunked(http.trailing_data[0], keeps_alive=_keeps_alive(head, http))
    return Framed(http)


def _keeps_alive(head: h11.Response, http: h11.Connection) -> bool:
    """Whether the server goes on listening (RFC 9112, section 9.3), and has heard us out."""
    options = b",".join(value for name, value in head.headers if name == b"connection").lower()
    closes = b"close" in {option.strip() for option in options.split(b",")}
    return http.our_state is h11.DONE and head.http_version >= b"1.1" and not closes


class Framed:
    """A body that ends by Content-Length or with the connection, or that is empty."""

    def __init__(self, http: h11.Connection) -> None:
        self.ended = self.broken = False
        self._http = http

    def receive(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
        except h11.RemoteProtocolError:
            # Bytes after the end of a connection.
            self.broken = True

    def pieces(self) -> list[bytes]:
        pieces: list[bytes] = []
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(event.data)
                elif event is h11.NEED_DATA:
                    return pieces
                else:
                    self.ended = True
                    return pieces
        except h11.RemoteProtocolError:
            self.broken = True
            return pieces

    def next_state(self) -> h11.Connection | None:
        http = self._http
        if http.our_state is http.their_state is h11.DONE and http.trailing_data == (b"", False):
            http.start_next_cycle()
            return http
        return None


class Chunked:
    """A body in chunks. `data` is what has come of it together with the head."""

    def __init__(self, data: bytes = b"", *, keeps_alive: bool = False) -> None:
        self.ended = self.broken = False
        self._keeps_alive = keeps_alive
        self._data = data
        self._is_closed = False
        # Bytes that the chunk under way still lacks; whether its end has to follow next.
        self._lacks = 0
        self._is_full = False
        self._in_trailer = False

    def receive(self, data: bytes) -> None:
        self._data += data
        self._is_closed = self._is_closed or not data

    def pieces(self) -> list[bytes]:
        pieces: list[bytes] = []
        at = self._rest_of_chunk(pieces, 0)
        if not (self._lacks or self._is_full or self._in_trailer):
            at = self._chunks(pieces, at)
        if self._in_trailer:
            at = self._trailer(at)
        self._data = self._data[at:]
        if not self.ended and (self._is_closed or len(self._data) > _MAX_LINE_BYTES):
            self.broken = True
        return pieces

    def _rest_of_chunk(self, pieces: list[bytes], at: int) -> int:
        """Take what has come of the chunk under way, and its end; gives where that stops."""
        if self._lacks:
            piece = self._data[at : at + self._lacks]
            if piece:
                pieces.append(piece)
            at += len(piece)
            self._lacks -= len(piece)
            self._is_full = not self._lacks
        if self._is_full:
            end = self._data[at : at + 2]
            if end == _CRLF:
                self._is_full = False
                return at + 2
            self.broken = not _CRLF.startswith(end)
        return at

    def _chunks(self, pieces: list[bytes], at: int) -> int:
        """Take the chunks that begin at a place; gives where the data stops, or the first size
        that is not whole."""
        data, match = self._data, _HEADER.match
        while header := match(data, at):
            start = header.end()
            size = int(header[1], 16)
            stop = start + size
            if size and data[stop : stop + 2] == _CRLF:
                pieces.append(data[start:stop])
                at = stop + 2
                continue
            self._lacks = size
            self._in_trailer = not size
            return self._rest_of_chunk(pieces, start)
        self.broken = data.find(_CRLF, at) >= 0
        return at

    def _trailer(self, at: int) -> int:
        """Pass over the fields after the last chunk, which mean nothing here."""
        data = self._data
        if data.startswith((b"\n", _CRLF), at):
            self.ended = True
            return at + (1 if data[at : at + 1] == b"\n" else 2)
        if blank := _BLANK_LINE.search(data, at):
            self.ended = True
            return blank.end()
        return at

    def next_state(self) -> h11.Connection | None:
        return new_state() if self._keeps_alive and self.ended and not self._data else None
