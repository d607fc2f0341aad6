"""The usual chunk of a stream: it differs from the one before in its content alone.

A reply has thousands of them, and parsing is most of what each costs. So the bytes around the
content are learned from one chunk, and where the next has the same around it, only the content
is parsed, as the JSON string that it is. Whatever is unusual goes the long way; what comes of a
chunk is the same either way.
"""

from __future__ import annotations

import re

from clinecli.chat.api_errors import UNKNOWN
from clinecli.chat.reply import Delta, Event
from clinecli.chat.shapes import chunk_delta
from clinecli.jsontext import InvalidJson, loads

_CONTENT = re.compile(rb'"content": ?("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_PROBE = "probe"
_new = tuple.__new__
# Learning costs as much as two chunks: it has to pay for itself, or it is given up.
_CREDIT = 16
_PRICE = 2
_MOST = 64
# More is no delta of a word or two.
_LONGEST = 4096
_NO_CALLS: tuple[()] = ()
_NOTHING_ELSE = ("", _NO_CALLS, None, None)


class UsualChunk:
    """Knows the chunk that is to be expected."""

    __slots__ = ("_about", "_after", "_before", "_credit", "_hits", "_loads", "_prefix", "_suffix")

    def __init__(self) -> None:
        from orjson import loads

        self._loads = loads
        self._credit = _CREDIT
        self._hits = 0
        self._about: tuple[str | None, str | None] = (None, None)
        # What stands around the content, in a chunk and in a whole event of one line. Nothing
        # begins with NUL: nothing is learned yet.
        self._prefix = self._suffix = self._before = self._after = b"\0"

    def read(self, payload: bytes) -> Delta | None:
        """The delta of a chunk that is as expected; None for any other."""
        prefix, suffix = self._prefix, self._suffix
        if not (payload.startswith(prefix) and payload.endswith(suffix)):
            return None
        try:
            text = self._loads(payload[len(prefix) : -len(suffix)])
        except ValueError:
            # An escape that orjson refuses, or the beginning and the end overlap.
            return None
        if type(text) is not str:
            return None
        self._hits += 1
        reply_id, model = self._about
        return _new(Delta, (text, "", _NO_CALLS, None, None, reply_id, model, None, ""))

    def event(self, data: bytes) -> Event | None:
        """The same for the bytes of a stream between two events: where they are one event, and
        as expected."""
        before, after = self._before, self._after
        if not (data.startswith(before) and data.endswith(after)):
            return None
        try:
            # A line end within would be no JSON.
            text = self._loads(data[len(before) : -len(after)])
        except ValueError:
            return None
        if type(text) is not str:
            return None
        self._hits += 1
        reply_id, model = self._about
        delta = _new(Delta, (text, "", _NO_CALLS, None, None, reply_id, model, None, ""))
        return _new(Event, (data[6:-2], delta, False))

    def learn(self, payload: bytes, delta: Delta) -> None:
        """Expect more chunks like this one, if it holds content and nothing that counts besides."""
        credit = min(self._credit + self._hits, _MOST)
        says_more = delta[1:5] != _NOTHING_ELSE or delta.error or delta.refusal
        if credit < _PRICE or len(payload) > _LONGEST or says_more:
            return
        found = list(_CONTENT.finditer(payload))
        if len(found) != 1 or b"\n" in payload:
            return
        self._credit, self._hits = credit - _PRICE, 0
        start, stop = found[0].span(1)
        prefix, suffix = payload[:start], payload[stop:]
        # Whether the string that was found is what is read as content, another one shows.
        try:
            probe = b'%b"%b"%b' % (prefix, _PROBE.encode(), suffix)
            probed, depth = chunk_delta(loads(probe), UNKNOWN)
        except InvalidJson:
            return
        if depth == 0 and probed == delta._replace(text=_PROBE):
            self._prefix, self._suffix = prefix, suffix
            self._before, self._after = b"data: " + prefix, suffix + b"\n\n"
            self._about = delta.id, delta.model
