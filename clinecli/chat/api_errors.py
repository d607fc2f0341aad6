"""(status, body) of the API to errors: tables of what each status and code means.

Two shapes are read, `{"error":{"code","message"}}` and `{"success":false,"error":"text"}`
whose text may itself be JSON, and a body that is neither.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConnectionFailed,
    CreditError,
    IncompleteError,
    RejectedError,
    Retry,
    TransientError,
)
from clinecli.jsontext import InvalidJson, loads


class Origin(NamedTuple):
    """Where a body comes from, for messages: its media type, the server's name for the request,
    and what takes secrets out of text that the server wrote."""

    content_type: str = ""
    request_id: str | None = None
    redact: Callable[[str], str] = str


UNKNOWN = Origin()


class _Body(NamedTuple):
    """What an error body says, whichever shape it has."""

    code: str | None
    message: str
    fields: dict[str, Any]


class _Rule(NamedTuple):
    error: type[ClinecliError]
    title: str
    retry: Retry = Retry.NEVER
    hint: str | None = None


_TRY_LATER = _Rule(TransientError, "the server is overloaded", Retry.AS_ASKED)
_SERVER_ERROR = _Rule(TransientError, "the server failed", Retry.ONCE)

# The table of cline-api: 429 and gateway failures are worth several tries, 500 is worth one.
_BY_STATUS: dict[int, _Rule] = {
    401: _Rule(AuthError, "the API refused the key"),
    402: _Rule(CreditError, "out of credits"),
    403: _Rule(
        AuthError,
        "the key may not do this",
        hint="the key has no access to this resource or model: see https://app.cline.bot",
    ),
    404: _Rule(
        RejectedError,
        "not found",
        hint="check the model (-m) and the base URL: `clinecli models` lists what can be asked",
    ),
    407: _Rule(
        ConnectionFailed,
        "the proxy asks for credentials",
        hint="put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT",
    ),
    408: _TRY_LATER,
    413: _Rule(RejectedError, "the request is too large"),
    425: _TRY_LATER,
    429: _Rule(TransientError, "rate limit reached", Retry.AS_ASKED),
    500: _SERVER_ERROR,
    502: _Rule(TransientError, "the upstream provider failed", Retry.AS_ASKED),
    503: _TRY_LATER,
    504: _Rule(TransientError, "the upstream provider did not answer in time", Retry.AS_ASKED),
    511: _Rule(
        IncompleteError,
        "the network wants a login first",
        hint="open a web page in a browser on this network and log in",
    ),
    529: _TRY_LATER,
}

_CONTEXT = _Rule(
    RejectedError,
    "the message is longer than the model's context",
    hint="send less text, or choose a model with a longer context (-m)",
)
_FILTER = _Rule(
    RejectedError,
    "stopped by a content filter",
    hint="rephrase the message, or try another model (-m)",
)
_KEY = _BY_STATUS[401]

# Codes outrank the HTTP status: a 429 with SPEND_LIMIT_EXCEEDED is no rate limit.
_BY_CODE: dict[str, _Rule] = {
    "insufficient_credits": _BY_STATUS[402],
    "insufficient_quota": _BY_STATUS[402],
    "spend_limit_exceeded": _Rule(
        CreditError,
        "the organization's spend limit is reached",
        hint="ask an administrator of the organization to raise it, or wait until it resets",
    ),
    "context_length_exceeded": _CONTEXT,
    "content_filter": _FILTER,
    "rate_limit": _BY_STATUS[429],
    "rate_limit_exceeded": _BY_STATUS[429],
    "server_error": _SERVER_ERROR,
    "invalid_api_key": _KEY,
    "unauthorized": _KEY,
    "model_not_found": _BY_STATUS[404],
}

_LIMIT = "the quota is used up: wait until it resets, or choose a model that is paid by credits"
# Prose decides nothing but the hint, with one exception: the quota limits of ClinePass and of
# free models come without a code, as a plain 429 or after HTTP 200, and no retry within minutes
# can succeed.
_BY_PROSE: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (re.compile(r"free limit reached on model", re.I), _LIMIT, True),
    (re.compile(r"reached your\s.*ClinePass limit", re.I | re.S), _LIMIT, True),
    (
        re.compile(r"not subscribed to required model plan", re.I),
        (
            "this model needs a ClinePass subscription: see https://app.cline.bot, or choose "
            "another model (-m)"
        ),
        False,
    ),
    (
        re.compile(r"organization accounts cannot use individual model", re.I),
        (
            "switch to the personal account at https://app.cline.bot, or choose a model outside "
            "ClinePass (-m)"
        ),
        False,
    ),
    (
        re.compile(r"model not found", re.I),
        "no such model: `clinecli models` lists what can be asked",
        False,
    ),
)

_SPEND_FIELDS = ("limit_scope", "budget_period", "limit_usd", "spent_usd", "resets_at")


def decode_error(
    status: int, body: bytes, origin: Origin = UNKNOWN, *, retry_after: float | None = None
) -> ClinecliError:
    """The error that an HTTP status of 400 or more and its body mean."""
    try:
        parsed = _error_body(loads(body))
    except InvalidJson:
        parsed = _Body(None, "", {})
    rule = _BY_CODE.get((parsed.code or "").lower()) or _rule_for_status(status)
    return _build(rule, parsed, status, origin, retry_after)


def decode_envelope_error(body: bytes, origin: Origin = UNKNOWN) -> ClinecliError | None:
    """The error in a body that came with HTTP 200, or None when there is none."""
    try:
        document = loads(body)
    except InvalidJson:
        return None
    if not isinstance(document, dict) or "choices" in document:
        return None
    if not document.get("error") and document.get("success") is not False:
        return None
    return _error_from(_error_body(document), origin)


def in_band_error(error: object, origin: Origin = UNKNOWN) -> ClinecliError:
    """The error that an `error` member means when it comes after HTTP 200, as in a stream."""
    return _error_from(_error_body({"error": error}), origin)


def _error_from(parsed: _Body, origin: Origin) -> ClinecliError:
    """An error told inside a body: without an HTTP status, the code alone decides."""
    code = (parsed.code or "").lower()
    if code.isdecimal() and 400 <= int(code) < 600:
        return _build(_rule_for_status(int(code)), parsed, int(code), origin, None)
    rule = _BY_CODE.get(code, _SERVER_ERROR)
    return _build(rule, parsed, None, origin, None)


def _rule_for_status(status: int) -> _Rule:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _SERVER_ERROR if status >= 500 else _Rule(RejectedError, "the API refused the request")


def _build(
    rule: _Rule, body: _Body, status: int | None, origin: Origin, retry_after: float | None
) -> ClinecliError:
    error_class, title, retry, hint = rule
    # A body may be huge, and the time of a search grows with the square of its length.
    text = origin.redact(body.message[:4000])
    for pattern, better_hint, is_quota in _BY_PROSE:
        if pattern.search(text):
            hint = better_hint
            if is_quota and (status == 429 or not (status or body.code)):
                error_class, title, retry = CreditError, "usage limit reached", Retry.NEVER
            break
    details = [text] if text else []
    spend = [(name, body.fields.get(name)) for name in _SPEND_FIELDS]
    details += [f"{name} {value}" for name, value in spend if isinstance(value, str | int | float)]
    message = ": ".join([title, "; ".join(details)] if details else [title])
    return error_class(
        one_line(message),
        hint=hint,
        http_status=status,
        server_code=body.code and (one_line(origin.redact(body.code), 100) or None),
        request_id=origin.request_id,
        retry_after=retry_after,
        retry=retry,
    )


def _error_body(document: object) -> _Body:
    """Code and message of `{"error":{…}}`, `{"success":false,"error":"text or JSON"}` and kin."""
    if not isinstance(document, dict):
        return _Body(None, "", {})
    error = document.get("error")
    if isinstance(error, str) and error.lstrip()[:1] == "{":
        with contextlib.suppress(InvalidJson):
            error = loads(error.encode("utf-8", "replace"))
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]
    if not isinstance(error, dict):
        message = text_of(error or document.get("message"))
        return _Body(_code(document.get("code")), message, document)
    code = _code(error.get("code")) or _code(error.get("type"))
    return _Body(code, text_of(error.get("message")), error)


def _code(value: object) -> str | None:
    """A code for tables: a number or a word, short enough for `int`."""
    return str(value)[:4000] or None if isinstance(value, str | int) else None


def not_the_api(what: str) -> IncompleteError:
    """The error for an answer that something else than the API gave."""
    return IncompleteError(
        f"the answer is not from the API: {what}",
        code=Code.NOT_THE_API,
        hint="a proxy, a captive portal or a wrong base URL may have answered: check "
        "CLINE_API_BASE_URL and the network",
    )


def describe_body(body: bytes, content_type: str) -> str:
    """What a body that should have been JSON is, in a few words, quoting none of it."""
    head = body[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) or "html" in content_type:
        return "an HTML page"
    if not head:
        return "an empty body"
    if "event-stream" in content_type:
        return "an event stream where a whole reply was asked for: `clinecli stream` reads it"
    return f"{len(body)} bytes that are not JSON ({content_type or 'no content type'})"


def one_line(text: str, limit: int = 400) -> str:
    """Server text for a message: on one line, without control characters, not endless."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def text_of(value: object) -> str:
    """Text of a field that is a string, null, or a list of `{"type":"text"}` parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        # Not by recursion: a server may nest lists a thousand levels deep.
        texts = (part.get("text") for part in value if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""
