"""What each HTTP status and code of an error means: tables.

A code outranks the status; prose counts where both say little.
"""

from __future__ import annotations

from typing import NamedTuple

from clinecli.chat.error_body import ErrorBody
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


class Rule(NamedTuple):
    """The error of a cause, what it is called, and how often it is worth another try."""

    error: type[ClinecliError]
    title: str
    retry: Retry = Retry.NEVER
    hint: str | None = None
    code: Code | None = None


_TRY_LATER = Rule(TransientError, "the server is overloaded", Retry.AS_ASKED)
_SERVER_ERROR = Rule(TransientError, "the server failed", Retry.ONCE)

# A gateway's statuses for what reaches it at the wrong place: the request is not at fault.
_CHECK_URL = "check host and path of the base URL, or ask who runs the gateway there"
_ASK_ABOUT_REGION = "the service is not offered to this region or network: ask who runs the gateway"

# The table of cline-api: 429 and gateway failures are worth several tries, 500 is worth one.
_BY_STATUS: dict[int, Rule] = {
    401: Rule(AuthError, "the API refused the key"),
    402: Rule(CreditError, "out of credits"),
    403: Rule(
        AuthError,
        "the key may not do this",
        hint="the key has no access to this resource or model: see https://app.cline.bot",
    ),
    404: Rule(
        RejectedError,
        "not found",
        hint="check the model (-m) and the base URL: `clinecli models` lists what can be asked",
        code=Code.UNKNOWN_MODEL,
    ),
    407: Rule(
        ConnectionFailed,
        "the proxy asks for credentials",
        hint="put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT",
    ),
    405: Rule(RejectedError, "the method is not allowed at this URL", hint=_CHECK_URL),
    408: _TRY_LATER,
    413: Rule(RejectedError, "the request is too large"),
    415: Rule(RejectedError, "what answers at this URL takes no JSON", hint=_CHECK_URL),
    421: Rule(RejectedError, "the server does not serve this host name", hint=_CHECK_URL),
    425: _TRY_LATER,
    429: Rule(TransientError, "rate limit reached", Retry.AS_ASKED),
    451: Rule(RejectedError, "blocked for legal reasons", hint=_ASK_ABOUT_REGION),
    464: Rule(
        RejectedError,
        "the load balancer and its servers speak different versions of HTTP",
        hint="ask who runs the server: its target group has to use HTTP/1",
    ),
    500: _SERVER_ERROR,
    502: Rule(TransientError, "the upstream provider failed", Retry.AS_ASKED),
    503: _TRY_LATER,
    504: Rule(TransientError, "the upstream provider did not answer in time", Retry.AS_ASKED),
    511: Rule(
        IncompleteError,
        "the network wants a login first",
        hint="open a web page in a browser on this network and log in",
    ),
    529: _TRY_LATER,
}

_CONTEXT = Rule(
    RejectedError,
    "the message is longer than the model's context",
    hint="send less text, or choose a model with a longer context (-m)",
    code=Code.CONTEXT_LENGTH_EXCEEDED,
)
_FILTER = Rule(
    RejectedError,
    "stopped by a content filter",
    hint="rephrase the message, or try another model (-m)",
    code=Code.CONTENT_FILTER,
)
_KEY = _BY_STATUS[401]
_MODEL = Rule(
    RejectedError,
    "no such model",
    hint="`clinecli models` lists what can be asked",
    code=Code.UNKNOWN_MODEL,
)
_PATH = Rule(RejectedError, "not found", hint="check the base URL: nothing is at this URL")
_QUOTA = Rule(
    CreditError,
    "usage limit reached",
    hint="the quota is used up: wait until it resets, or choose a model that is paid by credits",
    code=Code.QUOTA,
)
_SPEND = Rule(
    CreditError,
    "the organization's spend limit is reached",
    hint="ask an administrator of the organization to raise it, or wait until it resets",
)
_PLAN = Rule(
    AuthError,
    "the plan does not include this model",
    hint="choose another model (-m), or a plan that includes it: see https://app.cline.bot",
)

_REGION = Rule(AuthError, "not offered to this region", hint=_ASK_ABOUT_REGION, code=Code.REGION)

# Codes outrank the HTTP status: a 429 with SPEND_LIMIT_EXCEEDED is no rate limit.
_BY_CODE: dict[str, Rule] = {
    "insufficient_credits": _BY_STATUS[402],
    "insufficient_quota": _BY_STATUS[402],
    # OpenAI, LiteLLM, Qwen.
    "billing_not_active": _BY_STATUS[402],
    "billing_hard_limit_reached": _BY_STATUS[402],
    "budget_exceeded": _BY_STATUS[402],
    "arrearage": _BY_STATUS[402],
    "allocationquota.freetieronly": _QUOTA,
    "spend_limit_exceeded": _SPEND,
    "entitlement_error": _PLAN,
    "context_length_exceeded": _CONTEXT,
    "exceed_context_size_error": _CONTEXT,
    "content_filter": _FILTER,
    # OpenAI, Azure, Qwen.
    "content_policy_violation": _FILTER,
    "responsibleaipolicyviolation": _FILTER,
    "data_inspection_failed": _FILTER,
    "datainspectionfailed": _FILTER,
    "rate_limit": _BY_STATUS[429],
    "rate_limit_exceeded": _BY_STATUS[429],
    "server_error": _SERVER_ERROR,
    "invalid_api_key": _KEY,
    "unauthorized": _KEY,
    # Google.
    "api_key_invalid": _KEY,
    "unsupported_country_region_territory": _REGION,
    "model_not_found": _MODEL,
    # Mistral, Azure.
    "invalid_model": _MODEL,
    "deploymentnotfound": _MODEL,
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


def rule_of(said: ErrorBody, status: int | None, text: str) -> Rule:
    """The rule of an error: by the first code that is known, else by the status, and by prose where
    these say little."""
    from clinecli.chat.prose import is_overflow, is_quota, is_unknown_model, is_unknown_path

    codes = [code.lower() for code in said.codes]
    if "flagged_input" in said.fields:
        # OpenRouter's moderation, which says 403.
        codes.insert(0, "content_filter")
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


def _rule_for_status(status: int) -> Rule:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _SERVER_ERROR if status >= 500 else Rule(RejectedError, "the API refused the request")


def is_known(code: str) -> bool:
    """Whether a code by itself tells what an error means."""
    return code.lower() in _BY_CODE
