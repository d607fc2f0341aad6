"""(status, body) of the API to errors: tables of what each status and code means.

The shapes of bodies are read by `error_body`, their prose by `prose`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clinecli.chat.error_body import LONGEST, ErrorBody, cut, read_error, tells_error
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


class _Rule(NamedTuple):
    error: type[ClinecliError]
    title: str
    retry: Retry = Retry.NEVER
    hint: str | None = None
    code: Code | None = None


_TRY_LATER = _Rule(TransientError, "the server is overloaded", Retry.AS_ASKED)
_SERVER_ERROR = _Rule(TransientError, "the server failed", Retry.ONCE)

# A gateway's statuses for what reaches it at the wrong place: the request is not at fault.
_CHECK_URL = "check host and path of the base URL, or ask who runs the gateway there"
_ASK_ABOUT_REGION = "the service is not offered to this region or network: ask who runs the gateway"

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
        code=Code.UNKNOWN_MODEL,
    ),
    407: _Rule(
        ConnectionFailed,
        "the proxy asks for credentials",
        hint="put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT",
    ),
    408: _TRY_LATER,
    405: _Rule(RejectedError, "the method is not allowed at this URL", hint=_CHECK_URL),
    413: _Rule(RejectedError, "the request is too large"),
    415: _Rule(RejectedError, "what answers at this URL takes no JSON", hint=_CHECK_URL),
    421: _Rule(RejectedError, "the server does not serve this host name", hint=_CHECK_URL),
    425: _TRY_LATER,
    429: _Rule(TransientError, "rate limit reached", Retry.AS_ASKED),
    500: _SERVER_ERROR,
    502: _Rule(TransientError, "the upstream provider failed", Retry.AS_ASKED),
    503: _TRY_LATER,
    504: _Rule(TransientError, "the upstream provider did not answer in time", Retry.AS_ASKED),
    451: _Rule(
        RejectedError,
        "blocked for legal reasons",
        hint=_ASK_ABOUT_REGION,
    ),
    464: _Rule(
        RejectedError,
        "the load balancer and its servers speak different versions of HTTP",
        hint="ask who runs the server: its target group has to use HTTP/1",
    ),
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
    code=Code.CONTEXT_LENGTH_EXCEEDED,
)
_FILTER = _Rule(
    RejectedError,
    "stopped by a content filter",
    hint="rephrase the message, or try another model (-m)",
    code=Code.CONTENT_FILTER,
)
_KEY = _BY_STATUS[401]
_MODEL = _Rule(
    RejectedError,
    "no such model",
    hint="`clinecli models` lists what can be asked",
    code=Code.UNKNOWN_MODEL,
)
_PATH = _Rule(RejectedError, "not found", hint="check the base URL: nothing is at this URL")
_QUOTA = _Rule(
    CreditError,
    "usage limit reached",
    hint="the quota is used up: wait until it resets, or choose a model that is paid by credits",
    code=Code.QUOTA,
)
_SPEND = _Rule(
    CreditError,
    "the organization's spend limit is reached",
    hint="ask an administrator of the organization to raise it, or wait until it resets",
)
_PLAN = _Rule(
    AuthError,
    "the plan does not include this model",
    hint="choose another model (-m), or a plan that includes it: see https://app.cline.bot",
)

_REGION = _Rule(AuthError, "not offered to this region", hint=_ASK_ABOUT_REGION, code=Code.REGION)

# Codes outrank the HTTP status: a 429 with SPEND_LIMIT_EXCEEDED is no rate limit.
_BY_CODE: dict[str, _Rule] = {
    "insufficient_credits": _BY_STATUS[402],
    "insufficient_quota": _BY_STATUS[402],
    "spend_limit_exceeded": _SPEND,
    "entitlement_error": _PLAN,
    "context_length_exceeded": _CONTEXT,
    "exceed_context_size_error": _CONTEXT,
    "content_filter": _FILTER,
    "rate_limit": _BY_STATUS[429],
    "rate_limit_exceeded": _BY_STATUS[429],
    "server_error": _SERVER_ERROR,
    "invalid_api_key": _KEY,
    "unauthorized": _KEY,
    "model_not_found": _MODEL,
    "unsupported_country_region_territory": _REGION,
}

# Classes of errors, as Anthropic and Google call them: where there is no status, they stand for it.
_STATUS_OF_CODE: dict[str, int] = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
    "overloaded_error": 529,
}

# Facts that messages show, where the body has them.
_FACTS = (
    *("limit_scope", "budget_period", "limit_usd", "spent_usd", "resets_at"),
    "current_balance",
)


def decode_error(
    status: int, body: bytes, origin: Origin = UNKNOWN, *, retry_after: float | None = None
) -> ClinecliError:
    """The error that an HTTP status of 400 or more and its body mean."""
    return _build(_read(body, origin.content_type), status, origin, retry_after)


def said_in(body: bytes, content_type: str) -> str:
    """What an error's body tells people; nothing of a page of HTML."""
    return _read(body, content_type).message


