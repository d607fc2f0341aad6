from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.api_errors import (
    Origin,
    decode_error,
    describe_body,
    in_band_error,
    not_the_api,
    one_line,
    told_error,
)
from clinecli.errors import ClinecliError, Code, ExitStatus

AUTH, CREDIT, CONNECTION = ExitStatus.AUTH, ExitStatus.CREDIT, ExitStatus.CONNECTION
REJECTED, TRANSIENT, INCOMPLETE = ExitStatus.REJECTED, ExitStatus.TRANSIENT, ExitStatus.INCOMPLETE
ORIGIN = Origin(request_id="req-7")


def documented(code: object, message: str = "oh no", **fields: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "metadata": {}, **fields}}


def gateway(**fields: Any) -> dict[str, Any]:
    """The other shape, whose text is itself JSON."""
    return {"success": False, "error": json.dumps(fields)}


def body_of(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


# The statuses alone: exit status, retry limit (None: as many as the user allows).
BY_STATUS: dict[int, tuple[ExitStatus, int | None]] = {
    400: (REJECTED, 0),
    401: (AUTH, 0),
    402: (CREDIT, 0),
    403: (AUTH, 0),
    404: (REJECTED, 0),
    405: (REJECTED, 0),
    407: (CONNECTION, 0),
    408: (TRANSIENT, None),
    409: (REJECTED, 0),
    410: (REJECTED, 0),
    413: (REJECTED, 0),
    414: (REJECTED, 0),
    415: (REJECTED, 0),
    418: (REJECTED, 0),
    422: (REJECTED, 0),
    425: (TRANSIENT, None),
    429: (TRANSIENT, None),
    431: (REJECTED, 0),
    451: (REJECTED, 0),
    499: (REJECTED, 0),
    500: (TRANSIENT, 1),
    501: (TRANSIENT, 1),
    502: (TRANSIENT, None),
    503: (TRANSIENT, None),
    504: (TRANSIENT, None),
    505: (TRANSIENT, 1),
    520: (TRANSIENT, 1),
    529: (TRANSIENT, None),
    599: (TRANSIENT, 1),
    999: (TRANSIENT, 1),
}

HTML = b"<!DOCTYPE html>\n<html><body><h1>402 unauthorized rate limit</h1></body></html>"
BODIES_WITHOUT_A_CODE: dict[str, object] = {
    "empty": b"",
    "html": HTML,
    "text": b"upstream connect error or disconnect/reset before headers\n",
    "not-utf8": b"\xff\xfe\x00",
    "cut": b'{"error":{"code":"insufficient_credits',
    "deep": b"[" * 100_000,
    "null": None,
    "number": 402,
    "text-in-json": "insufficient_credits",
    "array": ["insufficient_credits"],
    "empty-object": {},
    "error-null": {"error": None},
    "error-empty": {"error": {}},
    "error-true": {"error": True},
    "error-number": {"error": 402},
    "error-text": {"error": "insufficient_credits"},
    "gateway-text": {"success": False, "error": "insufficient_credits"},
    "gateway-text-like-json": {"success": False, "error": "{insufficient_credits}"},
    "gateway-json-array": {"success": False, "error": '["insufficient_credits"]'},
    "message-only": {"message": "insufficient_credits"},
    "code-null": {"error": {"code": None, "message": "x"}},
    "code-empty": {"error": {"code": "", "message": "x"}},
    "code-a-list": {"error": {"code": ["insufficient_credits"], "message": "x"}},
    "code-a-dict": {"error": {"code": {"a": 1}, "message": "x"}},
    "message-a-dict": {"error": {"message": {"code": "insufficient_credits"}}},
    "unknown-code": documented("some_new_code"),
    "numeric-code": documented(-32603),
    "elsewhere": {"metadata": {"code": "insufficient_credits"}},
}


@pytest.mark.parametrize("body", BODIES_WITHOUT_A_CODE.values(), ids=BODIES_WITHOUT_A_CODE)
@pytest.mark.parametrize(
    ("http_status", "expected"), BY_STATUS.items(), ids=[str(status) for status in BY_STATUS]
)
def test_without_a_known_code_the_status_decides(
    http_status: int, expected: tuple[ExitStatus, int | None], body: object
) -> None:
    error = decode_error(http_status, body_of(body))
    assert (error.status, error.retry.limit) == expected
    assert error.http_status == http_status
    assert f"HTTP {http_status}" in error.text


# A code outranks the status it comes with.
BY_CODE: dict[str, tuple[ExitStatus, int | None]] = {
    "insufficient_credits": (CREDIT, 0),
    "insufficient_quota": (CREDIT, 0),
    "billing_not_active": (CREDIT, 0),
    "budget_exceeded": (CREDIT, 0),
    "Arrearage": (CREDIT, 0),
    "AllocationQuota.FreeTierOnly": (CREDIT, 0),
    "content_policy_violation": (REJECTED, 0),
    "ResponsibleAIPolicyViolation": (REJECTED, 0),
    "data_inspection_failed": (REJECTED, 0),
    "API_KEY_INVALID": (AUTH, 0),
    "invalid_model": (REJECTED, 0),
    "DeploymentNotFound": (REJECTED, 0),
    "SPEND_LIMIT_EXCEEDED": (CREDIT, 0),
    "context_length_exceeded": (REJECTED, 0),
    "content_filter": (REJECTED, 0),
    "rate_limit": (TRANSIENT, None),
    "rate_limit_exceeded": (TRANSIENT, None),
    "server_error": (TRANSIENT, 1),
    "ENTITLEMENT_ERROR": (AUTH, 0),
    "exceed_context_size_error": (REJECTED, 0),
    "invalid_api_key": (AUTH, 0),
    "unauthorized": (AUTH, 0),
    "model_not_found": (REJECTED, 0),
}
SHAPES: dict[str, Any] = {
    "documented": documented,
    "type-instead-of-code": lambda code: {"error": {"type": code, "message": "oh no"}},
    "code-null-and-type": lambda code: {"error": {"code": None, "type": code}},
    "gateway-json": lambda code: gateway(code=code, message="oh no"),
    "gateway-json-with-space": lambda code: {
        "success": False,
        "error": f' \n{{"code": "{code}"}}',
    },
    "gateway-object": lambda code: {"success": False, "error": {"code": code}},
    "gateway-json-nested": lambda code: gateway(error={"code": code, "message": "oh no"}),
    "nested": lambda code: {"error": {"error": {"code": code, "message": "oh no"}}},
    "list": lambda code: [{"error": {"code": code, "message": "oh no"}}],
    "error-list": lambda code: {"error": [{"code": code, "message": "oh no"}]},
    "errors": lambda code: {"errors": [{"code": code, "message": "oh no"}, {"code": "other"}]},
    "detail": lambda code: {"detail": {"code": code, "message": "oh no"}},
    "upstream": lambda code: documented(
        400, "Provider returned error", metadata={"raw": json.dumps({"error": {"code": code}})}
    ),
    "after-a-class": lambda code: documented(code, type="invalid_request_error"),
    "code-beside-text": lambda code: {"success": False, "code": code, "error": "oh no"},
    "code-beside-message": lambda code: {"code": code, "message": "oh no"},
}


@pytest.mark.parametrize("http_status", [400, 403, 429, 500])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("code", "expected"), BY_CODE.items(), ids=BY_CODE)
def test_code_outranks_the_status(
    code: str, expected: tuple[ExitStatus, int | None], shape: Any, http_status: int
) -> None:
    error = decode_error(http_status, body_of(shape(code)))
    assert (error.status, error.retry.limit) == expected
    assert (error.server_code, error.http_status) == (code, http_status)
    assert code in error.text


