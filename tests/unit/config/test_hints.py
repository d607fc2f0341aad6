"""Hints fit the server, the command and the key."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from clinecli.chat.api_errors import decode_error, in_band_error
from clinecli.config.base_url import parse_base_url
from clinecli.config.hints import fit_hints
from clinecli.config.secret import KEY_HINT
from clinecli.errors import AuthError, ClinecliError, Code, ConfigError, RejectedError

CLINE = "https://api.cline.bot/api/v1"
LOCAL = "http://localhost:11434/v1"
OTHER = "https://llm.example.org/v1"
OPERATOR = "the operator of llm.example.org"
NO_KEY = ConfigError("no API key is configured", code=Code.NO_KEY, hint=KEY_HINT)
MODEL = b'{"error":{"code":"model_not_found","message":"x"}}'
PLAN = b'{"error":{"code":"ENTITLEMENT_ERROR","message":"x"}}'


class Case(NamedTuple):
    error: ClinecliError
    base_url: str
    said: str = ""
    unsaid: str = "localhost"
    facts: dict[str, Any] = {}  # noqa: RUF012


CASES: dict[str, Case] = {
    "cline-key": Case(decode_error(401, b""), CLINE, "app.cline.bot"),
    "cline-credit": Case(decode_error(402, b""), CLINE, "add credits at https://app.cline.bot"),
    "cline-of-another-stage": Case(decode_error(402, b""), "https://x.cline.bot", "app.cline.bot"),
    "not-quite-cline": Case(decode_error(402, b""), "https://evilcline.bot", "credits", "app."),
    "another-key": Case(decode_error(401, b""), OTHER, f"create one at {OPERATOR}", "app."),
    "another-credit": Case(decode_error(402, b""), OTHER, f"add credits at {OPERATOR}", "app."),
    "another-access": Case(decode_error(403, b""), OTHER, f": ask {OPERATOR}", "app."),
    "another-plan": Case(decode_error(403, PLAN), OTHER, f"includes it: ask {OPERATOR}", "app."),
    "local-credit": Case(decode_error(402, b""), LOCAL, "add credits", " at "),
    "cline-without-a-key": Case(NO_KEY, CLINE, "app.cline.bot", "any key"),
    "another-without-a-key": Case(NO_KEY, OTHER, f"create one at {OPERATOR}", "app."),
    "local-without-a-key": Case(NO_KEY, LOCAL, "any key will do: CLINE_API_KEY=none", "app."),
    "loopback-without-a-key": Case(NO_KEY, "http://127.0.0.9:1", "any key will do", "app."),
    "ipv6-without-a-key": Case(NO_KEY, "http://[::1]:1/v1", "any key will do", "app."),
    "key-source": Case(
        decode_error(401, b""),
        CLINE,
        "the key is from --key-file k",
        facts={"key_source": "--key-file k"},
    ),
    "source-of-a-key-that-is-good": Case(
        decode_error(402, b""), CLINE, "credits", "from K", {"key_source": "K"}
    ),
    "url": Case(
        decode_error(404, b"x"),
        OTHER,
        "what was not found is https://llm.example.org/v1/chat/completions",
        facts={"path": "/chat/completions"},
    ),
    "preview": Case(decode_error(400, b""), CLINE, "--dry-run"),
    "no-preview": Case(
        decode_error(400, b""), CLINE, "", "--dry-run", facts={"has_preview": False}
    ),
    "promotion": Case(
        decode_error(404, MODEL),
        CLINE,
        "while a promotion lasts",
        facts={"model": "cline-free/x"},
    ),
    "no-promotion": Case(
        decode_error(404, MODEL), CLINE, "clinecli models", "promotion", {"model": "a/b"}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_hints(name: str) -> None:
    error, base_url, said, unsaid, facts = CASES[name]
    fitting = fit_hints(error, parse_base_url(base_url, "test"), **facts)
    assert type(fitting) is type(error)
    assert said in fitting.hint
    assert unsaid not in fitting.hint
    # The rest stays as it is.
    assert fitting.but(hints=error.hints).as_dict() == error.as_dict()


@pytest.mark.parametrize(
    "error", [AuthError("x"), RejectedError("x"), in_band_error({"code": "rate_limit"})], ids=repr
)
def test_what_fits_is_given_back(error: ClinecliError) -> None:
    assert fit_hints(error, parse_base_url(CLINE, "test")) is error
