"""Recorded exchanges, served again: by what was asked, else in the order of the file."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from clinecli.mock.answers import Answer, Body, Event, Headers, Stream, error_body, later
from clinecli.mock.difference import describe, differences, distance
from clinecli.mock.fold import fold
from clinecli.mock.recording import Exchange, body_value
from clinecli.mock.request import Request

_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
# What a request can be refused with before its message is looked at: key, credit, limits.
_BEFORE_THE_MESSAGE = frozenset({401, 402, 403, 429})
# How the reply is delivered, and not what is asked: a stream is folded for a whole reply.
_DELIVERY = frozenset({"stream", "stream_options"})
# How many recorded requests are compared with one that was not recorded, and how many named.
_COMPARED = 500
_NAMED = 5


def split_events(body: bytes, delay: float = 0.0) -> list[Event]:
    """An event stream in pieces that give it back exactly when joined, `delay` between them."""
    pieces = [piece for piece in _EVENT_END.split(body) if piece]
    return [Event(piece, delay if index else 0.0) for index, piece in enumerate(pieces)]


def answer_of(exchange: Exchange, *, stream: bool, delay: float, speed: float) -> Answer:
    """The answer of an exchange, in its own time if that was recorded, `speed` times as fast.

    `stream` is false for a request that asks for a whole reply; `delay` is the time between
    events where none was recorded.
    """
    if exchange.flaw:
        return error_body(422, f"this exchange cannot be served{exchange.flaw}")
    headers: Headers = ()
    if exchange.retry_after:
        headers = (("Retry-After", exchange.retry_after),)
    status, content_type = exchange.status, exchange.content_type
    total = exchange.total_seconds / speed
    if exchange.is_stream and status == 200 and not stream:
        return later(fold(exchange.body, 0.0 if exchange.chunks else delay), total)
    if not exchange.is_stream and not exchange.cut:
        return Body(exchange.body, status, content_type, headers, total)
    timed = exchange.chunks or exchange.cut
    events = _pieces(exchange, speed) if timed else split_events(exchange.body, delay)
    start = exchange.seconds / speed
    return Stream(events, status, content_type, headers, delay=start, cut=exchange.cut)


def _pieces(exchange: Exchange, speed: float) -> Iterator[Event]:
    """The body in the pieces in which it came; what is left over is the last one."""
    position = 0
    for seconds, size in exchange.chunks:
        data = exchange.body[position : position + size]
        position += size
        if data:
            yield Event(data, seconds / speed)
    if position < len(exchange.body):
        yield Event(exchange.body[position:])


class Recordings:
    """The exchanges of a file, handed out once each; the last of its kind repeats.

    An exchange whose request was recorded answers that request. When it is not there, the next
    one for the same path does, unless `strict`: then only one whose request was not kept.
    """

    def __init__(self, exchanges: Iterable[Exchange], *, strict: bool = False) -> None:
        self._exchanges = list(exchanges)
        self._used: set[int] = set()
        self._by_path: dict[tuple[str, str], deque[int]] = {}
        self._by_request: dict[tuple[str, str, bytes], deque[int]] = {}
        self._strict = strict
        # What was asked and not recorded, in words, if that counts.
        self.misses: list[str] = []
        for index, exchange in enumerate(self._exchanges):
            asked = (exchange.method, exchange.path)
            if exchange.request is not None:
                key = (*asked, _fingerprint(exchange.request))
                self._by_request.setdefault(key, deque()).append(index)
            if exchange.request is None or not strict:
                self._by_path.setdefault(asked, deque()).append(index)

    def same(self, request: Request) -> Exchange | None:
        """The exchange of this very request."""
        body = _fingerprint(body_value(request.body))
        queues = (self._by_request.get((*asked, body)) for asked in _asked(request))
        return self._take(next(filter(None, queues), None))

    def next(self, request: Request) -> Exchange | None:
        """The next exchange of this path."""
        return self._take(self._queue(request))

    def refusal(self, request: Request) -> Exchange | None:
        """The next exchange of this path if it refuses whatever is asked. It is not used up."""
        queue = self._queue(request)
        index = next((index for index in queue or () if index not in self._used), None)
        exchange = self._exchanges[queue[-1] if index is None else index] if queue else None
        return exchange if exchange and exchange.status in _BEFORE_THE_MESSAGE else None

    def miss(self, request: Request) -> tuple[int, str]:
        """Status and message for a request that was not recorded: how it differs from the
        nearest one of the same path, if there is any."""
        status, text = self._describe(request)
        if self._strict:
            self.misses.append(text)
        return status, text

    def _queue(self, request: Request) -> deque[int] | None:
        return next(filter(None, map(self._by_path.get, _asked(request))), None)

    def _take(self, queue: deque[int] | None) -> Exchange | None:
        if not queue:
            return None
        while len(queue) > 1 and queue[0] in self._used:
            queue.popleft()
        self._used.add(queue[0])
        return self._exchanges[queue[0]]

    def _describe(self, request: Request) -> tuple[int, str]:
        what = f"{request.method} {request.target}"
        body = _undelivered(body_value(request.body))
        candidates = (
            (exchange.request, number)
            for number, exchange in enumerate(self._exchanges, start=1)
            if exchange.request is not None and (exchange.method, exchange.path) in _asked(request)
        )
        near = [
            (list(differences(_undelivered(recorded), body)), number)
            for recorded, number in itertools.islice(candidates, _COMPARED)
        ]
        if near:
            found, number = min(near, key=lambda each: distance(each[0]))
            how = describe(found) or "the spelling of a number differs"
            return 400, f"this was not recorded: {what}; exchange {number} is nearest: {how}"
        names = list(dict.fromkeys(f"{each.method} {each.path}" for each in self._exchanges))
        more = ", …" if len(names) > _NAMED else ""
        listed = ", ".join(names[:_NAMED]) + more
        return 404, f"no recorded exchange for {what}; there are {listed}"


def _asked(request: Request) -> list[tuple[str, str]]:
    # A recorded path may have a query, and then it is part of what was asked.
    return [(request.method, request.target), (request.method, request.path)]


def _undelivered(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {key: value for key, value in body.items() if key not in _DELIVERY}


def _fingerprint(body: Any) -> bytes:
    """The same bytes for bodies that ask the same, whatever the order of their keys."""
    import orjson

    try:
        return orjson.dumps(_undelivered(body), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return repr(body).encode("utf-8", "backslashreplace")