@pytest.mark.parametrize("code", ["Insufficient_Credits", "INSUFFICIENT_CREDITS"])
def test_codes_are_compared_without_case(code: str) -> None:
    error = decode_error(400, body_of(documented(code)))
    assert (error.status, error.server_code) == (CREDIT, code)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("code", "expected"), BY_CODE.items(), ids=BY_CODE)
def test_code_decides_where_there_is_no_status(
    code: str, expected: tuple[ExitStatus, int | None], shape: Any
) -> None:
    for error in (in_band_error(shape(code)), in_band_error(json.dumps(shape(code)))):
        assert (error.status, error.retry.limit) == expected
        assert error.server_code == code
        assert error.http_status == (400 if shape is SHAPES["upstream"] else None)


# Full rows: HTTP status, body, exit status, code, retry limit, what the message must hold.
ROWS: dict[str, tuple[int, object, ExitStatus, str | None, int | None, list[str]]] = {
    "google-bad-key": (
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid.",
                    "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "x.ErrorInfo", "reason": "API_KEY_INVALID"}, None],
                }
            }
        ],
        AUTH,
        "API_KEY_INVALID",
        0,
        ["the API refused the key", "API key not valid."],
    ),
    "openrouter-moderation": (
        403,
        documented(403, "it requires moderation", metadata={"flagged_input": "x"}),
        REJECTED,
        "403",
        0,
        ["stopped by a content filter", "it requires moderation"],
    ),
    "litellm-context": (
        400,
        documented("400", "litellm.ContextWindowExceededError: no"),
        REJECTED,
        "400",
        0,
        ["longer than the model's context"],
    ),
    "documented-401": (
        401,
        documented(401, "Invalid API key"),
        AUTH,
        "401",
        0,
        ["refused the key", "Invalid API key", "(HTTP 401)"],
    ),
    "number-as-text": (401, documented("401"), AUTH, "401", 0, ["(HTTP 401)"]),
    "other-number": (400, documented(4711), REJECTED, "4711", 0, ["(HTTP 400, code 4711)"]),
    "gateway-credits": (
        402,
        gateway(
            code="insufficient_credits",
            current_balance=-0.14,
            message="Not enough credits available",
        ),
        CREDIT,
        "insufficient_credits",
        0,
        ["out of credits", "Not enough credits available", "HTTP 402, code insufficient_credits"],
    ),
    "gateway-text": (
        500,
        {"success": False, "error": "database is down"},
        TRANSIENT,
        None,
        1,
        ["database is down", "(HTTP 500)"],
    ),
    "spend-limit": (
        429,
        documented(
            "SPEND_LIMIT_EXCEEDED",
            "Budget reached",
            limit_scope="organization",
            budget_period="monthly",
            limit_usd=100,
            spent_usd=100.5,
            resets_at="2026-04-01T00:00:00Z",
        ),
        CREDIT,
        "SPEND_LIMIT_EXCEEDED",
        0,
        [
            "spend limit",
            "Budget reached",
            "limit_scope organization",
            "budget_period monthly",
            "limit_usd 100;",
            "spent_usd 100.5",
            "resets_at 2026-04-01T00:00:00Z",
        ],
    ),
    "spend-limit-gateway": (
        429,
        gateway(code="SPEND_LIMIT_EXCEEDED", message="Budget reached", limit_usd=5),
        CREDIT,
        "SPEND_LIMIT_EXCEEDED",
        0,
        ["Budget reached", "limit_usd 5"],
    ),
    "spend-limit-flat": (
        429,
        {"code": "SPEND_LIMIT_EXCEEDED", "message": "Budget reached", "limit_usd": 5},
        CREDIT,
        "SPEND_LIMIT_EXCEEDED",
        0,
        ["Budget reached", "limit_usd 5"],
    ),
    "context": (
        400,
        documented("context_length_exceeded", "200001 tokens"),
        REJECTED,
        "context_length_exceeded",
        0,
        ["longer than the model's context", "200001 tokens"],
    ),
    "filter": (
        400,
        documented("content_filter"),
        REJECTED,
        "content_filter",
        0,
        ["content filter"],
    ),
    "free-model-limit": (
        429,
        {"success": False, "error": "free limit reached on model x, try again in 3 hours"},
        CREDIT,
        None,
        0,
        ["usage limit", "try again in 3 hours"],
    ),
    "cline-pass-limit": (
        429,
        documented(429, "You have reached your 5-hour ClinePass limit. Please try again later."),
        CREDIT,
        "429",
        0,
        ["usage limit", "5-hour ClinePass limit"],
    ),
    "cline-pass-limit-on-two-lines": (
        429,
        documented(429, "You have reached your\nweekly ClinePass limit."),
        CREDIT,
        "429",
        0,
        ["weekly ClinePass limit"],
    ),
    "rate-limit": (429, documented(429, "slow down"), TRANSIENT, "429", None, ["rate limit"]),
    "html": (502, HTML, TRANSIENT, None, None, ["(HTTP 502)"]),
    "empty": (503, b"", TRANSIENT, None, None, ["(HTTP 503)"]),
    "bom": (401, b"\xef\xbb\xbf" + body_of(documented(401, "no")), AUTH, "401", 0, ["no"]),
    "raw-newline": (400, b'{"error":"a\nb"}', REJECTED, None, 0, ["a b"]),
    "lone-surrogate": (400, b'{"error":"a\\ud83db"}', REJECTED, None, 0, ["a b"]),
    "lone-surrogate-in-json-text": (
        402,
        {"error": '{"code":"insufficient_credits","message":"\ud83d no"}'},
        CREDIT,
        "insufficient_credits",
        0,
        ["no"],
    ),
    "parts-as-message": (
        400,
        {"error": {"message": [{"type": "text", "text": "bad"}]}},
        REJECTED,
        None,
        0,
        ["bad"],
    ),
}


