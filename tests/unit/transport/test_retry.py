from __future__ import annotations

import math
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import (
    AuthError,
    ClinecliError,
    ConnectionFailed,
    CreditError,
    IncompleteError,
    InternalError,
    RejectedError,
    Retry,
    TlsError,
    TransientError,
)
from clinecli.transport.deadline import Deadline
from clinecli.transport.retry import (
    BACKOFF_CAP,
    JITTER_CAP,
    RetryPolicy,
    attempts_more,
    next_delay,
    parse_retry_after,
)

AMPLE = 10_000.0


def transient(**fields: object) -> TransientError:
    return TransientError("overloaded", **fields)  # type: ignore[arg-type]


# error, attempt, retries, remaining, jitter, expected delay
DECISIONS: dict[str, tuple[ClinecliError, int, int, float, float, float | None]] = {
    "first": (transient(), 1, 3, AMPLE, 0.0, 1.0),
    "second-doubles": (transient(), 2, 3, AMPLE, 0.0, 2.0),
    "third-doubles-again": (transient(), 3, 3, AMPLE, 0.0, 4.0),
    "fourth-is-one-too-many": (transient(), 4, 3, AMPLE, 0.0, None),
    "last-below-the-backoff-cap": (transient(), 6, 99, AMPLE, 0.0, 32.0),
    "backoff-cap": (transient(), 7, 99, AMPLE, 0.0, 60.0),
    "backoff-cap-stays": (transient(), 20, 99, AMPLE, 0.0, 60.0),
    "no-overflow": (transient(), 5000, 9999, AMPLE, 0.0, 60.0),
    "no-retries": (transient(), 1, 0, AMPLE, 0.0, None),
    "one-retry": (transient(), 1, 1, AMPLE, 0.0, 1.0),
    "one-retry-used": (transient(), 2, 1, AMPLE, 0.0, None),
    "jitter-is-a-quarter": (transient(), 1, 3, AMPLE, 0.5, 1.125),
    "jitter-of-two-seconds": (transient(), 2, 3, AMPLE, 0.5, 2.25),
    "jitter-is-one-second-at-most": (transient(), 6, 9, AMPLE, 0.5, 32.5),
    "error-caps-retries": (transient(retry=Retry.ONCE), 1, 3, AMPLE, 0.0, 1.0),
    "error-caps-retries-used": (transient(retry=Retry.ONCE), 2, 3, AMPLE, 0.0, None),
    "error-never-raises-retries": (transient(retry=Retry.TWICE), 2, 1, AMPLE, 0.0, None),
    "error-forbids": (transient(retry=Retry.NEVER), 1, 3, AMPLE, 0.0, None),
    "retry-after": (transient(retry_after=7.0), 1, 3, AMPLE, 0.0, 7.0),
    "retry-after-shorter-than-backoff": (transient(retry_after=1.0), 3, 3, AMPLE, 0.0, 1.0),
    "retry-after-is-not-capped": (transient(retry_after=300.0), 1, 3, AMPLE, 0.0, 300.0),
    "retry-after-with-jitter": (transient(retry_after=2.0), 1, 3, AMPLE, 0.5, 2.25),
    "retry-after-zero": (transient(retry_after=0.0), 1, 3, AMPLE, 0.9, 0.0),
    "retry-after-past-the-deadline": (transient(retry_after=61.0), 1, 3, 60.0, 0.0, None),
    "retry-after-does-not-allow-it": (AuthError("no", retry_after=1.0), 1, 3, AMPLE, 0.0, None),
    "within-the-deadline": (transient(), 2, 3, 2.1, 0.0, 2.0),
    "at-the-deadline": (transient(), 2, 3, 2.0, 0.0, None),
    "past-the-deadline": (transient(), 2, 3, 1.0, 0.0, None),
    "jitter-past-the-deadline": (transient(), 2, 3, 2.1, 0.9, None),
    "no-time-left": (transient(retry_after=0.0), 1, 3, 0.0, 0.0, None),
    "deadline-already-over": (transient(), 1, 3, -5.0, 0.0, None),
    "no-deadline": (transient(), 1, 3, math.inf, 0.0, 1.0),
    "connection": (ConnectionFailed("refused"), 1, 3, AMPLE, 0.0, 1.0),
    "tls": (TlsError("no"), 1, 3, AMPLE, 0.0, None),
    "credit": (CreditError("no"), 1, 3, AMPLE, 0.0, None),
    "rejected": (RejectedError("no"), 1, 3, AMPLE, 0.0, None),
    "incomplete": (IncompleteError("no"), 1, 3, AMPLE, 0.0, None),
    "internal": (InternalError("no"), 1, 3, AMPLE, 0.0, None),
}


