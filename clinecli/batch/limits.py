"""How fast requests may be sent: adaptive concurrency, holds, requests and tokens a minute.

`Throttle` is the rule, pure: time comes in as an argument, nothing waits. Four conditions stand
between a row and its request, and all must hold:

1. Workers. At most `floor(window)` requests are in flight. The window starts at `jobs` and moves
   by additive increase, multiplicative decrease, as TCP's does (RFC 5681):
   - a 429 halves it, `window = max(1, window / 2)`. Of the requests that were in flight at a cut,
     none cuts again: they were sent at the old rate, and say nothing about the new one;
   - an accepted request that was sent since the last cut grows it,
     `window = min(jobs, window + 1 / window)`: one worker more for each window of answers.
2. Hold. Nothing is sent until the latest moment that a server asked for (Retry-After, or a wait
   told in prose). A cut that is told no wait holds everything for half a second, so that what
   counts the requests of a second has room again. One worker cannot be halved: the k-th 429 in a
   row at a window of one that names no wait holds for `min(60, 2 ** (k - 1))` seconds.
3. Requests a minute. They are spaced evenly, `60 / (rpm - burst + 1)` seconds, where up to `burst`
   (a tenth of a second's worth, at least one) may follow at once: in any 60 seconds at most `rpm`.
4. Tokens a minute. What the requests of the last 60 seconds use is at most `tpm`: by estimate when
   they are sent, by what they used once that is known. A request that is larger than that goes
   when the window is empty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MINUTE = 60.0
LONGEST_PAUSE = 60.0
_SHORT_PAUSE = 0.5
_SLOTS_A_SECOND = 10


class Permit(NamedTuple):
    """The right to send one request. To be given back by `settle`, whatever becomes of it."""

    epoch: int
    slot: int
    tokens: int


class Outcome(NamedTuple):
    """What came of a request, as far as the pace of the next ones is concerned.

    `accepted` says that the server took it on, `limited` that it asked to slow down; neither is
    so for a connection that failed. `wait` is for how many seconds the server wants to hear
    nothing, `tokens` what the request used, None when that is not known.
    """

    accepted: bool = True
    limited: bool = False
    wait: float | None = None
    tokens: int | None = None


class Snapshot(NamedTuple):
    """For a progress line: how many may work, how many do, and the seconds of a hold."""

    workers: int
    in_flight: int
    hold: float


class Pace:
    """At most `per_minute` requests in any 60 seconds, evenly spaced (GCRA, ITU-T I.371)."""

    def __init__(self, per_minute: float) -> None:
        burst = max(1.0, per_minute / (MINUTE * _SLOTS_A_SECOND))
        self._spacing = MINUTE / (per_minute - burst + 1)
        self._tolerance = (burst - 1) * self._spacing
        self._due = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next request may go."""
        return self._due - self._tolerance - now

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._due = max(self._due, now) + self._spacing


class TokenWindow:
    """At most `per_minute` tokens in the last 60 seconds, in slots of a tenth of a second.

    A slot leaves the window when all of it is older than 60 seconds.
    """

    _SLOTS = int(MINUTE * _SLOTS_A_SECOND) + 1

    def __init__(self, per_minute: float) -> None:
        self._limit = per_minute
        self._used = [0] * self._SLOTS
        self._total = 0
        self._slot = 0

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until `tokens` fit in, if nothing is given back before."""
        self._advance(now)
        # One that is larger than the limit needs an empty window; more cannot be asked for.
        excess = self._total + tokens - max(self._limit, tokens)
        if excess <= 0:
            return 0.0
        for slot in range(self._slot - self._SLOTS + 1, self._slot + 1):
            excess -= self._used[slot % self._SLOTS]
            if excess <= 0:
                return (slot + self._SLOTS) / _SLOTS_A_SECOND - now
        return math.inf  # pragma: no cover (the slots add up to the total)

    def take(self, now: float, tokens: int) -> int:
        """Count the tokens of a request that goes now; gives the slot they are in."""
        self._advance(now)
        self._used[self._slot % self._SLOTS] += tokens
        self._total += tokens
        return self._slot

    def correct(self, now: float, slot: int, difference: int) -> None:
        """Correct a slot by `difference`, unless it has left the window."""
        self._advance(now)
        if slot > self._slot - self._SLOTS:
            self._used[slot % self._SLOTS] += difference
            self._total += difference

    def _advance(self, now: float) -> None:
        slot = int(now * _SLOTS_A_SECOND)
        if slot <= self._slot:
            return
        for passed in range(max(self._slot + 1, slot - self._SLOTS + 1), slot + 1):
            self._total -= self._used[passed % self._SLOTS]
            self._used[passed % self._SLOTS] = 0
        self._slot = slot


class Throttle:
    """The rule of the module's text. Times are seconds of one clock that never goes back."""

    def __init__(self, jobs: int, rpm: float | None = None, tpm: float | None = None) -> None:
        self._jobs = jobs
        self._window = float(jobs)
        self._in_flight = 0
        self._epoch = 0
        self._held_until = -math.inf
        self._refusals = 0
        self._pace = Pace(rpm) if rpm else None
        self._tokens = TokenWindow(tpm) if tpm else None

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until a request of `tokens` may go: not above zero is now, infinity is not
        before another is settled."""
        if self._in_flight >= int(self._window):
            return math.inf
        seconds = self._held_until - now
        if self._pace:
            seconds = max(seconds, self._pace.wait(now))
        if self._tokens:
            seconds = max(seconds, self._tokens.wait(now, tokens))
        return seconds

    def take(self, now: float, tokens: int) -> Permit:
        """Count a request that goes now."""
        self._in_flight += 1
        if self._pace:
            self._pace.take(now)
        slot = self._tokens.take(now, tokens) if self._tokens else 0
        return Permit(self._epoch, slot, tokens)

    def settle(self, now: float, permit: Permit, outcome: Outcome) -> None:
        """Learn from what came of a request."""
        self._in_flight -= 1
        if self._tokens and outcome.tokens is not None:
            self._tokens.correct(now, permit.slot, outcome.tokens - permit.tokens)
        wait = outcome.wait
        if permit.epoch == self._epoch:
            if outcome.limited:
                wait = self._slow_down(wait)
            elif outcome.accepted:
                self._refusals = 0
                self._window = min(self._jobs, self._window + 1 / self._window)
        if wait is not None:
            self._held_until = max(self._held_until, now + wait)

    def _slow_down(self, wait: float | None) -> float:
        """Halve the window; gives how long to hold, which grows where nothing can be halved."""
        self._epoch += 1
        if wait is None:
            wait = _SHORT_PAUSE
            if self._window <= 1:
                wait = min(LONGEST_PAUSE, 2.0 ** min(self._refusals, 6))
                self._refusals += 1
        self._window = max(1.0, self._window / 2)
        return wait

    @property
    def is_shut(self) -> bool:
        """Whether the server takes nothing, and does not say until when: one worker alone was told
        to slow down, and since then nothing was accepted."""
        return self._refusals > 0

    def snapshot(self, now: float) -> Snapshot:
        """The state, for people."""
        return Snapshot(int(self._window), self._in_flight, max(0.0, self._held_until - now))