@pytest.mark.parametrize(
    ("http_status", "body", "status", "code", "retry_limit", "words"), ROWS.values(), ids=ROWS
)
def test_row(
    *,
    http_status: int,
    body: object,
    status: ExitStatus,
    code: str | None,
    retry_limit: int | None,
    words: list[str],
) -> None:
    error = decode_error(http_status, body_of(body), ORIGIN, retry_after=2.0)
    assert (error.status, error.server_code, error.retry.limit) == (status, code, retry_limit)
    assert (error.http_status, error.request_id) == (http_status, "req-7")
    assert error.retry_after == 2.0
    assert "request req-7" in error.text
    for word in words:
        assert word in error.text.replace(", request req-7", "")
    assert error.hint


# Errors in a body that came with HTTP 200: the document, exit status, code, HTTP status, retries.
IN_BAND: dict[str, tuple[object, ExitStatus, str | None, int | None, int | None]] = {
    "number-400": (documented(400), REJECTED, "400", 400, 0),
    "number-401": (documented(401), AUTH, "401", 401, 0),
    "number-402": (documented(402), CREDIT, "402", 402, 0),
    "number-429": (documented(429), TRANSIENT, "429", 429, None),
    "number-500": (documented(500), TRANSIENT, "500", 500, 1),
    "number-502": (documented(502), TRANSIENT, "502", 502, None),
    "number-as-text": (documented("402"), CREDIT, "402", 402, 0),
    "quota-429": (documented(429, "free limit reached on model m"), CREDIT, "429", 429, 0),
    "number-200": (documented(200), TRANSIENT, "200", None, 1),
    "number-600": (documented(600), TRANSIENT, "600", None, 1),
    "number-negative": (documented(-402), TRANSIENT, "-402", None, 1),
    "code-unknown": (documented("some_new_code"), TRANSIENT, "some_new_code", None, 1),
    "code-missing": ({"error": {"message": "invalid api key"}}, TRANSIENT, None, None, 1),
    "text": ({"error": "insufficient credits"}, TRANSIENT, None, None, 1),
    "gateway-text": ({"success": False, "error": "out of credits"}, TRANSIENT, None, None, 1),
    "gateway-json": (
        gateway(code="insufficient_credits", message="no"),
        CREDIT,
        "insufficient_credits",
        None,
        0,
    ),
}


