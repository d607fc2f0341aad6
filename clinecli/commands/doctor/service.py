"""Checks of what answers at the base URL: whether it is the API, and what its clock says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clinecli.api_errors import describe_body, not_the_api
from clinecli.catalogue import OPENAI_PATH
from clinecli.codec import decode_body
from clinecli.commands.doctor.context import Context
from clinecli.commands.doctor.model import Outcome, failed, ok, skip, warn
from clinecli.errors import (
    AuthError,
    ClinecliError,
    CreditError,
    RejectedError,
    TransientError,
)
from clinecli.jsontext import InvalidJson, loads
from clinecli.settings import API_PATH

if TYPE_CHECKING:
    from clinecli.client import Answer

ACCOUNT_PATH = "/users/me"
CHAT_PATH = "/chat/completions"
# A request that the API refuses: without a message nothing is answered, or billed.
NO_MESSAGE = b'{"messages":[],"stream":false}'
_CLOCK_SECONDS = 120.0


def http(context: Context) -> Outcome:
    """Whether the API answers, asked without the key."""
    try:
        answer = context.client().probe("GET", ACCOUNT_PATH, with_key=False)
    except TransientError as error:
        return failed(_silence(context, error))
    context.date_header, context.date_seen = answer.headers.get("date"), context.now()
    wrong = _wrong(answer)
    if wrong:
        wrong = second_opinion(context, wrong, with_key=False)
    latency = f"{answer.seconds * 1000:.0f} ms"
    if wrong:
        return failed(
            elsewhere(context, wrong),
            f"GET {ACCOUNT_PATH}: HTTP {answer.status} after {latency}",
        )
    return ok(f"answers within {latency} (HTTP {answer.status} without a key)")


def elsewhere(context: Context, wrong: ClinecliError) -> ClinecliError:
    """A server that has nothing of the API, in terms of the base URL."""
    if wrong.http_status not in {404, 405}:
        return wrong
    base_url, source = context.settings.base_url, context.settings.base_url_source
    hint = f"check the base URL (from {source}): "
    if base_url.path.endswith(CHAT_PATH):
        hint += f"it ends before {CHAT_PATH}"
    else:
        hint += f"an empty path means {API_PATH}, any other is used as it is"
    return RejectedError(
        f"the API is not at {base_url}: {wrong.message}", hint=hint, http_status=wrong.http_status
    )


def _silence(context: Context, error: TransientError) -> ClinecliError:
    """An answer that does not come, in terms of what was asked here."""
    if error.code != "timeout":
        return error
    return TransientError(
        f"{context.hop.name} accepts connections but does not answer",
        code=error.code,
        hint="try again later, raise --timeout, or check host and port of the base URL",
    )


def _wrong(answer: Answer) -> ClinecliError | None:
    """What is wrong with an answer to a GET without a key. A refusal in JSON is not: the API
    itself gives it."""
    failure = answer.failure
    if isinstance(failure, AuthError | CreditError):
        return None
    document = _document(answer.body)
    if failure is None:
        is_account = isinstance(document, dict) and ("id" in document or "data" in document)
        return None if is_account else not_the_api("a JSON document that is no account")
    if isinstance(failure, RejectedError) and answer.status != 404 and document is not None:
        return None
    return failure


def _document(body: bytes) -> object:
    """The JSON in a body; None without any."""
    try:
        return loads(body)
    except InvalidJson:
        return None


def second_opinion(
    context: Context, wrong: ClinecliError, *, with_key: bool
) -> ClinecliError | None:
    """What is wrong with the server by the word of the endpoint that `ask` uses.

    Other OpenAI-compatible servers have no accounts, and some show a web page where the API
    has them. A chat endpoint that is there refuses a request without a message.
    """
    missing = wrong.http_status == 404
    try:
        if missing:
            failure = context.client().probe("GET", OPENAI_PATH, with_key=with_key).failure
            if failure is None or isinstance(failure, AuthError):
                return failure if with_key else None
        answer = context.client().probe("POST", CHAT_PATH, NO_MESSAGE, with_key=with_key)
    except ClinecliError:
        return None if missing else wrong
    return _opinion(answer, missing=missing, with_key=with_key)


def _opinion(answer: Answer, *, missing: bool, with_key: bool) -> ClinecliError | None:
    failure = answer.failure
    if isinstance(failure, AuthError | CreditError):
        return failure if with_key else None
    if isinstance(failure, RejectedError):
        is_page = "HTML" in describe_body(answer.body, answer.headers.get("content-type", ""))
        return failure if answer.status in {404, 405} or is_page else None
    if failure is None:
        return _no_reply(answer)
    # A server without the other endpoints may only have stumbled over the odd request.
    return None if missing and answer.status == 500 else failure


def _no_reply(answer: Answer) -> ClinecliError | None:
    """What is wrong with a success: nothing when it is the reply of a model."""
    try:
        decode_body(answer.body, answer.headers.get("content-type", ""))
    except ClinecliError as error:
        return error
    return None


def clock(context: Context) -> Outcome:
    """The local clock against the server's Date header."""
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(context.date_header or "")
        skew = context.date_seen - date.timestamp()
    except (ValueError, TypeError, OverflowError):
        return skip("the server does not say what time it is")
    if abs(skew) <= _CLOCK_SECONDS:
        return ok(f"within {max(abs(skew), 1):.0f} s of the server's")
    direction = "ahead of" if skew > 0 else "behind"
    return warn(
        f"this machine's clock is {_duration(abs(skew))} {direction} the server's",
        f"the server says {context.date_header}",
        remedy="set the clock, best by NTP: certificates and tokens are judged by it",
    )


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
