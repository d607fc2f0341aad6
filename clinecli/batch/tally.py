"""What has become of the rows so far: counts, for progress, summary and exit status."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from clinecli.errors import (
    AuthError,
    ClinecliError,
    ConfigError,
    ConnectionFailed,
    CreditError,
    EmptyMessageError,
    ExitStatus,
    IncompleteError,
    InternalError,
    RejectedError,
    TlsError,
    TransientError,
    UsageError,
)
from clinecli.models.price import Usage

_KINDS: dict[int, type[ClinecliError]] = {
    kind.status: kind
    for kind in (
        InternalError,
        UsageError,
        ConfigError,
        AuthError,
        CreditError,
        EmptyMessageError,
        ConnectionFailed,
        TlsError,
        RejectedError,
        TransientError,
        IncompleteError,
    )
}


class Tally:
    """Counts of one run. `earlier` are answered rows of earlier runs, `failed` has kept ones too.

    `requests` were sent, `retried` of them because one before had failed; `copied` rows have the
    reply of another (--dedupe). `cost` is in pico-dollars.
    """

    def __init__(self, earlier: int = 0, failed: Counter[int] | None = None) -> None:
        self.earlier = earlier
        self.answered = 0
        self.failed: Counter[int] = Counter(failed)
        self.requests = 0
        self.retried = 0
        self.copied = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost = 0

    @property
    def failures(self) -> int:
        """How many rows have failed."""
        return sum(self.failed.values())

    @property
    def done(self) -> int:
        """How many rows have a result."""
        return self.earlier + self.answered + self.failures

    def spend(self, usage: Usage | None, cost: int) -> None:
        """Count what one request used."""
        if usage:
            self.prompt_tokens += usage.prompt
            self.completion_tokens += usage.output
        self.cost += cost

    def finish(self, error: ClinecliError | None) -> None:
        """Count a row that has its result."""
        if error:
            self.failed[error.status] += 1
        else:
            self.answered += 1


class Kind(NamedTuple):
    """A kind of failed rows: its exit status, its name, and how many there are."""

    status: ExitStatus
    name: str
    rows: int


def kinds(failed: Counter[int]) -> list[Kind]:
    """The kinds of failed rows, the most frequent first, on a tie the lower status."""
    order = sorted(_KINDS, key=lambda status: (-failed[status], status))
    return [
        Kind(_KINDS[status].status, _KINDS[status].status.label, failed[status])
        for status in order
        if failed[status]
    ]


def batch_error(failed: Counter[int], message: str, hint: str) -> ClinecliError:
    """The error of a batch some of whose rows have failed: of the most frequent kind."""
    return _KINDS[kinds(failed)[0].status](message, hint=hint)