@pytest.mark.parametrize(
    ("document", "status", "code", "http_status", "retry_limit"), IN_BAND.values(), ids=IN_BAND
)
def test_in_band(
    document: dict[str, Any],
    status: ExitStatus,
    code: str | None,
    http_status: int | None,
    retry_limit: int | None,
) -> None:
    expected = (status, code, http_status, retry_limit)
    enveloped = told_error(document, ORIGIN)
    assert enveloped is not None
    assert enveloped.request_id == "req-7"
    for error in (in_band_error(document["error"]), enveloped):
        assert (error.status, error.server_code, error.http_status, error.retry.limit) == expected


# What the server said is shown: status, body, media type, words of the message.
SAID: dict[str, tuple[int, object, str, str]] = {
    "fastapi": (422, {"detail": "no user"}, "", "the API refused the request: no user"),
    "fastapi-list": (
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "too small", "type": "x"}]},
        "",
        "the API refused the request: body.n: too small (HTTP 422)",
    ),
    "problem": (
        403,
        {"type": "https://ex.org/p", "title": "Denied", "status": 403, "detail": "by\npolicy"},
        "application/problem+json",
        "the key may not do this: Denied: by policy (HTTP 403)",
    ),
    "text": (503, b"upstream connect\r\nerror\n", "text/plain", ": upstream connect error (HTTP"),
    "text-without-a-type": (502, b"no healthy upstream", "", "failed: no healthy upstream (HTTP"),
    "json-text": (400, '"plain words"', "", "refused the request: plain words (HTTP 400)"),
    "array": (400, [{"error": {"message": "bad"}}], "", "refused the request: bad (HTTP 400)"),
    "errors": (400, {"errors": [{"message": "a"}, "b"]}, "", "refused the request: a; b (HTTP"),
    "raw": (
        400,
        documented(400, "Provider returned error", metadata={"raw": '{"error":"too hot"}'}),
        "",
        "refused the request: Provider returned error: too hot (HTTP 400)",
    ),
    "value": (
        500,
        {"error": {"message": "Stream error occurred", "value": {"error_message": "boom"}}},
        "",
        "the server failed: Stream error occurred: boom (HTTP 500)",
    ),
    "balance": (
        402,
        gateway(code="insufficient_credits", current_balance=-0.14, message="Not enough"),
        "",
        "out of credits: Not enough; current_balance -0.14 (HTTP 402, code insufficient_credits)",
    ),
    "balance-in-metadata": (
        402,
        documented(402, "no", metadata={"current_balance": 0.5}),
        "",
        "out of credits: no; current_balance 0.5 (HTTP 402)",
    ),
    "html": (502, HTML, "", "the upstream provider failed (HTTP 502)"),
    "html-by-type": (502, b"oh <b>no</b>", "text/html", "the upstream provider failed (HTTP 502)"),
    "binary": (502, b"\x1f\x8b\x08\x00\xff", "", "the upstream provider failed (HTTP 502)"),
    "utf16": (502, "no".encode("utf-16"), "", "the upstream provider failed (HTTP 502)"),
    "long-text": (502, "né ".encode() * 100_000, "", "…"),
}


