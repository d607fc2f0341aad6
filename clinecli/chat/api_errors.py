"""(status, body) of the API to errors.

The shapes of bodies are read by `error_body`, their prose by `prose`; what statuses and codes mean
is the tables of `error_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clinecli.chat.error_body import LONGEST, ErrorBody, cut, read_error, tells_error
from clinecli.chat.error_rules import is_known, rule_of
from clinecli.errors import ClinecliError, Code, IncompleteError, Retry
from clinecli.jsontext import InvalidJson, loads


class Origin(NamedTuple):
    """Where a body comes from, for messages: its media type, the server's name for the request,
    and what takes secrets out of text that the server wrote."""

    content_type: str = ""
    request_id: str | None = None
    redact: Callable[[str], str] = str


UNKNOWN = Origin()


# Facts that messages show, where the body has them.
_FACTS = (
    *("limit_scope", "budget_period", "limit_usd", "spent_usd", "resets_at"),
    "current_balance",
)


def decode_error(
    status: int, body: bytes, origin: Origin = UNKNOWN, *, retry_after: float | None = None
) -> ClinecliError:
    """The error that an HTTP status of 400 or more and its body mean."""
    try:
        said = read_error(loads(body))
    except InvalidJson:
        said = ErrorBody(message=_plain_text(body, origin.content_type))
    return _build(said, status, origin, retry_after)


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


def _build(
    said: ErrorBody, status: int | None, origin: Origin, retry_after: float | None
) -> ClinecliError:
    # Most replies are none of errors: then its patterns are never made.
    from clinecli.chat.prose import better_hint, told_wait

    # Secrets are taken out before the text is cut to a line.
    text = origin.redact(cut(said.message))
    rule = rule_of(said, status, text)
    facts = [(name, said.fields.get(name)) for name in _FACTS]
    told = [f"{name} {value}" for name, value in facts if isinstance(value, str | int | float)]
    details = [one_line(text, 4000), origin.redact(cut("; ".join(told)))]
    message = ": ".join(filter(None, [rule.title, "; ".join(filter(None, details))]))
    if retry_after is None and rule.retry is not Retry.NEVER:
        retry_after = told_wait(text)
    code = next((code for code in said.codes if is_known(code)), "")
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
