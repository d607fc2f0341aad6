"""Hints fit the server and the command."""

from __future__ import annotations

import pytest

from clinecli.chat.api_errors import decode_error, in_band_error
from clinecli.chat.hints import Asked, fit
from clinecli.config.secret import KEY_HINT
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConfigError,
    IncompleteError,
    RejectedError,
    TransientError,
)

CLINE = "https://api.cline.bot/api/v1"
LOCAL = "http://localhost:11434/v1"
OTHER = "https://llm.example.org/v1"
NO_KEY = ConfigError("no API key is configured", code=Code.NO_KEY, hint=KEY_HINT)
MODEL = b'{"error":{"code":"model_not_found","message":"x"}}'

# error, who was asked and how, what the hint says, what it does not say
HINTS: dict[str, tuple[ClinecliError, Asked, str, str]] = {
    "cline-key": (decode_error(401, b""), Asked(CLINE), "app.cline.bot", "localhost"),
    "cline-credit": (decode_error(402, b""), Asked(CLINE), "add credits at https://app", "who"),
    "staging-is-cline": (decode_error(402, b""), Asked("https://x.cline.bot"), "app.cline", ""),
    "not-quite-cline": (decode_error(402, b""), Asked("https://evilcline.bot"), "evil", "app."),
    "local-without-a-key": (NO_KEY, Asked(LOCAL), "any key will do: CLINE_API_KEY=none", "app."),
    "loopback": (NO_KEY, Asked("http://127.0.0.9:1"), "any key will do", "app."),
    "ipv6": (NO_KEY, Asked("http://[::1]:1/v1"), "any key will do", "app."),
    "another-without-a-key": (NO_KEY, Asked(OTHER), "a key of llm.example.org", "any key"),
    "cline-without-a-key": (NO_KEY, Asked(CLINE), KEY_HINT, "any key"),
    "another-key": (decode_error(401, b""), Asked(OTHER), "one of llm.example.org", "app."),
    "another-account": (decode_error(402, b""), Asked(OTHER), "account with llm.exa", "app."),
    "another-access": (decode_error(403, b""), Asked(OTHER), "account with llm.exa", "app."),
    "key-source": (
        decode_error(401, b""),
        Asked(CLINE, key_source="--key-file k"),
        "the key came from --key-file k",
        "",
    ),
    "no-key-source": (decode_error(401, b""), Asked(CLINE), "", "came from"),
    "source-of-a-key-that-is-good": (
        decode_error(402, b""),
        Asked(CLINE, key_source="CLINE_API_KEY"),
        "credits",
        "came from",
    ),
    "ask": (decode_error(400, b""), Asked(CLINE), "--dry-run", ""),
    "models": (decode_error(400, b""), Asked(CLINE, "models"), "doctor", "--dry-run"),
    "models-404": (decode_error(404, b'"x"'), Asked(CLINE, "models"), "base URL", "-m"),
    "models-cut": (IncompleteError("x"), Asked(CLINE, "models"), "clinecli doctor", "-m"),
    "free": (
        decode_error(404, MODEL),
        Asked(CLINE, model="cline-free/x"),
        "while a promotion lasts",
        "",
    ),
    "paid": (decode_error(404, MODEL), Asked(CLINE, model="a/b"), "clinecli models", "promotion"),
    "base-url-with-the-endpoint": (
        decode_error(404, b""),
        Asked(f"{OTHER}/chat/completions"),
        "leave /chat/completions out of the base URL",
        "",
    ),
    "html-at-such-a-base-url": (
        IncompleteError("x", code=Code.NOT_THE_API),
        Asked(f"{OTHER}/chat/completions"),
        "leave /chat/completions out",
        "",
    ),
    "nothing-was-answered": (
        TransientError("x"),
        Asked(f"{OTHER}/chat/completions"),
        "",
        "leave",
    ),
}


@pytest.mark.parametrize(("error", "asked", "said", "unsaid"), HINTS.values(), ids=HINTS)
def test_hints(error: ClinecliError, asked: Asked, said: str, unsaid: str) -> None:
    fitting = fit(error, asked)
    assert type(fitting) is type(error)
    assert said in fitting.hint
    assert not unsaid or unsaid not in fitting.hint
    assert fitting.hint
    # The rest stays as it is, and twice is as good as once.
    assert fitting.but(hints=error.hints).as_dict() == error.as_dict()
    assert fit(fitting, asked).as_dict() == fitting.as_dict()


def test_a_404_names_the_url() -> None:
    asked = Asked(OTHER, path="/chat/completions")
    text = fit(decode_error(404, b'{"detail":"Not Found"}'), asked).text
    url = "https://llm.example.org/v1/chat/completions"
    assert text == f"{url}: not found: Not Found (HTTP 404)"
    assert fit(decode_error(400, b""), asked).text == "the API refused the request (HTTP 400)"


def test_what_fits_is_given_back() -> None:
    for error in (AuthError("x"), RejectedError("x"), in_band_error({"code": "rate_limit"})):
        assert fit(error, Asked(CLINE)) is error
