"""Checks of what answers at the base URL: whether it is the API, and what its clock says."""

from __future__ import annotations

from clinecli.chat.api_errors import Origin, describe_body, not_the_api
from clinecli.chat.codec import decode_body
from clinecli.chat.endpoints import ACCOUNT, CHAT, OPENAI_MODELS
from clinecli.config.base_url import API_PATH
from clinecli.doctor.check import Outcome, failed, ok, skip, warn
from clinecli.doctor.context import Context, Probe
from clinecli.doctor.net import name_proxy
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConnectionFailed,
    CreditError,
    RejectedError,
    TlsError,
    TransientError,
)
from clinecli.jsontext import dumps

_CLOCK_SECONDS = 120.0


def http(context: Context) -> Outcome:
    """Whether the API answers, asked without the key."""
    try:
        answer = context.probe(context.call("GET", ACCOUNT, with_key=False))
    except TransientError as error:
        return failed(_silence(context, error))
    except (TlsError, ConnectionFailed) as error:
        # Over http://, nobody but the proxy is connected to.
        if context.settings.base_url.scheme == "http":
            return failed(name_proxy(context, error))
        return failed(error)
    context.date_header, context.date_seen = answer.headers.get("date"), context.now()
    is_refusal = isinstance(answer.failure, AuthError)
    context.is_barred = is_refusal and is_page(answer)
    context.is_guarded = is_refusal and not context.is_barred
    wrong = _wrong(answer)
    if wrong:
        wrong = second_opinion(context, wrong)
    latency = f"{answer.seconds * 1000:.0f} ms"
    if wrong:
        return failed(
            elsewhere(context, wrong),
            f"GET {ACCOUNT}: HTTP {answer.status} after {latency}",
        )
    return ok(f"answers within {latency} (HTTP {answer.status} without a key)")


def elsewhere(context: Context, wrong: ClinecliError) -> ClinecliError:
    """A server that has nothing of the API, in terms of the base URL; a proxy by its name."""
    if wrong.http_status == 407 and context.proxy:
        return name_proxy(context, wrong)
    if wrong.http_status not in {404, 405}:
        return wrong
    base_url, source = context.settings.base_url, context.settings.base_url_source
    hint = f"check the base URL (from {source}): "
    if base_url.path.endswith(CHAT):
        hint += f"it ends before {CHAT}"
    else:
        hint += f"an empty path means {API_PATH}, any other is used as it is"
    return RejectedError(
        f"the API is not at {base_url}: {wrong.message}", hint=hint, http_status=wrong.http_status
    )


def _silence(context: Context, error: TransientError) -> ClinecliError:
    """An answer that does not come, in terms of what was asked here."""
    if error.code is not Code.TIMEOUT:
        return error
    return TransientError(
        f"{context.hop.name} accepts connections but does not answer",
        code=error.code,
        hint="try again later, raise --timeout, or check host and port of the base URL",
    )


def _wrong(answer: Probe) -> ClinecliError | None:
    """What may be wrong with an answer to a GET without a key. The refusal of a missing key is
    what the API gives; a success is not, whatever its shape."""
    if isinstance(answer.failure, AuthError | CreditError):
        return None
    return answer.failure or not_the_api("a JSON document that is no account")


def second_opinion(context: Context, wrong: ClinecliError) -> ClinecliError | None:
    """What is wrong with the server by the word of the endpoint that `ask` uses, without the key.

    Other OpenAI-compatible servers have no accounts, and some show a web page where the API
    has them. A chat endpoint that is there refuses a request without a message.
    """
    missing = wrong.http_status == 404
    try:
        if missing and lists_models(context, with_key=False):
            return None
        failure = chat_failure(ask_nothing(context, with_key=False))
    except ClinecliError:
        return None if missing else wrong
    if isinstance(failure, AuthError | CreditError):
        return None
    # A server without the other endpoints may only have stumbled over the missing key.
    return None if missing and failure and failure.http_status == 500 else failure


def lists_models(context: Context, *, with_key: bool) -> bool:
    """Whether the server has the list of models of an OpenAI-compatible server."""
    failure = context.probe(context.call("GET", OPENAI_MODELS, with_key=with_key)).failure
    return failure is None or isinstance(failure, AuthError)


def wanted_model(context: Context) -> str:
    """The model that would be asked: that of `--request`, else the configured one."""
    try:
        named = context.request.body.get("model") if context.request else None
    except ClinecliError:
        # The check of the message tells.
        named = None
    return named if isinstance(named, str) else context.settings.model


def ask_nothing(context: Context, *, with_key: bool) -> Probe:
    """What the chat endpoint answers to a request without a message: nothing can be billed for
    it. It is sent once. Raises `ClinecliError`."""
    answers = context.chat_answers
    if with_key not in answers:
        body = dumps({"model": wanted_model(context), "messages": [], "stream": False})
        try:
            # With the key, it stands for what `ask` sends, and may wait as long.
            seconds = context.left() if with_key else None
            call = context.call("POST", CHAT, body, with_key=with_key, seconds=seconds)
            answers[with_key] = context.probe(call)
        except ClinecliError as error:
            answers[with_key] = error
    answer = answers[with_key]
    if isinstance(answer, ClinecliError):
        raise answer
    return answer


def chat_failure(answer: Probe) -> ClinecliError | None:
    """What `ask` would end with, by the answer to a request without a message. That it is refused
    for its form is right."""
    failure = answer.failure
    if failure is None:
        return _no_reply(answer)
    is_refusal = isinstance(failure, RejectedError) and failure.http_status in {400, 422}
    if is_refusal and failure.server_code != "model_not_found" and not is_page(answer):
        return None
    return failure


def is_page(answer: Probe) -> bool:
    """Whether it is meant for a browser, as of a gateway or a portal."""
    return "HTML" in describe_body(answer.body, answer.headers.get("content-type", ""))


def _no_reply(answer: Probe) -> ClinecliError | None:
    """What is wrong with a success: nothing when it is the reply of a model."""
    try:
        decode_body(answer.body, Origin(answer.headers.get("content-type", "")))
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
