"""The clock of a server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from clinecli.doctor.api import Greeting, clock
from clinecli.doctor.check import Finding, Findings
from tests.helpers.doctor import a_setup


def clock_of(date: str | None, seen: float) -> Finding:
    greeting = Greeting(401, 0.1, date, seen, "api", (), None)
    return clock(a_setup(), Findings([greeting]))


# The clock


CLOCKS = {
    "right": (0, "ok", "within 1 s"),
    "a minute off": (60, "ok", "within 60 s"),
    "three minutes ahead": (180, "warn", "3 minutes ahead of"),
    "a day behind": (-200_000, "warn", "2 days behind"),
}


@pytest.mark.parametrize(("skew", "status", "said"), CLOCKS.values(), ids=CLOCKS)
def test_clock(skew: float, status: str, said: str) -> None:
    header = "Sun, 22 Nov 2026 10:00:00 GMT"
    seen = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp() + skew
    outcome = clock_of(header, seen)
    assert outcome.status == status
    assert said in outcome.summary


@pytest.mark.parametrize("header", [None, "", "yesterday", "Sun, 99 Nov 2026 10:00:00 GMT"])
def test_no_clock(header: str | None) -> None:
    assert clock_of(header, 0.0).status == "skip"