@pytest.mark.parametrize(("status", "body", "kind", "words"), SAID.values(), ids=SAID)
def test_what_the_server_said(status: int, body: object, kind: str, words: str) -> None:
    data = body.encode() if isinstance(body, str) else body_of(body)
    error = decode_error(status, data, Origin(kind))
    assert words in error.text
    assert error.text.isprintable()


# A cause that only prose tells: status, message, exit status, our code, retry limit.
TOLD: dict[str, tuple[int, str, ExitStatus, Code | None, int | None]] = {
    "quota": (429, "Daily free limit reached. Try again in 19h 39m", CREDIT, Code.QUOTA, 0),
    "quota-of-hours": (429, "tokens per day: try again in 2h", CREDIT, Code.QUOTA, 0),
    "rate": (429, "tokens per minute: try again in 20s", TRANSIENT, None, None),
    "hours-of-maintenance": (503, "try again in 2 hours", TRANSIENT, None, None),
    "long-400": (400, "prompt is too long: 9 > 8", REJECTED, Code.CONTEXT_LENGTH_EXCEEDED, 0),
    "long-413": (413, "maximum context length is 8", REJECTED, Code.CONTEXT_LENGTH_EXCEEDED, 0),
    "long-422": (422, "too many tokens", REJECTED, Code.CONTEXT_LENGTH_EXCEEDED, 0),
    "long-500": (500, "prompt is too long", TRANSIENT, None, 1),
    "long-429": (429, "prompt is too long", TRANSIENT, None, None),
    "long-404": (404, "prompt is too long", REJECTED, Code.UNKNOWN_MODEL, 0),
    "long-and-rate": (413, "too many tokens per minute (TPM)", REJECTED, None, 0),
    "model-400": (400, "x/y is not a valid model ID", REJECTED, Code.UNKNOWN_MODEL, 0),
    "model-404": (404, "The model `x` does not exist", REJECTED, Code.UNKNOWN_MODEL, 0),
    "model-422": (422, "unknown model: x", REJECTED, Code.UNKNOWN_MODEL, 0),
    "model-403": (403, "model not found", AUTH, None, 0),
    "model-500": (500, "model not found", TRANSIENT, None, 1),
    "path-404": (404, "no such endpoint", REJECTED, None, 0),
    "fastapi-404": (404, "Not Found", REJECTED, None, 0),
    "express-404": (404, "Cannot POST /v1/v1/chat/completions", REJECTED, None, 0),
    "go-404": (404, "404 page not found", REJECTED, None, 0),
    "other-404": (404, "x", REJECTED, Code.UNKNOWN_MODEL, 0),
}


