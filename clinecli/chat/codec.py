"""Bytes of the API to chat types: the only knowledge of its reply shapes.

Shapes are those of the Cline API and its OpenAI-compatible peers: chat completion objects,
their chunks, and the `{"success","data"}` envelope around either. Their errors are read in
`api_errors`.
"""

from __future__ import annotations

from typing import Any

from clinecli.chat.api_errors import (
    UNKNOWN,
    Origin,
    decode_envelope_error,
    describe_body,
    in_band_error,
    not_the_api,
    text_of,
)
from clinecli.chat.reply import Delta, Event, ToolCallPiece
from clinecli.chat.sse import BOM, DEFAULT_MAX_EVENT_BYTES, EventTooLarge, SSEDecoder
from clinecli.errors import ClinecliError, Code, IncompleteError
from clinecli.jsontext import InvalidJson, compact, dumps, loads, one_line, unwrap

DONE = b"[DONE]"
# What an event stream begins with, whatever its media type says.
_SSE_FIELDS = (b":", b"data", b"event", b"id", b"retry")
_HEAD_BYTES = max(map(len, _SSE_FIELDS))


class StreamReader:
    """The body of a streamed reply to events, wherever the network cut it.

    A server that knows no streaming answers with one JSON object: that is one event. What
    goes wrong is kept in `failure`, so that the events before it are not lost.
    """

    def __init__(self, origin: Origin = UNKNOWN) -> None:
        self._origin = origin
        self._decoder = SSEDecoder()
        self._started = False
        self._head = b""
        self._after_bom = False
        self._object: list[bytes] | None = None
        self._object_bytes = 0
        # Whether a `finish_reason` was seen, the usage, and the end mark.
        self.complete = False
        self.has_usage = False
        self.done = False
        self.failure: ClinecliError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes: none after the end mark or a failure."""
        if not self._started:
            # Held back until it tells what follows, wherever the network cut it.
            data = (self._head + data).lstrip()
            if not self._after_bom and data.startswith(BOM):
                self._after_bom = True
                data = data.removeprefix(BOM).lstrip()
            self._head = data
            if len(data) < _HEAD_BYTES:
                return []
            self._start()
        return self._take(data)

    def close(self) -> list[Event]:
        """The events that the end of the body completes."""
        events: list[Event] = []
        if not self._started:
            self._start()
            events = self._take(self._head)
        if self._object is not None:
            try:
                return [decode_body(b"".join(self._object), self._origin)]
            except ClinecliError as failure:
                self.failure = failure
                return []
        if self.done or self.failure:
            return events
        events += self._events(b"\n\n")
        # What the cut left of an event may be no JSON. The reply is judged by its
        # finish_reason, so nothing is lost by passing over it.
        if isinstance(self.failure, IncompleteError):
            self.failure = None
        return events

    def _start(self) -> None:
        """Tell by its head what the body is."""
        self._started = True
        head = self._head
        typed = "event-stream" in self._origin.content_type and head and head[:1] != b"<"
        if head[:1] == b"{":
            self._object = []
        elif not typed and not head.startswith(_SSE_FIELDS):
            what = describe_body(head, self._origin.content_type)
            self.failure = not_the_api(what)

    def _take(self, data: bytes) -> list[Event]:
        if self._object is not None:
            self._object.append(data)
            self._object_bytes += len(data)
            if self._object_bytes > DEFAULT_MAX_EVENT_BYTES:
                self._object = None
                size = DEFAULT_MAX_EVENT_BYTES >> 20
                self.failure = IncompleteError(f"the reply exceeds {size} MiB", code=Code.TOO_LARGE)
            return []
        return [] if self.done or self.failure else self._events(data)

    def _events(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for payload, name in self._decoder.feed(data):
                if payload == DONE:
                    self.done = self.complete = True
                    events.append(Event(b"", Delta(), True))
                    break
                if not payload:
                    # Some servers keep the connection alive with empty events.
                    continue
                if name == "error":
                    delta = Delta(error=in_band_error(loads(payload), self._origin))
                else:
                    delta = decode_chunk(payload, self._origin)
                events.append(Event(compact(payload) if b"\n" in payload else payload, delta))
                if delta.finish_reason:
                    self.complete = True
                if delta.usage:
                    self.has_usage = True
                if delta.error:
                    self.failure = delta.error
                    break
        except InvalidJson:
            self.failure = IncompleteError(
                "an event of the stream is not JSON", code=Code.NOT_THE_API
            )
        except EventTooLarge as error:
            self.failure = IncompleteError(str(error), code=Code.TOO_LARGE)
        return events


def decode_body(body: bytes, origin: Origin = UNKNOWN) -> Event:
    """A whole non-streaming reply, out of its envelope and on one line.

    Raises `IncompleteError` for what is no chat completion, and the error that it tells of.
    """
    document = _document(body, origin)
    try:
        if isinstance(document, dict) and "choices" in document and "data" not in document:
            # No envelope, as nearly always: then it is parsed once.
            raw, delta = one_line(body, document), _delta(document, "message", origin)
        else:
            raw = json_body(body, origin)
            delta = decode_reply(raw, origin)
    except InvalidJson as error:
        raise IncompleteError(f"the reply cannot be read: {error}", code=Code.NOT_THE_API) from None
    if delta.error:
        raise delta.error
    return Event(raw, delta, done=True)


def _document(body: bytes, origin: Origin) -> Any:
    try:
        return loads(body)
    except InvalidJson:
        raise not_the_api(describe_body(body, origin.content_type)) from None


def json_body(body: bytes, origin: Origin = UNKNOWN) -> bytes:
    """A body that is JSON, out of its envelope and on one line.

    Raises `IncompleteError` when it is not, and the error that the envelope tells of.
    """
    _document(body, origin)
    error = decode_envelope_error(body, origin)
    if error:
        raise error
    return unwrap(compact(body))


def decode_chunk(data: bytes, origin: Origin = UNKNOWN) -> Delta:
    """One event of a stream. Raises `InvalidJson`; an error chunk is a delta with `error`."""
    chunk = loads(data)
    if not isinstance(chunk, dict):
        raise InvalidJson("not a JSON object")
    return _delta(_unwrapped(chunk), "delta", origin)


def decode_reply(data: bytes, origin: Origin = UNKNOWN) -> Delta:
    """A whole non-streaming reply, in its envelope or not.

    Raises `InvalidJson` when it is not JSON, `IncompleteError` when it is something else than
    a chat completion.
    """
    reply = loads(data)
    if isinstance(reply, dict):
        reply = _unwrapped(reply)
    if not isinstance(reply, dict) or not ("choices" in reply or "error" in reply):
        raise not_the_api("a JSON document that is no chat completion")
    return _delta(reply, "message", origin)


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """The `data` of an envelope; the document itself where it has an error to tell."""
    if "choices" in document or document.get("error"):
        return document
    data = document.get("data")
    return data if isinstance(data, dict) else document


def _delta(chunk: dict[str, Any], key: str, origin: Origin) -> Delta:
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict) and choice.get("index") and isinstance(choices, list):
        choice = next((c for c in choices if isinstance(c, dict) and not c.get("index")), choice)
    usage = chunk.get("usage")
    error = chunk.get("error")
    reply_id = chunk.get("id")
    model = chunk.get("model")
    if not isinstance(choice, dict) or choice.get("index"):
        # A usage-only chunk, or one of a second choice (`n` above 1), which is not printed.
        return Delta(
            usage=usage if isinstance(usage, dict) else None,
            id=reply_id if isinstance(reply_id, str) else None,
            model=model if isinstance(model, str) else None,
            error=in_band_error(error, origin) if error else None,
        )
    finish_reason = choice.get("finish_reason")
    error = error or choice.get("error")
    part = choice.get(key) or choice.get("message" if key == "delta" else "delta")
    if not isinstance(part, dict):
        part = {}
    calls = part.get("tool_calls")
    return Delta(
        text_of(part.get("content")),
        text_of(part.get("reasoning") or part.get("reasoning_content")),
        _tool_calls(calls) if calls else (),
        finish_reason if isinstance(finish_reason, str) else None,
        usage if isinstance(usage, dict) else None,
        reply_id if isinstance(reply_id, str) else None,
        model if isinstance(model, str) else None,
        in_band_error(error, origin) if error or finish_reason == "error" else None,
    )


def _tool_calls(calls: object) -> tuple[ToolCallPiece, ...]:
    pieces = []
    for position, call in enumerate(calls if isinstance(calls, list) else []):
        if not isinstance(call, dict):
            continue
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        index = call.get("index")
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            # Some peers send the arguments as an object instead of as JSON text.
            try:
                arguments = dumps(arguments).decode()
            except ValueError:
                raise InvalidJson("tool call arguments that cannot be written as JSON") from None
        pieces.append(
            ToolCallPiece(
                index if isinstance(index, int) else position,
                text_of(call.get("id")),
                text_of(function.get("name")),
                arguments or "",
            )
        )
    return tuple(pieces)
