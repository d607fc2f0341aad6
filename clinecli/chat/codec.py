"""Bytes of the API to chat types: whole replies, and streams wherever the network cut them.

The shapes of their JSON are read in `shapes`, their errors in `api_errors`.
"""

from __future__ import annotations

from clinecli.chat.api_errors import (
    UNKNOWN,
    Origin,
    describe_body,
    in_band_error,
    not_the_api,
    told_error,
)
from clinecli.chat.reply import Delta, Event
from clinecli.chat.shapes import chunk_delta, inside, reply_delta
from clinecli.chat.sse import BOM, DEFAULT_MAX_EVENT_BYTES, EventTooLarge, SSEDecoder
from clinecli.chat.usual_chunks import UsualChunk
from clinecli.errors import ClinecliError, Code, IncompleteError, Retry
from clinecli.jsontext import InvalidJson, compact, has_controls, loads, unwrap

DONE = b"[DONE]"
# What an event stream begins with, whatever its media type says.
_SSE_FIELDS = (b":", b"data", b"event", b"id", b"retry")
_HEAD_BYTES = max(map(len, _SSE_FIELDS))
# How JSON begins, and ends, that is an answer.
_ENDS = {b"{": b"}", b"[": b"]"}
# Names of events that carry chunks: others are none of ours, unless they hold one.
_OURS = {"", "message"}
# A named tuple without the call of a Python function: there is one for each word of a reply.
_new = tuple.__new__


