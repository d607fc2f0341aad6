"""Answers of the API, read: a whole reply, the events of a stream, or a JSON document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from clinecli.chat.api_errors import Origin, decode_error, not_the_api, one_line
from clinecli.chat.codec import StreamReader, decode_body, json_body
from clinecli.chat.reply import Event
from clinecli.errors import ClinecliError, Code
from clinecli.transport.retry import parse_retry_after

# Seconds that a stream may stay silent once its reply is complete: `[DONE]` is not always sent,
# and the usage may come in a chunk after the `finish_reason`.
_USAGE_SECONDS = 3.0
_DONE_SECONDS = 0.5
# What may become of a connection once a reply has told its end.
_LOST = {Code.CUT, Code.TIMEOUT}


class Readable(Protocol):
    """What is needed of an answer to read it: `exchange.Answer`, and one that was kept."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def redact(self) -> Callable[[str], str]: ...
    def read(self, idle: float | None = None) -> bytes: ...
    def body(self) -> bytes: ...


def whole_reply(answer: Readable) -> Event:
    """The reply of an answer to a request without streaming. Raises `ClinecliError`."""
    with _named(answer):
        body = answer.body()
    return reply_in(answer, body)


def reply_in(answer: Readable, body: bytes) -> Event:
    """The same for an answer whose body has been read."""
    with _named(answer):
        if answer.status >= 300:
            raise _failure(answer, body)
        return decode_body(body, _origin(answer))


def json_document(answer: Readable) -> bytes:
    """The JSON of an answer, out of its envelope and on one line. Raises `ClinecliError`, also
    for a page that is not JSON."""
    with _named(answer):
        return json_body(_success(answer), _origin(answer))


def reply_events(answer: Readable) -> Iterator[list[Event]]:
    """The events of a streamed reply: one list for each read of the network that completes any.

    Raises `ClinecliError`, after the events that came before what it tells of.
    """
    with _named(answer):
        if answer.status >= 300:
            raise _failure(answer, answer.body())
        reader = StreamReader(_origin(answer))
        try:
            heard = time.monotonic()
            while data := answer.read(idle=_patience(reader)):
                if events := reader.feed(data):
                    yield events
                    heard = time.monotonic()
                elif reader.complete and time.monotonic() - heard > _USAGE_SECONDS:
                    # Comments keep the connection alive, and no reply.
                    break
                if reader.failure:
                    raise reader.failure
                if reader.done:
                    return
        except ClinecliError as error:
            # A reply that has told its end is complete, whatever becomes of the connection.
            if reader.failure or not reader.complete or error.code not in _LOST:
                raise
        if events := reader.close():
            yield events
        if reader.failure:
            raise reader.failure


def _patience(reader: StreamReader) -> float | None:
    if not reader.complete:
        return None
    return _DONE_SECONDS if reader.has_usage else _USAGE_SECONDS


def failure_of(answer: Readable, body: bytes) -> ClinecliError | None:
    """What an answer with this body means, None when it is JSON that tells of no error."""
    try:
        with _named(answer):
            if answer.status >= 300:
                raise _failure(answer, body)
            json_body(body, _origin(answer))
    except ClinecliError as error:
        return error
    return None


def _success(answer: Readable) -> bytes:
    body = answer.body()
    if answer.status >= 300:
        raise _failure(answer, body)
    return body


def _failure(answer: Readable, body: bytes) -> ClinecliError:
    """What a status that is no success means."""
    if answer.status < 400:
        target = _host(answer.redact(answer.headers.get("location", "")))
        where = f" to {target}" if target else ""
        return not_the_api(f"a redirect{where}").but(http_status=answer.status)
    wait = answer.headers.get("retry-after")
    retry_after = parse_retry_after(wait, time.time()) if wait else None
    return decode_error(answer.status, body, _origin(answer), retry_after=retry_after)


def _host(location: str) -> str:
    """The host of a redirect's target, as far as it names one."""
    try:
        return one_line(urlsplit(location).hostname or "", 100)
    except ValueError:
        return ""


def _origin(answer: Readable) -> Origin:
    content_type = answer.headers.get("content-type", "")
    return Origin(content_type, answer.request_id, answer.redact)


@contextmanager
def _named(answer: Readable) -> Iterator[None]:
    """Name the server's request in every error."""
    try:
        yield
    except ClinecliError as error:
        if error.request_id or not answer.request_id:
            raise
        raise error.but(request_id=answer.request_id) from None