@pytest.mark.parametrize(
    ("http_status", "prose", "status", "code", "retries"), TOLD.values(), ids=TOLD
)
def test_what_only_prose_tells(
    http_status: int, prose: str, status: ExitStatus, code: Code | None, retries: int | None
) -> None:
    for document in (documented(http_status, prose), {"detail": prose}, {"error": prose}):
        error = decode_error(http_status, body_of(document))
        assert (error.status, error.code, error.retry.limit) == (status, code, retries)
        assert error.http_status == http_status
    in_band = in_band_error({"code": http_status, "message": prose})
    assert (in_band.status, in_band.code, in_band.retry.limit) == (status, code, retries)


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("context_length_exceeded", Code.CONTEXT_LENGTH_EXCEEDED),
        ("content_filter", Code.CONTENT_FILTER),
        ("model_not_found", Code.UNKNOWN_MODEL),
        ("rate_limit", None),
    ],
)
def test_our_code_stands_beside_the_servers(code: str, ours: Code | None) -> None:
    error = in_band_error({"code": code})
    assert (error.code, error.server_code) == (ours, code)


# Seconds that a retry waits: status, header, prose, expected.
WAITS: dict[str, tuple[int, float | None, str, float | None]] = {
    "header": (429, 7.0, "slow down", 7.0),
    "prose": (429, None, "Please try again in 45.622s.", 45.622),
    "header-wins": (429, 7.0, "try again in 45s", 7.0),
    "503": (503, None, "retry after 30 seconds", 30.0),
    "500": (500, None, "retry in 2 minutes", 120.0),
    "neither": (429, None, "slow down", None),
    "never-retried": (400, None, "try again in 5s", None),
    "quota": (429, None, "try again in 5h", None),
    "credit-with-header": (402, 7.0, "no", 7.0),
}


@pytest.mark.parametrize(("status", "header", "prose", "expected"), WAITS.values(), ids=WAITS)
def test_waits(status: int, header: float | None, prose: str, expected: float | None) -> None:
    body = body_of(documented(status, prose))
    assert decode_error(status, body, retry_after=header).retry_after == expected
    if header is None:
        assert in_band_error({"code": status, "message": prose}).retry_after == expected


# Classes of errors stand for a status where there is none, and never outrank one.
CLASSES: dict[str, tuple[str, ExitStatus]] = {
    "anthropic-overloaded": ("overloaded_error", TRANSIENT),
    "anthropic-auth": ("authentication_error", AUTH),
    "anthropic-invalid": ("invalid_request_error", REJECTED),
    "anthropic-billing": ("billing_error", CREDIT),
    "anthropic-rate": ("rate_limit_error", TRANSIENT),
    "google-exhausted": ("RESOURCE_EXHAUSTED", TRANSIENT),
    "google-invalid": ("INVALID_ARGUMENT", REJECTED),
    "google-unauthenticated": ("UNAUTHENTICATED", AUTH),
}


@pytest.mark.parametrize(("name", "status"), CLASSES.values(), ids=CLASSES)
def test_classes_of_errors(name: str, status: ExitStatus) -> None:
    document = {"type": "error", "error": {"type": name, "message": "oh no"}}
    in_band = in_band_error(document)
    assert (in_band.status, in_band.http_status) == (status, None)
    assert "oh no" in in_band.text
    assert decode_error(418, body_of(document)).status == REJECTED
    assert decode_error(401, body_of(document)).status == AUTH


def test_a_status_that_the_body_names() -> None:
    error = in_band_error({"title": "Denied", "status": 403, "detail": "by policy"})
    assert (error.status, error.http_status) == (AUTH, 403)


def test_facts_have_no_secrets_either() -> None:
    origin = Origin(redact=lambda text: text.replace("SECRET", "[key]"))
    document = {"code": "SPEND_LIMIT_EXCEEDED", "limit_scope": "SECRET", "message": "x SECRET"}
    error = decode_error(429, body_of(document), origin)
    assert "SECRET" not in error.text
    assert "limit_scope [key]" in error.text


@pytest.mark.parametrize("error", [None, "", {}, [], True, 7, [1], {"a": 1}], ids=repr)
def test_in_band_error_of_junk_is_a_server_error(error: object) -> None:
    found = in_band_error(error)
    assert (found.status, found.server_code, found.retry.limit) == (TRANSIENT, None, 1)


NO_ENVELOPE_ERROR: dict[str, bytes] = {
    "reply": b'{"choices":[{"message":{"content":"hi"}}]}',
    "reply-beside-detail": b'{"choices":[{"message":{"content":"hi"}}],"detail":"x"}',
    "success": b'{"success":true,"data":{}}',
    "error-null": b'{"success":true,"data":{},"error":null}',
    "error-empty": b'{"error":{},"data":{}}',
    "success-null": b'{"success":null}',
    "empty-object": b"{}",
    "array": b'[{"id":"x"}]',
    "text": b'"error"',
}


