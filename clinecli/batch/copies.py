"""`--dedupe`: rows that ask the same are asked once, and share the reply.

Replies are not kept in memory: they are read again from where they were written. What was asked is
told by 128 bits of its digest, so that no row can get another question's reply.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from typing import Protocol

from clinecli.batch.id_table import Table
from clinecli.batch.judge import Verdict
from clinecli.batch.results import ANSWERED, HEAD, Response
from clinecli.batch.tasks import Request
from clinecli.chat.codec import decode_reply
from clinecli.chat.reply import Event, Reply
from clinecli.jsontext import loads

_DIGEST_BYTES = 16
_OFFSET_BYTES = 8
# Rows that wait for another's reply are held in memory.
_MOST_WAITING = 4096
_RESPONSE = re.compile(
    rb'\{"status_code":([0-9]+),"request_id":(null|"(?:[^"\\]|\\.)*+"),"body":', re.DOTALL
)


class Lines(Protocol):
    """Where lines can be read again."""

    def line_at(self, offset: int) -> bytes:
        """The line that begins at an offset."""
        ...


class Spool:
    """Lines of replies that went elsewhere, kept while the process lives."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._size = 0

    def append(self, line: bytes) -> int:
        """Keep a line; gives its offset."""
        offset = self._size
        self._file.seek(offset)
        self._file.write(line)
        self._size += len(line)
        return offset

    def line_at(self, offset: int) -> bytes:
        """The line that begins at an offset."""
        self._file.seek(offset)
        return self._file.readline()


class Copies:
    """Who asks what others ask. `is_full` while too many rows wait for a reply."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._written = Table(_DIGEST_BYTES + _OFFSET_BYTES)
        self._asking: dict[bytes, list[Request]] = {}
        self._waiting = 0

    @property
    def is_full(self) -> bool:
        return self._waiting >= _MOST_WAITING

    def known(self, data: bytes) -> Verdict | None:
        """The verdict on a body that was answered before; None when it was not."""
        digest = _digest(data)
        value = self._written.get(digest)
        if value is None or value[:_DIGEST_BYTES] != digest:
            return None
        return _verdict(self._lines.line_at(int.from_bytes(value[_DIGEST_BYTES:], "little")))

    def joins(self, request: Request) -> bool:
        """Whether a row waits from now on for one that asks the same; else others will for it."""
        waiting = self._asking.get(_digest(request.data))
        if waiting is None:
            self._asking[_digest(request.data)] = []
            return False
        waiting.append(request)
        self._waiting += 1
        return True

    def released(self, request: Request) -> list[Request]:
        """The rows that waited for one that now has its verdict."""
        waiting = self._asking.pop(_digest(request.data), [])
        self._waiting -= len(waiting)
        return waiting

    def remember(self, data: bytes, offset: int) -> None:
        """Where the answer to a body is written."""
        digest = _digest(data)
        if digest not in self._written:
            self._written.add(digest, digest + offset.to_bytes(_OFFSET_BYTES, "little"))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _verdict(line: bytes) -> Verdict | None:
    """The verdict that a line of an answered row was made of."""
    head = HEAD.match(line)
    response = head and _RESPONSE.match(line, head.end())
    if not response or not line.endswith(ANSWERED):
        return None
    body = line[response.end() : -len(ANSWERED) - 1]
    reply = Reply()
    reply.add(Event(body, decode_reply(body), done=True))
    return Verdict(Response(int(response[1]), loads(response[2]), body), None, reply)