@pytest.mark.parametrize(
    ("error", "attempt", "retries", "remaining", "jitter", "expected"),
    DECISIONS.values(),
    ids=DECISIONS,
)
def test_decision(
    *,
    error: ClinecliError,
    attempt: int,
    retries: int,
    remaining: float,
    jitter: float,
    expected: float | None,
) -> None:
    delay = next_delay(error, attempt=attempt, retries=retries, remaining=remaining, jitter=jitter)
    assert delay == expected


ERRORS = st.builds(
    lambda after, retry: transient(retry_after=after, retry=retry),
    st.none() | st.floats(0, 1e9),
    st.sampled_from(Retry),
)
JITTER = st.floats(0, 1, exclude_max=True)


@given(ERRORS, st.integers(1, 10_000), st.integers(0, 10_000), st.floats(-10, 1e9), JITTER)
def test_property_bounds(
    error: ClinecliError, attempt: int, retries: int, remaining: float, jitter: float
) -> None:
    def delay(jitter: float, remaining: float) -> float | None:
        return next_delay(
            error, attempt=attempt, retries=retries, remaining=remaining, jitter=jitter
        )

    chosen = delay(jitter, remaining)
    allowed = attempt <= min(retries, retries if error.retry.limit is None else error.retry.limit)
    base = delay(0.0, math.inf)
    assert (base is not None) == allowed
    if base is None:
        assert chosen is None
        return
    assert base <= BACKOFF_CAP if error.retry_after is None else base == error.retry_after
    if chosen is None:
        assert base + JITTER_CAP >= remaining
    else:
        assert 0 <= chosen < remaining
        assert base <= chosen <= base + min(JITTER_CAP, base / 4)


@given(st.integers(1, 5000), JITTER)
def test_property_backoff_never_shrinks(attempt: int, jitter: float) -> None:
    first, second = (
        next_delay(transient(), attempt=n, retries=9999, remaining=math.inf, jitter=jitter)
        for n in (attempt, attempt + 1)
    )
    assert first is not None
    assert second is not None
    assert first <= second


