from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.limits import Outcome
from clinecli.batch.waits import outcome_of, wait_in_prose
from clinecli.errors import (
    ClinecliError,
    ConnectionFailed,
    CreditError,
    IncompleteError,
    RejectedError,
    TransientError,
)

PROSE: dict[str, tuple[str, float | None]] = {
    "cline": ("Daily free limit reached. Try again in 19h 39m", 19 * 3600 + 39 * 60),
    "openai-seconds": ("Rate limit reached for x. Please try again in 20s. Visit https://…", 20),
    "openai-fraction": ("Limit 3, Used 3. Please try again in 7.66s.", 7.66),
    "openai-together": ("Please try again in 6m0s.", 360),
    "openai-milliseconds": ("Please try again in 120ms.", 0.12),
    "gemini": ("Quota exceeded. Please retry in 36.5s.", 36.5),
    "groq": ("Please try again in 1h2m3.5s. Need more tokens?", 3723.5),
    "words": ("Too many requests, retry after 30 seconds", 30),
    "and": ("Your quota resets in 2 hours and 5 min.", 7500),
    "comma": ("available again in 1 day, 2 hrs", 93600),
    "wait-for": ("please wait for at least 5 minutes", 300),
    "wait": ("Wait 90 sec", 90),
    "capitals": ("TRY AGAIN IN 2 H", 7200),
    "only-the-wait": ("100 requests per 1m; try again in 3s (of 60s)", 3),
    "weeks": ("resets in 1 week", 604800),
    "no-number": ("Please try again later.", None),
    "no-unit": ("try again in 5", None),
    "unknown-unit": ("try again in 5 fortnights", None),
    "stops-at-the-unknown": ("try again in 5 min or 3 fortnights", 300),
    "a-limit-is-no-wait": ("the limit is 5 requests in 10 s", None),
    "a-clock-time": ("resets at 10:30 UTC", None),
    "nothing": ("", None),
    "too-late": (" " * 5000 + "try again in 5s", None),
}


@pytest.mark.parametrize(("message", "seconds"), PROSE.values(), ids=PROSE)
def test_wait_in_prose(message: str, seconds: float | None) -> None:
    assert wait_in_prose(message) == (None if seconds is None else pytest.approx(seconds))


@given(st.text("try again in0123456789.,smhd ", max_size=300))
def test_any_text_gives_a_wait_or_none(message: str) -> None:
    seconds = wait_in_prose(message)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "text",
    ["try again in " * 200_000, "retry" + " in" * 500_000, "retry 1" + " 1s" * 500_000],
    ids=["phrase", "word", "numbers"],
)
def test_long_texts_cost_no_time(text: str) -> None:
    # Quadratic time would not end within the suite's limit.
    assert wait_in_prose(text) is None


OUTCOMES: dict[str, tuple[ClinecliError | None, Outcome]] = {
    "reply": (None, Outcome(tokens=7)),
    "retry-after": (
        TransientError("slow down", http_status=429, retry_after=3.0),
        Outcome(accepted=False, limited=True, wait=3.0, tokens=7),
    ),
    "in-a-body": (
        TransientError("slow down", server_code="rate_limit"),
        Outcome(accepted=False, limited=True, tokens=7),
    ),
    "told-in-prose": (
        TransientError("rate limit: try again in 2m", http_status=429),
        Outcome(accepted=False, limited=True, wait=120.0, tokens=7),
    ),
    "header-wins-over-prose": (
        TransientError("try again in 2m", http_status=429, retry_after=1.0),
        Outcome(accepted=False, limited=True, wait=1.0, tokens=7),
    ),
    "overload": (
        TransientError("overloaded", http_status=503, retry_after=4.0),
        Outcome(accepted=False, wait=4.0, tokens=7),
    ),
    "a-used-up-quota-is-no-matter-of-pace": (
        CreditError("Daily free limit reached. Try again in 19h 39m", http_status=429),
        Outcome(wait=70740.0, tokens=7),
    ),
    "connection": (ConnectionFailed("refused"), Outcome(accepted=False, tokens=7)),
    "rejected": (RejectedError("wait 5 minutes", http_status=400), Outcome(tokens=7)),
    "empty": (IncompleteError("empty"), Outcome(tokens=7)),
}


@pytest.mark.parametrize(("error", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_outcome(error: ClinecliError | None, outcome: Outcome) -> None:
    assert outcome_of(error, 7) == outcome