class StreamReader:
    """The body of a streamed reply to events, wherever the network cut it.

    A server that knows no streaming answers with one JSON object: that is one event. What
    goes wrong is kept in `failure`, so that the events before it are not lost.
    """

    def __init__(self, origin: Origin = UNKNOWN) -> None:
        self._origin = origin
        self._decoder = SSEDecoder()
        self._usual = UsualChunk()
        self._started = False
        self._head = b""
        self._object: bytearray | None = None
        self._has_text = self._has_calls = False
        # Whether events are to come: it is a stream, without an end mark or a failure so far.
        self._is_open = False
        self._is_readable = True
        # Whether a `finish_reason` was seen, the usage, and the end mark.
        self.complete = False
        self.has_usage = False
        self.done = False
        self.failure: ClinecliError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes: none after the end mark or a failure."""
        if self._is_open and self._decoder.is_idle:
            event = self._usual.event(data)
            if event:
                return [event]
        if not self._started:
            # Held back until it tells what follows, wherever the network cut it.
            self._head = (self._head + data).lstrip()
            data = self._without_bom()
            if len(data) < _HEAD_BYTES:
                return []
            self._start(data)
        return self._take(data)

    def close(self) -> list[Event]:
        """The events that the end of the body completes."""
        events: list[Event] = []
        if not self._started:
            head = self._without_bom()
            self._start(head)
            events = self._take(head)
        if self._object is not None:
            try:
                return [decode_body(bytes(self._object), self._origin)]
            except ClinecliError as failure:
                self.failure = failure
                return []
        if self._is_open:
            self._events(b"\n\n", events)
            # What the cut left of an event may be no JSON. The reply is judged by its
            # finish_reason, so nothing is lost by passing over it.
            if not self._is_readable:
                self.failure = None
        return events

    def _without_bom(self) -> bytes:
        """The head without its byte order mark and blanks, of which endless ones are not kept."""
        if not self._head.startswith(BOM):
            return self._head
        head = self._head[len(BOM) :].lstrip()
        self._head = BOM + head
        return head

    def _start(self, head: bytes) -> None:
        """Tell by its head what the body is."""
        self._started = True
        kind = self._origin.content_type
        typed = "event-stream" in kind and head and head[:1] != b"<"
        if head[:1] in {b"{", b"["}:
            self._object = bytearray()
        elif typed or head.startswith(_SSE_FIELDS):
            self._is_open = True
        else:
            # Nothing that would depend on how much of it has come yet.
            what = f"text that is not JSON and no event stream ({kind or 'no content type'})"
            if not head or head[:1] == b"<" or "html" in kind:
                what = describe_body(head and b"<html", kind)
            self.failure = not_the_api(what)

    def _take(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._is_open:
            self._events(data, events)
        elif self._object is not None:
            self._object += data
            if len(self._object) > DEFAULT_MAX_EVENT_BYTES:
                self._object = None
                size = DEFAULT_MAX_EVENT_BYTES >> 20
                self.failure = IncompleteError(f"the reply exceeds {size} MiB", code=Code.TOO_LARGE)
        return events

    def _events(self, data: bytes, events: list[Event]) -> None:
        """Add the events that `data` completes, up to the end mark or an error."""
        failure: ClinecliError | None = None
        try:
            found = self._decoder.feed(data)
        except EventTooLarge as error:
            found = error.events
            failure = IncompleteError(str(error), code=Code.TOO_LARGE)
        usual = self._usual.read
        for payload, name in found:
            delta = None if name else usual(payload)
            if delta is not None:
                events.append(_new(Event, (payload, delta, False)))
                continue
            self._unusual(payload, name.lower(), events)
            if not self._is_open:
                return
        if failure:
            self._fail(failure)

    def _unusual(self, payload: bytes, name: str, events: list[Event]) -> None:
        """Add an event that may be anything, if it says something."""
        try:
            event = self._event(payload, name)
        except InvalidJson:
            if self.complete:
                # An end mark of the server's own, perhaps: the reply has told its end.
                return
            self._is_readable = False
            self._fail(IncompleteError("an event of the stream is not JSON", code=Code.NOT_THE_API))
        else:
            events += [event] if event else []

    def _fail(self, failure: ClinecliError) -> None:
        self.failure = failure
        self._is_open = False

    def _event(self, payload: bytes, name: str) -> Event | None:
        """One event that may be anything, None for what says nothing. Raises `InvalidJson`."""
        word = payload.strip()
        if word == DONE:
            self.done = self.complete = True
            self._is_open = False
            return Event(b"", Delta(), True)
        if name == "error":
            return self._error(payload)
        if not word:
            # Some servers keep the connection alive with empty events.
            return None
        try:
            document = loads(payload)
            if not document and document != {}:
                return None
            delta, depth = chunk_delta(
                document, self._origin, has_text=self._has_text, has_calls=self._has_calls
            )
        except InvalidJson:
            if name in _OURS:
                raise
            return None
        if not name and not depth and delta.text:
            # Not by one without text: that text has come would not be noted of the next ones.
            self._usual.learn(payload, delta)
        self._note(delta)
        line = compact(payload) if depth else _on_one_line(payload)
        return Event(inside(line, depth), delta)

    def _error(self, payload: bytes) -> Event:
        """An error event, whose data may be JSON or text. Text is no line of JSON."""
        document: object
        try:
            document, line = loads(payload), _on_one_line(payload)
        except InvalidJson:
            document, line = payload.decode("utf-8", "replace"), b""
        error = in_band_error(document, self._origin)
        self._fail(error)
        return Event(line, Delta(error=error))

    def _note(self, delta: Delta) -> None:
        self.complete = self.complete or delta.finish_reason is not None
        self.has_usage = self.has_usage or bool(delta.usage)
        self._has_text = self._has_text or bool(delta.text)
        self._has_calls = self._has_calls or bool(delta.tool_calls)
        if delta.error:
            self._fail(delta.error)


def _on_one_line(payload: bytes) -> bytes:
    """JSON as it came, unless it breaks the line or strict parsers."""
    return compact(payload) if has_controls(payload) else payload


def decode_body(body: bytes, origin: Origin = UNKNOWN) -> Event:
    """A whole non-streaming reply, out of its envelope and on one line.

    Raises `IncompleteError` for what is no chat completion, and the error that it tells of.
    """
    document = _document(body, origin)
    try:
        delta, depth = reply_delta(document, origin)
    except InvalidJson as error:
        raise IncompleteError(f"the reply cannot be read: {error}", code=Code.NOT_THE_API) from None
    if delta.error:
        raise delta.error
    # A reply may be large: one thing after the other is in memory.
    del document
    return Event(inside(compact(body), depth), delta, done=True)


def json_body(body: bytes, origin: Origin = UNKNOWN) -> bytes:
    """A body that is JSON, out of its envelope and on one line.

    Raises `IncompleteError` when it is not, and the error that the envelope tells of.
    """
    error = told_error(_document(body, origin), origin)
    if error:
        raise error
    return unwrap(compact(body))


def _document(body: bytes, origin: Origin) -> object:
    try:
        document: object = loads(body)
    except InvalidJson:
        if _is_cut(body):
            raise IncompleteError(
                "the answer was cut off: its JSON has no end", code=Code.CUT, retry=Retry.TWICE
            ) from None
        raise not_the_api(describe_body(body, origin.content_type)) from None
    return document


def _is_cut(body: bytes) -> bool:
    """Whether what is no JSON begins as JSON, and stops before its end."""
    end = _ENDS.get(body.lstrip()[:1])
    return end is not None and body.rstrip()[-1:] != end


def decode_chunk(data: bytes, origin: Origin = UNKNOWN) -> Delta:
    """One event of a stream. Raises `InvalidJson`; an error chunk is a delta with `error`."""
    return chunk_delta(loads(data), origin)[0]


def decode_reply(data: bytes, origin: Origin = UNKNOWN) -> Delta:
    """A whole non-streaming reply, in its envelope or not.

    Raises `InvalidJson` when it is not JSON, `IncompleteError` when it is something else than
    a chat completion.
    """
    return reply_delta(loads(data), origin)[0]
