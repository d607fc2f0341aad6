"""What is read out of prose: waits, quotas, long messages, unknown models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.prose import better_hint, is_overflow, is_quota, is_unknown_model, told_wait

HOUR, DAY = 3600.0, 86400.0
WAITS: dict[str, float | None] = {
    "Please try again in 45.622s. Visit https://x/45": 45.622,
    "Daily free limit reached. Try again in 19h 39m": 19 * HOUR + 39 * 60,
    "try again in 5 minutes": 300.0,
    "Please retry after 30 seconds.": 30.0,
    "please retry after 30": 30.0,
    "Retry-After: 7": 7.0,
    '"retryDelay": "45.6s"': 45.6,
    "retry_after=3": 3.0,
    "Please retry your request after 20 seconds": 20.0,
    "try your request again in 20 sec": 20.0,
    "Please wait 1 hour and 20 minutes.": 4800.0,
    "wait for 90s": 90.0,
    "Limit 30000 tokens per min (TPM), used 29000. Please try again in 6h0m0s.": 6 * HOUR,
    "try again in 1m30.5s": 90.5,
    "Please try again in 500ms.": 0.5,
    "the quota resets in 2 days": 2 * DAY,
    "renews in 1 week": 7 * DAY,
    "TRY AGAIN IN ABOUT 3 MINS": 180.0,
    "try again in approximately 10 seconds": 10.0,
    "available again in an hour": HOUR,
    "retry in one minute": 60.0,
    "try again in 1,200 seconds": 1200.0,
    "try again in 1 day, 2 hours and 3 minutes": DAY + 2 * HOUR + 180,
    "try again in ~5s": 5.0,
    # no time spans
    "": None,
    "try again later": None,
    "try again tomorrow": None,
    "limit: 100 requests in 5 minutes": None,
    "within 5 minutes": None,
    "retry in 12:30": None,
    "retry after 2026-01-01T00:00:00Z": None,
    "gave up retrying after 3 attempts": None,
    "wait for it": None,
    "wait 5 more": None,
    "try again in 5 mo": None,
    "try again in -5 s": None,
}


@pytest.mark.parametrize(("text", "seconds"), WAITS.items(), ids=lambda value: str(value)[:40])
def test_waits(text: str, seconds: float | None) -> None:
    assert told_wait(text) == seconds
    assert told_wait(f"rate limit reached:\n {text}") == seconds
    assert told_wait(text.replace(" ", "  ")) in {seconds, None}
    hours = seconds is not None and seconds >= HOUR
    assert is_quota(text.replace("free limit", "limit")) == hours


@pytest.mark.parametrize(
    "text",
    [
        "free limit reached on model minimax/minimax-m2.5",
        "Daily free limit reached.",
        "You have reached your weekly ClinePass limit. Please try again later.",
        "reached your\n5-hour ClinePass limit",
        "try again in 60 minutes",
    ],
)
def test_quotas(text: str) -> None:
    assert is_quota(text)


@pytest.mark.parametrize(
    "text", ["", "rate limit reached", "try again in 59m59s", "the limit of the plan is reached"]
)
def test_no_quotas(text: str) -> None:
    assert not is_quota(text)


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input is too long for requested model",
        "Input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "the request exceeds the available context size, try increasing it",
        "Too many tokens in the prompt",
        "Your input exceeds the context window of this model",
        "Please reduce the length of the messages or completion.",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "context_length_exceeded",
    ],
)
def test_overflows(text: str) -> None:
    assert is_overflow(text)
    assert not is_overflow(f"{text} Rate limit: 10000 tokens per minute")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max_tokens is too large: 99999",
        "Too many tokens per minute: rate limit",
        "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 31000",
        "quota of input tokens: too many tokens",
        "temperature is too long",
    ],
)
def test_no_overflows(text: str) -> None:
    assert not is_overflow(text)


@pytest.mark.parametrize(
    "text",
    [
        "model not found: a/b",
        "Model not found",
        "foo/bar is not a valid model ID",
        "The model `gpt-99` does not exist or you do not have access to it.",
        'model "llama9" not found, try pulling it first',
        "Model Not Exist",
        "models/gemini-9 is not found for API version v1beta",
        "No endpoints found for foo/bar.",
        "unknown model: x",
        "Invalid model name passed in model=foo",
        "model_not_found",
        "The requested model 'x' is not supported",
    ],
)
def test_unknown_models(text: str) -> None:
    assert is_unknown_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "temperature is not supported with this model",
        "Model claude: parameter top_k is not supported",
        "this model does not support tools",
        "user not found",
        "the model failed",
        "file not found while loading the model",
        "remodel not a thing",
    ],
)
def test_known_models(text: str) -> None:
    assert not is_unknown_model(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the user is not subscribed to required model plan", "ClinePass subscription"),
        ("organization accounts cannot use individual model inference", "personal account"),
        ("Please use the latest version of Cline and re-authenticate.", "login token"),
        ("something else", None),
    ],
)
def test_better_hints(text: str, words: str | None) -> None:
    hint = better_hint(text)
    assert (hint is None) == (words is None)
    assert (words or "") in (hint or "")


SLOW = st.sampled_from(["try again in ", "1 ", "1h", "an ", "model ", "`a", "exceeds ", "wait "])


@given(st.lists(SLOW | st.text(max_size=4), max_size=30).map("".join))
def test_property_any_text(text: str) -> None:
    wait = told_wait(text)
    assert wait is None or wait >= 0
    for judge in (is_quota, is_overflow, is_unknown_model):
        assert judge(text) in {True, False}


@pytest.mark.parametrize(
    "piece",
    [
        "try again ",
        "try a b c ",
        "1 h ",
        "model a ",
        "exceeds ",
        "token count ",
        "reached your ",
        "1,",
    ],
)
def test_long_texts_are_searched_at_their_beginning(piece: str) -> None:
    text = piece * 500_000
    assert told_wait(text) is None
    assert not any(judge(text) for judge in (is_quota, is_overflow, is_unknown_model))