@pytest.mark.parametrize("body", NO_ENVELOPE_ERROR.values(), ids=NO_ENVELOPE_ERROR)
def test_bodies_without_an_error(body: bytes) -> None:
    assert told_error(json.loads(body)) is None


def test_success_false_alone_is_an_error() -> None:
    error = told_error({"success": False})
    assert error is not None
    assert error.status == TRANSIENT


# Prose changes the hint at most; the first two are quota limits, which count on a 429.
QUOTA = [
    "free limit reached on model minimax/minimax-m2.5, try again in 5 h",
    "You have reached your weekly ClinePass limit. Please try again later.",
]
PROSE = [
    *QUOTA,
    "the user is not subscribed to required model plan",
    "organization accounts cannot use individual model inference subscriptions",
    "model not found",
    "insufficient credits: payment required",
    "invalid api key, unauthorized, forbidden",
    "rate limit exceeded, too many requests",
    "maximum context length exceeded",
    "blocked by the content filter",
    "internal server error, bad gateway",
    "401 402 403 404 429 500 503",
    'code: "insufficient_credits"',
]


@pytest.mark.parametrize("prose", PROSE)
@pytest.mark.parametrize(
    ("http_status", "expected"), BY_STATUS.items(), ids=[str(status) for status in BY_STATUS]
)
def test_prose_never_decides_but_for_a_quota(
    http_status: int, expected: tuple[ExitStatus, int | None], prose: str
) -> None:
    if http_status == 429 and prose in QUOTA:
        expected = (CREDIT, 0)
    for document in (
        documented(http_status, prose),
        {"success": False, "error": prose},
        gateway(message=prose),
        {"message": prose},
    ):
        error = decode_error(http_status, body_of(document))
        assert (error.status, error.retry.limit) == expected
        assert prose in error.text


@pytest.mark.parametrize("prose", PROSE)
@pytest.mark.parametrize(("code", "expected"), BY_CODE.items(), ids=BY_CODE)
def test_prose_never_decides_in_band(
    code: str, expected: tuple[ExitStatus, int | None], prose: str
) -> None:
    error = in_band_error({"code": code, "message": prose})
    assert (error.status, error.retry.limit) == expected


HINTS: dict[str, tuple[int, str, str]] = {
    "free-limit": (429, QUOTA[0], "quota is used up"),
    "cline-pass": (429, QUOTA[1], "quota is used up"),
    "no-plan": (403, "the user is not subscribed to required model plan", "ClinePass subscription"),
    "organization": (
        403,
        "organization accounts cannot use individual model inference subscriptions",
        "personal account",
    ),
    "no-model": (404, "Model not found", "clinecli models"),
    "no-model-as-400": (400, "model not found: a/b", "clinecli models"),
    "no-key": (401, "", "app.cline.bot"),
    "no-credits": (402, "", "add credits at https://app.cline.bot"),
    "proxy": (407, "", "proxy"),
    "bad-request": (400, "", "--dry-run"),
    "server": (500, "", "try again later"),
}


@pytest.mark.parametrize(("http_status", "prose", "hint"), HINTS.values(), ids=HINTS)
def test_hints(http_status: int, prose: str, hint: str) -> None:
    assert hint in decode_error(http_status, body_of(documented(None, prose))).hint


