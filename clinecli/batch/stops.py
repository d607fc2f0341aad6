"""What ends a batch before its last row: a pure decision."""

from __future__ import annotations

from typing import NamedTuple

from clinecli.errors import (
    AuthError,
    ClinecliError,
    ConfigError,
    ConnectionFailed,
    CreditError,
    TlsError,
    TransientError,
)

# A share of the rows so far says something from here on.
_ENOUGH_ROWS = 100


class Stop(NamedTuple):
    """Why nothing is sent any more: an error that every row would meet, a signal's number, or
    too many failed rows."""

    error: ClinecliError | None = None
    signal: int | None = None


class Seen(NamedTuple):
    """What has been seen so far: whether any row was answered, whether rows ask more than one
    model, for how many seconds the server has accepted nothing, and whether it is asked too much
    by a single worker (`Throttle.is_shut`)."""

    answers: bool
    models: bool
    silent: float = 0.0
    shut: bool = False


def stops_all(error: ClinecliError, seen: Seen, timeout: float) -> bool:
    """Whether every other row would meet this error.

    | error | ends the batch |
    |---|---|
    | key (401), credit, quota, TLS, settings | always |
    | no access (403) | unless some row was answered, or rows ask several models |
    | unknown host, a proxy's refusal | always |
    | a wait (Retry-After or prose) | that is not shorter than what a row may take (--timeout) |
    | no connection | when the server has accepted nothing for as long |
    | a rate limit | the same, where a single worker is too much |
    """
    if isinstance(error, AuthError):
        return error.http_status != 403 or not (seen.answers or seen.models)
    if isinstance(error, CreditError | TlsError | ConfigError):
        return True
    if isinstance(error, ConnectionFailed):
        return not error.retryable or seen.silent >= timeout
    wait = max(error.retry_after or 0.0, seen.silent if seen.shut else 0.0)
    return isinstance(error, TransientError) and wait >= timeout


class Tolerance(NamedTuple):
    """How many rows may fail (--max-failures): a number, or a share of the rows, 0 to 1. `rows`
    is how many there are, where that is known."""

    number: int | None = None
    share: float | None = None
    rows: int | None = None

    def is_exceeded(self, failures: int, done: int) -> bool:
        """Whether too many of the rows that are done have failed."""
        if self.number is not None:
            return failures > self.number
        if self.share is None:
            return False
        if self.rows is not None:
            return failures > self.share * self.rows
        return done >= _ENOUGH_ROWS and failures > self.share * done