NOW = 784_111_700.0  # 77 seconds before the dates of RFC 9110, section 5.6.7
HEADERS: dict[str, tuple[str, float | None]] = {
    "seconds": ("7", 7.0),
    "zero": ("0", 0.0),
    "leading-zeros": ("007", 7.0),
    "spaces": (" \t7 ", 7.0),
    "fraction": ("1.5", 1.5),
    "nine-digits": ("999999999", 999999999.0),
    "imf-date": ("Sun, 06 Nov 1994 08:49:37 GMT", 77.0),
    "rfc850-date": ("Sunday, 06-Nov-94 08:49:37 GMT", 77.0),
    "asctime-date": ("Sun Nov  6 08:49:37 1994", 77.0),
    "date-with-spaces": ("  Sun, 06 Nov 1994 08:49:37 GMT ", 77.0),
    "date-with-offset": ("Sun, 06 Nov 1994 09:49:37 +0100", 77.0),
    "date-with-unknown-zone-is-utc": ("Sun, 06 Nov 1994 08:49:37 -0000", 77.0),
    "date-in-the-past": ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
    "date-of-no-such-day": ("Sun, 31 Feb 1994 08:49:37 GMT", None),
    "date-of-no-such-hour": ("Sun, 06 Nov 1994 25:49:37 GMT", None),
    "empty": ("", None),
    "blank": ("  ", None),
    "word": ("soon", None),
    "negative": ("-1", None),
    "plus": ("+1", None),
    "exponent": ("1e3", None),
    "hexadecimal": ("0x10", None),
    "infinity": ("inf", None),
    "nan": ("nan", None),
    "unit": ("7s", None),
    "two-values": ("7, 8", None),
    "dangling-point": ("7.", None),
    "no-integer-part": (".7", None),
    "underscore": ("1_000", None),
    "newline-inside": ("7\n8", None),
    "ten-digits": ("1000000000", 1e9),
    # More than a float holds: nobody waits that long.
    "absurdly-long": ("9" * 5000, 1e300),
    "digits-of-another-script": ("\u0667", None),
    "iso-date": ("1994-11-06T08:49:37Z", None),
}


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local time that is not UTC, so that a date taken as local time shows."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(("header", "expected"), HEADERS.values(), ids=HEADERS)
def test_retry_after(header: str, expected: float | None) -> None:
    assert parse_retry_after(header, NOW) == expected


@given(st.integers(0, 999_999_999), st.floats(0, 4e9))
def test_property_seconds_do_not_depend_on_now(seconds: int, now: float) -> None:
    assert parse_retry_after(str(seconds), now) == seconds


@given(st.integers(0, 4_000_000_000), st.integers(0, 4_000_000_000))
def test_property_dates(then: int, now: int) -> None:
    assert parse_retry_after(formatdate(then, usegmt=True), now) == max(0, then - now)


DATE_PARTS = ["Sun,", "06", "Nov", "1994", "08:49:37", "GMT", "-", "+0900", "::", ".", "99999", "("]
GARBAGE = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.:-+, GMTSunNov", max_size=40),
    st.lists(st.sampled_from(DATE_PARTS), max_size=8).map(" ".join),
)


@given(GARBAGE)
def test_property_garbage_is_none_or_a_wait(header: str) -> None:
    wait = parse_retry_after(header, NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize("digits", [10, 300, 301, 5000])
def test_a_retry_after_of_many_digits_means_giving_up(digits: int) -> None:
    error = transient(retry_after=parse_retry_after("9" * digits, NOW))
    delay = next_delay(error, attempt=1, retries=3, remaining=600.0, jitter=0.5)
    assert delay is None


@pytest.mark.parametrize(
    ("retry", "retries", "expected"),
    [
        (Retry.NEVER, 3, 0),
        (Retry.ONCE, 3, 1),
        (Retry.TWICE, 1, 1),
        (Retry.AS_ASKED, 5, 5),
        (Retry.AS_ASKED, 0, 0),
    ],
    ids=str,
)
def test_attempts_more(retry: Retry, retries: int, expected: int) -> None:
    assert attempts_more(transient(retry=retry), retries) == expected


# The policy: what is noted and slept


def test_a_policy_notes_waits_and_counts() -> None:
    noted: list[str] = []
    slept: list[float] = []
    policy = RetryPolicy(3, Deadline(AMPLE), noted.append, slept.append, lambda: 0.0)
    assert policy.again(transient(http_status=503), 1) == 2
    assert policy.again(transient(retry=Retry.TWICE), 2) == 3
    assert slept == [1.0, 2.0]
    assert noted == [
        "overloaded (HTTP 503); trying again in 1.0 s (1 of 3)",
        "overloaded; trying again in 2.0 s (2 of 2)",
    ]


def test_a_policy_gives_up_with_the_error_itself() -> None:
    noted: list[str] = []
    policy = RetryPolicy(1, Deadline(AMPLE), noted.append, lambda _: None, lambda: 0.0)
    error = transient()
    with pytest.raises(TransientError) as caught:
        policy.again(error, 2)
    assert caught.value is error
    assert noted == []
