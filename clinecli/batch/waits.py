"""How long a server wants to be left alone, where it says so in a header or in prose."""

from __future__ import annotations

import re

from clinecli.batch.limits import Outcome
from clinecli.errors import ClinecliError, ExitStatus

_SECONDS = {
    "ms": 0.001, "msec": 0.001, "msecs": 0.001, "millisecond": 0.001, "milliseconds": 0.001,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
# "Try again in 19h 39m", "Please retry after 30 seconds", "Your quota resets in 2 hours and 5 min".
_LEAD = re.compile(
    r"\b(?:try again|retry|wait|resets?|available again|available)"
    r"(?:\s(?:in|after|for|at least|about|approximately|another))*+\s*+(?=[0-9])",
    re.I,
)
_PART = re.compile(r"(?:\s|,|and\b)*+([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?([a-z]+)", re.I)
# A message may be huge; where a wait is told, it is told early.
_LONGEST_MESSAGE = 4000

# What an error after HTTP 200 says.
_RATE_CODES = {"rate_limit", "rate_limit_exceeded", "429"}
_REFUSED = {ExitStatus.CONNECTION, ExitStatus.TLS, ExitStatus.TRANSIENT}
_MAY_PASS = {ExitStatus.CREDIT, ExitStatus.TRANSIENT}


def wait_in_prose(message: str) -> float | None:
    """Seconds to wait that a message tells in words; None when it tells none."""
    lead = _LEAD.search(message, 0, _LONGEST_MESSAGE)
    if not lead:
        return None
    total, end = None, lead.end()
    while part := _PART.match(message, end, _LONGEST_MESSAGE):
        unit = _SECONDS.get(part[2].lower())
        if unit is None:
            break
        total, end = (total or 0.0) + float(part[1]) * unit, part.end()
    return total


def wait_of(error: ClinecliError) -> float | None:
    """Seconds to wait before anything else is sent: Retry-After, else what the message tells."""
    if error.retry_after is not None or error.status not in _MAY_PASS:
        return error.retry_after
    return wait_in_prose(error.message)


def outcome_of(error: ClinecliError | None, tokens: int | None) -> Outcome:
    """What a reply, or the error instead of one, means for the pace of the next requests."""
    if error is None:
        return Outcome(tokens=tokens)
    return Outcome(
        accepted=error.status not in _REFUSED,
        limited=error.status is ExitStatus.TRANSIENT
        and (error.http_status == 429 or error.server_code in _RATE_CODES),
        wait=wait_of(error),
        tokens=tokens,
    )
