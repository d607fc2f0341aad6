"""When to try again: a pure decision, and the wait that follows from it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import NamedTuple

from clinecli.errors import ClinecliError
from clinecli.transport.deadline import Deadline

BACKOFF_CAP = 60.0
JITTER_CAP = 1.0


def next_delay(
    error: ClinecliError, *, attempt: int, retries: int, remaining: float, jitter: float
) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `attempt` counts the attempts that failed so far, from 1. Without Retry-After the wait is
    min(60, 2 ** (attempt - 1)); with it, Retry-After. Jitter adds up to a quarter of that, at
    most one second, and never shortens it; `jitter` is a random number in [0, 1).
    None when the error forbids it, when `retries` (or the error's own, lower limit) is used
    up, or when the wait would outlast `remaining`, the seconds left of the whole call.
    """
    if attempt > attempts_more(error, retries):
        return None
    delay = error.retry_after
    if delay is None:
        # The exponent is capped as well: 2.0 ** 1024 is an OverflowError.
        delay = min(BACKOFF_CAP, 2.0 ** min(attempt - 1, 6))
    delay += jitter * min(JITTER_CAP, delay / 4)
    return delay if delay < remaining else None


def attempts_more(error: ClinecliError, retries: int) -> int:
    """How many attempts may follow the first: the error's own limit, `retries` at most."""
    limit = error.retry.limit
    return retries if limit is None else min(retries, limit)


class RetryPolicy(NamedTuple):
    """What a user allows: `retries` more attempts within a deadline. `note` is told of each.

    The sleep and the jitter are injected; `sleep` takes seconds.
    """

    retries: int
    deadline: Deadline
    note: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def again(self, error: ClinecliError, attempt: int) -> int:
        """Wait for the next attempt and return its number. Raises `error` when there is none."""
        delay = next_delay(
            error,
            attempt=attempt,
            retries=self.retries,
            remaining=self.deadline.remaining(),
            jitter=self.jitter(),
        )
        if delay is None:
            raise error
        count = f"{attempt} of {attempts_more(error, self.retries)}"
        self.note(f"{error.text}; trying again in {delay:.1f} s ({count})")
        self.sleep(delay)
        return attempt + 1


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from `now` (Unix time) that a Retry-After header asks for, never negative.

    RFC 9110, section 10.2.3: a number of seconds or an HTTP date. None when it is neither.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        # A number that no float can hold asks for more than anybody waits.
        return float(value[:300])
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        # The obsolete asctime form has no zone; RFC 9110, section 5.6.7: it is UTC.
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
