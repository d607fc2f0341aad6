"""The form of recordings: a JSON array of exchanges, made by this program or by another."""

from __future__ import annotations

import base64
import math
from typing import Any, NamedTuple

from clinecli.errors import UsageError
from clinecli.jsontext import InvalidJson, dumps, loads, loads_exact

_STREAM_STARTS = (b"data:", b"event:", b":")
_HINT = (
    "a recording is a JSON array of objects with method, path, status, contentType and "
    "response: a string for a body as it is, an object for JSON"
)
_Fields = tuple[tuple[str, type | tuple[type, ...], str], ...]
_NONE = type(None)
# Without these it is not known what was asked; without the others only what was answered.
_ASKED: _Fields = (("method", str, "a string"), ("path", str, "a string"))
_ANSWERED: _Fields = (
    ("status", int, "a number"),
    ("contentType", (str, _NONE), "a string"),
    ("response", (str, dict, list, _NONE), "a string, an object or an array"),
    ("retryAfter", (str, _NONE), "a string"),
    ("seconds", (int, float, _NONE), "a number"),
    ("chunks", (list, _NONE), "an array"),
)


class Exchange(NamedTuple):
    """A recorded request and its answer.

    `request` is the body that was sent, JSON or text; None when it was not kept. The answer began
    after `seconds`; `chunks` are its pieces: seconds after the one before, and bytes. `cut` says
    that it broke off after them. `flaw` says why the exchange cannot be served.
    """

    method: str
    path: str
    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    request: Any = None
    retry_after: str | None = None
    seconds: float = 0.0
    chunks: tuple[tuple[float, int], ...] = ()
    cut: bool = False
    flaw: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether the body is an event stream, which not every server labels as one."""
        return "event-stream" in self.content_type or self.body.startswith(_STREAM_STARTS)

    @property
    def total_seconds(self) -> float:
        """How long the answer took, from the request to its end."""
        return self.seconds + sum(seconds for seconds, _ in self.chunks)

    def as_dict(self) -> dict[str, Any]:
        """The exchange as JSON has it; what says nothing is left out."""
        response, encoding = _response(self)
        optional = {
            "retryAfter": self.retry_after,
            "encoding": encoding or None,
            "request": self.request,
            "seconds": round(self.seconds, 4) or None,
            "chunks": [[round(seconds, 4), size] for seconds, size in self.chunks] or None,
            "cut": self.cut or None,
        }
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "contentType": self.content_type,
            "response": response,
        } | {key: value for key, value in optional.items() if value is not None}


def read_exchanges(document: Any, name: str) -> list[Exchange]:
    """The exchanges of a parsed recording. Raises `UsageError` that says what is wrong with it.

    One that cannot be served is no error as long as there is another: it may never be asked for.
    """
    if not isinstance(document, list) or not document:
        raise UsageError(f"{name} is not a JSON array of exchanges", hint=_HINT)
    exchanges = []
    for number, item in enumerate(document, start=1):
        flaw = _mismatch(item, _ASKED) if isinstance(item, dict) else " is not an object"
        if flaw:
            raise UsageError(f"{name}: exchange {number}{flaw}", hint=_HINT)
        exchanges.append(_exchange(item))
    if all(exchange.flaw for exchange in exchanges):
        raise UsageError(f"{name}: exchange 1{exchanges[0].flaw}", hint=_HINT)
    return exchanges


def plain(value: Any) -> Any:
    """A JSON value whose numbers are Python's, however they were spelled."""
    try:
        return loads(dumps(value))
    except (ValueError, InvalidJson):
        return value


def body_value(body: bytes) -> Any:
    """The body of a request as recordings keep it: JSON, else text, None when it is empty."""
    if not body:
        return None
    try:
        return loads(body)
    except InvalidJson:
        return body.decode("utf-8", "backslashreplace")


def _mismatch(item: dict[str, Any], fields: _Fields) -> str:
    for field, kind, description in fields:
        if field not in item and not isinstance(None, kind):
            return f" has no {field!r}"
        if not isinstance(item.get(field), kind):
            return f": {field!r} is not {description}"
    return ""


def _exchange(item: dict[str, Any]) -> Exchange:
    # All but the response, whose numbers are served as they are spelled.
    item = {key: value if key == "response" else plain(value) for key, value in item.items()}
    asked = Exchange(item["method"].upper(), _path(item["path"]), request=item.get("request"))
    try:
        return _answered(asked, item)
    except (ValueError, TypeError) as error:
        return asked._replace(flaw=str(error))


def _path(path: str) -> str:
    """The path of a URL, if it is one."""
    if not path.startswith(("http://", "https://")):
        return path
    return "/" + path.partition("://")[2].partition("/")[2]


def _answered(asked: Exchange, item: dict[str, Any]) -> Exchange:
    """The exchange with its answer. Raises `ValueError` or `TypeError` for what is no answer."""
    if flaw := _mismatch(item, _ANSWERED):
        raise ValueError(flaw)
    if not 200 <= item["status"] <= 599:
        raise ValueError(f": status {item['status']} is no final HTTP status")
    for field in ("contentType", "retryAfter"):
        value = item.get(field) or ""
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f": {field!r} is no header value")
    seconds = float(item.get("seconds") or 0)
    chunks = tuple((float(wait), int(size)) for wait, size in item.get("chunks") or ())
    numbers = [seconds, *(each for chunk in chunks for each in chunk)]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(": 'seconds' and 'chunks' must not be negative")
    body = _body(item)
    return asked._replace(
        status=item["status"],
        content_type=item.get("contentType") or _content_type(item.get("response"), body),
        body=body,
        retry_after=item.get("retryAfter"),
        seconds=seconds,
        chunks=chunks,
        cut=item.get("cut") is True,
    )


def _body(item: dict[str, Any]) -> bytes:
    response = item.get("response")
    if response is None:
        return b""
    try:
        if not isinstance(response, str):
            return dumps(response)
        if item.get("encoding") == "base64":
            return base64.b64decode(response, validate=True)
        return response.encode()
    except ValueError:
        raise ValueError(": 'response' is not Unicode text") from None


def _content_type(response: Any, body: bytes) -> str:
    """What a body seems to be, where the recording does not say."""
    if body.startswith(_STREAM_STARTS):
        return "text/event-stream"
    if isinstance(response, str):
        try:
            loads(body)
        except InvalidJson:
            return "text/plain; charset=utf-8"
    return "application/json"


def _response(exchange: Exchange) -> tuple[Any, str]:
    """A body as recordings have it, and its encoding where it needs one."""
    if not exchange.is_stream and not exchange.cut:
        try:
            document = loads_exact(exchange.body.decode())
        except ValueError:
            document = None
        if isinstance(document, dict | list):
            return document, ""
    try:
        return exchange.body.decode(), ""
    except UnicodeDecodeError:
        return base64.b64encode(exchange.body).decode(), "base64"