class TestUntrustedText:
    def test_control_characters_of_message_and_code(self) -> None:
        body = body_of(documented("a\r\nb\x1b[31m", "x\n\x1b]0;title\x07\u202e\u2028y\x9b"))
        error = decode_error(400, body)
        assert error.text.isprintable()
        assert error.server_code is not None
        assert error.server_code.isprintable()

    def test_long_messages_and_codes_are_cut(self) -> None:
        error = decode_error(400, body_of(documented("c" * 10_000, "m" * 10_000)), ORIGIN)
        assert len(error.text) < 700
        assert error.text.endswith("request req-7)")

    def test_a_huge_message_that_is_slow_to_search(self) -> None:
        error = decode_error(429, body_of(documented(429, "reached your " * 500_000)))
        assert error.status == TRANSIENT

    @pytest.mark.parametrize("code", ["9" * 5000, "\u0664" * 3, "\u00b2", 10**300])
    def test_codes_that_are_odd_numbers(self, code: object) -> None:
        assert in_band_error({"code": code}).server_code

    @pytest.mark.parametrize("length", [395, 4000 - 3, 64 * 1024 - 3])
    def test_a_secret_is_taken_out_before_the_text_is_cut(self, length: int) -> None:
        origin = Origin(redact=lambda text: text.replace("SECRET", "[key]"))
        body = body_of(documented("SECRET-code", " " * length + "SECRET"))
        for data in (body, b"_" + b" " * (length - 1) + b"SECRET " * 9):
            assert "SEC" not in decode_error(400, data, origin).text.replace("SECRET-code", "")
        error = decode_error(400, body, origin)
        assert error.server_code == "[key]-code"

    def test_spend_fields_of_any_shape(self) -> None:
        deep = json.loads("[" * 900 + "]" * 900)
        error = in_band_error(
            {"code": "SPEND_LIMIT_EXCEEDED", "limit_usd": deep, "spent_usd": None}
        )
        assert error.status == CREDIT
        assert "_usd" not in error.text

    def test_a_lone_surrogate_in_a_code(self) -> None:
        error = decode_error(400, b'{"error":{"code":"\\ud83dx"}}')
        json.dumps(error.as_dict(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a", "a", id="plain"),
        pytest.param("  a\n\t b\r\n", "a b", id="white-space"),
        pytest.param("a\x1b[31mb", "a [31mb", id="escape"),
        pytest.param("a\u202eb", "a b", id="bidi"),
        pytest.param("é😀", "é😀", id="unicode"),
        pytest.param("a\ud83db", "a b", id="surrogate"),
        pytest.param("x" * 400, "x" * 400, id="at-the-limit"),
        pytest.param("x" * 401, "x" * 399 + "…", id="above-the-limit"),
        pytest.param("\n\n", "", id="nothing-left"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        pytest.param(b"<!DOCTYPE html><p>", "", "an HTML page", id="doctype"),
        pytest.param(b" \n<HTML lang=en>", "text/plain", "an HTML page", id="html-tag"),
        pytest.param(b"sign in", "text/html; charset=utf-8", "an HTML page", id="html-type"),
        pytest.param(b"", "application/json", "an empty body", id="empty"),
        pytest.param(b" \n", "", "an empty body", id="blank"),
        pytest.param(b"sk-1", "text/plain", "4 bytes that are not JSON (text/plain)", id="text"),
        pytest.param(b"abc", "", "3 bytes that are not JSON (no content type)", id="no-type"),
    ],
)
def test_describe_body(body: bytes, content_type: str, expected: str) -> None:
    assert describe_body(body, content_type) == expected


def test_not_the_api() -> None:
    error = not_the_api("an HTML page")
    assert (error.status, error.code, error.retryable) == (INCOMPLETE, Code.NOT_THE_API, False)
    assert "an HTML page" in error.text
    assert "CLINE_API_BASE_URL" in error.hint


# Whatever comes, it is one of our errors with a message that fits on one line.

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=10)
NAMES = ["error", "code", "message", "type", "success", "metadata", "limit_usd", "data", "choices"]
VALUES = [*BY_CODE, "402", "9" * 5000, '{"code":', '{"error":{"code":"rate_limit"}}', "\x1b[0m\n"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.sampled_from(VALUES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(NAMES), JSON_VALUES, max_size=4).map(body_of),
    JSON_VALUES.map(lambda value: body_of({"success": False, "error": json.dumps(value)})),
)


def check_any(error: ClinecliError) -> None:
    assert isinstance(error, ClinecliError)
    assert error.status not in (ExitStatus.OK, ExitStatus.INTERNAL)
    assert error.text
    assert error.text.isprintable()
    assert len(error.text) < 800
    assert error.hint
    assert error.server_code is None or error.server_code.isprintable()
    json.dumps(error.as_dict(), ensure_ascii=False).encode()


@given(st.integers(100, 999), BODIES)
def test_property_decode_error(http_status: int, body: bytes) -> None:
    error = decode_error(http_status, body, ORIGIN)
    check_any(error)
    assert error.http_status == http_status


@given(JSON_VALUES)
def test_property_told_error(document: object) -> None:
    error = told_error(document)
    if error is not None:
        check_any(error)


@given(JSON_VALUES)
def test_property_in_band_error(value: object) -> None:
    check_any(in_band_error(value))


@given(ANY_TEXT | st.text(max_size=900), st.integers(1, 500))
def test_property_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert one_line(line, limit) == line
