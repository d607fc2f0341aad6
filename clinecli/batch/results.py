"""What became of a row, to its line of the output, and back: pure.

A line has the form of the Batch API's results, `{"id", "custom_id", "response", "error"}`, in this
order: what a later run has to know of it stands at both ends, and is read without parsing the rest.

    {"id":"batch_req_7_ASKEDSOURCE","custom_id":"row-7","response":{…},"error":null}

`id` has the line of the input and two digests, in hex: `ASKED` of the request (id and body), which
decides whether the row is the same; `SOURCE` of the input's own line and the settings, which tells
that quickly. `batch_copy_` instead of `batch_req_` marks a response that was paid for once, for
another row (--dedupe). `error` is null for a complete answer alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from clinecli.errors import ClinecliError, ExitStatus
from clinecli.jsontext import InvalidJson, compact, dumps, loads
from clinecli.text import clean

DIGEST_BYTES = 8
# What is kept of a body that is no JSON, such as a page of HTML.
_MAX_TEXT = 16 * 1024
_FAILURES: dict[object, ExitStatus] = {int(status): status for status in ExitStatus if status}
ANSWERED = b',"error":null}\n'
HEAD = re.compile(
    rb'\{"id":"batch_(req|copy)_([0-9]{1,15})_([0-9a-f]{16})([0-9a-f]{16})",'
    rb'"custom_id":"((?:[^"\\]|\\.)*+)","response":'
)


class Asked(NamedTuple):
    """Which row a result is of: its id, its line in the input, and the two digests."""

    id: str
    line: int
    asked: bytes
    source: bytes


class Response(NamedTuple):
    """What a server answered: its body is JSON on one line."""

    status_code: int
    request_id: str | None
    body: bytes


class Head(NamedTuple):
    """What a line says of itself without being parsed as a whole; the id is in UTF-8."""

    id: bytes
    line: int
    asked: bytes
    source: bytes
    answered: bool
    copied: bool


def asked_digest(row_id: str, data: bytes) -> bytes:
    """What stands for a request: for its id, and its body as it is sent."""
    return hashlib.blake2b(row_id.encode() + b"\0" + data, digest_size=DIGEST_BYTES).digest()


def source_digest(settings: bytes) -> Callable[[bytes], bytes]:
    """What gives the digest of a line of the input; `settings` are 16 bytes that stand for the
    flags."""
    blake2b = hashlib.blake2b

    def digest(raw: bytes) -> bytes:
        return blake2b(raw, digest_size=DIGEST_BYTES, person=settings).digest()

    return digest


def result_line(
    row: Asked, response: Response | None, error: ClinecliError | None, *, copied: bool = False
) -> bytes:
    """The line of a result, line feed included."""
    body = b"null"
    if response:
        body = b'{"status_code":%d,"request_id":%b,"body":%b}' % (
            response.status_code,
            dumps(response.request_id),
            response.body,
        )
    return b'{"id":"batch_%b_%d_%b%b","custom_id":%b,"response":%b,"error":%b}\n' % (
        b"copy" if copied else b"req",
        row.line,
        row.asked.hex().encode(),
        row.source.hex().encode(),
        dumps(row.id),
        body,
        error_object(error) if error else b"null",
    )


def error_object(error: ClinecliError) -> bytes:
    """An error as JSON: what --json prints under `error`."""
    fields = error.as_dict()
    return dumps({name: clean(v) if isinstance(v, str) else v for name, v in fields.items()})


def body_as_json(body: bytes) -> bytes:
    """A body as JSON on one line: itself where it is JSON, else its text as a string, cut."""
    try:
        loads(body)
        return compact(body)
    except InvalidJson:
        text = body[:_MAX_TEXT].decode("utf-8", "replace")
        return dumps(text + ("…" if len(body) > _MAX_TEXT else ""))


def read_head(line: bytes) -> Head | None:
    """What a line of an output says of itself; None when it is no such line."""
    match = HEAD.match(line)
    if not match or not line.endswith(b"}\n"):
        return None
    kind, number, asked, source, name = match.groups()
    return Head(
        unescape(name),
        int(number),
        bytes.fromhex(asked.decode()),
        bytes.fromhex(source.decode()),
        line.endswith(ANSWERED),
        kind == b"copy",
    )


def exit_status(line: bytes) -> ExitStatus:
    """The exit status of a failed row's line."""
    error = _parsed(line).get("error")
    number = error.get("exit_status") if isinstance(error, dict) else None
    return _FAILURES.get(number if type(number) is int else None, ExitStatus.INTERNAL)


def body_of(line: bytes) -> dict[str, Any]:
    """The body that a line has of the server, empty where that is no object."""
    response = _parsed(line).get("response")
    body = response.get("body") if isinstance(response, dict) else None
    return body if isinstance(body, dict) else {}


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        parsed = loads(line)
    except InvalidJson:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def unescape(name: bytes) -> bytes:
    """An id in UTF-8 of its JSON spelling, quotes apart."""
    return loads(b'"' + name + b'"').encode() if b"\\" in name else name