def _read(body: bytes, content_type: str) -> ErrorBody:
    try:
        return read_error(loads(body))
    except InvalidJson:
        return ErrorBody(message=_plain_text(body, content_type))


def decode_envelope_error(body: bytes, origin: Origin = UNKNOWN) -> ClinecliError | None:
    """The error in a body that came with HTTP 200, or None when there is none."""
    try:
        return told_error(loads(body), origin)
    except InvalidJson:
        return None


def told_error(document: object, origin: Origin = UNKNOWN) -> ClinecliError | None:
    """The error that a JSON document tells of which came with HTTP 200, as a whole reply or as an
    event of a stream; None when it tells of none."""
    return in_band_error(document, origin) if tells_error(document) else None


def in_band_error(error: object, origin: Origin = UNKNOWN) -> ClinecliError:
    """The error that comes after HTTP 200, as in a stream: without an HTTP status, the code alone
    decides, or a status that the body names."""
    said = read_error(error)
    for code in said.codes:
        if code.isdecimal() and 400 <= int(code) < 600:
            return _build(said, int(code), origin, None)
    return _build(said, said.status, origin, None)


def _plain_text(body: bytes, content_type: str) -> str:
    """A body that is not JSON, as far as it is text that people write; a page of HTML is none."""
    head = body[:LONGEST]
    if "html" in content_type or head.lstrip()[:1] == b"<":
        return ""
    is_cut = len(body) > len(head)
    text = head.decode("utf-8", "ignore" if is_cut else "replace")
    if "\ufffd" in text or "\0" in text:
        return ""
    return cut(text, len(text) - 1) if is_cut else text


def _rule(said: ErrorBody, status: int | None, text: str) -> _Rule:
    """By the first code that is known, else by the status, and by prose where these say little."""
    from clinecli.chat.prose import is_overflow, is_quota, is_unknown_model, is_unknown_path

    codes = [code.lower() for code in said.codes]
    known = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
    implied = next((_STATUS_OF_CODE[code] for code in codes if code in _STATUS_OF_CODE), None)
    asked = status or implied
    if (status == 429 or not (status or codes)) and known is not _SPEND and is_quota(text):
        return _QUOTA
    if known:
        return known
    if asked in {400, 404, 422} and is_unknown_model(text):
        return _MODEL
    if asked == 404 and is_unknown_path(text):
        return _PATH
    if asked in {400, 413, 422} and is_overflow(text):
        return _CONTEXT
    return _rule_for_status(asked) if asked else _SERVER_ERROR


def _rule_for_status(status: int) -> _Rule:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _SERVER_ERROR if status >= 500 else _Rule(RejectedError, "the API refused the request")


def _build(
    said: ErrorBody, status: int | None, origin: Origin, retry_after: float | None
) -> ClinecliError:
    # Most replies are none of errors: then its patterns are never made.
    from clinecli.chat.prose import better_hint, told_wait

    # Secrets are taken out before the text is cut to a line.
    text = origin.redact(cut(said.message))
    rule = _rule(said, status, text)
    facts = [(name, said.fields.get(name)) for name in _FACTS]
    told = [f"{name} {value}" for name, value in facts if isinstance(value, str | int | float)]
    details = [one_line(text, 4000), origin.redact(cut("; ".join(told)))]
    message = ": ".join(filter(None, [rule.title, "; ".join(filter(None, details))]))
    if retry_after is None and rule.retry is not Retry.NEVER:
        retry_after = told_wait(text)
    code = next((code for code in said.codes if code.lower() in _BY_CODE), "")
    code = origin.redact(code or next(iter(said.codes), ""))
    return rule.error(
        one_line(message),
        hint=better_hint(text) or rule.hint,
        code=rule.code,
        http_status=status,
        server_code=one_line(code, 100) or None,
        request_id=origin.request_id,
        retry_after=retry_after,
        retry=rule.retry,
    )


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
